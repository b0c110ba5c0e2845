"""The command that audits a student's own table: its example, its formats, and the files that it refuses."""

from __future__ import annotations

import csv
import io
import json
import random
from contextlib import suppress
from pathlib import Path

import pytest
from calling import accepted, call, refusal
from conftest import Golden

from vgg_profile.core.errors import InputError
from vgg_profile.render import FORMATS
from vgg_profile.teach.own.audit import audit_sheet
from vgg_profile.teach.own.sheet import sheet_of

ROOT = Path(__file__).parent.parent
OWN = "examples/my_table.csv"


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_example_is_printed_whole(root: None, golden: Golden) -> None:
    golden("own_table.txt", accepted(call("notes", OWN)))


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_shows_what_is_wrong(format_: str, root: None) -> None:
    text = accepted(call("notes", OWN, "--format", format_))
    assert "kernel not squared" in text
    if format_ == "json":
        content = json.loads(text)
        wrong = [each for each in content["figures"] if each["finding"] != "agrees"]
        assert [each["line"] for each in wrong] == [3, 6, 10, 12, 14, 17, 21, 22]
        assert wrong[4]["computed"] == 2_359_296
        assert wrong[4]["mistakes"] == [{"words": "kernel not squared", "working": "(3*512)*512 = 786,432"}]


def test_machines_read_a_figure_a_row_with_its_setting(root: None) -> None:
    rows = list(csv.DictReader(io.StringIO(accepted(call("notes", OWN, "--format", "csv")))))
    assert len(rows) == 160
    assert {row["network"] for row in rows} == {"D"}
    assert {row["source"] for row in rows} == {OWN}
    assert [row["mistakes"] for row in rows if row["finding"] == "differs"][-1] == ""


@pytest.mark.parametrize(
    ("content", "words", "complaint"),
    [
        (b"", (), "It is empty"),
        (b"\xff\xfe\x00", (), "is not UTF-8"),
        (b"a,b\n1,2\n", (), "No column is one that is known"),
        (b"layer,weights\n", (), "no figure of a layer"),
        (b"layer,weights\nconv,1,728\n", (), "A number with commas needs quotes"),
        (b"layer,weights\nconv,1\n", (), "does not say how wide"),
        (b"layer,weights\nfoo,1\n", (), "No line names a convolution"),
        (b"layer,weights\n" + b"conv3-1,1\n" * 50_001, (), "50,001 lines"),
        (b"layer" + b",weights" * 101 + b"\nconv,1\n", (), "102 columns"),
        (b'layer,weights\n"conv,1\x00\n', (), ""),
        (b"x" * (16 * 2**20 + 1), (), "over 16 MiB"),
        (b"layer,weights\nconv3-64,1728\n", ("--net", "Q"), "no config named"),
        (b"layer,weights\nconv3-64,1728\n", ("--input", "0"), "not an image size"),
        (b"layer,weights\nconv3-64,1728\n", ("--claims",), "about the course notes"),
        (b"layer,weights\nconv3-64,1728\n", ("--batch", "0"), "--batch"),
    ],
)
def test_a_bad_file_is_refused_in_a_sentence(
    content: bytes, words: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    table = tmp_path / "mine.csv"
    table.write_bytes(content)
    assert complaint in refusal(call("notes", str(table), *words))


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(call("notes", str(tmp_path / "none.csv")))
    assert "not a regular file" in refusal(call("notes", str(tmp_path)))
    assert "takes no --batch" in refusal(call("notes", "--batch", "2"))


def test_whatever_stands_in_a_table_it_is_audited_or_refused() -> None:
    """Bytes turned over, cells cut, lines mixed up: an audit or a sentence."""
    chance = random.Random(7)
    honest = (ROOT / OWN).read_text("utf-8")
    signs = 'x*=(),;|"\n\t[]:-+.eE%0123456789 KMGiB\u00a0\u202e\x1b=@'
    for _ in range(20):
        text = list(honest)
        for _ in range(chance.randint(1, 30)):
            place = chance.randrange(len(text))
            text[place : place + chance.randint(0, 3)] = chance.choice(signs)
        net = chance.choice(("D", "A", None))
        with suppress(InputError):
            assert len(audit_sheet(sheet_of("".join(text)), "mine.csv", net=net).marks) > 20
