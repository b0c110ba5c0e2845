"""What a run is made of: calls, and the edits that are carried out at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.draft import Kind, Written
from vgg_profile.diagnose.modules import Births, ModulePaths

IMAGES = 13
"""How many images a model is tried with: a number that nobody has written into a ``view``."""


class Site(NamedTuple):
    """Which call: of which module (its ``id``) or function (its line and name), and the how manyth."""

    key: int | str
    nth: int


@dataclass(frozen=True)
class Edit:
    """A change of the model at a call, and why.

    ``do`` is "write" (the layer is ``layer`` instead), "insert" (``layer`` comes before it), "skip" (it
    goes), "use" (``module`` is called instead), "follow" (it is given what the call at ``after`` made), or
    "pass" (what arrives is handed on, since no fix is known).
    """

    site: Site
    do: str
    kind: Kind
    layer: Written | None
    found: str
    fits: str
    fix: str = ""
    after: Site | None = None
    module: nn.Module | None = None


@dataclass(eq=False)
class Call:
    """One call on what the images became.

    ``layers`` are those that it stands for, as written; ``None``: not known as layers. ``sources`` are the
    calls that made the tensors that it was given, ``None`` for the images. Shapes have the images in front.
    """

    what: str
    line: int | None
    site: Site
    layers: tuple[Written, ...] | None
    sources: tuple[Call | None, ...]
    arriving: Shape
    output: Shape = ()
    module: nn.Module | None = None
    fixed: tuple[Written, ...] | None = None
    edits: list[Edit] = field(default_factory=list)
    is_inserted: bool = False
    operands: int = 1
    """How many tensors that come of the images it was given."""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def layer(self) -> Written | None:
        """The one layer that it stands for."""
        return self.layers[0] if self.layers and len(self.layers) == 1 else None

    @property
    def made_at(self) -> int | None:
        """The line that makes its layer, or calls it."""
        return (self.layer.line if self.layer else None) or self.line

    @property
    def place(self) -> str:
        return self.layer.module if self.layer else "forward"


@dataclass(eq=False)
class Subject:
    """A model with what is known of how it was made, and what PyTorch has said of its layers."""

    model: nn.Module
    births: Births
    paths: ModulePaths
    path: Path
    device: str
    takes: int = 1
    """How many images ``forward`` wants."""
    shapes: dict[tuple[str, Shape, torch.dtype, bool], Shape | None] = field(default_factory=dict)
    """What leaves a layer, by its text, what arrives, and whether it trains; ``None``: the tensor itself."""
    built: dict[tuple[str, bool], nn.Module] = field(default_factory=dict)
    written: dict[int, Written] = field(default_factory=dict)


class Again(Exception):  # noqa: N818 - no error: the run begins anew with one edit more
    """A mend that belongs to an earlier call."""

    def __init__(self, edit: Edit) -> None:
        super().__init__()
        self.edit = edit
