"""A layer that stands in a list: as written, as fixed."""

from __future__ import annotations

from dataclasses import dataclass

from vgg_profile.diagnose.draft import Family, Written


@dataclass(frozen=True, slots=True)
class Plan:
    """A layer as written (``None``: it is missing), and as fixed (``None``: it goes)."""

    written: Written | None
    fixed: Written | None

    @property
    def family(self) -> Family | None:
        """That of the layer which stands here once fixed."""
        return self.fixed.family if self.fixed else None
