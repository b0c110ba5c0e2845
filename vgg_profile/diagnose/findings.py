"""What a diagnosis holds: the steps of the walk, the defects with their mends, and the mended list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from vgg_profile.core.display import Displayed
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.defects import Defect, Fault, Kind
from vgg_profile.diagnose.draft import Draft
from vgg_profile.diagnose.written import Written
from vgg_profile.predict.vgg.configs import Config
from vgg_profile.predict.vgg.walk import walk

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Step:
    """A layer in the walk: as written (``None``: it was missing), as mended (``None``: it goes).

    ``shares`` is the name of the earlier step whose weights it uses again, if it does.
    """

    name: str
    written: Written | None
    mended: Written | None
    output: Shape
    faults: tuple[Fault, ...] = ()
    after: str = ""
    shares: str = ""

    @property
    def runs(self) -> bool:
        """Whether PyTorch runs it once mended, as far as is known."""
        return all(fault.kind is not Kind.DOES_NOT_RUN for fault in self.faults)

    @property
    def parameters(self) -> int:
        """Those that it adds to the mended list."""
        return 0 if self.mended is None or self.shares else self.mended.parameters

    @property
    def mend(self) -> str:
        """What to do here, if anything is wrong."""
        if self.mended is None:
            return "remove it"
        if self.written and self.written.module == "forward" and self.mended.name == "Flatten":
            return "torch.flatten(x, 1)"
        return f"nn.{self.mended}" if self.written else f"insert nn.{self.mended} after {self.after}"

    @property
    def remark(self) -> str:
        """What to say of it in the mended list."""
        if not self.runs:
            return ", does not run"
        if not self.faults:
            return f", {self.shares} again" if self.shares else ""
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
    remarks: tuple[str, ...] = ()

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
        return sum(step.parameters for step in self.steps)

    @property
    def failing(self) -> tuple[str, ...]:
        """The layers of the mended list that PyTorch does not run, and whose mend is not known."""
        return tuple(step.name for step in self.steps if not step.runs)

    @property
    def wanted_parameters(self) -> int | None:
        """Those of the config that the model should be."""
        return None if self.like is None else walk(self.like, input=self.input).totals.parameters

    @property
    def code(self) -> str:
        """The mended list as Python: it builds, and runs on the input unless a layer is ``failing``."""
        steps = [step for step in self.steps if step.mended]
        shared = {step.shares for step in steps}
        before = [f"{step.name} = nn.{step.mended}\n" for step in steps if step.name in shared]
        names = [step.shares or (step.name if step.name in shared else f"nn.{step.mended}") for step in steps]
        lines = [(f"    {name},", step) for name, step in zip(names, steps, strict=True)]
        width = max((len(code) for code, _ in lines), default=0)
        body = "\n".join(f"{code:<{width}}  # {step.name}{step.remark}" for code, step in lines)
        return f"from torch import nn\n\n{''.join(before)}model = nn.Sequential(\n{body}\n)\n"

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
                    "name": step.name,
                    "layer": str(step.mended),
                    "output_shape": list(step.output),
                    "parameters": step.parameters,
                }
                for step in self.steps
                if step.mended
            ],
            "parameters": self.parameters,
            "source": self.code,
            "runs": not self.failing,
            "remarks": list(self.remarks),
        }
