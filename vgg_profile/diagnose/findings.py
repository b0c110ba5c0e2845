"""What a diagnosis holds: the steps of the walk, the defects with their mends, and the mended list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any, ClassVar

from vgg_profile.configs import Config
from vgg_profile.diagnose.draft import Draft
from vgg_profile.diagnose.written import Written
from vgg_profile.display import Displayed
from vgg_profile.layers import Shape
from vgg_profile.walker import walk

SCHEMA_VERSION = 1


class Kind(StrEnum):
    """What can be wrong."""

    IN_CHANNELS = "wrong in-channels"
    NORM_WIDTH = "norm of the wrong width"
    FAN_IN = "wrong fan-in"
    WIDTH = "wrong width"
    SETTING = "other than in the config"
    NOTHING_LEFT = "nothing left of the map"
    NO_NORM = "missing norm"
    NO_ACTIVATION = "missing activation"
    NO_FLATTEN = "missing flatten"
    NO_LAYER = "missing layer"
    EXTRA = "extra layer"
    MISPLACED = "misplaced layer"
    FLATTEN = "wrong flatten"
    SILENT = "returns nothing"
    DOES_NOT_RUN = "does not run"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a layer: the kind, what was found there, and what fits."""

    kind: Kind
    found: str
    fits: str


@dataclass(frozen=True, slots=True)
class Step:
    """A layer in the walk: as written (``None``: it was missing), as mended (``None``: it goes)."""

    name: str
    written: Written | None
    mended: Written | None
    output: Shape
    faults: tuple[Fault, ...] = ()
    after: str = ""

    @property
    def mend(self) -> str:
        """What to do here, if anything is wrong."""
        if self.mended is None:
            return "remove it"
        return f"nn.{self.mended}" if self.written else f"insert nn.{self.mended} after {self.after}"

    @property
    def remark(self) -> str:
        """What to say of it in the mended list."""
        if not self.faults:
            return ""
        return ", mended" if self.written else ", added"


@dataclass(frozen=True, slots=True)
class Defect:
    """One mistake: where, what was found, what fits, and the mend.

    ``place`` is the paper's name (``conv3_2``); ``module`` the path in the model, and ``line`` the line of
    the file, where there are such.
    """

    place: str
    module: str
    line: int | None
    kind: Kind
    found: str
    fits: str
    mend: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "place": self.place,
            "module": self.module,
            "line": self.line,
            "kind": self.kind.value,
            "found": self.found,
            "fits": self.fits,
            "mend": self.mend,
        }


@dataclass(frozen=True, repr=False)
class Diagnosis(Displayed):
    """A model walked to its end: every step, every defect in its order, and the mended list."""

    is_document: ClassVar[bool] = True
    subject: str
    input: Shape
    draft: Draft
    like: Config | None
    steps: tuple[Step, ...]

    @property
    def defects(self) -> tuple[Defect, ...]:
        """Those of functions first, then layer by layer."""
        return tuple(chain(self._of_functions(), self._of_layers(), self._of_the_run()))

    def _of_functions(self) -> Iterator[Defect]:
        for silent in self.draft.silent:
            place = f"{silent.function}()"
            if silent.function.endswith(".forward"):
                found, mend = "the last layer's result is dropped", "return it"
            else:
                found, mend = "a module is built and dropped", "put `return` before it"
            yield Defect(place, "", silent.line, Kind.SILENT, found, "what it makes is returned", mend)

    def _of_layers(self) -> Iterator[Defect]:
        for step in self.steps:
            at = step.written or Written("")
            for fault in step.faults:
                yield Defect(step.name, at.module, at.line, fault.kind, fault.found, fault.fits, step.mend)

    def _of_the_run(self) -> Iterator[Defect]:
        """What PyTorch finds where the walk found nothing: a model is clean only if it runs."""
        if self.draft.failure and not any(step.faults for step in self.steps) and not self.draft.silent:
            yield Defect(
                self.subject,
                "",
                None,
                Kind.DOES_NOT_RUN,
                self.draft.failure,
                "a forward pass",
                "not known here",
            )

    @property
    def mended(self) -> tuple[tuple[str, Written, Shape], ...]:
        """The layers that fit, by name, with what leaves each."""
        return tuple((step.name, step.mended, step.output) for step in self.steps if step.mended)

    @property
    def parameters(self) -> int:
        """Of the mended list."""
        return sum(layer.parameters for _, layer, _ in self.mended)

    @property
    def wanted_parameters(self) -> int | None:
        """Those of the config that the model should be."""
        return None if self.like is None else walk(self.like, input=self.input).totals.parameters

    @property
    def code(self) -> str:
        """The mended list as Python: it builds, and runs on the input."""
        lines = [(f"    nn.{step.mended},", step) for step in self.steps if step.mended]
        width = max(len(code) for code, _ in lines) if lines else 0
        body = "\n".join(f"{code:<{width}}  # {step.name}{step.remark}" for code, step in lines)
        return f"from torch import nn\n\nmodel = nn.Sequential(\n{body}\n)\n"

    def to_dict(self) -> dict[str, Any]:
        """Everything: the defects, the layers as they were written, the mended list and its source."""
        return {
            "schema_version": SCHEMA_VERSION,
            "subject": self.subject,
            "input": list(self.input),
            "like": self.like and self.like.label,
            "defects": [defect.to_dict() for defect in self.defects],
            "layers": [
                {
                    "name": step.name,
                    "module": step.written.module,
                    "line": step.written.line,
                    "layer": str(step.written),
                    "output_shape": list(step.output),
                }
                for step in self.steps
                if step.written
            ],
            "mended": [
                {
                    "name": name,
                    "layer": str(layer),
                    "output_shape": list(output),
                    "parameters": layer.parameters,
                }
                for name, layer, output in self.mended
            ],
            "parameters": self.parameters,
            "source": self.code,
            "remarks": list(self.draft.remarks),
        }
