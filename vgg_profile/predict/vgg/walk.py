"""The walk: a config and an image size become a :class:`Profile`, row by row, in plain integers.

The **predicted road** of the project begins here. Nothing in this file has ever met a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import groupby
from math import prod

from vgg_profile.core import units
from vgg_profile.core.collecting import collecting
from vgg_profile.core.counts import ZERO, product
from vgg_profile.core.errors import InputError
from vgg_profile.core.events import Category, Phase, Storage, kept
from vgg_profile.core.lazy import Lazy
from vgg_profile.core.setting import LARGEST, Setting, Setup, input_shape
from vgg_profile.core.sizes import TARGET_BYTES, Bytes, Shape
from vgg_profile.core.tree import Profile, Row
from vgg_profile.predict.vgg.configs import Config, Source
from vgg_profile.predict.vgg.configs import config as find_config
from vgg_profile.predict.vgg.spelled_out import Module, modules
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.tensors import Tensor


def walk(
    config: Source,
    *,
    input: str | int | Sequence[int] | None = None,  # noqa: A002 - the word that users know
    batch: int = 1,
    dtype: str = "float32",
    device: str = "cpu",
    batch_norm: bool | None = None,
    classes: int | None = None,
) -> Profile:
    """Walk a network layer by layer and count.

    ``config`` is whatever :func:`vgg_profile.config` takes; ``input`` is ``224``, ``"192x256"``
    or ``(3, 192, 256)``; ``dtype`` one of float64, float32, bfloat16, float16; ``device`` chooses
    whose rules of what autograd keeps hold, "cpu" or "cuda". Raises ``InputError`` with the next step.

    >>> conv1_1 = walk("D").rows[1]
    >>> conv1_1.weights.working, conv1_1.values.value
    ('(3*3*3)*64', 3211264)
    """
    net = find_config(config, batch_norm=batch_norm, classes=classes)
    shape = input_shape(input, net.in_channels)
    setting = Setting(shape, batch, dtype, device)
    setting.check()
    check_image(net, shape)

    def saved() -> Kept:
        with collecting(is_on=False):
            tape = Tape(itemsize=setting.itemsize, device=device)
            forward(tape, net, shape, load(tape, net, shape))
            return kept(tape.events)

    return Profile(net, setting, rows_of(net, shape, saved))


Kept = Mapping[str, Sequence[Storage]]
"""What each layer keeps, by its name."""


def rows_of(net: Config, shape: Shape, saved: Callable[[], Kept]) -> Sequence[Row]:
    """A row for each layer, counted once somebody looks; what layers keep is asked for when it is needed."""
    return Lazy(lambda: tuple(count(net, shape, cache(saved))))


_HAVE_A_LINE = ("conv", "maxpool", "fc")
"""Kinds of layers that have a line in the notes; the others are counted into the line before."""


def count(config: Config, shape: Shape, saved: Callable[[], Kept]) -> Iterator[Row]:
    """Count each layer: its output, its parameters, and how far it sees into the image.

    A kernel of k widens the receptive field by (k - 1) strides; a stride multiplies the stride.
    """
    channels, *plane = shape
    field: int | None = 1
    stride: int | None = 1
    head = "input"
    yield Row(head, "", "input", shape, product(*plane, channels), ZERO, 0, 0, ZERO, field, stride, head=head)
    members = modules(config, shape)
    for place, module in enumerate(members):
        layer = module.layer
        before, shape = shape, layer.output_shape(shape)
        pools = layer.kind == "avgpool" and before != shape
        if pools or layer.kind == "fc":
            field = stride = None
        if field is not None and stride is not None:
            field, stride = field + (layer.kernel - 1) * stride, stride * layer.stride
        head = module.name if layer.kind in _HAVE_A_LINE or pools else head
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
            kernel=layer.kernel if layer.kind in ("conv", "maxpool") else None,
            head=head,
            block=module.block,
            saved=Lazy(partial(_of, module.name, saved)),
            note="" if layer.allocates_output else "a view" if layer.kind == "flatten" else "in place",
            pooled=_pooled(before, shape, members[place + 1 :]) if pools else "",
        )


def _of(name: str, saved: Callable[[], Kept]) -> Sequence[Storage]:
    return saved().get(name, ())


def _pooled(before: Shape, after: Shape, following: Sequence[Module]) -> str:
    """What an average pool does to a map of another size, and how many weights read the result.

    >>> _pooled((512, 1, 1), (512, 7, 7), modules(find_config("D"))[-7:])
    '1×1 → 7×7: 49 copies of one value, 102,760,448 weights read them'
    """
    given, made = before[1:], after[1:]
    values, wanted = prod(given), prod(made)
    if values == 1:
        what = f"{wanted} copies of one value"
    elif any(side > had for side, had in zip(made, given, strict=True)):
        what = f"{wanted} values out of {values}"
    else:
        what = f"the mean of {values:,} values" if wanted == 1 else f"{wanted} means of {values:,} values"
    weights = next(module.layer.weights.value for module in following if module.layer.kind == "fc")
    read = f"{weights:,} weights read {'it' if wanted == 1 else 'them'}"
    return f"{units.shape(given)} → {units.shape(made)}: {what}, {read}"


def check_image(config: Config, shape: Shape) -> None:
    """Refuse an image that some pool would reduce to nothing: raises ``InputError``."""
    for module in modules(config, shape):
        shape = module.layer.output_shape(shape)
        if 0 in shape:
            raise InputError(
                f"The image is too small: at {module.name} ({module.path}) the pool leaves nothing.",
                f"{config.label} halves each side {units.plural(config.pools, 'time')}, so "
                + _smallest(config.pools),
            )


def _smallest(pools: int) -> str:
    """The end of a sentence: which image is large enough for so many pools."""
    if 2**pools > LARGEST:
        return f"no image of at most {LARGEST:,} pixels a side is large enough: use fewer pools."
    smallest = 2**pools
    return f"the smallest image is {smallest}x{smallest}: try --input {smallest}."


Parameters = dict[str, dict[str, Tensor]]
"""The learnable tensors by layer and name."""


def load(tape: Tape, config: Config, shape: Shape, setup: Setup = Setup()) -> Parameters:  # noqa: B008 - frozen
    """Allocate every parameter and buffer on a tape; ``setup`` says which are frozen."""
    tape.begin(Phase.LOAD)
    parameters: Parameters = {}
    for module in modules(config, shape):
        tape.layer = module.name
        parameters[module.name] = {
            what: tape.parameter(what, shape, is_frozen=setup.is_frozen(module.path))
            for what, shape in module.layer.parameter_shapes.items()
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
    parts = groupby(modules(config, shape), key=lambda module: module.path.partition(".")[0])
    for container, members in parts:
        container_input = tape.hold(x)
        if container == "features" and checkpoint_blocks:
            for _, block in groupby(members, key=lambda module: module.block):
                output = tape.checkpoint(partial(_run, tape, tuple(block), parameters), x)
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
