"""What can be wrong with a model, and how it is told: a fault of a layer, a defect in its place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What can be wrong."""

    IN_CHANNELS = "wrong in-channels"
    NORM_WIDTH = "norm of the wrong width"
    FAN_IN = "wrong fan-in"
    WIDTH = "wrong width"
    SETTING = "other than in the config"
    PADDING = "other padding than its neighbours"
    NOTHING_LEFT = "nothing left of the map"
    NO_NORM = "missing norm"
    NO_ACTIVATION = "missing activation"
    NO_FLATTEN = "missing flatten"
    NO_LAYER = "missing layer"
    EXTRA = "extra layer"
    MISPLACED = "misplaced layer"
    FLATTEN = "wrong flatten"
    SILENT = "returns nothing"
    DROPPED = "result dropped"
    UNAPPLIED = "made, not applied"
    REUSED = "called again"
    HIDDEN = "hidden from PyTorch"
    DOES_NOT_RUN = "does not run"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a layer: the kind, what was found there, and what fits.

    ``mend`` is what to do, where that is more than to write the layer otherwise; ``line`` is where to do it,
    if not where the layer is made.
    """

    kind: Kind
    found: str
    fits: str
    mend: str = ""
    line: int | None = None

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Fault:
        return cls(**{**content, "kind": Kind(content["kind"])})


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

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Defect:
        return cls(**{**content, "kind": Kind(content["kind"])})


def placed(name: str, module: str, line: int | None) -> str:
    """The paper's name beside the file's own.

    >>> placed("fc3", "fc1", 10), placed("relu1_1", "forward", 14), placed("flatten", "", None)
    ('fc3 (module fc1, line 10)', 'relu1_1 (forward, line 14)', 'flatten')
    """
    own = f"module {module}" if module not in ("", "forward") else module
    known = ", ".join(filter(None, (own, f"line {line}" if line else "")))
    return f"{name} ({known})" if known else name
