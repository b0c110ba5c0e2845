"""The setting of a figure: everything that it depends on beside the network, said once.

Predicting and measuring share these words and nothing else. A :class:`Setup` says how a training step is
run; a :class:`Setting` adds the images, the dtype and the device. Both are written and read here alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from vgg_profile.core import units
from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.core.jsonable import by_fields
from vgg_profile.core.sizes import ITEMSIZE, Shape

LARGEST = 10**9
"""No size that a user gives may be larger; far beyond any hardware, and small enough to print."""

DEVICES = ("cpu", "cuda")

USUAL_PLANE = (224, 224)
"""The pixels of ImageNet's images."""

MODES = ("train", "eval", "inference")
"""``eval`` switches batch norm and dropout but keeps the graph; ``inference`` is eval without gradients."""

OPTIMIZERS = ("none", "sgd", "momentum", "adam", "adamw")

AMP_ITEMSIZE = {"none": 0, "bfloat16": 2, "float16": 2}
"""Bytes a value that ``torch.autocast`` casts to; ``none`` is no autocast."""

CHECKPOINTS = ("none", "blocks")

PROCESSORS = ("avx2", "avx512", "avx512_bf16", "amx")
"""Families of x86 processors, as oneDNN tells them apart: AVX2, AVX-512, with bfloat16, with matrix tiles."""

LATER = ("fused", "accumulate", "freeze", "processor", "threads")
"""The fields of a :class:`Setup` that the first records do not have, and that were at their default there."""

SWITCHES = ("foreach", "fused", "first_step", "onednn")
"""The fields of a :class:`Setup` that are on or off."""

OF_AN_OPTIMIZER = ("foreach", "fused", "first_step")
"""The fields of a :class:`Setup` that change nothing where no optimizer steps."""


def check_choice(value: object, allowed: Iterable[str], what: str) -> None:
    """Refuse what is not one of those allowed: raises ``InputError``, which names them."""
    if value not in (known := tuple(allowed)):
        near = did_you_mean(str(value).lower(), known) if isinstance(value, str) else ""
        raise InputError(
            f"There is no {what} {excerpt(value)} here.", f"{near}Choose from {', '.join(known)}."
        )


def check_size(value: object, what: str, example: str) -> None:
    """Refuse anything but a whole number from 1 to ``LARGEST``: raises ``InputError``."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST:
        raise InputError(
            f"The {what} is {excerpt(value, 30)}.",
            f"Give a whole number from 1 to {LARGEST:,}, such as {example}.",
        )


@dataclass(frozen=True, slots=True)
class Setup:
    """One training step's mode, optimizer and precision; the defaults are the plainest step.

    ``foreach`` steps all parameters at once instead of one by one; left open (``None``), it is PyTorch's
    habit: so on CUDA, not on the CPU. ``fused`` does it in one kernel, which takes nothing beside the state.
    ``first_step`` is the step in which the optimizer makes its state; in every later one that state is there
    from the start. ``amp`` is the dtype of ``torch.autocast``. ``checkpoint`` "blocks" keeps each block's
    input alone and runs the block again in the backward pass. ``accumulate`` is how many micro-batches'
    gradients are added up before the optimizer steps: with several, the step is that of the last, and
    gradients are there from the start (a third adds nothing to a second). ``freeze`` has paths of modules,
    ``features`` or ``features.0``, whose parameters are not trained: ``requires_grad`` is off.
    Without ``onednn``, the CPU convolves by im2col. ``processor`` is a family of processors, and ``threads``
    how many compute: what the CPU's kernels take in passing follows from them, and is not counted for a
    processor that is not named. Raises ``InputError`` for a step that cannot be.

    >>> Setup(optimizer="adam").label
    'train, adam'
    """

    mode: str = "train"
    optimizer: str = "none"
    foreach: bool | None = None
    fused: bool = False
    first_step: bool = False
    amp: str = "none"
    checkpoint: str = "none"
    accumulate: int = 1
    onednn: bool = True
    freeze: tuple[str, ...] = ()
    processor: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        choices: tuple[tuple[str, Iterable[str]], ...] = (
            ("mode", MODES),
            ("optimizer", OPTIMIZERS),
            ("amp", AMP_ITEMSIZE),
            ("checkpoint", CHECKPOINTS),
        )
        for what, allowed in choices:
            check_choice(getattr(self, what), allowed, what)
        if self.processor is not None:
            check_choice(self.processor, PROCESSORS, "processor")
        for switch in SWITCHES:
            if getattr(self, switch) not in (None, False, True):
                raise InputError(
                    f"{excerpt(getattr(self, switch))} is not on or off: {switch}.", f"Say {switch}=True."
                )
        paths: Any = self.freeze
        if not isinstance(paths, (tuple, list)) or not all(isinstance(each, str) for each in paths):
            raise InputError(
                f"{excerpt(paths)} are no modules to freeze.", 'Name their paths: freeze=("features",).'
            )
        object.__setattr__(self, "freeze", tuple(paths))
        check_size(self.accumulate, "number of micro-batches", "--accumulate 4")
        if self.accumulate > 1 and not self.has_backward:
            raise InputError("Inference makes no gradients to add up.", "Leave --accumulate out.")
        if self.threads is not None:
            check_size(self.threads, "number of threads", "--threads 1")
        if self.fused and self.foreach:
            raise InputError(
                "An optimizer steps in one kernel or over all parameters at once.",
                "Choose --fused or --foreach.",
            )
        if self.optimizer != "none" and not self.has_backward:
            raise InputError(
                "An optimizer has nothing to step on without gradients, and inference makes none.",
                "Choose --mode train or eval, or --optimizer none.",
            )

    def on(self, device: str) -> Setup:
        """The setup with what it leaves open as PyTorch settles it on a device."""
        return (
            self if self.foreach is not None else replace(self, foreach=device == "cuda" and not self.fused)
        )

    def measured_on(self, device: str) -> Setup:
        """The setup as a record has it: settled, and of how an optimizer steps no word where there is none.

        >>> Setup(first_step=True, foreach=True).measured_on("cpu") == Setup().on("cpu")
        True
        """
        plain = replace(self, foreach=None, fused=False, first_step=False)
        return (plain if self.optimizer == "none" else self).on(device)

    def on_the_machine_of(self, other: Setup) -> Setup:
        """The setup with the processor and the threads of another, where it leaves them open."""
        return replace(
            self, processor=self.processor or other.processor, threads=self.threads or other.threads
        )

    @property
    def has_backward(self) -> bool:
        return self.mode != "inference"

    def is_frozen(self, path: str) -> bool:
        """Whether a parameter, or a module, of this path is not trained.

        >>> [Setup(freeze=("features.1",)).is_frozen(f"features.{n}.weight") for n in (1, 10)]
        [True, False]
        """
        return any(f"{path}.".startswith(f"{prefix}.") for prefix in self.freeze)

    def check_freeze(self, paths: Iterable[str]) -> None:
        """Refuse to freeze what is not there, and all that is: raises ``InputError``.

        ``paths`` are of the modules, or the parameters, that could be trained.
        """
        paths = list(paths)
        for prefix in self.freeze:
            if not any(f"{path}.".startswith(f"{prefix}.") for path in paths):
                parts = dict.fromkeys(part for path in paths for part in (path, path.partition(".")[0]))
                raise InputError(
                    f"Nothing with parameters has the path {excerpt(prefix)}.",
                    did_you_mean(prefix, list(parts)) + "Freeze a module's path, such as --freeze features.",
                )
        if self.freeze and self.has_backward and all(map(self.is_frozen, paths)):
            raise InputError(
                "Every parameter is frozen, so there is nothing to go back for.",
                "Freeze fewer, or choose --mode inference.",
            )

    def options(self, base: Setup) -> list[str]:
        """What to type on a command line to have this setup where ``base`` would be had.

        >>> Setup(optimizer="adam", foreach=False, freeze=("features",)).options(Setup())
        ['--optimizer', 'adam', '--no-foreach', '--freeze', 'features']
        """
        words = []
        for name in (each.name for each in fields(self)):
            value, option = getattr(self, name), name.replace("_", "-")
            if value == getattr(base, name):
                continue
            if name in SWITCHES:
                words.append(f"--{option}" if value else f"--no-{option}")
            else:
                values = value if isinstance(value, tuple) else (value,)
                words += [word for each in values for word in (f"--{option}", str(each))]
        return words

    @property
    def label(self) -> str:
        """What sets it apart, in a few words."""
        mode, *others = self._words()
        return ", ".join([mode, self.optimizer if self.optimizer != "none" else "no optimizer", *others])

    @property
    def conditions(self) -> str:
        """The label without the optimizer's name, for where several are asked about."""
        return ", ".join(self._words())

    def _words(self) -> Iterator[str]:
        mode, *lowered = self._forward_words()
        yield mode
        if self.optimizer != "none":
            yield from ["foreach"] * bool(self.foreach) + ["fused"] * self.fused
            yield from ["first step"] * self.first_step
        if self.accumulate > 1:
            yield f"the last of {self.accumulate:,} micro-batches"
        yield from lowered
        yield from ["without oneDNN"] * (not self.onednn)
        if self.processor is not None:
            yield self.processor
        if self.processor is not None or self.threads is not None:
            yield units.plural(self.threads or 1, "thread")

    @property
    def forward_pass(self) -> str:
        """The step's forward pass in words.

        >>> Setup(optimizer="adam").forward_pass, Setup(mode="eval", amp="bfloat16").forward_pass
        ('a training forward pass', 'a forward pass (eval, autocast to bfloat16)')
        """
        if self.is_plain_forward:
            return "a training forward pass"
        return f"a forward pass ({', '.join(self._forward_words())})"

    def _forward_words(self) -> Iterator[str]:
        yield self.mode
        if self.amp != "none":
            yield f"autocast to {self.amp}"
        if self.checkpoint != "none":
            yield f"checkpoint {self.checkpoint}"
        if self.freeze:
            yield f"{' and '.join(self.freeze)} frozen"

    @property
    def is_plain_forward(self) -> bool:
        """Whether its forward pass is that of plain training: what differs, if anything, is the step."""
        step = replace(
            self,
            optimizer="none",
            foreach=None,
            fused=False,
            first_step=False,
            accumulate=1,
            onednn=True,
            processor=None,
            threads=None,
        )
        return step == Setup()

    def to_dict(self) -> dict[str, Any]:
        return by_fields(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Setup:
        """The setup among other keys, as a record's subject has it; ``LATER`` ones may be missing."""
        names = [each.name for each in fields(cls) if each.name in content or each.name not in LATER]
        return cls(**{name: content[name] for name in names} | {"freeze": tuple(content.get("freeze", ()))})


@dataclass(frozen=True, slots=True)
class Setting:
    """Images of ``input`` (C, H, W), how many at a time, dtype, device, and how the step is run.

    >>> Setting((3, 224, 224), batch=8).to_dict()["batch"]
    8
    """

    input: Shape
    batch: int = 1
    dtype: str = "float32"
    device: str = "cpu"
    setup: Setup = Setup()

    @property
    def itemsize(self) -> int:
        """Bytes a value."""
        return ITEMSIZE[self.dtype]

    @property
    def tensors(self) -> dict[str, Any]:
        """The setting but for how the step is run: input, batch, dtype and device."""
        return {"input": list(self.input), "batch": self.batch, "dtype": self.dtype, "device": self.device}

    def to_dict(self) -> dict[str, Any]:
        """Everything, in one flat object, as every JSON form and every record has it."""
        return {**self.tensors, **self.setup.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Setting:
        """The setting among other keys; raises ``KeyError`` for one that is missing."""
        return cls(
            tuple(content["input"]),
            content["batch"],
            content["dtype"],
            content["device"],
            Setup.from_dict(content),
        )

    def options(self) -> list[str]:
        """What to type to have its batch, device and setup; a network's input and dtype are named with it.

        >>> Setting((3, 64, 64), batch=8, setup=Setup(optimizer="adam").on("cpu")).options()
        ['--batch', '8', '--optimizer', 'adam']
        """
        batch = ["--batch", str(self.batch)] if self.batch != 1 else []
        device = ["--device", self.device] if self.device != DEVICES[0] else []
        return [*batch, *device, *self.setup.options(Setup().on(self.device))]

    def check(self) -> None:
        """Refuse what PyTorch would refuse, or what is no such thing: raises ``InputError``."""
        check_choice(self.dtype, ITEMSIZE, "dtype")
        check_choice(self.device, DEVICES, "device")
        check_size(self.batch, "batch", "--batch 1")
        if self.setup.amp != "none" and self.dtype != "float32":
            raise InputError(
                f"Autocast lowers float32 weights, and these are {self.dtype}.",
                "Leave --dtype out, or leave --amp out.",
            )
        if not self.setup.onednn and self.device != "cpu":
            raise InputError("oneDNN is a library of the CPU.", "Leave --no-onednn out, or use --device cpu.")
        if self.setup.processor is not None and self.device != "cpu":
            raise InputError(
                "A processor's kernels are those of the CPU.", "Leave --processor out, or use --device cpu."
            )


def input_shape(text: str | int | Sequence[int] | None, channels: int) -> Shape:
    """Read an image size: ``224``, ``192x256`` or ``3x192x256``; channels default to the config's.

    Returns (C, H, W) in pixels; raises ``InputError`` for anything else.

    >>> input_shape("192x256", 3)
    (3, 192, 256)
    """
    if text is None:
        return (channels, *USUAL_PLANE)
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
