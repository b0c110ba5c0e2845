"""An operation's shapes, as its kernel sees them."""

from __future__ import annotations

from math import prod
from typing import NamedTuple


class Convolution(NamedTuple):
    """A 2-D convolution of ``batch`` images, contiguous NCHW, with a square kernel.

    A ``padding`` of -1 is half the kernel, so that at stride 1 the output is as large as the input.

    >>> Convolution(2, 3, 64, 224, 224).output_values
    6422528
    """

    batch: int
    in_channels: int
    out_channels: int
    height: int
    width: int
    kernel: int = 3
    has_bias: bool = True
    wants_input_gradient: bool = True
    dtype: str = "float32"
    stride: int = 1
    padding: int = -1
    dilation: int = 1
    groups: int = 1
    wants_weight_gradient: bool = True
    """The bias's goes with it."""

    @property
    def pad(self) -> int:
        """Pixels added at each side."""
        return self.kernel // 2 * self.dilation if self.padding < 0 else self.padding

    @property
    def output_plane(self) -> tuple[int, int]:
        """Height and width of the output."""
        reach = self.dilation * (self.kernel - 1) + 1
        height, width = (
            (side + 2 * self.pad - reach) // self.stride + 1 for side in (self.height, self.width)
        )
        return height, width

    @property
    def input_values(self) -> int:
        return self.batch * self.in_channels * self.height * self.width

    @property
    def output_values(self) -> int:
        return self.batch * self.out_channels * prod(self.output_plane)

    @property
    def weight_values(self) -> int:
        return self.out_channels * (self.in_channels // self.groups) * self.kernel**2

    @property
    def keeps_its_size(self) -> bool:
        """Stride 1, no dilation, one group, an odd kernel, and an output as large as the input."""
        is_plain = (self.stride, self.dilation, self.groups) == (1, 1, 1)
        return is_plain and self.kernel % 2 == 1 and self.pad == self.kernel // 2


class Transposed(NamedTuple):
    """A 2-D transposed convolution of ``batch`` images, contiguous NCHW, with a square kernel.

    >>> Transposed(2, 64, 32, 14, 14, 2, stride=2).output_plane
    (28, 28)
    """

    batch: int
    in_channels: int
    out_channels: int
    height: int
    width: int
    kernel: int
    has_bias: bool = True
    wants_input_gradient: bool = True
    dtype: str = "float32"
    stride: int = 1
    padding: int = 0
    output_padding: int = 0
    dilation: int = 1
    groups: int = 1
    wants_weight_gradient: bool = True
    """The bias's goes with it."""

    @property
    def output_plane(self) -> tuple[int, int]:
        """Height and width of the output."""
        margin = self.dilation * (self.kernel - 1) + 1 + self.output_padding - 2 * self.padding
        height, width = ((side - 1) * self.stride + margin for side in (self.height, self.width))
        return height, width

    @property
    def input_values(self) -> int:
        return self.batch * self.in_channels * self.height * self.width

    @property
    def output_values(self) -> int:
        return self.batch * self.out_channels * prod(self.output_plane)

    @property
    def weight_values(self) -> int:
        return self.in_channels * (self.out_channels // self.groups) * self.kernel**2

    @property
    def turned(self) -> Convolution:
        """The convolution whose input's gradient it is: from its output to its input, without its bias.

        >>> Transposed(2, 64, 32, 14, 14, 2, stride=2).turned.output_plane
        (14, 14)
        """
        height, width = self.output_plane
        return Convolution(
            self.batch,
            self.out_channels,
            self.in_channels,
            height,
            width,
            self.kernel,
            has_bias=False,
            dtype=self.dtype,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


class Product(NamedTuple):
    """A matrix product: ``rows`` × ``inner`` by ``inner`` × ``columns``."""

    rows: int
    inner: int
    columns: int
    dtype: str = "float32"


def up(value: int, block: int) -> int:
    """Rounded up to whole blocks.

    >>> up(17, 16)
    32
    """
    return -(-value // block) * block


def blocks(value: int, block: int) -> int:
    """How many blocks hold a value: the quotient rounded up."""
    return -(-value // block)
