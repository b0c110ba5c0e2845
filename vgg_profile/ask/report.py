"""What people keep: networks told whole, with their pictures, their checks, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from vgg_profile.ask.compare import Comparison
from vgg_profile.core.display import Displayed


@dataclass(frozen=True, repr=False)
class Report(Displayed):
    """A comparison of one network or more, told at length; ``command`` is what made it."""

    comparison: Comparison
    command: str
    is_document: ClassVar[bool] = True

    def to_dict(self) -> dict[str, Any]:
        return {"command": self.command, **self.comparison.to_dict()}
