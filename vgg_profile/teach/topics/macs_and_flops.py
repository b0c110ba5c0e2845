"""What a MAC and a FLOP are, forward and backward, and who prints which."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import plain, product, total
from vgg_profile.teach.forms import Section, Working
from vgg_profile.teach.topic import RECORD, minus, profile_of, row_of, topic


@topic(
    "mac-vs-flop",
    "why one tool prints twice what another does",
    RECORD,
    "vgg-profile table D",
    "vgg-profile check D reports/measured/D-cpu.json",
    place=230,
    aliases=(
        "flops",
        "macs",
    ),
)
def mac_vs_flop() -> Iterator[Section]:
    """One multiply-accumulate, two operations."""
    profile = profile_of()
    macs, row = profile.totals.macs, row_of(profile, "conv1_2")
    entering = row_of(profile, "avgpool").values.value
    yield Section(
        "The words",
        (
            "A MAC is one multiply-accumulate: a weight times a value, added to a sum. A FLOP is one "
            "operation on floating-point numbers. A MAC is a multiplication and an addition, so 1 MAC = 2 "
            "FLOPs.",
            "A convolution uses every weight once at every place of its output:",
            Working("conv1_2", row.macs, "MACs"),
            Working("conv1_2", product(2, row.macs.value), "FLOPs"),
            Working("all of D, one image", plain(macs), "MACs"),
            Working("all of D, one image", product(2, macs), "FLOPs"),
        ),
    )
    yield Section(
        "Who prints what",
        (
            f"PyTorch's FlopCounterMode counts {2 * macs:,}: FLOPs. fvcore 0.1.5 prints {macs + entering:,} "
            "under the name of flops: these are MACs, with one for each value that enters the adaptive "
            "average pool:",
            Working("fvcore", total((macs, entering)), "MACs and pool values"),
            f"torchvision publishes {macs / 10**9:.2f} for this network and calls the unit GFLOPS. In the "
            "words above, these are billions of MACs.",
            "Neither word is wrong. A figure without its word is: ask of every FLOPs whether it is twice the "
            "MACs, and of every total what was left out.",
        ),
    )


@topic(
    "backward-flops",
    "why the backward pass takes almost, but not quite, twice the forward pass",
    RECORD,
    "vgg-profile measure D",
    "vgg-profile explain D conv1_1",
    place=240,
    aliases=("first-conv-gradient",),
)
def backward_flops() -> Iterator[Section]:
    """The backward pass counted: twice the forward pass, less one gradient."""
    profile = profile_of()
    macs, first = profile.totals.macs, row_of(profile, "conv1_1")
    for_weights, for_inputs = product(2, macs), minus(product(2, macs), product(2, first.macs.value))
    both = for_weights.value + for_inputs.value
    yield Section(
        "Two gradients a layer",
        (
            "Going back, a layer is given the gradient of its output. From it, it makes two others: the "
            "gradient of its weights, for the optimizer, and the gradient of its input, for the layer "
            "before. Each takes as many multiply-adds as the forward pass did.",
            "The first layer is the exception. Its input is the image, nobody wants the image's gradient, "
            "and autograd does not make it:",
            Working("forward", product(2, macs), "FLOPs"),
            Working("gradients of weights", for_weights, "FLOPs"),
            Working("gradients of inputs", for_inputs, "FLOPs"),
            Working("forward and backward", total((2 * macs, both)), "FLOPs"),
            f"So the backward pass does {units.ratio(both, 2 * macs)} the work of the forward pass. Twice "
            f"would be conv1_1's {2 * first.macs.value:,} FLOPs more.",
            "The gradient of a bias is a sum, and ReLU and pools pass on or pick values: no multiply-adds, "
            "so they count nothing here, in either direction.",
        ),
    )
