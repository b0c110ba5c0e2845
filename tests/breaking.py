"""Sound models of the public kind as source, and ways to break them, one line at a time."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

HEAD = "from torch import nn\n\n\ndef model():\n    return nn.Sequential(\n"


@dataclass
class Source:
    """A model as lines, one a layer; ``broken`` says which break is at which layer."""

    layers: list[str]
    broken: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    @property
    def text(self) -> str:
        lines = [line.partition("#")[0].rstrip() for line in self.layers]
        return HEAD + "".join(f"        {line},\n" for line in lines if line) + "    )\n"

    def lines_of(self, mark: str) -> set[int]:
        """The line of a layer; of one that is gone, those beside it."""
        first = HEAD.count("\n") + 1
        kept = [line for line in self.layers if line.partition("#")[0].strip()]
        place = next((n for n, line in enumerate(kept) if line.endswith(f"# {mark}")), None)
        if place is not None:
            return {first + place}
        before = [line for line in self.layers[: self._index(mark)] if line.partition("#")[0].strip()]
        owner = self.lines_of(mark.replace("relu", "conv")) if mark.startswith("relu") else set()
        return {first + len(before) - 1, first + len(before)} | owner

    def _index(self, mark: str) -> int:
        return next(n for n, line in enumerate(self.layers) if line.endswith(f"# {mark}"))

    def change(self, mark: str, old: str, new: str, why: str) -> bool:
        """Replace some text of a layer; whether it had it."""
        place = self._index(mark)
        changed = re.sub(old, new, self.layers[place], count=1)
        if changed == self.layers[place] or mark in self.broken:
            return False
        self.layers[place] = changed
        self.broken[mark] = why
        return True

    def remove(self, mark: str, why: str) -> bool:
        return self.change(mark, r"^[^#]*", "", why)


def sound(choice: random.Random, size: int = 32) -> Source:
    """A model that runs: blocks of padded convolutions, a pool after each, a head of linear layers."""
    norm, blocks = choice.random() < 0.5, choice.randint(2, 4)
    widths = choice.sample([8, 12, 16, 24, 32, 48, 64], blocks)
    widths.sort()
    layers, channels = [], 3
    for block, width in enumerate(widths, start=1):
        for place in range(1, choice.randint(2, 3) + 1):
            name = f"{block}_{place}"
            layers.append(f"nn.Conv2d({channels}, {width}, 3, padding=1)  # conv{name}")
            if norm:
                layers.append(f"nn.BatchNorm2d({width})  # bn{name}")
            layers.append(f"nn.ReLU(inplace=True)  # relu{name}")
            channels = width
        layers.append(f"nn.MaxPool2d(2)  # pool{block}")
    side = size // 2**blocks
    layers.append("nn.Flatten()  # flatten")
    hidden = choice.choice([[], [96], [96, 96], [128, 112]])
    values = f"{channels} * {side} * {side}"
    for number, width in enumerate(hidden, start=1):
        layers += [f"nn.Linear({values}, {width})  # fc{number}", f"nn.ReLU()  # relu_fc{number}"]
        layers.append(f"nn.Dropout()  # drop{number}")
        values = str(width)
    layers.append(f"nn.Linear({values}, 10)  # fc{len(hidden) + 1}")
    return Source(layers)


def marks(source: Source, kind: str) -> list[str]:
    return [line.rpartition("# ")[2] for line in source.layers if re.match(kind, line.rpartition("# ")[2])]


def _some(source: Source, choice: random.Random, kind: str) -> str:
    return choice.choice(marks(source, kind) or [""])


def unpadded(source: Source, choice: random.Random) -> bool:
    """One convolution among padded ones is not."""
    if "fan-in" in source.broken.values():
        return False
    return source.change(_some(source, choice, "conv"), r", padding=1", "", "padding")


def width(source: Source, choice: random.Random) -> bool:
    """One width typed wrong."""
    if "fan-in" in source.broken.values():
        return False
    wrong = choice.choice([7, 13, 46, 65, 100])
    return source.change(_some(source, choice, "conv"), r"\((\w+), \w+,", rf"(\1, {wrong},", "width")


def channels(source: Source, choice: random.Random) -> bool:
    """A convolution made for other channels than come."""
    mark = choice.choice(marks(source, "conv")[1:])
    return source.change(mark, r"\(\w+, ", f"({choice.choice([5, 11, 21])}, ", "channels")


def norm(source: Source, choice: random.Random) -> bool:
    """A norm of another width."""
    found = marks(source, "bn")
    return bool(found) and source.change(choice.choice(found), r"\(\d+\)", "(19)", "norm")


def fan_in(source: Source, choice: random.Random) -> bool:
    """A linear layer made for more values than come: nothing else says what comes before it."""
    if {"width", "padding"} & {*source.broken.values()}:
        return False
    wrong = choice.choice([999, 1234, 77])
    return source.change(_some(source, choice, "fc"), r"\([^,]+, ", f"({wrong}, ", "fan-in")


def flatten(source: Source, choice: random.Random) -> bool:
    """No flatten."""
    return source.remove("flatten", "flatten")


def straight(source: Source, choice: random.Random) -> bool:
    """An activation left out between two layers."""
    first = [mark for mark in marks(source, "relu") if mark.endswith("_1") and "fc" not in mark]
    return source.remove(choice.choice(first), "activation")


def on_logits(source: Source, choice: random.Random) -> bool:
    """A ReLU after the last layer."""
    source.layers.append("nn.ReLU()  # last")
    source.broken["last"] = "logits"
    return True


def softmax(source: Source, choice: random.Random) -> bool:
    """A softmax after the last layer."""
    source.layers.append("nn.Softmax(dim=1)  # softmax")
    source.broken["softmax"] = "softmax"
    return True


BREAKS = (unpadded, width, channels, norm, fan_in, flatten, straight, on_logits, softmax)
