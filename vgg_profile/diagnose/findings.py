"""What a diagnosis holds: the steps of the walk, the defects with their mends, and the mended list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from vgg_profile.configs import Config
from vgg_profile.diagnose.defects import Defect, Fault
from vgg_profile.diagnose.draft import Draft
from vgg_profile.diagnose.written import Written
from vgg_profile.display import Displayed
from vgg_profile.layers import Shape
from vgg_profile.walker import walk

SCHEMA_VERSION = 1


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
        return (*self.draft.defects, *self._of_layers())

    def _of_layers(self) -> Iterator[Defect]:
        for step in self.steps:
            at = step.written or Written("")
            for fault in step.faults:
                line, mend = fault.line or at.line, fault.mend or step.mend
                yield Defect(step.name, at.module, line, fault.kind, fault.found, fault.fits, mend)

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
