"""A student's own table: whatever mistake is planted is found and named, and no other line is marked."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from calling import accepted, call
from own_tables import COLUMNS, DECIMALS, as_csv, planted, plantings, random_profile, shape_of, true_table
from own_tables import places as lines_of

from vgg_profile.core.tree import Profile
from vgg_profile.predict.vgg.configs import PAPER
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.teach.lines import Finding
from vgg_profile.teach.notes import NOTES
from vgg_profile.teach.own.audit import TableAudit, audit_sheet
from vgg_profile.teach.own.comparing import ADDED_UP, CUT_OFF, FOLLOWS
from vgg_profile.teach.own.figures import QUANTITIES, Sought
from vgg_profile.teach.own.mistakes import MISTAKES
from vgg_profile.teach.own.sheet import named, sheet_of
from vgg_profile.teach.printed import Printed, evaluated

ROOT = Path(__file__).parent.parent
OWN = "examples/my_table.csv"


def audited(text: str, profile: Profile) -> TableAudit:
    return audit_sheet(
        sheet_of(text),
        "mine.csv",
        net=profile.config,  # type: ignore[arg-type]
        input=profile.input,
        batch=profile.batch,
        dtype=profile.dtype,
    )


def explained(audit: TableAudit) -> list[list[str]]:
    """The mistakes that are named for each wrong figure."""
    return [[each.words for each in mark.mistakes] for mark in audit.wrong]


# -- the property: what is planted is found, and nothing else


@pytest.mark.parametrize("seed", range(6))
def test_of_a_true_table_nothing_is_marked(seed: int) -> None:
    profile = random_profile(random.Random(seed))
    audit = audited(as_csv(true_table(profile, has_total=True)), profile)
    assert audit.wrong == ()
    assert len(audit.marks) == (len(COLUMNS) + 1) * len(lines_of(profile)) + len(COLUMNS)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.words)
def test_a_planted_mistake_is_found_and_no_other_line_is_marked(mistake) -> None:
    """In a random row of a random network; what is named beside it gives the very same figure."""
    chance = random.Random(mistake.words)
    networks = (random_profile(chance) for _ in range(100))
    profile, found = next(  # not every mistake can be made in every network
        (each, where) for each in networks if (where := plantings(each, mistake.change))
    )
    row, column, text = chance.choice(found)
    rows = true_table(profile, has_total=True)
    rows[row][column] = text
    [mark] = audited(as_csv(rows), profile).wrong
    assert (mark.line, mark.printed) == (row + 1, text)
    words = [each.words for each in mark.mistakes]
    assert mistake.words in words
    place = lines_of(profile)[row - 1]
    for other in MISTAKES:
        assert (other.words in words) == (planted(place, column, other.change) == text), other.words


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.words)
def test_a_mistake_is_found_wherever_it_is_made(mistake) -> None:
    """In forty random networks each."""
    chance = random.Random(f"at length: {mistake.words}")
    tried = 0
    for _ in range(40):
        profile = random_profile(chance)
        found = plantings(profile, mistake.change)
        if found:
            row, column, text = chance.choice(found)
            rows = true_table(profile, has_total=True)
            rows[row][column] = text
            [mark] = audited(as_csv(rows), profile).wrong
            assert mark.line == row + 1
            assert mistake.words in [each.words for each in mark.mistakes]
            tried += 1
    assert tried > 5


@pytest.mark.parametrize("column", range(2, 2 + len(COLUMNS)), ids=list(COLUMNS))
def test_where_no_mistake_fits_it_says_so(column: int) -> None:
    profile = walk("20,M,30,M", input=32, batch=2)
    rows = true_table(profile)
    place = next(n for n, row in enumerate(rows) if n and float(row[column]) > 0)
    rows[place][column] = f"{float(rows[place][column]) * 1.0371 + 1:.{DECIMALS}f}"
    [mark] = audited(as_csv(rows), profile).wrong
    assert (mark.finding, mark.mistakes) == (Finding.DIFFERS, ())
    assert mark.words == "no mistake that is known gives this"


def test_every_mistake_has_its_own_words() -> None:
    assert len({mistake.words for mistake in MISTAKES}) == len(MISTAKES)
    assert set(QUANTITIES) == {quantity for quantity, _ in COLUMNS.values()}


# -- shapes, and what follows from them


@pytest.mark.parametrize(
    ("row", "shape", "words"),
    [
        (2, "30x30x8", "padding forgotten"),
        (3, "32x32x8", "the map before the pool"),
        (3, "16x32x8", "one side halved, not both"),
        (4, "16x16x8", "channels of the layer before for its own"),
        (5, "16x16x12", "the map before the pool"),
        (4, "16x16x13", None),
    ],
)
def test_a_wrong_shape_is_explained(row: int, shape: str, words: str | None) -> None:
    profile = walk("8,M,12,M", input=32)
    rows = true_table(profile)
    rows[row][1] = shape
    [mark] = audited(as_csv(rows), profile).wrong
    assert (mark.figure, mark.printed, mark.should_be) == (
        "shape",
        shape,
        shape_of(lines_of(profile)[row - 1]),
    )
    named_ones = [each.words for each in mark.mistakes]
    assert words in named_ones if words else named_ones == []


def test_padding_that_is_forgotten_all_along_is_told_from_a_slip_that_is_carried_on() -> None:
    rows = [["layer", "output"], ["input", "32x32x3"], ["conv3-8", "30x30x8"], ["conv3-8", "28x28x8"]]
    rows += [["pool", "14x14x8"], ["fc-4096", "4096"], ["fc-4096", "4096"], ["fc", "10"]]
    assert explained(audited(as_csv(rows), walk("8,8,M", input=32, classes=10))) == [
        ["padding forgotten"],
        ["padding forgotten, from the shape that the line above prints"],
        [FOLLOWS],
    ]


@pytest.mark.parametrize(
    "written",
    ["[224x224x64]", "224×224×64", "64x224x224", "(1, 64, 224, 224)", "(None, 64, 224, 224)", "224x224"],
)
def test_a_shape_is_read_in_every_order(written: str) -> None:
    text = f'layer,output\nconv3-64,"{written}"'
    assert audit_sheet(sheet_of(text), "", net="D").marks[0].finding is Finding.AGREES


# -- how a figure is printed


@pytest.mark.parametrize(
    ("header", "printed", "finding", "words"),
    [
        ("values", "3211264", "agrees", None),
        ("values", '"3,211,264"', "agrees", None),
        ("values", "3 211 264", "agrees", None),
        ("values", "3.2M", "agrees", None),
        ("values", "224*224*64=3.2M", "agrees", None),
        ("values", "224*224*64", "agrees", None),
        ("values", "224*224*65=3.2M", "differs", None),
        ("values", "3.3M", "differs", None),
        ("values", "224*64", "differs", "one side of the map, not both"),
        ("values (K)", "3136", "differs", "K, M and G taken for powers of 1,024"),
        ("memory", "12.25 MiB", "agrees", None),
        ("memory", "12.85MB", "agrees", None),
        ("memory (MB)", "12.84", "differs", CUT_OFF),
        ("memory (MB)", "12.25", "differs", "given in MiB"),
        ("memory (MiB)", "12.85", "differs", "given in MB"),
        ("memory (MB)", "12845", "differs", "given in kB"),
        ("memory in MB", "3.21", "differs", "values, not bytes"),
        ("memory_bytes", "12845056", "agrees", None),
        ("weights", '"(3*3*3)*64 = 1,728"', "agrees", None),
        ("weights", "1728+64", "differs", "biases counted"),
        ("params", "1728", "differs", "biases left out"),
        ("GFLOPs", "0.173", "agrees", None),
        ("GFLOPs", "0.087", "differs", "a MAC taken for one FLOP, not for two"),
        ("MACs (M)", "86.7", "agrees", None),
        ("weights", "many", "unreadable", None),
        ("weights", "-1728", "unreadable", None),
        ("MACs", "12 MB", "unreadable", None),
        ("weights", "1e99", "differs", None),
    ],
)
def test_a_figure_is_read_as_it_is_printed(
    header: str, printed: str, finding: str, words: str | None
) -> None:
    [mark] = audit_sheet(sheet_of(f"layer,{header}\nconv1_1,{printed}"), "", net="64,M").marks[:1]
    assert mark.finding == finding
    named_ones = [each.words for each in mark.mistakes]
    assert words in named_ones if words else named_ones == []


@pytest.mark.parametrize("header", ["kind", "module", "values_working", "receptive_field", "name", ""])
def test_what_is_no_quantity_is_not_read(header: str) -> None:
    assert named(header) is None


def test_arithmetic_is_evaluated_and_nothing_else() -> None:
    assert [evaluated(text) for text in ("(3*3*3+1)*64", "7x7x512", "2**3", "__import__", "(", "", "1+")] == [
        1792,
        25_088,
        *[None] * 5,
    ]
    assert evaluated("9*" * 99 + "9") is not None
    assert evaluated("(" * 101) is None
    assert Printed.parse("9" * 5000) is None


# -- totals


def test_a_total_is_audited_too() -> None:
    profile = walk("8,M,12,M", input=32)
    rows = true_table(profile, has_total=True)
    column = 2 + list(COLUMNS).index("weights")
    first, *_ = (place for place in lines_of(profile) if place.line.name == "conv1_1")
    without = int(rows[-1][column]) - Sought("weights", (first,)).count.value
    rows[-1][column] = str(without)
    assert explained(audited(as_csv(rows), profile)) == [["conv1_1 left out"]]
    biased = int(rows[-1][column + 1]) + without + 216
    rows[-1][column] = str(biased)
    assert explained(audited(as_csv(rows), profile)) == [["biases counted"]]


def test_a_total_that_adds_up_what_is_printed_is_told_from_another() -> None:
    profile = walk("8,M,12,M", input=32)
    rows = true_table(profile, has_total=True)
    column = 2 + list(COLUMNS).index("weights")
    rows[2][column] = "217"
    rows[-1][column] = str(int(rows[-1][column]) + 1)
    assert explained(audited(as_csv(rows), profile)) == [[], [ADDED_UP]]


# -- which network, and which lines


@pytest.mark.parametrize("name", [*PAPER, "D-BN"])
def test_the_network_is_found_from_the_lines(name: str) -> None:
    result = accepted(
        call("table", name, "--format", "csv", "--all-layers", "--columns", "name,output,weights")
    )
    found = audit_sheet(sheet_of(result), "")
    assert (found.profile.config.label, found.is_found, found.wrong) == (name, True, ())


def test_a_network_of_ones_own_is_found_too() -> None:
    text = "layer,output,weights\nconv3-8,32x32x8,216\npool,16x16x8,0\nconv1-6,16x16x6,48\n"
    text += "pool,8x8x6,0\nfc,10,3840"
    found = audit_sheet(sheet_of(text), "")
    assert (found.profile.config.name, found.profile.input, found.wrong) == ("8,M,conv1-6,M", (3, 32, 32), ())


def test_our_own_csv_names_its_network_and_agrees(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    for words in (
        ("E", "--input", "192x256", "--batch", "3"),
        ("D-BN", "--all-layers", "--dtype", "bfloat16"),
    ):
        table.write_text(accepted(call("table", *words, "--format", "csv")))
        assert "figures agree." in accepted(call("notes", str(table))).splitlines()[0]


def test_our_own_markdown_agrees(tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    table.write_text(accepted(call("table", "C", "--format", "markdown")))
    assert accepted(call("notes", str(table), "--net", "C")).startswith("All 160 figures agree.")


def test_a_line_that_is_missing_and_one_too_many_are_named() -> None:
    rows = true_table(walk("D"))
    missing = [row for row in rows if row[0] != "conv3_3"]
    found = audit_sheet(sheet_of(as_csv(missing)), "", net="D").wrong
    assert [(mark.finding, mark.words) for mark in found] == [
        (Finding.MISSING, "the table has no line for it")
    ]
    assert found[0].layer.startswith("conv3_")
    twice = [*rows[:3], rows[2], *rows[3:]]
    assert [mark.finding for mark in audit_sheet(sheet_of(as_csv(twice)), "", net="D").wrong] == [
        Finding.EXTRA
    ]


def test_the_notes_themselves_agree_but_for_their_total() -> None:
    """As they stand in a page, with other text around them."""
    text = ["---", "title: notes", "---", "# VGG", "```"]
    text += [
        f"{each.label}: [{each.shape}]  memory:  {each.memory}   weights: {each.weights}"
        for each in NOTES.lines
    ]
    text += [
        "TOTAL memory: 24M * 4 bytes ~= 93MB / image (only forward! ~*2 for bwd)",
        "TOTAL params: 138M parameters",
        "```",
        "nn.Conv2d(3, 64, kernel_size=3)",
    ]
    found = audit_sheet(sheet_of("\n".join(text)), "notes.txt")
    assert found.profile.config.name == "D"
    assert [(mark.printed, mark.words) for mark in found.wrong] == [
        ("24M", "no mistake that is known gives this"),
        ("93MB / image", "no mistake that is known gives this"),
    ]
    assert len(found.marks) == 22 * 3 + 3
