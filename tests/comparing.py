"""Networks side by side, asked for as on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from vgg_profile import Profile, walk
from vgg_profile.cli import main
from vgg_profile.core.setting import Setup

REPORTS = Path(__file__).parent.parent / "reports" / "measured"
PLAIN = Setup()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def printed(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def asked(*arguments: object) -> dict:
    return json.loads(printed(*arguments, "--format", "json"))


def networks(*names: str, **setting: object) -> tuple[Profile, ...]:
    return tuple(walk(name, **setting) for name in names)
