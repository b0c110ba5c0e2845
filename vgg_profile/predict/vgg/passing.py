"""What the kernels of a step take in passing, as the tape writes it down: blocks in order, with their bytes.

A kernel's needs are a function of the batch, and not always an affine one. So a book with kernels in it is
written for one batch: there its bytes are exact, and they are affine as they are between that batch and its
neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from vgg_profile.core.events import Provenance, least_certain
from vgg_profile.core.setting import AMP_ITEMSIZE, Setting
from vgg_profile.core.sizes import FLOAT32, FLOAT64, HALF, Bytes, Shape
from vgg_profile.predict.kernels import convolution
from vgg_profile.predict.kernels.aten_cpu import batch_norm_sums
from vgg_profile.predict.kernels.events import Order
from vgg_profile.predict.kernels.onednn_products import scratch
from vgg_profile.predict.kernels.shapes import Convolution, Product

OUTPUT = convolution.OUTPUT
GRADIENTS = (convolution.INPUT_GRADIENT, convolution.WEIGHT_GRADIENT, convolution.BIAS_GRADIENT)
"""The results of a backward by the place of the input that they are of: a map, a weight, a bias."""

Sizes = Mapping[str, int]


class Blocks(NamedTuple):
    """An operation's results and what it takes beside them, in the order in which they come and go.

    ``sizes`` has the bytes of what it takes, and ``known`` how those are known that are not by rule;
    ``unknown`` names who may take memory beside all that, of which nothing is known.
    """

    order: Order = ()
    sizes: Mapping[str, Bytes] = {}
    known: Mapping[str, Provenance] = {}
    unknown: str = ""


def working(size: Bytes) -> Blocks:
    """What a kernel takes beside its output, all at once."""
    return Blocks((f"+{OUTPUT}", "+workspace", "-workspace"), {"workspace": size})


class Kernels(NamedTuple):
    """Whose kernels run on the CPU, and for how many images.

    ``processor`` is a family of ``core.setting.PROCESSORS``, or ``None`` for one that no rule knows. ``half``
    is the dtype of values of two bytes.
    """

    batch: int
    processor: str | None
    threads: int
    onednn: bool
    half: str

    @classmethod
    def of(cls, setting: Setting) -> Kernels | None:
        """Those of a setting; ``None`` on CUDA."""
        if setting.device != "cpu":
            return None
        setup = setting.setup
        half = setup.amp if AMP_ITEMSIZE[setup.amp] else setting.dtype
        return cls(setting.batch, setup.processor, setup.threads or 1, setup.onednn, half)

    def knows(self, dtype: str) -> bool:
        """Whether a rule says what a convolution of that dtype takes."""
        return self.processor is not None or not self.onednn or dtype == "float64"

    @lru_cache(maxsize=4096)  # noqa: B019 - of values, which nobody else holds
    def convolution(
        self,
        x: Shape,
        out_channels: int,
        kernel: int,
        itemsize: int,
        *,
        wants_input_gradient: bool,
        wants_weight_gradient: bool,
    ) -> tuple[Blocks, Blocks]:
        """A convolution's forward and backward; ``x`` is the shape of one image's map.

        Whether a processor that no rule knows gets oneDNN's depends on the batch: nothing is said then.
        """
        if not self.knows(self._dtype(itemsize)):
            return Blocks(unknown="the convolution"), Blocks(unknown="the convolution")
        in_channels, height, width = x
        shape = Convolution(
            self.batch,
            in_channels,
            out_channels,
            height,
            width,
            kernel,
            wants_input_gradient=wants_input_gradient,
            wants_weight_gradient=wants_weight_gradient,
            dtype=self._dtype(itemsize),
        )

        def sizes(batch: int) -> convolution.Sizes:
            return convolution.sizes(
                shape._replace(batch=batch), self.processor, self.threads, with_onednn=self.onednn
            )

        here = sizes(self.batch)
        return (
            self._blocks(
                convolution.FORWARD, lambda batch: sizes(batch).forward, here.forward_provenance, (OUTPUT,)
            ),
            self._blocks(
                convolution.BACKWARD, lambda batch: sizes(batch).backward, here.backward_provenance, GRADIENTS
            ),
        )

    @lru_cache(maxsize=4096)  # noqa: B019
    def product(
        self,
        inner: int,
        columns: int,
        itemsize: int,
        *,
        wants_input_gradient: bool,
        wants_weight_gradient: bool,
    ) -> tuple[Blocks, Blocks]:
        """A linear layer's product forward, and those of its backward: one for each gradient."""
        dtype = self._dtype(itemsize)

        def taken(*products: Callable[[int], Product]) -> tuple[Callable[[int], Sizes], Provenance]:
            def known(batch: int) -> list[tuple[int, Provenance]]:
                return [
                    scratch(product(batch), self.processor, self.threads, with_onednn=self.onednn)
                    for product in products
                ]

            provenance = least_certain(each for _, each in known(self.batch))
            return lambda batch: {_SCRATCH: max((size for size, _ in known(batch)), default=0)}, provenance

        forward = taken(lambda batch: Product(batch, inner, columns, dtype))
        to_input: Callable[[int], Product] = lambda batch: Product(batch, columns, inner, dtype)  # noqa: E731
        to_weight: Callable[[int], Product] = lambda batch: Product(columns, batch, inner, dtype)  # noqa: E731
        backward = taken(*[to_input] * wants_input_gradient, *[to_weight] * wants_weight_gradient)
        in_passing = (f"+{_SCRATCH}", f"-{_SCRATCH}")
        return (
            self._blocks((f"+{OUTPUT}", *in_passing), *forward, (), "the matrix product"),
            self._blocks(
                (*(f"+{each}" for each in GRADIENTS), *in_passing), *backward, (), "the matrix product"
            ),
        )

    def batch_norm_sums(self, channels: int, itemsize: int) -> tuple[int, int]:
        """What threads sum in of a batch norm on maps of one value, forward and backward, in bytes."""
        return batch_norm_sums(self.batch, channels, self.threads, self._dtype(itemsize))

    def _dtype(self, itemsize: int) -> str:
        return {FLOAT64: "float64", FLOAT32: "float32", HALF: self.half}[itemsize]

    def _blocks(
        self,
        order: Order,
        sizes: Callable[[int], Sizes],
        provenance: Provenance,
        results: tuple[str, ...],
        who: str = "the convolution",
    ) -> Blocks:
        taken = {what: size for what, size in _affine(sizes, self.batch).items() if what not in results}
        is_bound = provenance is Provenance.BOUND
        return Blocks(
            order,
            taken,
            {what: Provenance.BOUND for what in taken if is_bound and what.startswith(_SCRATCH)},
            who if provenance is Provenance.UNKNOWN else "",
        )


_SCRATCH = "scratchpad"


def _affine(sizes: Callable[[int], Sizes], batch: int) -> dict[str, Bytes]:
    """Sizes that are exact at a batch, and between it and a neighbour that takes the same blocks.

    >>> _affine(lambda batch: {"columns": 10 + 4 * batch}, batch=3)
    {'columns': Bytes(fixed=10, per_image=4)}
    """
    here, before, after = (
        {what: size for what, size in sizes(max(1, near)).items() if size}
        for near in (batch, batch - 1, batch + 1)
    )
    if batch == 1:
        return {what: Bytes(0, size) for what, size in here.items()}
    if before.keys() == here.keys():
        slopes = {what: size - before[what] for what, size in here.items()}
    else:
        slopes = {what: after.get(what, size) - size for what, size in here.items()}
    return {what: Bytes(size - slopes[what] * batch, slopes[what]) for what, size in here.items()}
