"""Networks side by side, drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vgg_profile.ask.compare import Comparison
from vgg_profile.core import units
from vgg_profile.core.events import Category
from vgg_profile.core.figures import COMPUTE, PALETTE, Figure, Unit
from vgg_profile.describe.figures.drawing import bars, byte_unit, count_unit, shortened
from vgg_profile.describe.kinds import figure_of
from vgg_profile.describe.words import each_pool_words, marked, rules


@figure_of("compare", Comparison)
def _compare(comparison: Comparison) -> Figure:
    """Networks side by side: what they hold, compute, keep and need."""
    labels = [network.label for network in comparison.networks]
    steps = [network.step for network in comparison.networks]
    step = steps[0]
    macs_of = f"MACs of {units.plural(step.profile.batch, 'image')}"
    looks: dict[str, tuple[str, str, Callable[[int], Unit]]] = {
        "parameters": ("parameters", PALETTE[Category.WEIGHTS], count_unit),
        "batch_macs": (macs_of, COMPUTE, count_unit),
        "saved_bytes": ("saved for backward", PALETTE[Category.ACTIVATIONS], byte_unit),
        "peak_bytes": ("peak of the step", PALETTE[Category.IN_FLIGHT], byte_unit),
    }
    values = {key: [int(network.figures[key] or 0) for network in comparison.networks] for key in looks}
    macs, parameters = values["batch_macs"], values["parameters"]
    least, most = macs.index(min(macs)), macs.index(max(macs))
    finding = (
        f"{labels[most]} computes {units.ratio(macs[most], macs[least])} as much as {labels[least]}, "
        f"with {units.ratio(parameters[most], parameters[least])} its parameters"
        if macs[most] > macs[least]
        else f"{' and '.join(labels)}: {macs[0]:,} MACs{' each' * (len(labels) > 1)}"
    )
    finding = marked(finding, *(each.profile for each in steps))
    panels, said = [], []
    for key, (label, colour, unit_for) in looks.items():
        numbers = values[key]
        unit = unit_for(max(numbers))
        panels.append(
            replace(
                bars(label, unit, numbers, colour, tuple(enumerate(map(shortened, labels)))),
                ends=tuple(map(units.exact, numbers)),
            )
        )
        pairs = ", ".join(f"{name} {number:,}" for name, number in zip(labels, numbers, strict=True))
        said.append(f"{label}{', bytes' * (unit_for is byte_unit)}: {pairs}.")
    return Figure(
        title=finding,
        subtitle=f"input {units.shape(step.profile.input)}, batch {step.profile.batch:,}, "
        f"{step.profile.dtype}, {step.setup.label}{each_pool_words(comparison.profiles)}",
        panels=tuple(panels),
        columns=2,
        alt=f"Four bar charts, a bar for each network. {finding}. {' '.join(said)}",
        footer=f"By the rules of device {rules(step.profile)}; 1 MAC = 2 FLOPs. "
        "At the bars, exact counts and bytes.",
    )
