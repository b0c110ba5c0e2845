"""What an in-place ReLU saves, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.book import Book
from vgg_profile.core.counts import product
from vgg_profile.core.events import Category, Phase
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.layers import ReLU
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.walk import load
from vgg_profile.teach.forms import Grid, Section, Working
from vgg_profile.teach.topic import TESTS, profile_of, row_of, topic


@topic(
    "in-place-relu",
    "overwriting the input saves less than it seems",
    TESTS,
    "vgg-profile explain D relu1_1",
    "vgg-profile table D --saved",
    place=330,
    aliases=("relu",),
)
def in_place_relu() -> Iterator[Section]:
    """What writing over the input saves, and what it does not."""
    inside, outside = block_live(in_place=True), block_live(in_place=False)
    row = row_of(profile_of(), "conv1_1")
    size = row.memory_bytes(1, 4)
    yield Section(
        "Run block 1 twice, on paper",
        (
            "ReLU(inplace=True) writes its output over its input. One would think that it saves a map for "
            "every layer. Here is block 1 of D with one image, forward, in both ways:",
            Grid(
                "Live bytes of activations and indices",
                ("after", "in place", "out of place", "most within,\nin place", "most within,\nout of place"),
                tuple((name, *_interleaved(inside[name], outside[name])) for name in inside),
            ),
            "After every ReLU both have the same. The reason is what autograd keeps. A convolution's "
            "backward reads its input, not its output. ReLU's backward reads its own output, which the "
            "next convolution keeps as its input anyway. So out of place, the convolution's output has no "
            "reader left when ReLU is done, and is freed at once.",
        ),
    )
    yield Section(
        "What it does save",
        (
            "While an out-of-place ReLU runs, its input and its output are both there: one map more, for a "
            "moment. Whether that raises the peak depends on where the peak is.",
            Working("one map of block 1", product(row.values, 4), "bytes"),
            f"That is {size:,} bytes, {units.binary(size)}, in passing. Under a batch norm it is the same: "
            "the norm keeps its own input, and ReLU overwrites the norm's output, which only ReLU and the "
            "next layer read.",
            "Overwriting is allowed only where no earlier backward reads the old values. Put an in-place "
            "ReLU after a layer whose backward needs its own output, such as a sigmoid, and PyTorch stops "
            "the backward pass with an error.",
        ),
    )


def _interleaved(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, ...]:
    return one[0], other[0], one[1], other[1]


def block_live(*, in_place: bool) -> dict[str, tuple[int, int]]:
    """D's first block on a tape, forward, one image: by layer, the bytes live after it and the most within.

    The images are left out.
    """
    net, tape = config("D"), Tape(itemsize=4)
    parameters = load(tape, net, profile_of().input)
    tape.begin(Phase.INPUT)
    x = tape.hold(tape.tensor(Category.INPUT, "images", profile_of().input))
    for module in modules(net):
        tape.begin(Phase.FORWARD, module.name)
        layer = ReLU(in_place=in_place) if module.layer.kind == "relu" else module.layer
        output = layer.trace(tape, x, parameters[module.name])
        tape.drop(x)
        x = output
        if module.layer.kind == "maxpool":
            break
    _, before, *layers = Book(tuple(tape.events), tuple(tape.marks)).moments(batch=1)
    return {each.layer: (each.live - before.live, each.peak - before.live) for each in layers}
