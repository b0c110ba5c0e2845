"""What the kernels of a step take in passing, as the tape writes it down: blocks in order, with their bytes.

A kernel's needs are a function of the batch, and not always an affine one. So a book with kernels in it is
written for one batch: there its bytes are exact, and they are affine as they are between that batch and its
neighbour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from vgg_profile.core.events import Provenance, least_certain
from vgg_profile.core.setting import AMP_ITEMSIZE, Setting
from vgg_profile.core.sizes import FLOAT32, FLOAT64, HALF, Bytes, Shape
from vgg_profile.core.step import SEVERAL
from vgg_profile.predict.kernels import GRADIENTS, OUTPUT, Order, convolution
from vgg_profile.predict.kernels.aten_cpu import batch_norm_sums
from vgg_profile.predict.kernels.onednn_products import scratch
from vgg_profile.predict.kernels.shapes import Convolution, Product
from vgg_profile.predict.vgg.layers.norms import in_passing
from vgg_profile.predict.vgg.tensors import Blocks, Request

Sizes = Mapping[str, int]

Changes = tuple[int, ...]
"""What an allocator sees of an operation: bytes taken (> 0) and given back (< 0), in order."""


class Probe(Protocol):
    """Whoever can run one operation alone, where no rule says what it takes."""

    def convolution(
        self, shape: Convolution, threads: int, *, onednn: bool, is_backward: bool
    ) -> Changes | None: ...

    def product(
        self, product: Product, threads: int, *, onednn: bool, turned: tuple[bool, bool]
    ) -> int | None: ...


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
    probe: Probe | None = None

    @classmethod
    def of(cls, setting: Setting, probe: Probe | None = None) -> Kernels | None:
        """Those of a setting; ``None`` on CUDA. What no rule knows is asked of the ``probe``."""
        if setting.device != "cpu":
            return None
        setup = setting.setup
        half = setup.amp if AMP_ITEMSIZE[setup.amp] else setting.dtype
        return cls(setting.batch, setup.processor, setup.threads or 1, setup.onednn, half, probe)

    def knows(self, dtype: str) -> bool:
        """Whether a rule says what a convolution of that dtype takes."""
        is_known = self.processor is not None or self.probe is not None
        return is_known or not self.onednn or dtype == "float64"

    @lru_cache(maxsize=4096)  # noqa: B019 - of values, which nobody else holds
    def convolution(
        self,
        x: Shape,
        out_channels: int,
        kernel: int,
        itemsize: int,
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
        forward, backward = (
            self._blocks(
                convolution.FORWARD,
                lambda batch: sizes(batch).forward,
                here.forward_provenance,
                here.bounded,
                (OUTPUT,),
            ),
            self._blocks(
                convolution.BACKWARD,
                lambda batch: sizes(batch).backward,
                here.backward_provenance,
                here.bounded,
                GRADIENTS,
            ),
        )
        if forward.unknown:
            results = {OUTPUT: here.forward.get(OUTPUT, 0)}
            forward = self._probed(shape, results, is_backward=False) or forward
        if backward.unknown:
            results = {each: here.backward.get(each, 0) for each in GRADIENTS}
            backward = self._probed(shape, results, is_backward=True) or backward
        return forward, backward

    def _probed(self, shape: Convolution, results: Sizes, *, is_backward: bool) -> Blocks | None:
        """A convolution's blocks as they were seen when it ran alone, in the allocator's order."""
        if self.probe is None:
            return None

        def seen(batch: int) -> Changes:
            assert self.probe is not None
            of = shape._replace(batch=batch)
            return self.probe.convolution(of, self.threads, onednn=self.onednn, is_backward=is_backward) or ()

        changes = seen(self.batch)
        if not changes:
            return None
        given_back = Counter(-change for change in changes if change < 0)
        left = {what: size for what, size in results.items() if size}
        order: list[str] = []
        taken: dict[str, Bytes] = {}
        for change in changes:
            if change < 0:
                what = next(
                    each
                    for each in reversed(taken)
                    if taken[each].fixed == -change and f"-{each}" not in order
                )
                order.append(f"-{what}")
            elif given_back[change]:
                given_back[change] -= 1
                what = f"block {len(taken) + 1}"
                taken[what] = Bytes(change, 0)
                order.append(f"+{what}")
            else:
                what = next((each for each, size in left.items() if size == change), "")
                if not what:
                    return None  # another result than what is written down
                del left[what]
                order.append(f"+{what}")
        if left:
            return None
        near = seen(self.batch - 1) if self.batch > SEVERAL else ()
        if [size > 0 for size in near] == [size > 0 for size in changes]:
            grows = {what: at - near[changes.index(at)] for what, (at, _) in taken.items()}
            taken = {
                what: Bytes(at - grows[what] * self.batch, grows[what]) for what, (at, _) in taken.items()
            }
        return Blocks(order, taken, dict.fromkeys(taken, Provenance.PROBE))

    @lru_cache(maxsize=4096)  # noqa: B019
    def product(
        self,
        inner: int,
        columns: int,
        itemsize: int,
        wants_input_gradient: bool,
        wants_weight_gradient: bool,
    ) -> tuple[Blocks, Blocks]:
        """A linear layer's product forward, and those of its backward: one for each gradient."""
        dtype = self._dtype(itemsize)

        def taken(*products: _Turned) -> tuple[Callable[[int], Sizes], Provenance]:
            def known(batch: int) -> list[tuple[int, Provenance]]:
                return [self._scratch(product(batch), turned) for product, turned in products]

            provenance = least_certain(each for _, each in known(self.batch))
            return lambda batch: {_SCRATCH: max((size for size, _ in known(batch)), default=0)}, provenance

        forward = taken((lambda batch: Product(batch, inner, columns, dtype), (False, True)))
        to_input: _Turned = (lambda batch: Product(batch, columns, inner, dtype), (False, False))
        to_weight: _Turned = (lambda batch: Product(columns, batch, inner, dtype), (True, False))
        backward = taken(*[to_input] * wants_input_gradient, *[to_weight] * wants_weight_gradient)
        in_passing = (f"+{_SCRATCH}", f"-{_SCRATCH}")
        scratch = frozenset({_SCRATCH})
        ahead = self._blocks((f"+{OUTPUT}", *in_passing), *forward, scratch, who="the matrix product")
        if backward[1] is Provenance.PROBE:
            wanted = [to_input] * wants_input_gradient, [to_weight] * wants_weight_gradient
            return ahead, self._one_by_one(wanted)
        return ahead, self._blocks(
            (*(f"+{each}" for each in GRADIENTS), *in_passing), *backward, scratch, who="the matrix product"
        )

    def _one_by_one(self, wanted: Sequence[Sequence[_Turned]]) -> Blocks:
        """A backward's products as they come: the input's gradient, the weight's, each with its scratch."""
        order: list[str] = []
        turned: dict[str, _Turned] = {}
        for gradient, products in zip(GRADIENTS, wanted, strict=False):
            what = f"{_SCRATCH} of the {gradient}"
            order += [f"+{gradient}", f"+{what}", f"-{what}"]
            for each in products:
                turned[what] = each

        def sizes(batch: int) -> Sizes:
            return {what: self._scratch(product(batch), way)[0] for what, (product, way) in turned.items()}

        taken = _affine(sizes, self.batch)
        return Blocks((*order, f"+{GRADIENTS[2]}"), taken, dict.fromkeys(taken, Provenance.PROBE))

    def _scratch(self, product: Product, turned: tuple[bool, bool]) -> tuple[int, Provenance]:
        """What a product takes, by rule, at most, or by running it alone."""
        known = scratch(product, self.processor, self.threads, with_onednn=self.onednn)
        if known.provenance is Provenance.UNKNOWN and self.probe is not None:
            seen = self.probe.product(product, self.threads, onednn=self.onednn, turned=turned)
            return known if seen is None else (seen, Provenance.PROBE)
        return known

    def batch_norm(
        self, channels: int, weight_itemsize: int, training: bool, in_order: Bytes, itemsize: int
    ) -> tuple[Blocks, Blocks]:
        """A batch norm on maps of one value, where each thread sums on its own."""
        threads, backward = batch_norm_sums(self.batch, channels, self.threads, self._dtype(itemsize))
        if itemsize == HALF:
            backward += 3 * channels * FLOAT32
        elif not training:
            backward += channels * itemsize
        return in_passing(channels, weight_itemsize, training, in_order, threads, backward)

    def blocks(self, asked: Request) -> Blocks:
        """What a kernel takes that a tape ran."""
        forward_and_backward: tuple[Blocks, Blocks] = getattr(self, asked.name)(*asked.of)
        return forward_and_backward[asked.place]

    def _dtype(self, itemsize: int) -> str:
        return {FLOAT64: "float64", FLOAT32: "float32", HALF: self.half}[itemsize]

    def _blocks(
        self,
        order: Order,
        sizes: Callable[[int], Sizes],
        provenance: Provenance,
        unsure: frozenset[str],
        results: tuple[str, ...] = (),
        who: str = "the convolution",
    ) -> Blocks:
        """``unsure`` are the blocks that the provenance is of, where it is no rule; the rest is sure."""
        taken = {what: size for what, size in _affine(sizes, self.batch).items() if what not in results}
        there = {OUTPUT, *GRADIENTS, *taken}
        return Blocks(
            [step for step in order if step[1:] in there],
            taken,
            {what: provenance for what in taken if what in unsure and provenance is not Provenance.RULE},
            who if provenance is Provenance.UNKNOWN else "",
        )


_SCRATCH = "scratchpad"

_Turned = tuple[Callable[[int], Product], tuple[bool, bool]]
"""A product by its batch, and which of its operands lie transposed."""


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
