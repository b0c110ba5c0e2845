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
from vgg_profile.core.units import listed

UNVERIFIED = "not verified on a card"
"""The mark of every prediction for a card that no card has confirmed."""

LIST = Path(__file__).with_name("verified.json")


EXACT_WITH = ("2.7.1", "2.8.0", "2.9.1", "2.10.0", "2.11.0", "2.12.1", "2.13.0", "2.14.1", "2.15.0")
"""The versions of torch with which no figure was off on the CPU, in ``examples/run_versions.py``."""


def tried(torch: str) -> str:
    """What was found of a version of torch on the CPU, in words.

    >>> tried("2.13.0+cpu")
    'no figure is off with torch 2.13.0'
    >>> tried("2.6.0")[:61]
    'torch 2.6.0 was not tried: no figure is off with 2.7.1, 2.8.0'
    """
    version = torch.partition("+")[0]
    if version in EXACT_WITH:
        return f"no figure is off with torch {version}"
    return f"torch {version} was not tried: no figure is off with {listed(EXACT_WITH)}"


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
