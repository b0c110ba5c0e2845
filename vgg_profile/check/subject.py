"""What a record is of: its network and its setting, and whether they are those that are asked about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.setting import OF_AN_OPTIMIZER, Setup
from vgg_profile.core.tree import Network, Profile
from vgg_profile.measure.record import SUBJECT, Measurement
from vgg_profile.predict.vgg.configs import Source, recorded
from vgg_profile.predict.vgg.configs import config as find_config
from vgg_profile.predict.vgg.walk import walk


def profile_for(network: Source, measurement: Measurement) -> Profile:
    """The profile of a network at a record's input, batch, dtype and device."""
    subject = _subject(measurement)
    net = find_config(network)
    if subject["config"] is not None:
        _check_config(net, subject["config"])
    return walk(net, **measurement.setting.tensors)


def profile_of(profile: Profile, measurement: Measurement) -> Profile:
    """The same network's profile at a record's batch, and for a config at its input and dtype, too."""
    if profile.run is None:
        return profile_for(profile.config, measurement)
    return profile.at(measurement.setting.batch)


def setup_of(measurement: Measurement) -> Setup:
    """How the step was run that a record is of, by which processor, and by how many threads.

    The first records name no family of processors, but their environment tells it.
    """
    _subject(measurement)
    setup = measurement.setting.setup
    if "processor" in measurement.subject or measurement.setting.device != "cpu":
        return setup
    threads = measurement.environment.get("threads", "")
    return replace(
        setup, processor=_family(measurement), threads=int(threads) if threads.isdecimal() else None
    )


def _family(measurement: Measurement) -> str | None:
    """The family of a processor by what PyTorch calls it, and by its name.

    In float32, AVX-512 is one with or without bfloat16; every processor of AMD's that has it has both.
    """
    environment, setting = measurement.environment, measurement.setting
    capability = environment.get("cpu_capability", "")
    if capability == "AVX2":
        return "avx2"
    if capability != "AVX512":
        return None
    if environment.get("device", "").startswith("AMD"):
        return "avx512_bf16"
    return "avx512" if (setting.dtype, setting.setup.amp) == ("float32", "none") else None


MACHINE = ("torch", "threads")
"""What a traced network's description says of where it was traced, and not of the network."""


def _check_config(config: Network, measured: object) -> None:
    """Refuse a record of another network, and say in what it is another."""
    ours = {key: value for key, value in config.to_dict().items() if key not in MACHINE}
    theirs = recorded(measured) if isinstance(measured, dict) else {}
    for key, value in ours.items():
        if theirs.get(key) != value:
            raise InputError(
                f"The record was measured with another config: its {key} is {excerpt(theirs.get(key))}, "
                f"and {config.label}'s is {excerpt(value)}.",
                "Name the config that was measured, with the same options.",
            )


def _subject(measurement: Measurement) -> dict[str, Any]:
    """What was measured, with nothing missing."""
    missing = [key for key in SUBJECT if key not in measurement.subject]
    if missing:
        raise InputError(
            f"The record does not say what was measured: {', '.join(missing)} is missing.",
            "Measure again: `vgg-profile measure NET -o record.json`.",
        )
    return {**measurement.subject, **measurement.setting.to_dict()}


def check_subject(profile: Profile, measurement: Measurement) -> None:
    """Refuse a record of another network, or at other tensors: raises ``InputError``."""
    subject = _subject(measurement)
    if subject["config"] is not None:
        _check_config(profile.config, subject["config"])
    check_setting(measurement, profile.setting.tensors)


def check_setting(measurement: Measurement, asked: dict[str, Any]) -> None:
    """Refuse a record that was measured with another setting than what is asked about: raises ``InputError``.

    ``asked`` has some of the keys of a record's subject. How an optimizer steps matters where one does.
    """
    subject = _subject(measurement)
    moot = OF_AN_OPTIMIZER if subject["optimizer"] == "none" else ()
    for key, value in asked.items():
        if subject[key] != value and key not in moot:
            raise InputError(
                f"The record was measured with another {key}: {excerpt(subject[key])}, and {excerpt(value)} "
                "is asked about.",
                "Ask about what was measured, or measure what is asked about.",
            )


def check_network(measurement: Measurement) -> None:
    """Refuse a record that does not say which network it is of: on a command line nobody else does.

    Raises ``InputError``.
    In Python, the caller of :func:`crosscheck` does.
    """
    if _subject(measurement)["config"] is None:
        raise InputError(
            "The record does not say which network it is of: a module was measured that no config describes.",
            "Measure a config; or, in Python, say yourself which network it is: "
            "crosscheck(walk(NETWORK), load(RECORD)).",
        )
