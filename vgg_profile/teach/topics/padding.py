"""How many of the MACs multiply the zeros around a map."""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import Count, product
from vgg_profile.core.forms import Cell
from vgg_profile.predict.vgg.layers import Conv2d
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.teach.forms import Grid, Section, Working
from vgg_profile.teach.topic import ARITHMETIC, profile_of, row_of, rows_of, topic


@topic(
    "padding",
    "how many of the MACs multiply the zeros around a map",
    ARITHMETIC,
    "vgg-profile table D",
    place=120,
)
def padding() -> Iterator[Section]:
    """How many MACs multiply zeros."""
    profile = profile_of()
    rows: list[tuple[Cell, ...]] = []
    wasted_in_all = 0
    for module, row in zip(modules(profile.config), profile.module_rows[1:], strict=True):
        layer = module.layer
        if not isinstance(layer, Conv2d):
            continue
        _, height, width = row.output_shape
        zeros = _zeros(layer, height, width)
        wasted_in_all += zeros.value
        rows.append((row.name, height, zeros, row.macs.value, units.percent(zeros.value, row.macs.value)))
    macs = sum(row.macs.value for row in rows_of(profile, "conv"))
    side = row_of(profile, "conv1_1").output_shape[1]
    yield Section(
        "Counting the zeros",
        (
            "A 3×3 kernel on the border reaches one pixel beyond the map, and padding answers with zeros. "
            "Over one row of n places the three taps read 3*n values, and 2 of them are padding. At "
            f"{side} pixels a side a square map is read as follows, for one input and one output channel:",
            Working("taps read in all", product(3, side, 3, side), "values"),
            Working("taps on the map", Count((3 * side - 2) ** 2, f"(3*{side}-2)*(3*{side}-2)"), "values"),
            "The smaller the map, the longer its border for its area:",
            Grid(
                "Config D, one image: MACs on padding, channels times channels times taps",
                ("layer", "side", "MACs on padding", "MACs", "share"),
                tuple(rows),
                ("all convolutions", None, wasted_in_all, macs, units.percent(wasted_in_all, macs)),
            ),
            "They are counted, here as in fvcore and in PyTorch's FlopCounterMode: multiplying by zero takes "
            "as long as multiplying by anything else.",
        ),
    )


def _zeros(layer: Conv2d, height: int, width: int) -> Count:
    """MACs of a padded convolution, stride 1, that multiply padding, on a map larger than the kernel."""
    k, reach = layer.kernel_size, layer.kernel_size // 2
    beyond = reach * (reach + 1)
    taps = Count(
        k * height * k * width - (k * height - beyond) * (k * width - beyond),
        f"{k * height}*{k * width}-{k * height - beyond}*{k * width - beyond}",
    )
    return product(taps, layer.in_channels, layer.out_channels)
