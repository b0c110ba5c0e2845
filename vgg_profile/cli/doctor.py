"""The command for a bug report: versions and devices."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import click

from vgg_profile.ask.machine import LastSeen, keep
from vgg_profile.cli.output import Output, gives_output
from vgg_profile.cli.program import undivided
from vgg_profile.cli.speech import Failure
from vgg_profile.core.version import __version__
from vgg_profile.teach.forms import Contents

PACKAGES = ("torch", "fvcore", "pandas", "matplotlib", "numpy", "click", "tabulate")


@click.command()
@gives_output
def doctor(out: Output) -> None:
    """Versions and devices, for a bug report.

    \b
    vgg-profile doctor
    """
    rows = (*_versions(), *_devices())
    hint = (
        "Of a VGG or a traced file, tables, timelines and fits need no torch; a network in Python and "
        "`vgg-profile measure` do."
    )
    out.deliver(Contents("What runs here", ("what", "answer"), rows, hint))


def _versions() -> Iterator[tuple[str, str]]:
    yield "vgg-profile", __version__
    yield "python", f"{platform.python_version()} ({sys.executable})"
    yield "platform", platform.platform()
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, f"not installed; `pip install {name}` installs it"


def _devices() -> Iterator[tuple[str, str]]:
    try:
        with undivided():
            from vgg_profile.measure.environment import devices, pytorch
            from vgg_profile.measure.processor import processor, why_unknown
    except Failure as error:
        yield "devices", error.message
        return
    yield from devices()
    seen = LastSeen(processor(), *pytorch())
    kept = keep(seen)
    known = f"{seen.processor}, oneDNN 3.12" if seen.processor else f"none known: {why_unknown()}"
    yield "kernels", known + (f"; kept for `fit` in {kept}" if kept else "")
