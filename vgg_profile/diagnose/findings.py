"""What a diagnosis holds: every layer in its turn, the defects with their fixes, and the fixed model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from vgg_profile.core.display import Displayed
from vgg_profile.core.jsonable import jsonable
from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.draft import Defect, Draft, Remark, Visit
from vgg_profile.predict.vgg.configs import Config
from vgg_profile.predict.vgg.walk import walk

DIAGNOSIS_SCHEMA = 3


@dataclass(frozen=True, repr=False)
class Diagnosis(Displayed):
    """A model examined: every layer, every defect and remark, and the fixed model.

    ``like`` is the config that it was set against, if any.
    """

    is_document: ClassVar[bool] = True
    subject: str
    input: Shape
    draft: Draft
    like: Config | None = None

    @property
    def defects(self) -> tuple[Defect, ...]:
        return self.draft.defects

    @property
    def differences(self) -> tuple[Defect, ...]:
        """What is other than in the config: no defects by themselves."""
        return self.draft.differences

    @property
    def findings(self) -> tuple[Defect, ...]:
        """Both, in the order of the layers; those of none first."""
        places = {visit.name: place for place, visit in enumerate(self.visits)}
        return tuple(sorted((*self.defects, *self.differences), key=lambda each: places.get(each.place, -1)))

    @property
    def remarks(self) -> tuple[Remark, ...]:
        return self.draft.remarks

    @property
    def visits(self) -> tuple[Visit, ...]:
        return self.draft.layers

    @property
    def parameters(self) -> int:
        """Of the fixed model."""
        return self.draft.parameters

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
        """The fixed model as Python, which builds and runs; empty if it is no chain of layers."""
        if not self.draft.is_chain or self.draft.stopped:
            return ""
        visits = [visit for visit in self.visits if visit.fixed]
        shared = {visit.shares for visit in visits}
        before = [f"{visit.name} = nn.{visit.fixed}\n" for visit in visits if visit.name in shared]
        names = [
            visit.shares or (visit.name if visit.name in shared else f"nn.{visit.fixed}") for visit in visits
        ]
        lines = [(f"    {name},", visit) for name, visit in zip(names, visits, strict=True)]
        width = max((len(code) for code, _ in lines), default=0)
        body = "\n".join(f"{code:<{width}}  # {visit.name}{_comment(visit)}" for code, visit in lines)
        return f"from torch import nn\n\n{''.join(before)}model = nn.Sequential(\n{body}\n)\n"

    def to_dict(self) -> dict[str, Any]:
        """Everything: PyTorch's verdict, defects, remarks, the layers as written, the fixed model."""
        return {
            "schema_version": DIAGNOSIS_SCHEMA,
            "subject": self.subject,
            "input": list(self.input),
            "images": self.draft.images,
            "like": self.like and self.like.label,
            "runs_as_written": not self.draft.refused,
            "refused": self.draft.refused,
            "stopped": self.draft.stopped,
            "defects": jsonable(self.defects),
            "differences": jsonable(self.differences),
            "remarks": jsonable(self.remarks),
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
        }


def _comment(visit: Visit) -> str:
    """What to say of a layer in the fixed model's source."""
    if not visit.runs:
        return ", does not run"
    if not visit.is_changed:
        return f", {visit.shares} again" if visit.shares else ""
    return ", fixed" if visit.written else ", added"
