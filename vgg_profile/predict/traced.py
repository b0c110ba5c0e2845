"""A traced step as a file: written where PyTorch and the network are, read without either.

A book is data. Nothing of a file is run; every field is held against its form, and the book against what a
book is: each storage is born once and dies at most once, afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from vgg_profile.core.book import Book
from vgg_profile.core.counts import ZERO, plain
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.events import Category, Event, Mark, Phase, Provenance, Storage, kept
from vgg_profile.core.inputs import INTEGERS, Input
from vgg_profile.core.jsonable import jsonable
from vgg_profile.core.network import TracedNetwork
from vgg_profile.core.parsing import parse_json
from vgg_profile.core.setting import LARGEST, Setting
from vgg_profile.core.signed import FileKind, sign, unsigned
from vgg_profile.core.sizes import ITEMSIZE, Bytes
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile, Row
from vgg_profile.core.validate import MisfitError, Text, conform

KIND = "vgg-profile trace"
SCHEMA = 3
LARGEST_FILE = 256 * 2**20
_BEGINNING = [Phase.LOAD, Phase.INPUT, Phase.FORWARD]
"""The parts that every step begins with."""
AGAIN = "Trace it again: `vgg-profile trace FILE.py:NAME -o net.json`."
_TRACE = FileKind("trace", KIND, SCHEMA, AGAIN)

Whole = Annotated[int, Meta(ge=0, le=2**62)]
Signed = Annotated[int, Meta(ge=-(2**62), le=2**62)]
Place = Annotated[int, Meta(ge=0, le=2**31)]
Size = Annotated[int, Meta(ge=1, le=LARGEST)]

ROW = (
    "name",
    "module",
    "kind",
    "output_shape",
    "values",
    "weights",
    "biases",
    "buffers",
    "macs",
    "block",
    "note",
    "receptive_field",
    "stride",
    "more_outputs",
    "calls",
    "frozen",
    "uncounted_macs",
    "uncounted_backward_macs",
)
"""The fields of a row, as a file has them; and the MACs of its backward pass."""


class _Input(Struct, forbid_unknown_fields=True):
    shape: list[Size]
    dtype: Text | None
    below: Size
    name: Text
    batch_dim: Annotated[int, Meta(ge=0, le=64)]


class _Network(Struct, forbid_unknown_fields=True):
    name: Text
    source: Text
    kind: Text
    depth: Whole
    inputs: Annotated[list[_Input], Meta(min_length=1)]
    loss: Text
    torch: Text
    threads: Size
    how: tuple[Text, ...] = ()


class _Row(Struct, forbid_unknown_fields=True):
    name: Text
    module: Text
    kind: Text
    output_shape: list[Whole]
    values: Whole
    weights: Whole
    biases: Whole
    buffers: Whole
    macs: Whole
    backward_macs: Whole | None
    block: Text
    note: Text
    receptive_field: Whole | None
    stride: Whole | None
    more_outputs: list[list[Whole]]
    calls: Whole
    frozen: Whole
    uncounted_macs: Whole
    uncounted_backward_macs: Whole


class _Storage(Struct, forbid_unknown_fields=True, array_like=True):
    layer: Place
    what: Place
    category: Category
    fixed: Signed
    per_image: Whole
    readers: list[Place]
    provenance: Provenance


class _Event(Struct, forbid_unknown_fields=True, array_like=True):
    phase: Phase
    layer: Place
    op: Place
    allocated: list[Place]
    freed: list[Place]
    scratch: Place


class _Mark(Struct, forbid_unknown_fields=True, array_like=True):
    phase: Phase
    layer: Place
    event: Place


class _Book(Struct, forbid_unknown_fields=True):
    only: Whole
    least: Size
    most: Whole
    storages: list[_Storage]
    events: list[_Event]
    marks: list[_Mark]


class _Trace(Struct, forbid_unknown_fields=True):
    kind: Text
    schema_version: int
    network: _Network
    setting: dict[str, Any]
    doubts: list[Text]
    rows: Annotated[list[_Row], Meta(min_length=1)]
    groups: list[_Row]
    words: list[Text]
    books: Annotated[list[_Book], Meta(min_length=1)]


# -- writing -------------------------------------------------------------------------------------


class _Words:
    """Texts by number; each once."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def place(self, word: str) -> int:
        return self.places.setdefault(word, len(self.places))


def dumps(step: Step) -> str:
    """A traced step as JSON: one line for each part, and a digest of it all."""
    network, words = step.profile.config, _Words()
    assert isinstance(network, TracedNetwork)
    content: dict[str, Any] = {
        "kind": KIND,
        "schema_version": SCHEMA,
        "network": {
            **{name: getattr(network, name) for name in _Network.__struct_fields__},
            "inputs": jsonable(network.inputs),
        },
        "setting": step.setting.to_dict(),
        "doubts": list(step.doubts),
        "rows": [_row(row) for row in step.profile.module_rows],
        "groups": [_row(row) for row in step.profile.groups.values()],
        "books": [_written(book, words) for book in step.books],
    }
    content["words"] = list(words.places)
    lines = (
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in sign(content).items()
    )
    return "{\n" + ",\n".join(lines) + "\n}"


def _written(book: Book, words: _Words) -> dict[str, Any]:
    number = {id(storage): place for place, storage in enumerate(book.storages)}
    return {
        "only": book.only,
        "least": book.least,
        "most": book.most,
        "storages": [
            [
                words.place(each.layer),
                words.place(each.what),
                each.category.value,
                each.size.fixed,
                each.size.per_image,
                [words.place(reader) for reader in each.readers],
                each.provenance.value,
            ]
            for each in book.storages
        ],
        "events": [
            [
                event.phase.value,
                words.place(event.layer),
                words.place(event.op),
                [number[id(each)] for each in event.allocated],
                [number[id(each)] for each in event.freed],
                words.place(event.scratch),
            ]
            for event in book.events
        ],
        "marks": [[mark.phase.value, words.place(mark.layer), mark.event] for mark in book.marks],
    }


def _row(row: Row) -> dict[str, Any]:
    counts = {name: getattr(row, name).value for name in ("values", "weights", "macs")}
    plainly = {name: getattr(row, name) for name in ROW if name not in counts}
    back = None if row.backward_macs is None else row.backward_macs.value
    shapes = {
        "output_shape": list(row.output_shape),
        "more_outputs": [list(shape) for shape in row.more_outputs],
    }
    return {**plainly, **counts, **shapes, "backward_macs": back}


# -- reading -------------------------------------------------------------------------------------


def is_trace(path: Path) -> bool:
    """Whether a file says of itself that it is a trace, at its beginning."""
    try:
        if not path.is_file():  # a pipe would wait for somebody to write
            return False
        with path.open(encoding="utf-8") as file:
            return KIND in file.read(100)
    except (OSError, ValueError):
        return False


def load(path: Path) -> Step:
    """Read a traced step; raises ``InputError`` if it is missing, damaged, altered, or of another schema."""
    name = excerpt(str(path), 200)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"The trace {name} is over {LARGEST_FILE // 2**20} MiB.", AGAIN)
        return _step(_content(path, name))
    except InputError:
        raise
    except (MisfitError, LookupError, TypeError) as error:
        raise InputError(
            f"The trace {name} holds what no trace writes: {excerpt(str(error))}.", AGAIN
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else excerpt(str(error), 120)
        raise InputError(f"The trace {name} cannot be read: {why}.", AGAIN) from None


def _content(path: Path, name: str) -> _Trace:
    """What a file holds, in its form; the plain tree that it was read as is let go."""
    content: _Trace = conform(unsigned(parse_json(path.read_text(encoding="utf-8")), _TRACE, name), _Trace)
    return content


def _step(content: _Trace) -> Step:
    books = tuple(_book(book, content.words) for book in content.books)
    if any(not 0 < before.span[1] == later.span[0] - 1 for before, later in pairwise(books)):
        raise MisfitError("books that do not follow each other")
    setting = Setting.from_dict(content.setting)
    setting.check()
    if not books[0].answers(setting.batch):
        raise MisfitError("a first book that is not the setting's batch's")
    inputs = tuple(_input(each) for each in content.network.inputs)
    if setting.input != inputs[0].shape:
        raise MisfitError("the setting's input is not the first of the network's")
    given = {name: getattr(content.network, name) for name in _Network.__struct_fields__}
    network = TracedNetwork(**{**given, "inputs": inputs})
    saved = kept(books[0].events)
    rows = tuple(_read_row(row, saved) for row in content.rows)
    if len({row.name for row in rows}) != len(rows):
        raise MisfitError("two rows have one name")
    groups = {str(row.module): _read_row(row, {}) for row in content.groups}
    profile = Profile(network, setting, rows, groups=groups)
    again = partial(network.to_trace, setting)
    return Step(profile, books[0], tuple(content.doubts), carried=books, to_type=again)


def _input(content: _Input) -> Input:
    if content.dtype not in (None, *ITEMSIZE, *INTEGERS) or content.batch_dim > len(content.shape):
        raise MisfitError(f"an input of {excerpt(content.dtype)}")
    return Input(tuple(content.shape), content.dtype, content.below, content.name, content.batch_dim)


def _read_row(row: _Row, saved: dict[str, tuple[Storage, ...]]) -> Row:
    return Row(
        name=row.name,
        module=row.module,
        kind=row.kind,
        output_shape=tuple(row.output_shape),
        values=plain(row.values) if row.values else ZERO,
        weights=plain(row.weights) if row.weights else ZERO,
        biases=row.biases,
        buffers=row.buffers,
        macs=plain(row.macs) if row.macs else ZERO,
        receptive_field=row.receptive_field,
        stride=row.stride,
        more_outputs=tuple(map(tuple, row.more_outputs)),
        calls=row.calls,
        frozen=row.frozen,
        uncounted_macs=row.uncounted_macs,
        uncounted_backward_macs=row.uncounted_backward_macs,
        head=row.name,
        block=row.block,
        saved=saved.get(row.name, ()),
        note=row.note,
        backward_macs=None if row.backward_macs is None else plain(row.backward_macs),
    )


def _book(content: _Book, words: Sequence[str]) -> Book:
    """The book; raises :class:`MisfitError` for one in which a storage is born twice or dies unborn.

    Raises ``IndexError`` for a word or a storage that the file does not have.
    """
    word = words.__getitem__  # raises IndexError, as a place does that no storage has
    storages = [
        Storage(
            word(each.layer),
            word(each.what),
            each.category,
            Bytes(each.fixed, each.per_image),
            tuple(word(reader) for reader in each.readers),
            provenance=each.provenance,
        )
        for each in content.storages
    ]
    first = max(content.least, content.only)
    if any(each.fixed + each.per_image * first < 0 for each in content.storages):
        raise MisfitError("a storage of less than nothing")
    unborn, alive = set(range(len(storages))), set[int]()
    events = []
    for event in content.events:
        born, dead = set(event.allocated), set(event.freed)
        if len(born) + len(dead) != len(event.allocated) + len(event.freed) or not born <= unborn:
            raise MisfitError("a storage is allocated twice")
        unborn -= born
        alive |= born
        if not dead <= alive:
            raise MisfitError("a storage is freed that is not there")
        alive -= dead
        taken, given = ([storages[place] for place in some] for some in (event.allocated, event.freed))
        events.append(
            Event(
                event.phase,
                word(event.layer),
                word(event.op),
                tuple(taken),
                tuple(given),
                word(event.scratch),
            )
        )
    marks = [Mark(mark.phase, word(mark.layer), mark.event) for mark in content.marks]
    begins = [mark.phase for mark in marks[: len(_BEGINNING)]] == _BEGINNING
    places = [*(mark.event for mark in marks), len(events)]
    if unborn or not begins or places[0] or places != sorted(places) or places[1] == len(events):
        raise MisfitError("events and marks that are no step")
    return Book(tuple(events), tuple(marks), content.only, content.least, content.most)
