"""What a budget file may hold: networks with their settings and limits, as TOML."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from vgg_profile.ask.budget import Entry
from vgg_profile.ask.cards import memory, reserve
from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.core.parsing import parse_toml
from vgg_profile.core.setting import LARGEST, Setup
from vgg_profile.core.validate import MisfitError, Text, conform

LARGEST_FILE = 2**20

Size = Annotated[int, Meta(ge=1, le=LARGEST)]
Amount = Annotated[int, Meta(ge=1, le=2**62)]


class _Limits(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    peak: Text | None = None
    parameters: Amount | None = None
    macs: Amount | None = None
    batch: dict[str, Size] = {}


class _Network(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Text
    limits: _Limits
    input: str | list[str] = []
    batch: Size = 1
    dtype: Text = Text("")
    device: Literal["cpu", "cuda"] = "cpu"
    batch_norm: bool | None = None
    classes: Size | None = None
    loss: Text | None = None
    with_: list[Text] = msgspec.field(default=[], name="with")
    batch_dim: Annotated[int, Meta(ge=0, le=64)] = 0
    probe: bool = True


class _File(msgspec.Struct, forbid_unknown_fields=True):
    network: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=1000)]


EXAMPLE = 'A budget begins: [[network]], name = "D", limits = { peak = "4GiB", batch = { rtx4090 = 64 } }.'

_OF_SETUP = tuple(each.name for each in fields(Setup))


def read_budget(path: Path) -> list[Entry]:
    """The networks of a budget file; a file that one names stands in the folder of the budget.

    Raises ``InputError`` naming the key at fault.
    """
    name = excerpt(str(path), 200)
    try:
        if not path.is_file():
            raise InputError(f"There is no file {name}.", EXAMPLE)
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"The budget {name} is over 1 MiB.", "Write fewer networks into it.")
        content = conform(parse_toml(path.read_text(encoding="utf-8")), _File)
        return [
            _entry(each, f"$.network[{place}]", path.parent) for place, each in enumerate(content.network)
        ]
    except InputError as error:
        if name in error.problem:
            raise
        raise InputError(f"The budget {name}: {error.problem}", error.next_step) from None
    except MisfitError as error:
        why = str(error).rstrip(".")
        raise InputError(f"The budget {name} is not one: {why}.", f"{_did_you_mean(why)}{EXAMPLE}") from None
    except (OSError, ValueError) as error:  # no UTF-8, no TOML
        why = getattr(error, "strerror", None) or excerpt(str(error), 120)
        raise InputError(f"The budget {name} cannot be read: {why}.", EXAMPLE) from None


def _did_you_mean(why: str) -> str:
    """The keys that look like one that is none, if that is what is wrong."""
    unknown = re.search(r"unknown field `([^`]*)`", why)
    forms = (_File, _Network, _Limits)
    known = [each.encode_name for form in forms for each in msgspec.structs.fields(form)]
    return did_you_mean(unknown[1], [*known, *_OF_SETUP], cutoff=0.6) if unknown else ""


def _entry(content: dict[str, Any], where: str, folder: Path) -> Entry:
    """One network of a file."""
    said = {key: content.pop(key) for key in _OF_SETUP if key in content}
    try:
        setup, network = conform(said, Setup), conform(content, _Network)
    except MisfitError as error:
        raise MisfitError(str(error).replace("`$", f"`{where}")) from None
    limits = network.limits
    peak = None if limits.peak is None else reserve(limits.peak)
    most = {"peak_bytes": peak, "parameters": limits.parameters, "macs": limits.macs}
    if not limits.batch and not any(most.values()):
        raise InputError(f"{network.name} has no limits.", "Write one: peak, parameters, macs or batch.")
    return Entry(
        network.name,
        _beside(folder, network.name),
        setup,
        network.device,
        network.batch,
        (network.input,) if isinstance(network.input, str) else tuple(network.input),
        network.dtype,
        network.batch_norm,
        network.classes,
        network.loss and _beside(folder, network.loss),
        tuple(network.with_),
        network.batch_dim,
        network.probe,
        bool(said),
        {figure: size for figure, size in most.items() if size is not None},
        tuple((memory(text), batch) for text, batch in limits.batch.items()),
    )


def _beside(folder: Path, source: str) -> str:
    """A source; if it names a file, that of the folder.

    >>> _beside(Path("nets"), "net.py:Net"), _beside(Path("nets"), "D")
    ('nets/net.py:Net', 'D')
    """
    file, colon, name = source.rpartition(":") if ".py:" in source else (source, "", "")
    return f"{folder / file}{colon}{name}" if Path(file).suffix in (".py", ".toml", ".json") else source
