"""What a file's process answered, held against its form: it is a stranger's word, and may be forged.

Names are names, numbers are of a size that anybody counts in, and an argument is a plain value: whatever else
an answer says, the source of the fixed model that is written from it is a list of layers, and no other code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from math import prod
from pathlib import Path
from typing import Any

import msgspec

from vgg_profile.core.counts import Count
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.parsing import parse_json
from vgg_profile.core.validate import MisfitError, conform
from vgg_profile.diagnose.draft import Draft, Visit, Written

LARGEST = 2**63
LONGEST = 10_000
"""The signs of a text."""

_WORKING = re.compile(r"\d+(\*\d+)*", re.ASCII)


class _Refusal(msgspec.Struct, forbid_unknown_fields=True):
    problem: str
    next_step: str


class _Count(msgspec.Struct, forbid_unknown_fields=True):
    value: int
    working: str


def decode(answer: str | bytes, path: Path) -> Draft:
    """The draft that the process of the file at ``path`` sent; raises its ``InputError``, if it sent that.

    Raises ``InputError``, too, for what no process of ours sends.
    """
    try:
        content = parse_json(
            answer
        )  # takes the infinities of a Hardtanh, which msgspec's own parser does not
        _check_sizes(content)
        if isinstance(content, dict) and "problem" in content:
            refusal = conform(content, _Refusal)
            raise InputError(refusal.problem, refusal.next_step)
        _check_keys(content, Draft)
        for visit in content["layers"] if isinstance(content["layers"], list) else ():
            _check_keys(visit, Visit)
            for layer in filter(None, (visit["written"], visit["fixed"])):
                _check_keys(layer, Written)
                layer["arguments"] = _arguments(layer["arguments"])
        draft: Draft = conform(content, Draft)
        for each in draft.layers:
            _check_visit(each)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"What {path} answers in its own diagnosis is none: {excerpt(str(error), 200)[1:-1]}.",
            "Look at the file: it writes where only the diagnosis does, or changes Python itself.",
        ) from None
    return draft


def _check_keys(content: object, kind: type) -> None:
    wanted = {each.name for each in fields(kind)}
    if not isinstance(content, dict) or content.keys() != wanted:
        raise MisfitError(f"it holds no {kind.__name__.lower()}")


def _check_sizes(content: object) -> None:
    """No text and no number beyond all measure, wherever it stands."""
    if isinstance(content, str) and len(content) > LONGEST:
        raise MisfitError(f"it holds a text of {len(content):,} signs")
    if isinstance(content, int) and abs(content) > LARGEST:
        raise MisfitError("it holds a number that nobody counts to")
    if isinstance(content, (list, dict)):
        for each in [*content, *content.values()] if isinstance(content, dict) else content:
            _check_sizes(each)


def _arguments(arguments: object) -> dict[str, Any]:
    """Arguments as Python writes them: plain values by name, and counts, whose working gives the value."""
    if not isinstance(arguments, dict) or not all(map(str.isidentifier, arguments)):
        raise MisfitError("arguments that have no names")
    found = {key: _counted(value) if isinstance(value, dict) else value for key, value in arguments.items()}
    for key, value in found.items():
        if key == "row" and not isinstance(value, (int, Count)):
            raise MisfitError("a row that is no size")
        if key == "sizes" and not (isinstance(value, list) and all(isinstance(each, int) for each in value)):
            raise MisfitError("sizes that are no list of numbers")
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, (bool, int, float, str, list, Count, type(None))):
                raise MisfitError("an argument that is no plain value")
    return found


def _counted(content: Mapping[str, Any]) -> Count:
    count = conform(content, _Count)
    if not _WORKING.fullmatch(count.working) or prod(map(int, count.working.split("*"))) != count.value:
        raise MisfitError(f"{excerpt(count.working)} is not {count.value}")
    return Count(count.value, count.working)


def _check_visit(visit: Visit) -> None:
    if not visit.name.isprintable():
        raise MisfitError("a layer whose name does not print")
    for name in filter(None, (visit.shares, *(each.name for each in (visit.written, visit.fixed) if each))):
        if not name.isidentifier():
            raise MisfitError(f"{excerpt(name)} is no name")
