"""A network that was traced: what results say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from vgg_profile.core.inputs import Input
from vgg_profile.core.jsonable import jsonable
from vgg_profile.core.printable import command_line
from vgg_profile.core.setting import Setting

KNOWN_OF_KERNELS = "tensors, and what kernels take in passing as far as it is known"
"""What a step's figures count where some kernel may take more than rules know."""


@dataclass(frozen=True, slots=True)
class TracedNetwork:
    """Any network: where it came from, what it is given, by which PyTorch it was traced.

    ``source`` is what names it on a command line, with the options ``how`` beside its inputs and its setting;
    ``depth`` counts the modules that own weights.
    """

    name: str
    source: str
    kind: str
    depth: int
    inputs: tuple[Input, ...]
    loss: str
    torch: str
    threads: int
    how: tuple[str, ...] = ()
    is_traced: ClassVar[bool] = True

    @property
    def label(self) -> str:
        return self.name

    @property
    def given(self) -> str:
        """Its inputs in words, each without the batch."""
        return " and ".join(each.label for each in self.inputs)

    @property
    def scope(self) -> str:
        """What the figures of its step count, in words."""
        return KNOWN_OF_KERNELS

    @property
    def title(self) -> tuple[str, str]:
        """What it is, before and after its input's size is said."""
        layers = f"{self.depth:,} module{'' if self.depth == 1 else 's'} with weights"
        return f"{self.label}: {layers}", f", {self.loss}"

    @property
    def heading(self) -> dict[str, Any]:
        """How it is named in every JSON form."""
        return {"network": self.name, "inputs": jsonable(self.inputs), "loss": self.loss}

    @property
    def facts(self) -> dict[str, Any]:
        """What the JSON form of its table says of it beside."""
        return {"kind": self.kind, "source": self.source, "torch": self.torch, "threads": self.threads}

    def words(self, setting: Setting, *more: str, inputs: Sequence[str] | None = None) -> list[str]:
        """What to type after a command's name to ask about it in a setting.

        ``inputs`` stand in the place of its own; of an option that stands there twice, the last counts.
        """
        given = [each.label for each in self.inputs] if inputs is None else inputs
        named = [word for each in given for word in ("--input", each)]
        return [self.source, *named, *self.how, *setting.options(), *more]

    def to_trace(self, setting: Setting, *more: str, inputs: Sequence[str] | None = None) -> str:
        """The command that traces it so, in backquotes."""
        typed = [
            "vgg-profile",
            "trace",
            *self.words(setting, *more, inputs=inputs),
            "-o",
            f"{self.name}.json",
        ]
        return f"`{command_line(typed)}`"

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "depth": self.depth, **self.heading, **self.facts}
