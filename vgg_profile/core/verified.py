"""Which predictions for a card were confirmed on one: by a committed record, every check of which holds.

``verified.json`` beside this file lists them, a line a record; ``ask.verification`` makes it from
``reports/measured``, and a test makes it again and compares. A prediction is verified if one record has its
setting, at whatever batch and image size, and all its kinds of layer. Nothing wider is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from vgg_profile.core.setting import Setting

UNVERIFIED = "not verified on a card"
"""The mark of every prediction for a card that no card has confirmed."""

LIST = Path(__file__).with_name("verified.json")


class Verified(NamedTuple):
    """Where a prediction was confirmed: the card, its family as NVIDIA calls it, the version of torch."""

    device: str
    architecture: str
    torch: str

    @property
    def label(self) -> str:
        """As every JSON form has it."""
        return f"{self.device}, torch {self.torch}"


@cache
def confirmed() -> tuple[dict[str, Any], ...]:
    """The list, one entry a record."""
    from vgg_profile.core.parsing import parse_json

    return tuple(parse_json(LIST.read_text(encoding="utf-8")))


def verified(layers: Iterable[str], setting: Setting) -> Verified | None:
    """Where the step of a network with these kinds of layer was confirmed; ``None`` if nowhere."""
    layers, wanted = set(layers), conditions(setting)
    for entry in confirmed():
        if entry["setting"] == wanted and layers <= set(entry["layers"]):
            return Verified(*(entry[key] for key in Verified._fields))
    return None


def conditions(setting: Setting) -> dict[str, Any]:
    """What of a setting decides which rules apply: how the step is run, and the dtype."""
    setup = setting.setup.on(setting.device).to_dict()
    if setup["optimizer"] == "none":
        setup |= {"foreach": False, "fused": False, "first_step": False}
    del setup["onednn"], setup["processor"], setup["threads"]  # they are the CPU's
    if setup["accumulate"] == 1:
        del setup["accumulate"]  # as it was before it could be said
    return {"device": setting.device, "dtype": setting.dtype, **setup}
