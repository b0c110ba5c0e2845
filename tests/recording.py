"""Records: one made by the real command, and records signed anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vgg_profile.cli import main
from vgg_profile.measure.record import Measurement, dumps

TINY = {"name": "tiny", "layers": [4, "M"], "classifier": [], "classes": 3}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "tiny.json"
    path.write_text(json.dumps(TINY))
    return path


@pytest.fixture(scope="session")
def saved(network: Path) -> Path:
    """A record made by the real command."""
    path = network.parent / "record.json"
    result = run("measure", network, "--input", "8", "--optimizer", "sgd", "--repeats", "1", "-o", path)
    assert result.exit_code == 0, result.output
    assert "PASS" in result.stdout
    assert f"Wrote {path}" in result.stderr
    return path


def resigned(measurement: Measurement, path: Path) -> Path:
    path.write_text(dumps(measurement))
    return path
