"""Every format says what the profile says, to the digit."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from conftest import Golden, check_golden
from pytest_regressions.file_regression import FileRegressionFixture
from rendering import TINY, Page, markdown_grid, printed, tiny

from vgg_profile import Profile, walk
from vgg_profile.core.units import mebibytes
from vgg_profile.predict.vgg.configs import from_dict
from vgg_profile.render import FORMATS, render

# Whole outputs


GOLDEN: dict[str, tuple[str, ...]] = {
    "table_D.txt": ("table", "D"),
    "table_D_notes.txt": ("table", "D", "--notes"),
    "table_D-BN_all-layers.txt": ("table", "D-BN", "--all-layers"),
    "table_A-LRN.txt": ("table", "A-LRN"),
    "list.txt": ("list",),
    "tiny.txt": TINY,
    "tiny.md": (*TINY, "--format", "markdown"),
    "tiny.csv": (*TINY, "--format", "csv"),
    "tiny.tsv": (*TINY, "--format", "tsv"),
    "tiny.json": (*TINY, "--format", "json"),
    "tiny.tex": (*TINY, "--format", "latex"),
    "tiny.html": (*TINY, "--format", "html"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_whole_output_is_as_expected(name: str, golden: Golden) -> None:
    golden(name, printed(*GOLDEN[name]))


def test_every_format_has_a_golden_file() -> None:
    assert sum(arguments[: len(TINY)] == TINY for arguments in GOLDEN.values()) == len(FORMATS)


def test_one_changed_sign_fails_a_golden_comparison(
    file_regression: FileRegressionFixture, tmp_path: Path
) -> None:
    (tmp_path / "d.txt").write_bytes(b"1,728\n")
    check_golden(file_regression, tmp_path / "d.txt", "1,728\n")
    for other in ("1,729\n", "1,728", "1,728 \n", "1,728\r\n", ""):
        with pytest.raises(AssertionError):
            check_golden(file_regression, tmp_path / "d.txt", other)
    with pytest.raises(pytest.fail.Exception, match="not found"):
        check_golden(file_regression, tmp_path / "none.txt", "")


# Reading each format back


def text_grid(text: str) -> list[list[str]]:
    """The cells that hold something, of each line between the header's rule and the footnotes."""
    body = text.split("\n\n")[1].splitlines()
    rules = [place for place, line in enumerate(body) if set(line) == {"─"}]
    return [re.split(r" {2,}", line.strip()) for line in body[rules[0] + 1 :] if set(line) != {"─"}]


def latex_grid(text: str) -> list[list[str]]:
    lines = [line.removesuffix(r"\\") for line in text.splitlines() if line.endswith(r"\\")]
    return [[unescape_latex(cell.strip()) for cell in re.split(r"(?<!\\)&", line)] for line in lines[1:]]


_LATEX_NAMES = {
    r"\textbackslash{}": "\\",
    r"\ensuremath{<}": "<",
    r"\ensuremath{>}": ">",
    r"\textbar{}": "|",
    r"\textquotesingle{}": "'",
    r"\textasciigrave{}": "`",
}


def unescape_latex(text: str) -> str:
    return re.sub(
        r"\\text(?:backslash|bar|quotesingle|asciigrave)\{\}|\\ensuremath\{[<>]\}|\\([&%$#_{}])|\\[~^]\{\}",
        lambda match: match[1] or _LATEX_NAMES.get(match[0], match[0][1]),
        text,
    )


def html_grid(text: str) -> list[list[str]]:
    return Page(text).rows[1:]


GRIDS: dict[str, Callable[[str], list[list[str]]]] = {
    "table": text_grid,
    "markdown": markdown_grid,
    "latex": latex_grid,
    "html": html_grid,
    "page": html_grid,
}


PROFILES: dict[str, Callable[[], Profile]] = {
    "tiny": tiny,
    "D": lambda: walk("D"),
    "D-BN": lambda: walk("D-BN", batch=8, dtype="float16"),
    "A-LRN": lambda: walk("A-LRN", batch=100_000, input="4320x7680"),
    "no classifier": lambda: walk(
        from_dict({"name": "n", "layers": [4], "classifier": [], "in_channels": 1}), input=7
    ),
}


def number(cell: str) -> int | None:
    """The number at the end of a cell, ``None`` for a dash."""
    return None if cell == "–" else int(cell.rpartition("= ")[2].replace(",", ""))


@pytest.mark.parametrize("all_layers", [False, True], ids=["rows", "all layers"])
@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("format_", GRIDS)
def test_people_read_the_numbers_of_the_json(format_: str, name: str, all_layers: bool) -> None:
    profile = PROFILES[name]()
    data = json.loads(render(profile, "json", all_layers=all_layers))
    *rows, total = GRIDS[format_](render(profile, format_, all_layers=all_layers))
    assert len(rows) == len(data["rows"])
    for cells, row in zip(rows, data["rows"], strict=True):
        if format_ == "table" and not row["module"]:
            cells.insert(1, "")
        name_, module, kind, shape, values, *numbers = cells
        assert (name_, module, kind) == (row["name"], row["module"], row["kind"])
        assert [int(side) for side in shape.split("×")] == row["output_shape"]
        if row["note"]:
            assert values == row["note"]
            assert row["values"] == 0
        else:
            assert number(values) == row["values"]
            working = row["values_working"]
            assert values.rpartition(" = ")[0] == ("" if working.isdigit() else working)
        keys = ("memory_bytes", "saved_bytes", "weights", "biases", "macs", "receptive_field", "stride")
        assert [number(cell) for cell in numbers] == [row[key] for key in keys]
        working = row["weights_working"]
        assert numbers[2].rpartition(" = ")[0] == ("" if working.isdigit() else working)
    keys = ("values", "memory_bytes", "saved_bytes", "weights", "biases", "macs")
    assert [number(cell) for cell in total[1:] if cell] == [data["totals"][key] for key in keys]


@pytest.mark.parametrize("format_", GRIDS)
def test_a_changed_digit_is_read_back(format_: str) -> None:
    text = render(tiny(), format_)
    assert GRIDS[format_](text) != GRIDS[format_](text.replace("331,776", "331,777"))


@pytest.mark.parametrize("name", PROFILES)
def test_a_printed_total_is_the_sum_of_its_printed_column(name: str) -> None:
    *rows, total = html_grid(render(PROFILES[name](), "html"))
    summed = [place for place, cell in enumerate(total) if place and cell]
    assert len(summed) == 6
    for place in summed:
        assert number(total[place]) == sum(number(row[place]) or 0 for row in rows)


def test_the_notes_total_is_the_sum_of_the_weights_printed_above() -> None:
    text = render(walk("D"), "table", notes=True)
    weights = [number(cells[-1]) for cells in text_grid(text)[:-1]]
    assert sum(weight or 0 for weight in weights) == 138_344_128
    assert "exactly 138,344,128 weights" in text


@pytest.mark.parametrize("all_layers", [False, True], ids=["rows", "all layers"])
@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize(("format_", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_machines_read_the_numbers_of_the_json(
    format_: str, delimiter: str, name: str, all_layers: bool
) -> None:
    profile = PROFILES[name]()
    data = json.loads(render(profile, "json", all_layers=all_layers))
    text = render(profile, format_, all_layers=all_layers)
    rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    assert len(rows) == len(data["rows"])
    for cells, row in zip(rows, data["rows"], strict=True):
        assert cells.pop("output_shape") == "x".join(map(str, row["output_shape"]))
        if row["note"]:
            row["values"], row["values_working"] = cells["values"], cells["values_working"]
        assert {"values", "weights_working", "macs", "saved_bytes"} <= cells.keys() & row.keys()
        assert cells["batch"] == str(profile.batch)
        for key, cell in ((key, cell) for key, cell in cells.items() if key in row):
            assert cell == ("" if row[key] is None else str(row[key])), (row["name"], key)


# The rounded beside the exact


@pytest.mark.parametrize("batch", [1, 7, 64, 100_000])
@pytest.mark.parametrize("options", [{}, {"notes": True}, {"all_layers": True}])
def test_the_mib_beside_exact_bytes_are_right(batch: int, options: dict[str, bool]) -> None:
    text = render(walk("D", batch=batch), "table", **options)
    pairs = re.findall(r"([\d,]+) bytes = ([\d,.]+) MiB", text)
    assert len(pairs) >= 1
    for exact, rounded in pairs:
        assert _is_rounded(int(exact.replace(",", "")), rounded), (exact, rounded)


def _is_rounded(size: int, mib: str) -> bool:
    return abs(Fraction(mib.replace(",", "")) - Fraction(size, 2**20)) <= Fraction(1, 200)


def test_a_wrong_mib_is_seen() -> None:
    assert _is_rounded(60_950_432, mebibytes(60_950_432).removesuffix(" MiB"))
    assert not _is_rounded(60_950_432, "58.14")
    assert not _is_rounded(60_950_432, "60.95")
