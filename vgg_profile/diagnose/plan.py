"""What shall become of a layer before any shape is known; ``against`` and ``neighbours`` decide it."""

from __future__ import annotations

from dataclasses import dataclass

from vgg_profile.diagnose.draft import Family, Fault, Kind, Written

_MISSING = {
    Family.NORM: Kind.NO_NORM,
    Family.ACTIVATION: Kind.NO_ACTIVATION,
    Family.FLATTEN: Kind.NO_FLATTEN,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A layer as written (``None``: it is missing), as fixed so far (``None``: it goes), and why."""

    written: Written | None
    fixed: Written | None
    faults: tuple[Fault, ...] = ()

    @property
    def family(self) -> Family | None:
        """That of the layer which stands here once fixed."""
        return self.fixed.family if self.fixed else None


def missing(layer: Written, why: str) -> Plan:
    """A layer to insert, and why."""
    kind = _MISSING.get(layer.family, Kind.NO_LAYER)
    return Plan(None, layer, (Fault(kind, f"no {layer.family} here", why),))
