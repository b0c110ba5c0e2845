"""The indices that a max pool keeps."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import Count, product, total
from vgg_profile.core.events import Category
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.core.tree import Row
from vgg_profile.predict.vgg.layers import MaxPool2d
from vgg_profile.teach.forms import Section, Working
from vgg_profile.teach.topic import RECORD, profile_of, row_of, rows_of, saved, topic


@topic(
    "pool-indices",
    "what a max pool keeps beside its output, and a sum of outputs misses",
    RECORD,
    "vgg-profile table D --saved",
    "vgg-profile explain D pool1",
    place=310,
)
def pool_indices() -> Iterator[Section]:
    """The indices of the max pools: larger than the maps."""
    profile = profile_of()
    pools = rows_of(profile, "maxpool")
    outputs = sum(row.memory_bytes(1, profile.itemsize) for row in pools)
    halved = sum(row.memory_bytes(1, ITEMSIZE["bfloat16"]) for row in pools)
    indices = {row.name: saved(row, Category.INDICES) for row in pools}
    whole = sum(indices.values())
    _, height, width = row_of(profile, "relu1_2").output_shape
    positions = height * width
    per_value = next(iter(indices.values())) // pools[0].values.value
    yield Section(
        "Why there are any",
        (
            "The gradient of a maximum goes to the value that won, and to no other. So the backward pass "
            "must know where each maximum was. PyTorch writes that down in the forward pass: one index for "
            f"each output value, an integer of {8 * per_value} bits, whatever the dtype of the network.",
            *(Working(f"{row.name} indices", product(*_plane(row), per_value), "bytes") for row in pools),
            Working("together", total(indices.values()), "bytes"),
            f"The pooled maps themselves are {outputs:,} bytes in float32: the indices are "
            f"{units.ratio(whole, outputs)} their size. In bfloat16 the maps are {halved:,} bytes, the "
            f"indices stay as they are, and so are {units.ratio(whole, halved)} as large.",
        ),
    )
    yield Section(
        "What it amounts to",
        (
            f"Of the {profile.totals.saved_bytes:,} bytes that one image leaves for the backward pass, the "
            f"indices are {units.percent(whole, profile.totals.saved_bytes)}. A sum of the layers' outputs "
            "misses them; the allocator has them.",
            f"It is more than is needed. The largest plane that is pooled has {positions:,} places, which "
            f"takes {(positions - 1).bit_length()} bits to number. And a 2×2 window has "
            f"{MaxPool2d.kernel**2} places, which takes {(MaxPool2d.kernel**2 - 1).bit_length()}:",
            Working(
                "at 2 bits a value",
                Count(whole // per_value * 2 // 8, f"{whole // per_value}*2//8"),
                "bytes",
            ),
        ),
    )


def _plane(row: Row) -> tuple[int, ...]:
    channels, *plane = row.output_shape
    return (*plane, channels)
