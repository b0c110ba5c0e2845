"""One layer of any network worked out by hand.

A layer's lesson follows it through a training step: its shape, its parameters, its arithmetic, what it
sees, what it allocates, what autograd keeps for it and why, and what its backward pass takes and frees.
Everything is read off the same profile and ledger that the tables print.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vgg_profile.core import units
from vgg_profile.core.counts import Count, plain, product
from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.core.events import OF_THE_LOSS, Category, Event, Phase, Storage
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile, Row
from vgg_profile.core.verified import UNVERIFIED, Verified
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.layers import Conv2d, Linear, MaxPool2d
from vgg_profile.predict.vgg.spelled_out import Module, modules
from vgg_profile.teach.forms import Contents, Grid, Lesson, Passage, Section, Working

_KINDS = {
    "conv": "a convolution",
    "batchnorm": "a batch norm",
    "relu": "an in-place ReLU",
    "lrn": "a local response norm",
    "maxpool": "a max pool",
    "avgpool": "an adaptive average pool",
    "flatten": "a flattening view",
    "fc": "a fully-connected layer",
    "dropout": "a dropout",
}


def contents(profile: Profile, typed: str = "NET") -> Contents:
    """The layers of a network, each of which can be explained; ``typed`` names it on a command line."""
    example = profile.module_rows[1].name
    return Contents(
        f"The layers of {profile.config.label}{_pooled(profile)}",
        ("layer", "module", "what", "output"),
        tuple((row.name, row.module, _KINDS[row.kind], row.output_shape) for row in profile.module_rows[1:]),
        f"`vgg-profile explain {typed} {example}` works one out; a module path does as well as a name.",
        profile,
    )


def _pooled(profile: Profile) -> str:
    return f"; average pool {profile.pooled}" if profile.pooled else ""


def lesson(profile: Profile, name: str) -> Lesson:
    """One layer of a network, worked out; ``name`` is the layer's or its module path.

    Raises ``InputError`` if the network has no such layer.

    >>> from vgg_profile.predict.vgg.walk import walk
    >>> conv3_2 = lesson(walk("D"), "conv3_2")
    >>> [line.count.working for _, line in conv3_2.lines][:3]
    ['(56+2*1-3)//1+1', '(56+2*1-3)//1+1', '(3*3*256)*256']
    """
    module, before, row = _find(profile, name)
    step = ledger(profile)
    sections = (
        Section("Where it stands", tuple(_place(profile, before, row))),
        Section("Shape", tuple(_shape(module, before, row))),
        Section("Parameters", tuple(parameters(profile, row))),
        Section("Arithmetic", tuple(_arithmetic(profile, row))),
        Section("What it sees", tuple(_field(module, before, row))),
        Section("Memory: its output", tuple(_output(profile, row))),
        Section("Memory: what autograd keeps for it", tuple(kept(step, row))),
        Section("Memory: its backward pass", tuple(backward(step, row))),
    )
    path = f" ({row.module})" if row.module != row.name else ""
    is_open = profile.device != "cpu" and step.profile.verified is None
    return Lesson(
        name=row.name,
        title=f"{_KINDS[row.kind]} of {profile.config.label}{path}{_pooled(profile)}"
        + (f", {UNVERIFIED}" if is_open else ""),
        sections=tuple(section for section in sections if section.parts),
        evidence=_ON_THE_CPU if profile.device == "cpu" else _on_a_card(step.profile.verified),
        profile=profile,
    )


_ON_THE_CPU = (
    "Predicted, by the rules of PyTorch on the CPU. The command measure runs the network and holds "
    "every layer's shape, FLOPs and live bytes against these."
)


def _on_a_card(found: Verified | None) -> str:
    """What stands behind the figures of a card."""
    who = (
        f"a committed record of an {found.device} with torch {found.torch} confirms them; no other card has"
        if found
        else f"they are {UNVERIFIED}"
    )
    return (
        f"Predicted, by the rules of PyTorch on CUDA: {who}. The command measure, with --device cuda, runs "
        "the network on yours and holds every layer against these."
    )


def _find(profile: Profile, name: str) -> tuple[Module, Row, Row]:
    """The layer of this name or path: what it is, the row before it, and its own."""
    key = name.strip().lower()
    rows = profile.module_rows
    for module, before, row in zip(modules(profile.config, profile.input), rows, rows[1:], strict=False):
        if key in (row.name, row.module):
            return module, before, row
    names = [row.name for row in rows[1:]] + [row.module for row in rows[1:] if row.module != row.name]
    raise InputError(
        f"{profile.config.label} has no layer {excerpt(name)}.",
        did_you_mean(key, names) + "`vgg-profile explain NET` lists a network's layers.",
    )


def _place(profile: Profile, before: Row, row: Row) -> Iterator[Passage]:
    rows = profile.module_rows
    place = rows.index(row)
    after = rows[place + 1].name if place + 1 < len(rows) else "the loss"
    yield (
        f"{row.name} is layer {place} of {len(rows) - 1}. It is given {_whose(before)} and "
        f"hands its own to {after}. The figures are for {units.plural(profile.batch, 'image')} of "
        f"{units.shape(profile.input)} in {profile.dtype}, {profile.itemsize} bytes a value."
    )


def _whose(row: Row) -> str:
    return "the images" if row.kind == "input" else f"the output of {row.name}"


def _shape(module: Module, before: Row, row: Row) -> Iterator[Passage]:
    given, made = units.shape(before.output_shape), units.shape(row.output_shape)
    layer = module.layer
    match layer:
        case Conv2d():
            k, padding = layer.kernel_size, layer.kernel_size // 2
            yield (
                "A side of the output is (side + 2 * padding - kernel) // stride + 1. The padding is "
                "chosen so that the side stays as it is, and the channels are as many as the layer has "
                "kernels."
            )
            for what, side in zip(("height", "width"), before.output_shape[1:], strict=True):
                yield Working(what, Count(side, f"({side}+2*{padding}-{k})//{layer.stride}+1"), "values")
        case MaxPool2d():
            k, s = layer.kernel, layer.stride
            yield (
                "A side of the output is (side - kernel) // stride + 1. Every channel is pooled for "
                "itself; an odd last row or column is left out."
            )
            for what, side, out in zip(
                ("height", "width"), before.output_shape[1:], row.output_shape[1:], strict=True
            ):
                yield Working(what, Count(out, f"({side}-{k})//{s}+1"), "values")
        case Linear():
            yield "Every output is a sum over all inputs: the size of the input matters, not its shape."
            if len(before.output_shape) > 1 or len(layer.fan_in) > 1:
                channels, *plane = layer.fan_in
                yield Working("inputs", product(*plane, channels), "values")
    if row.kind == "avgpool":
        yield "It averages whatever map it is given to this size; a map that has the size is copied."
    yield f"From {given} to {made}."


def parameters(profile: Profile, row: Row) -> Iterator[Passage]:
    """What it learns, and what share of the network that is."""
    if not row.parameters:
        yield "None: nothing in it is learned."
        return
    yield Working("weights", row.weights, "weights")
    yield Working("biases", plain(row.biases), "biases")
    if row.buffers:
        yield Working("buffers", plain(row.buffers), "values")
    yield Working(f"parameters in {profile.dtype}", product(row.parameters, profile.itemsize), "bytes")
    share = units.percent(row.parameters, profile.totals.parameters)
    yield f"That is {share} of the network's {profile.totals.parameters:,} parameters."


def _arithmetic(profile: Profile, row: Row) -> Iterator[Passage]:
    macs = row.macs
    if not macs.value:
        yield "No multiply-accumulates: what it does is not counted as MACs."
        return
    first = next(each for each in profile.module_rows if each.macs.value)
    yield Working("MACs, one image", macs, "MACs")
    forward = product(2, macs.value, *images(profile))
    yield Working("forward", forward, "FLOPs")
    yield Working("gradient of the weights", forward, "FLOPs")
    if row is not first:
        yield Working("gradient of the input", forward, "FLOPs")
    else:
        yield "Its input is the images, which need no gradient: backward takes no more than forward."
    share = units.percent(macs.value, profile.totals.macs)
    yield f"A MAC is two FLOPs. Forward, that is {share} of the network's {profile.totals.macs:,} MACs."


def images(profile: Profile) -> tuple[int, ...]:
    """The batch as a factor, where it is one."""
    return (profile.batch,) if profile.batch > 1 else ()


def _field(module: Module, before: Row, row: Row) -> Iterator[Passage]:
    layer = module.layer
    if row.receptive_field is None or row.stride is None:
        yield (
            "Every output sees the whole image; there is no receptive field to count."
            if row.kind in ("fc", "dropout", "relu")
            else "Its windows are of uneven size; there is no single figure for its receptive field."
        )
    elif before.receptive_field is None or layer.kernel == 1 == layer.stride:
        yield f"It looks at no neighbouring pixels: the field stays at {row.receptive_field} pixels a side."
    else:
        yield (
            "The receptive field grows by (kernel - 1) steps of the stride so far, which is "
            f"{units.plural(before.stride or 1, 'pixel')}:"
        )
        yield Working(
            "field, one side",
            Count(row.receptive_field, f"{before.receptive_field}+({layer.kernel}-1)*{before.stride}"),
            "pixels",
        )
        if layer.stride > 1:
            yield Working("stride from here on", product(before.stride or 1, layer.stride), "pixels")


def _output(profile: Profile, row: Row) -> Iterator[Passage]:
    if row.note:
        yield f"It makes no new values: its output is {_NOTES[row.note]}."
        return
    yield Working("values, one image", row.values, "values")
    size = product(row.values.value, *images(profile), profile.itemsize)
    yield Working("output", size, "bytes")
    yield f"That is {units.binary(size.value)}."


_NOTES = {"in place": "its input, overwritten", "a view": "a view of its input"}


def kept(step: Step, row: Row) -> Iterator[Passage]:
    """What its backward pass reads again, and why."""
    batch, reader = step.profile.batch, f"{row.name}'s backward"
    read = [storage for storage in _allocated(step.events) if reader in storage.readers]
    if read:
        yield "Its backward pass will read these again, so they stay alive until it has run:"
        yield _storages(f"Read by the backward pass of {row.name}", read, batch, row)
    else:
        yield "Nothing: its backward pass reads no tensor again."
    why = _WHY.get(row.kind)
    if why:
        yield why
    left = [storage for storage in row.saved if reader not in storage.readers]
    if left:
        yield f"It leaves these for others, of its own making: {'; '.join(storage.why for storage in left)}."


_WHY = {
    "conv": "The gradient of the weights is a convolution of the input with the output's gradient; the "
    "gradient of the input, one of that gradient with the weights. Neither needs the output.",
    "fc": "The gradient of the weights is the input times the output's gradient; the gradient of the input "
    "is that gradient times the weights. Neither needs the output.",
    "batchnorm": "It subtracts a mean and divides by a deviation, both of the batch; its backward needs the "
    "input and both statistics.",
    "relu": "A value that came out above zero passes the gradient on, one that came out as zero stops it. "
    "So its backward reads its output, and the input may be overwritten.",
    "maxpool": "The gradient of a maximum goes to the value that won. The indices say which that was; the "
    "input is kept for its shape.",
    "avgpool": "An average hands its gradient out in equal parts; the input is kept for its shape.",
    "dropout": "What was dropped gets no gradient; what stayed gets it scaled as it was itself: the mask "
    "says which.",
    "lrn": "PyTorch writes this norm as a chain of small operations, and each keeps what it will read.",
}


def backward(step: Step, row: Row) -> Iterator[Passage]:
    """What its backward pass allocates and frees."""
    batch = step.profile.batch
    events = [e for e in step.events if (e.phase, e.layer) == (Phase.BACKWARD, row.name)]
    made, freed = list(_allocated(events)), [storage for event in events for storage in event.freed]
    passing = {id(storage) for storage in made} & {id(storage) for storage in freed}
    lasting = [storage for storage in made if id(storage) not in passing]
    scratch = [storage for storage in made if id(storage) in passing]
    gone = [storage for storage in freed if id(storage) not in passing]
    if not events or not (made or freed):
        yield "Its backward pass allocates nothing and frees nothing: the gradient is handed on as it is."
        return
    if lasting:
        yield _storages("Allocated", lasting, batch, row)
    if scratch:
        yield _storages("Allocated and freed in passing", scratch, batch, row)
    if gone:
        yield _storages("Freed when it is over", gone, batch, row)
    change = sum(s.size.at(batch) for s in lasting) - sum(s.size.at(batch) for s in gone)
    yield (
        f"When it is over, {abs(change):,} bytes {'more' if change > 0 else 'fewer'} are live than when it "
        "began."
        if change
        else "When it is over, as much is live as when it began."
    )
    if any(s.category is Category.GRADIENTS for s in lasting):
        yield "The gradients of its parameters stay until the optimizer has used them."


def _allocated(events: Iterable[Event]) -> Iterator[Storage]:
    return (storage for event in events for storage in event.allocated)


def _storages(title: str, storages: list[Storage], batch: int, row: Row) -> Grid:
    sizes = [storage.size.at(batch) for storage in storages]
    return Grid(
        title,
        ("what", "for", "bytes"),
        tuple(
            (_called(storage, row), storage.category.value, size)
            for storage, size in zip(storages, sizes, strict=True)
        ),
        ("total", "", sum(sizes)) if len(sizes) > 1 else None,
    )


def _called(storage: Storage, row: Row) -> str:
    """A storage by the layer that made it and what it is."""
    if storage.category is Category.INPUT or storage.what == OF_THE_LOSS:
        return storage.what
    if storage.category is Category.IN_FLIGHT and row.kind != "lrn":
        return f"gradient of {row.name}'s {'input' if storage.layer == row.name else 'output'}"
    if storage.category is Category.GRADIENTS:
        return f"gradient of {storage.layer}'s {storage.of}"
    return f"{storage.layer}'s {storage.what}"
