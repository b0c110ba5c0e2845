"""An answer of ``diagnose`` that somebody forged: refused, or harmless in every format."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_profile.core.counts import product
from vgg_profile.core.errors import InputError
from vgg_profile.diagnose import Defect, Diagnosis, Draft, Hint, Kind, Remark, Written
from vgg_profile.diagnose.answer import decode
from vgg_profile.diagnose.draft import Visit, encode
from vgg_profile.render import FORMATS, render

LEGIT = Draft(
    (
        Visit("conv1_1", Written("Conv2d", {"stride": [1, 2]}, "a.b", 3, 4), None, (8, 4, 4), 1, 9, "conv0"),
        Visit("fc", None, Written("Linear", {"in_features": product(512, 7, 7)}), (8,), 1),
        Visit("flat", Written("Flatten", {"row": 9}), Written("Flatten", {"sizes": [1, 2]}), (8,), 2),
    ),
    (Defect("model()", "", None, Kind.SILENT, "found", "fits", "fix", "fc", 3, ("another",)),),
    (Defect("head", "h", 3, Kind.HEAD, "found", "fits", ""),),
    (Remark(Hint.DROPPED, "conv", 3, "found", "why"),),
    7,
)


def places(content: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [place] if place else []
    if isinstance(content, (dict, list)):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            found += places(value, (*place, key))
    return found


def hold_harmless(content: object, formats: Iterable[str]) -> None:
    """An answer is refused, or shown in these formats; the fixed model is layers and no other code."""
    try:
        draft = decode(json.dumps(content), Path("stranger.py"))
    except InputError:
        return
    diagnosis = Diagnosis("stranger.py:net", (3, 8, 8), draft)
    for name in formats:
        with suppress(InputError):  # a format that has no form for it
            render(diagnosis, name)
    json.dumps(diagnosis.to_dict())
    for node in ast.walk(ast.parse(diagnosis.code)):
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Attribute)
            assert isinstance(node.func.value, ast.Name)
            assert node.func.value.id == "nn"
        assert not isinstance(node, (ast.Lambda, ast.Await, ast.Subscript, ast.Import))


NASTY = ("\n", "1\nimport os", "(1)", "__import__('os').system('id')", "x" * 20_000, "\u202e", -1, 10**400)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(NASTY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@settings(derandomize=True, database=None, deadline=None, max_examples=400)
@given(data=st.data())
def test_a_forged_answer_is_refused_or_harmless_in_every_format(data: st.DataObject) -> None:
    content = json.loads(encode(LEGIT))
    for _ in range(data.draw(st.integers(1, 3))):
        known = places(content)
        if not known:
            break
        *way, last = data.draw(st.sampled_from(known))
        target: Any = content
        for key in way:
            target = target[key]
        if isinstance(target, list) or data.draw(st.booleans()):
            target[last] = data.draw(ANYTHING)
        else:
            target[data.draw(st.text(max_size=9) | st.sampled_from(["row", "sizes", "problem"]))] = data.draw(
                ANYTHING
            )
    hold_harmless(content, FORMATS)


def test_whatever_stands_in_any_one_place_is_no_code() -> None:
    for *way, last in places(json.loads(encode(LEGIT))):
        for nasty in NASTY:
            content = json.loads(encode(LEGIT))
            target: Any = content
            for key in way:
                target = target[key]
            target[last] = nasty
            hold_harmless(content, ())
            if isinstance(target, dict):
                target[str(nasty)] = target.pop(last)
                hold_harmless(content, ())


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(answer=st.binary(max_size=60) | st.text(max_size=60).map(lambda each: json.dumps(each).encode()))
def test_no_other_bytes_are_an_answer(answer: bytes) -> None:
    with pytest.raises(InputError, match="is none"):
        decode(answer, Path("stranger.py"))
