"""What lifts the mark "not verified on a card": records of one, every check of which holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vgg_profile.ask.cards import card
from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.core.errors import InputError
from vgg_profile.core.verified import conditions
from vgg_profile.measure.record import Measurement
from vgg_profile.predict.vgg.configs import from_dict


def verification(records: Mapping[str, Measurement]) -> Iterator[dict[str, Any]]:
    """What records of a card confirm, as ``core/verified.json`` lists it: by name, those that hold.

    A check that fvcore's absence skipped says nothing about memory, and does not count.
    """
    for name, record in sorted(records.items()):
        if record.setting.device != "cuda" or record.subject["config"] is None:
            continue
        profile = profile_for(from_dict(record.subject["config"]), record)
        checks = crosscheck(profile, record).checks
        of_memory = [check for check in checks if not check.quantity.startswith("fvcore")]
        if any(check.verdict is not Verdict.PASS for check in of_memory):
            continue
        device = record.environment["device"]
        yield {
            "record": name,
            "device": device,
            "architecture": architecture_of(device),
            "torch": record.environment["torch"],
            "layers": list(profile.kinds),
            "setting": conditions(record.setting),
        }


def architecture_of(device: str) -> str:
    """The family of a card; of one that is not listed, its own name."""
    try:
        return card(device).architecture
    except InputError:
        return device
