"""What dropout keeps, and what eval() and no_grad() save."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core.counts import plain, product
from vgg_profile.core.events import Category
from vgg_profile.core.setting import Setup
from vgg_profile.teach.forms import Section, Working
from vgg_profile.teach.topic import TESTS, kept, minus, profile_of, rows_of, saved, step_of, topic


@topic(
    "dropout-mask",
    "what dropout keeps, and what eval() saves",
    TESTS + " On CUDA: reports/measured/D-cuda.json is a real step of D on one H100 with PyTorch 2.11, and "
    "its live bytes are those of masks with one byte per value.",
    "vgg-profile table D --saved",
    "vgg-profile timeline D --mode eval",
    place=320,
    aliases=("dropout",),
)
def dropout_mask() -> Iterator[Section]:
    """What dropout keeps to know what it dropped."""
    profile = profile_of()
    drops = rows_of(profile, "dropout")
    train, evaluating = step_of(), step_of(setup=Setup(mode="eval"))
    cuda = sum(saved(row, Category.MASKS) for row in rows_of(profile_of(device="cuda"), "dropout"))
    masks = sum(saved(row, Category.MASKS) for row in drops)
    names = " and ".join(row.name for row in drops)
    yield Section(
        "A mask and a copy",
        (
            f"In training, {names} each make a mask of random zeros and twos and multiply by it. The "
            "backward pass multiplies by the same mask, so it is kept; the product is a new tensor, which "
            "the next layer keeps as its input.",
            *(
                line
                for row in drops
                for line in (
                    Working(f"{row.name} mask", product(*row.output_shape, profile.itemsize), "bytes"),
                    Working(f"{row.name} output", product(*row.output_shape, profile.itemsize), "bytes"),
                )
            ),
            "In eval mode dropout hands its input on and makes nothing. One image then keeps "
            f"{kept(evaluating):,} bytes for a backward pass in place of {kept(train):,}:",
            Working("the difference", minus(plain(kept(train)), plain(kept(evaluating))), "bytes"),
            "eval() is not what saves memory, then; not recording a graph is:",
            Working("under no_grad", plain(kept(step_of(setup=Setup(mode="inference")))), "bytes"),
            "What is left under torch.no_grad() are the scores of the classes.",
        ),
    )
    yield Section(
        "On CUDA",
        (
            f"The CPU keeps a mask of the network's dtype, {masks:,} bytes for both. The kernel for CUDA "
            f"keeps single bytes: {cuda:,} bytes.",
        ),
    )
