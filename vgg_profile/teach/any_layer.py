"""One module of any network worked out: what it gives, owns and computes, what is kept for it, till when.

What a convolution or a pool does is told of a VGG's (``layer``); here every figure is read off the step that
was traced.
"""

from __future__ import annotations

from collections.abc import Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import product
from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.core.tree import Profile, Row
from vgg_profile.predict.steps import ledger
from vgg_profile.teach.forms import Contents, Lesson, Passage, Section, Working
from vgg_profile.teach.layer import backward, images, kept, parameters


def contents(profile: Profile, typed: str = "NET") -> Contents:
    """The modules of a network that own or do something, each of which can be explained.

    ``typed`` names the network on a command line.
    """
    rows = profile.module_rows[1:]
    return Contents(
        f"The modules of {profile.config.label}",
        ("layer", "module", "what", "output"),
        tuple((row.name, row.module, row.kind, row.output_shape) for row in rows),
        f"`vgg-profile explain {typed} {rows[0].name}` works one out.",
        profile,
    )


def lesson(profile: Profile, name: str) -> Lesson:
    """One module of a traced network, worked out; raises ``InputError`` if it has no such module."""
    rows = {row.name: row for row in profile.module_rows[1:]}
    if name not in rows:
        raise InputError(
            f"{profile.config.label} has no module {excerpt(name)} that owns or does something.",
            did_you_mean(name, list(rows)) + "`vgg-profile explain NET` lists them.",
        )
    row, step = rows[name], ledger(profile, profile.setting.setup)
    sections = (
        Section("Where it stands", tuple(_place(profile, row))),
        Section("Parameters", tuple(_parameters(profile, row))),
        Section("Arithmetic", tuple(_arithmetic(profile, row))),
        Section("What it sees", tuple(_field(row))),
        Section("Memory: its output", tuple(_output(profile, row))),
        Section("Memory: what autograd keeps for it", tuple(kept(step, row))),
        Section("Memory: its backward pass", tuple(backward(step, row))),
    )
    return Lesson(
        name=row.name,
        title=f"{row.kind} of {profile.config.label} ({row.module or 'the whole'})",
        sections=tuple(section for section in sections if section.parts),
        evidence="Read off the network's own step, run by PyTorch on tensors without data. The command "
        "measure runs it for real and holds every boundary against these.",
        profile=profile,
    )


def _place(profile: Profile, row: Row) -> Iterator[Passage]:
    rows = profile.module_rows
    shapes = (row.output_shape, *row.more_outputs)
    gives = " and ".join(units.shape(shape) or "a single value" for shape in shapes)
    times = f"It is called {units.plural(row.calls, 'time')} and gives" if row.calls != 1 else "It gives"
    yield (
        f"{row.name} is row {rows.index(row)} of {len(rows) - 1}. {times} {gives}. The figures are for "
        f"{units.plural(profile.batch, 'image')} of {units.shape(profile.input)} in {profile.dtype}, "
        f"{profile.itemsize} bytes a value."
    )


def _parameters(profile: Profile, row: Row) -> Iterator[Passage]:
    yield from parameters(profile, row)
    if row.frozen:
        yield f"{row.frozen:,} of them are frozen: they need no gradient."


def _arithmetic(profile: Profile, row: Row) -> Iterator[Passage]:
    back = row.backward_macs.value if row.backward_macs else 0
    if not row.macs.value and not back:
        yield "No multiply-accumulates: what it does is not counted as MACs."
        return
    yield Working("MACs, one image", row.macs, "MACs")
    yield Working("forward", product(2, row.macs.value, *images(profile)), "FLOPs")
    if back:
        yield Working("backward", product(2, back, *images(profile)), "FLOPs")
    share = units.percent(row.macs.value, profile.totals.macs)
    yield f"A MAC is two FLOPs. Forward, that is {share} of the network's {profile.totals.macs:,} MACs."


def _field(row: Row) -> Iterator[Passage]:
    if row.receptive_field is not None and row.stride is not None:
        pixels = units.plural(row.receptive_field, "pixel")
        yield f"One value of it sees {pixels} a side; its neighbour's field is {row.stride:,} further on."


def _output(profile: Profile, row: Row) -> Iterator[Passage]:
    if not row.values.value:
        yield "Its output is no new memory, or is that of modules within it."
        return
    yield Working("values, one image", row.values, "values")
    yield Working("output", product(row.values.value, *images(profile), profile.itemsize), "bytes")
