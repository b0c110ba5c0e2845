"""A student's own table audited: which figure is wrong, what it should be, which mistake gives exactly it.

A figure agrees if what is counted reads as printed, its working too. For one that differs, every mistake that
is known (:mod:`~vgg_profile.teach.own.mistakes`) is made in turn, and those that give the printed figure are
named, all of them. Where none does, the same is tried with the shape that the table prints in the line above:
what follows from an earlier slip is no new one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vgg_profile.core.display import Displayed
from vgg_profile.core.errors import InputError
from vgg_profile.core.jsonable import jsonable
from vgg_profile.core.sizes import Shape
from vgg_profile.core.tree import Profile, heading
from vgg_profile.predict.vgg.configs import Source
from vgg_profile.predict.vgg.configs import config as find_config
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.teach.lines import Finding
from vgg_profile.teach.own.comparing import Comparing, Marked
from vgg_profile.teach.own.matching import NAME_IT, candidates, planes
from vgg_profile.teach.own.sheet import Sheet


@dataclass(frozen=True, repr=False)
class TableAudit(Displayed):
    """A student's table, figure by figure, against a network's own.

    ``unread`` are columns that hold nothing that is known; ``is_found``: whether the network was found from
    the lines, not named.
    """

    source: str
    profile: Profile
    marks: tuple[Marked, ...]
    unread: tuple[str, ...] = ()
    is_found: bool = False

    @cached_property
    def wrong(self) -> tuple[Marked, ...]:
        """The marks of what does not agree."""
        return tuple(mark for mark in self.marks if mark.finding is not Finding.AGREES)

    @property
    def repeated(self) -> dict[str, int]:
        """Mistakes that explain several figures, the most frequent first: how many."""
        counts = Counter(each.words for mark in self.wrong for each in mark.mistakes)
        return {words: count for words, count in counts.most_common() if count > 1}

    def to_dict(self) -> dict[str, Any]:
        """Every figure as printed and as counted, with its finding and the mistakes that give it."""
        return {
            **heading(self.profile.config, self.profile.setting.tensors),
            "source": self.source,
            "is_found": self.is_found,
            "unread": list(self.unread),
            "figures": [
                {
                    "line": mark.line,
                    "label": mark.label,
                    "layer": mark.layer,
                    "figure": mark.figure,
                    "printed": mark.printed,
                    "computed": None if mark.computed is None else mark.computed.value,
                    "working": None if mark.computed is None else mark.computed.working,
                    "should_be": mark.should_be,
                    "finding": mark.finding.value,
                    "mistakes": jsonable([each._asdict() for each in mark.mistakes]),
                }
                for mark in self.marks
            ],
        }


def audit_sheet(
    sheet: Sheet,
    source: str,
    *,
    net: Source | None = None,
    input: str | Shape | None = None,  # noqa: A002 - the option's name
    batch: int | None = None,
    dtype: str | None = None,
    classes: int | None = None,
    batch_norm: bool | None = None,
) -> TableAudit:
    """Hold a table against a network: the one that is named, or that its own lines tell.

    What is ``None`` is taken from the table, else usual. Raises ``InputError`` for a network that cannot be,
    and for a table whose lines do not tell which it is of.

    >>> from vgg_profile.teach.own.sheet import sheet_of
    >>> text = "layer,output,weights\\nconv3-8,32x32x8,224\\npool,16x16x8,0\\nfc,10,3920"
    >>> found = audit_sheet(sheet_of(text), "mine.csv", net="8,M", input="32", classes=10)
    >>> [mark.words for mark in found.wrong][0]
    'biases counted: (3*3*3)*8+8 = 224'
    """
    said = next((line.facts for line in sheet.lines if line.facts), {})
    name = net if net is not None else said.get("network") or said.get("config")
    named = None
    if name is not None:
        try:
            named = find_config(name, batch_norm=batch_norm, classes=classes)
        except InputError:
            if net is not None:
                raise
    nets = [named] if named else list(candidates(sheet, classes, batch_norm))
    sizes: list[str | Shape | None] = [input or said.get("input")]
    if sizes == [None]:
        sizes = [None, *dict.fromkeys(planes(sheet))]
    profiles, refused = [], None
    for each in nets:
        for size in sizes:
            try:
                whole = batch if batch is not None else _whole(said.get("batch"))
                profiles.append(
                    walk(each, input=size, batch=whole, dtype=dtype or said.get("dtype") or "float32")
                )
            except InputError as error:
                refused = refused or error
    if not profiles:
        raise refused or InputError("No network has these lines.", NAME_IT)
    counted = [Comparing(sheet, profile) for profile in profiles]
    best = min(counted, key=lambda each: each.wrong) if len(counted) > 1 else counted[0]
    return TableAudit(source, best.profile, tuple(best.marks()), sheet.unread, is_found=named is None)


def _whole(text: str | None) -> int:
    """The batch that a table says it is of; 1 if it says none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 1
