"""Any budget, own table, traced network or keyword: an answer or a sentence; families of ``tests.fuzz``."""

from __future__ import annotations

import inspect
import random
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from calling import call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vgg_profile as vp
from tests.fuzz.files import KEPT_IN, MAKERS
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import Setup

FEW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("kind", MAKERS)
@FEW
@given(seed=st.integers(0, 2**32))
def test_a_hostile_file_gets_an_answer_or_a_sentence(
    kind: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("XDG_CACHE_HOME", str(work / KEPT_IN).removesuffix("/vgg-profile/machine.json"))
    words, files, _ = MAKERS[kind][1](random.Random(seed))
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)
    result = call(*words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 2, 3, 4)
    assert (result.exit_code != 2) or result.stderr
    assert (result.stdout + result.stderr).replace("\n", "").replace("\t", "").isprintable()
    if result.exit_code == 2:
        assert {path.name for path in work.iterdir()} == {name for name in files if "/" not in name}


KEYWORDS = [
    *(name for name, each in inspect.signature(vp.fit).parameters.items() if each.kind is each.KEYWORD_ONLY),
    *(each.name for each in fields(Setup)),
    "odd",
]
ANYTHING: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=3), st.text(max_size=9),
    st.sampled_from(["8GiB", "rtx4090", "float32", "cuda", "adam", "blocks", "8,M", "features", object()]),
    st.lists(st.one_of(st.integers(), st.text(max_size=3)), max_size=3),
    st.tuples(st.one_of(st.integers(-1, 9), st.text(max_size=3))),
    st.dictionaries(st.text(max_size=2), st.none()), st.sets(st.none()),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYWORDS), ANYTHING, max_size=3))
def test_any_keyword_of_fit_gets_an_answer_or_a_sentence(given: dict[str, Any]) -> None:
    try:
        answer = vp.fit("8,M", **{"memory": "1GiB", "input": 8, **given})
    except InputError as error:
        said = str(error)
    else:
        said = f"{answer.to_dict()['largest_batch']}"
    assert said.replace("\n", "").isprintable()


@pytest.mark.parametrize("freeze", ["features", 1, (8,), ["features", None], {"features"}])
def test_what_is_frozen_are_paths(freeze: Any) -> None:
    assert Setup(freeze=["features"]) == Setup(freeze=("features",))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no modules to freeze"):
        Setup(freeze=freeze)


@pytest.mark.parametrize("switch", ["foreach", "fused", "first_step", "onednn"])
def test_a_switch_is_on_or_off(switch: str) -> None:
    with pytest.raises(InputError, match="is not on or off"):
        Setup(**{switch: "no"})  # type: ignore[arg-type]
