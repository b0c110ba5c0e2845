"""Networks side by side: one line each, headline totals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vgg_profile.display import Displayed
from vgg_profile.walker import SCHEMA_VERSION, Profile


@dataclass(frozen=True, repr=False)
class Comparison(Displayed):
    """Several profiles, one row each, in the order given."""

    profiles: tuple[Profile, ...]

    def to_dict(self) -> dict[str, Any]:
        """One object a network: its label, depth, and the totals of its profile."""
        return {
            "schema_version": SCHEMA_VERSION,
            "configs": [
                {
                    "config": profile.config.name,
                    "batch_norm": profile.config.batch_norm,
                    "input": list(profile.input),
                    "batch": profile.batch,
                    "dtype": profile.dtype,
                    "device": profile.device,
                    "depth": profile.config.depth,
                    **profile.to_dict()["totals"],
                    "receptive_field": profile.receptive_field,
                }
                for profile in self.profiles
            ],
        }
