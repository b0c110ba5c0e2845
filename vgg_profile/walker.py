"""The walk: a config and an image size become a :class:`Profile`, row by row, in plain integers.

The **predicted road** of the project begins here. Nothing in this file has ever met a tensor.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import groupby
from typing import Any

from vgg_profile import units
from vgg_profile.arithmetic import ZERO, Count, product, total
from vgg_profile.configs import LARGEST, Config
from vgg_profile.configs import config as find_config
from vgg_profile.display import Displayed
from vgg_profile.errors import InputError, excerpt
from vgg_profile.layers import Shape
from vgg_profile.network import Module, modules
from vgg_profile.tape import Bytes, Category, Phase, Storage, Tape, Tensor, kept

SCHEMA_VERSION = 1

ITEMSIZE = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes a value, for each dtype that a network can have."""

TARGET_BYTES = 8
"""A class index is an int64."""

DEVICES = ("cpu", "cuda")

_STAGE_HEADS = ("input", "conv", "maxpool", "fc")


@dataclass(frozen=True, slots=True)
class Row:
    """One layer at one input.

    Counts are per image; ``saved`` is what the layer leaves alive after the forward pass of a training
    step. ``receptive_field`` and ``stride`` are in input pixels; ``None`` where every output sees the
    whole image, or pools of uneven windows leave no single figure.
    """

    name: str
    module: str
    kind: str
    output_shape: Shape
    values: Count
    weights: Count
    biases: int
    buffers: int
    macs: Count
    receptive_field: int | None
    stride: int | None
    saved: tuple[Storage, ...] = field(default=(), compare=False)
    note: str = ""

    def memory_bytes(self, batch: int, itemsize: int) -> int:
        """Bytes of the values that the layer makes, for a whole batch."""
        return self.values.value * batch * itemsize

    def saved_bytes(self, batch: int) -> int:
        return sum(storage.size.at(batch) for storage in self.saved)

    @property
    def parameters(self) -> int:
        return self.weights.value + self.biases


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over rows. ``values`` and ``macs`` are per image, the two ``bytes`` for the batch."""

    values: int
    memory_bytes: int
    saved_bytes: int
    weights: int
    biases: int
    buffers: int
    macs: int

    @property
    def parameters(self) -> int:
        return self.weights + self.biases


@dataclass(frozen=True, repr=False)
class Profile(Displayed):
    """What a network costs at one input: its rows, and totals that are added up from them.

    ``rows`` are the notes' rows: the input, each convolution, pool and fully-connected layer, with the
    small modules that follow counted into theirs (a batch norm into its convolution, the average
    pool into the last max pool, a dropout into its fully-connected layer). ``module_rows`` has
    every module for itself. Both give the same parameters, MACs and saved bytes. ``forward_pass`` says
    after which one the saved bytes are alive; a :class:`~vgg_profile.budget.Ledger` has its own.

    >>> walk("D").totals.parameters
    138357544
    """

    config: Config
    input: Shape
    batch: int
    dtype: str
    device: str
    module_rows: tuple[Row, ...]
    forward_pass: str = "a training forward pass"

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        return tuple(_notes_rows(self.module_rows))

    @cached_property
    def totals(self) -> Totals:
        return self.total(self.rows)

    @property
    def itemsize(self) -> int:
        return ITEMSIZE[self.dtype]

    @property
    def receptive_field(self) -> int:
        """How many pixels of a side one value of the last map sees; 212 for D."""
        return max(row.receptive_field for row in self.module_rows if row.receptive_field is not None)

    def total(self, rows: Iterable[Row]) -> Totals:
        """Add up rows of this profile."""
        rows = list(rows)
        return Totals(
            values=sum(row.values.value for row in rows),
            memory_bytes=sum(row.memory_bytes(self.batch, self.itemsize) for row in rows),
            saved_bytes=sum(row.saved_bytes(self.batch) for row in rows),
            weights=sum(row.weights.value for row in rows),
            biases=sum(row.biases for row in rows),
            buffers=sum(row.buffers for row in rows),
            macs=sum(row.macs.value for row in rows),
        )

    def to_dict(self, *, all_layers: bool = False) -> dict[str, Any]:
        """The profile as JSON has it: raw integers, rows of the notes or of every module."""
        rows = self.module_rows if all_layers else self.rows
        totals = self.total(rows)
        return {
            "schema_version": SCHEMA_VERSION,
            "config": self.config.name,
            "batch_norm": self.config.batch_norm,
            "input": list(self.input),
            "batch": self.batch,
            "dtype": self.dtype,
            "device": self.device,
            "classes": self.config.classes,
            "layers": self.config.to_dict()["layers"],
            "classifier": list(self.config.classifier),
            "all_layers": all_layers,
            "rows": [
                {
                    "name": row.name,
                    "module": row.module,
                    "kind": row.kind,
                    "output_shape": list(row.output_shape),
                    "values": row.values.value,
                    "values_working": row.values.working,
                    "memory_bytes": row.memory_bytes(self.batch, self.itemsize),
                    "saved_bytes": row.saved_bytes(self.batch),
                    "saved": [
                        {
                            "what": storage.what,
                            "category": storage.category.value,
                            "why": storage.why,
                            "bytes": storage.size.at(self.batch),
                        }
                        for storage in row.saved
                    ],
                    "weights": row.weights.value,
                    "weights_working": row.weights.working,
                    "biases": row.biases,
                    "macs": row.macs.value,
                    "macs_working": row.macs.working,
                    "receptive_field": row.receptive_field,
                    "stride": row.stride,
                    "note": row.note,
                }
                for row in rows
            ],
            "totals": {
                "values": totals.values,
                "memory_bytes": totals.memory_bytes,
                "saved_bytes": totals.saved_bytes,
                "weights": totals.weights,
                "biases": totals.biases,
                "parameters": totals.parameters,
                "parameter_bytes": totals.parameters * self.itemsize,
                "buffers": totals.buffers,
                "macs": totals.macs,
                "flops": 2 * totals.macs,
            },
        }


def walk(
    config: str | Config | Sequence[int | str],
    *,
    input: str | int | Sequence[int] | None = None,  # noqa: A002 - the word that users know
    batch: int = 1,
    dtype: str = "float32",
    device: str = "cpu",
    batch_norm: bool | None = None,
    classes: int | None = None,
) -> Profile:
    """Walk a network layer by layer and count.

    ``config`` is whatever :func:`vgg_profile.configs.config` takes; ``input`` is ``224``, ``"192x256"``
    or ``(3, 192, 256)``; ``dtype`` one of float64, float32, bfloat16, float16; ``device`` chooses
    whose rules of what autograd keeps hold, "cpu" or "cuda". Raises ``InputError`` with the next step.

    >>> conv1_1 = walk("D").rows[1]
    >>> conv1_1.weights.working, conv1_1.values.value
    ('(3*3*3)*64', 3211264)
    """
    net = find_config(config, batch_norm=batch_norm, classes=classes)
    shape = input_shape(input, net.in_channels)
    _check_choice(dtype, ITEMSIZE, "dtype")
    _check_choice(device, DEVICES, "device")
    check_size(batch, "batch", "--batch 1")
    _check_image(net, shape)
    with _no_collections():
        tape = Tape(itemsize=ITEMSIZE[dtype], device=device)
        forward(tape, net, shape, load(tape, net))
        rows = tuple(_count(net, shape, kept(tape.events)))
    return Profile(config=net, input=shape, batch=batch, dtype=dtype, device=device, module_rows=rows)


@contextmanager
def _no_collections() -> Iterator[None]:
    """A walk makes many objects and no cycle; looking for cycles among them doubles its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _count(config: Config, shape: Shape, saved: dict[str, tuple[Storage, ...]]) -> Iterator[Row]:
    """Count each layer: its output, its parameters, and how far it sees into the image.

    A kernel of k widens the receptive field by (k - 1) strides; a stride multiplies the stride.
    """
    channels, *plane = shape
    field: int | None = 1
    stride: int | None = 1
    yield Row("input", "", "input", shape, product(*plane, channels), ZERO, 0, 0, ZERO, field, stride)
    for module in modules(config):
        layer = module.layer
        before, shape = shape, layer.output_shape(shape)
        if (layer.kind == "avgpool" and before != shape) or layer.kind == "fc":
            field = stride = None
        if field is not None and stride is not None:
            field, stride = field + (layer.kernel - 1) * stride, stride * layer.stride
        yield Row(
            name=module.name,
            module=module.path,
            kind=layer.kind,
            output_shape=shape,
            values=layer.values(before),
            weights=layer.weights,
            biases=layer.biases,
            buffers=layer.buffers,
            macs=layer.macs(before),
            receptive_field=field,
            stride=stride,
            saved=saved.get(module.name, ()),
            note="" if layer.allocates_output else "a view" if layer.kind == "flatten" else "in place",
        )


def _check_image(config: Config, shape: Shape) -> None:
    """Refuse an image that some pool would reduce to nothing."""
    for module in modules(config):
        shape = module.layer.output_shape(shape)
        if 0 in shape:
            raise InputError(
                f"The image is too small: at {module.name} ({module.path}) the pool leaves nothing.",
                f"{config.label} halves each side {units.plural(config.pools, 'time')}, so "
                + _smallest(config.pools),
            )


def _smallest(pools: int) -> str:
    """The end of a sentence: which image is large enough for so many pools."""
    if pools >= LARGEST.bit_length():
        return f"no image of at most {LARGEST:,} pixels a side is large enough: use fewer pools."
    smallest = 2**pools
    return f"the smallest image is {smallest}x{smallest}: try --input {smallest}."


Parameters = dict[str, dict[str, Tensor]]
"""The learnable tensors by layer and name."""


def load(tape: Tape, config: Config) -> Parameters:
    """Allocate every parameter and buffer on a tape."""
    tape.begin(Phase.LOAD)
    parameters: Parameters = {}
    for module in modules(config):
        tape.layer = module.name
        parameters[module.name] = {
            what: tape.parameter(what, shape) for what, shape in module.layer.parameter_shapes.items()
        }
        for what, (elements, itemsize) in module.layer.buffer_sizes.items():
            tape.buffer(what, elements * (itemsize or tape.itemsize))
    return parameters


def forward(
    tape: Tape, config: Config, shape: Shape, parameters: Parameters, *, checkpoint_blocks: bool = False
) -> Tensor:
    """Record input and forward pass on a tape; returns the logits.

    A container keeps its own input until it returns: while the classifier runs, somebody
    still holds the flattened maps, even where no backward pass will ask for them.
    """
    tape.begin(Phase.INPUT)
    x = tape.tensor(Category.INPUT, "images", shape)
    tape.allocate("empty", Storage("input", "targets", Category.INPUT, Bytes(0, TARGET_BYTES)))

    tape.phase = Phase.FORWARD
    tape.hold(x)  # the caller's own name for its images
    for container, members in groupby(modules(config), key=lambda module: module.path.partition(".")[0]):
        container_input = tape.hold(x)
        if container == "features" and checkpoint_blocks:
            for block in _blocks(members):
                output = tape.checkpoint(partial(_run, tape, block, parameters), x)
                tape.drop(x)
                x = output
        else:
            x = _run(tape, members, parameters, x)
        tape.drop(container_input)
    return x


def _run(tape: Tape, members: Iterable[Module], parameters: Parameters, x: Tensor) -> Tensor:
    """Run modules one after the other; each lets go of its input, the first of the one that was given."""
    for module in members:
        tape.begin(tape.phase, module.name)
        output = module.layer.trace(tape, x, parameters[module.name])
        tape.drop(x)
        x = output
    return x


def _blocks(members: Iterable[Module]) -> Iterator[list[Module]]:
    """The features cut after each pool."""
    block: list[Module] = []
    for module in members:
        block.append(module)
        if module.layer.kind == "maxpool":
            yield block
            block = []
    if block:
        yield block


def _notes_rows(rows: Sequence[Row]) -> Iterator[Row]:
    """Fold every module into the notes' row that it follows."""
    stage: list[Row] = []
    for row in rows:
        if row.kind in _STAGE_HEADS and stage:
            yield _fold(stage)
            stage = []
        stage.append(row)
    yield _fold(stage)


def _fold(stage: Sequence[Row]) -> Row:
    head = stage[0]
    if len(stage) == 1:
        return head
    return replace(
        head,
        weights=total(row.weights for row in stage),
        biases=sum(row.biases for row in stage),
        buffers=sum(row.buffers for row in stage),
        saved=tuple(storage for row in stage for storage in row.saved),
    )


def input_shape(text: str | int | Sequence[int] | None, channels: int) -> Shape:
    """Read an image size: ``224``, ``192x256`` or ``3x192x256``; channels default to the config's.

    >>> input_shape("192x256", 3)
    (3, 192, 256)
    """
    if text is None:
        return (channels, 224, 224)
    if isinstance(text, str):
        parts: list[object] = [*text.lower().replace("×", "x").split("x")]
    elif isinstance(text, Sequence) and not isinstance(text, bytes):
        parts = [*text]
    else:
        parts = [text]
    sizes = [size for size in map(_whole_number, parts) if size is not None]
    if len(sizes) != len(parts) or len(sizes) not in (1, 2, 3) or not all(1 <= s <= LARGEST for s in sizes):
        raise InputError(
            f"The input {excerpt(text)} is not an image size.",
            f"Give whole numbers from 1 to {LARGEST:,}: --input 224, --input 192x256 or --input 3x192x256.",
        )
    if len(sizes) == 1:
        sizes *= 2
    if len(sizes) == 2:
        sizes.insert(0, channels)
    if sizes[0] != channels:
        height, width = sizes[:2] if sizes[2] == channels else sizes[1:]  # channels last, or others
        raise InputError(
            f"The input has {units.plural(sizes[0], 'channel')}, and the network takes {channels:,}; "
            "channels come first.",
            f"Try --input {channels}x{height}x{width}, or a config file with in_channels.",
        )
    return tuple(sizes)


def _whole_number(part: object) -> int | None:
    """A number given as such, or as a few plain digits."""
    if isinstance(part, str):
        digits = part.strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None
    return part if isinstance(part, int) and not isinstance(part, bool) else None


def check_size(value: object, what: str, example: str) -> None:
    """Refuse anything but a whole number from 1 to ``LARGEST``."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST:
        raise InputError(
            f"The {what} is {excerpt(value, 30)}.",
            f"Give a whole number from 1 to {LARGEST:,}, such as {example}.",
        )


def _check_choice(value: object, allowed: Iterable[str], what: str) -> None:
    if value not in tuple(allowed):
        raise InputError(f"There is no {what} {excerpt(value)} here.", f"Choose from {', '.join(allowed)}.")
