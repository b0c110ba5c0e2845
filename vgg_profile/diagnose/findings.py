"""What a diagnosis holds: every layer in its turn, the defects with their fixes, and the fixed model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from vgg_profile.core.display import Displayed
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.draft import Defect, Draft, Fault, Kind, Written
from vgg_profile.diagnose.formulas import parameters
from vgg_profile.predict.vgg.configs import Config
from vgg_profile.predict.vgg.walk import walk

DIAGNOSIS_SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Visit:
    """A layer in its turn: as written (``None``: it was missing), as fixed (``None``: it goes).

    ``output`` is the shape that leaves it, ``block`` the number of its block, ``after`` the layer before it.
    ``shares`` is the name of the earlier visit whose weights it uses again, if it does.
    """

    name: str
    written: Written | None
    fixed: Written | None
    output: Shape
    block: int
    faults: tuple[Fault, ...] = ()
    after: str = ""
    shares: str = ""

    @property
    def runs(self) -> bool:
        """Whether PyTorch runs it once fixed, as far as is known."""
        return all(fault.kind is not Kind.DOES_NOT_RUN for fault in self.faults)

    @property
    def parameters(self) -> int:
        """Those that it adds to the fixed model."""
        return 0 if self.fixed is None or self.shares else parameters(self.fixed)

    @property
    def fix(self) -> str:
        """What to do here, if anything is wrong."""
        if self.fixed is None:
            return "remove it"
        if self.written and self.written.module == "forward" and self.fixed.name == "Flatten":
            return "torch.flatten(x, 1)"
        return f"nn.{self.fixed}" if self.written else f"insert nn.{self.fixed} after {self.after}"

    @property
    def remark(self) -> str:
        """What to say of it in the fixed model's source."""
        if not self.runs:
            return ", does not run"
        if not self.faults:
            return f", {self.shares} again" if self.shares else ""
        return ", fixed" if self.written else ", added"


@dataclass(frozen=True, repr=False)
class Diagnosis(Displayed):
    """A model walked to its end: every layer, every defect in its order, and the fixed model."""

    is_document: ClassVar[bool] = True
    subject: str
    input: Shape
    draft: Draft
    like: Config | None
    visits: tuple[Visit, ...]
    remarks: tuple[str, ...] = ()

    @property
    def defects(self) -> tuple[Defect, ...]:
        """Those of functions first, then layer by layer."""
        return (*self.draft.defects, *self._of_layers())

    def _of_layers(self) -> Iterator[Defect]:
        for visit in self.visits:
            at = visit.written or Written("")
            for fault in visit.faults:
                line, fix = fault.line or at.line, fault.fix or visit.fix
                yield Defect(visit.name, at.module, line, fault.kind, fault.found, fault.fits, fix)

    @property
    def fixed(self) -> tuple[tuple[str, Written, Shape], ...]:
        """The layers that fit, by name, with what leaves each."""
        return tuple((visit.name, visit.fixed, visit.output) for visit in self.visits if visit.fixed)

    @property
    def parameters(self) -> int:
        """Of the fixed model."""
        return sum(visit.parameters for visit in self.visits)

    @property
    def failing(self) -> tuple[str, ...]:
        """The layers of the fixed model that PyTorch does not run, and whose fix is not known."""
        return tuple(visit.name for visit in self.visits if not visit.runs)

    @property
    def wanted_parameters(self) -> int | None:
        """Those of the config that the model should be."""
        return None if self.like is None else walk(self.like, input=self.input).totals.parameters

    @property
    def code(self) -> str:
        """The fixed model as Python: it builds, and runs on the input unless a layer is ``failing``."""
        visits = [visit for visit in self.visits if visit.fixed]
        shared = {visit.shares for visit in visits}
        before = [f"{visit.name} = nn.{visit.fixed}\n" for visit in visits if visit.name in shared]
        names = [
            visit.shares or (visit.name if visit.name in shared else f"nn.{visit.fixed}") for visit in visits
        ]
        lines = [(f"    {name},", visit) for name, visit in zip(names, visits, strict=True)]
        width = max((len(code) for code, _ in lines), default=0)
        body = "\n".join(f"{code:<{width}}  # {visit.name}{visit.remark}" for code, visit in lines)
        return f"from torch import nn\n\n{''.join(before)}model = nn.Sequential(\n{body}\n)\n"

    def to_dict(self) -> dict[str, Any]:
        """Everything: the defects, the layers as they were written, the fixed model and its source."""
        return {
            "schema_version": DIAGNOSIS_SCHEMA,
            "subject": self.subject,
            "input": list(self.input),
            "like": self.like and self.like.label,
            "defects": [{**asdict(defect), "kind": str(defect.kind)} for defect in self.defects],
            "layers": [
                {
                    "name": visit.name,
                    "module": visit.written.module,
                    "line": visit.written.line,
                    "layer": str(visit.written),
                    "output_shape": list(visit.output),
                }
                for visit in self.visits
                if visit.written
            ],
            "fixed": [
                {
                    "name": visit.name,
                    "layer": str(visit.fixed),
                    "output_shape": list(visit.output),
                    "parameters": visit.parameters,
                }
                for visit in self.visits
                if visit.fixed
            ],
            "parameters": self.parameters,
            "source": self.code,
            "runs": not self.failing,
            "remarks": list(self.remarks),
        }
