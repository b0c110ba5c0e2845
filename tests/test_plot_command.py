"""``plot``, and any result that has a figure, by the suffix of ``-o``."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner, Result
from plotting import FOLDER, RECORD, ROOT

from vgg_profile.check.crosscheck import overlay
from vgg_profile.cli import main
from vgg_profile.cli.plot import SUFFIXES, USELESS
from vgg_profile.core.errors import InputError
from vgg_profile.core.setting import Setup
from vgg_profile.describe.figures import KINDS, depict
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import EVERYTHING_ELSE, Measurement
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.render import PICTURES as FORMATS
from vgg_profile.write import plots
from vgg_profile.write.plots import SIZES, to_bytes
from vgg_profile.write.plots.style import DARK

# -- the command line


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["plot", *map(str, arguments)])


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG"])
def test_plot_writes_the_format_that_the_suffix_names(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    done = run("8,M", "memory", "--input", 16, "-o", path)
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    figure = depict(walk("8,M", input=16), "memory")
    assert done.stderr == f"Wrote {path}: {figure.title}\n"
    assert path.read_bytes() == to_bytes(figure, suffix[1:].lower())
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_suffixes_are_the_formats() -> None:
    assert tuple(suffix.removeprefix(".") for suffix in SUFFIXES) == FORMATS


@pytest.mark.parametrize("kind", KINDS)
def test_plot_draws_every_kind_and_its_help_names_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture.svg"
    measured = ["--measured", RECORD] if kind in ("check", "time") else []
    done = run("D" if measured else "8,M", kind, *measured, "-o", path)
    assert done.exit_code == 0, done.output
    assert path.read_bytes().startswith(b"<?xml")
    assert f"\n  {kind} " in run("--help").stdout


def test_plot_takes_the_setup_and_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "picture.svg"
    assert "optimizer's step" in run("D", "timeline", "--optimizer", "adam", "-o", path).stderr
    asked = ("--memory", "rtx4090", "--optimizer", "adam")
    largest = json.loads(CliRunner().invoke(main, ["fit", "D", *asked, "--format", "json"]).stdout)
    told = run("D", "batch", *asked, "-o", path, "--force").stderr
    assert f"{largest['largest_batch']:,} images fit into NVIDIA RTX 4090" in told
    here = json.loads(CliRunner().invoke(main, ["fit", "D", "--memory", "8GiB", "--format", "json"]).stdout)
    told = run("D", "batch", "--memory", "8GiB", "-o", path, "--force").stderr
    assert f"{here['largest_batch']:,} images at a time fit into 8 GiB" in told
    compared = run("A", "D", "compare", "--optimizer", "adam", "-o", path, "--force")
    assert compared.exit_code == 0
    assert f"{ledger(walk('D'), Setup(optimizer='adam')).peak.peak:,}".encode() in path.read_bytes()


def test_plot_takes_a_size_a_theme_and_a_unit(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    pixels = []
    for size in (*SIZES, "page"):
        assert run("8,M", "memory", "--size", size, "-o", path, "--force").exit_code == 0
        pixels.append(struct.unpack(">II", path.read_bytes()[16:24]))
    assert pixels[1:3] == [(2000, 1125), (1600, 1600)]
    assert pixels[0] == pixels[3]
    path = tmp_path / "x.svg"
    assert run("D", "memory", "--dark", "--unit", "KiB", "-o", path).exit_code == 0
    figure = depict(walk("D"), "memory", unit="KiB")
    assert path.read_bytes() == to_bytes(figure, "svg", dark=True)
    assert b"saved for backward (KiB)" in path.read_bytes()
    assert DARK.ground.lower() in path.read_text()
    refused = run("D", "macs", "--unit", "KiB", "-o", tmp_path / "y.svg")
    assert (refused.exit_code, (tmp_path / "y.svg").exists()) == (2, False)
    assert "Leave --unit out." in refused.stderr


SIZED = {name: [param for param in of.params if param.name == "size"] for name, of in main.commands.items()}


@pytest.mark.parametrize("name", [name for name, options in SIZED.items() if options])
def test_the_sizes_that_can_be_asked_for_are_those_that_are_drawn(name: str) -> None:
    (option,) = SIZED[name]
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == tuple(SIZES)


DRAWN: dict[str, tuple[str, ...]] = {
    "list": (),
    "table": ("8,M",),
    "compare": ("8,M", "4,M"),
    "timeline": ("8,M",),
    "fit": ("8,M", "--memory", "1GiB"),
    "sweep": ("8,M", "--batch", "1..3"),
    "check": ("D", str(ROOT / "reports/measured/D-cpu.json")),
    "measure": (str(ROOT / "tests/data/one_block.toml"), "--input", "8", "--repeats", "0"),
}
"""Each command whose result has a picture, as it is typed."""


@pytest.mark.parametrize("name", DRAWN)
def test_every_command_that_draws_takes_the_look_of_its_picture(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    words = [name, *DRAWN[name], "-o", str(path), "--size", "slide", "--dark", "--unit", "kib"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert struct.unpack(">II", path.read_bytes()[16:24]) == (2000, 1125)
    refused = CliRunner().invoke(main, [name, *DRAWN[name], "--dark", "-o", str(tmp_path / "x.csv")])
    assert refused.exit_code == 2
    assert "are of a picture, and none is written" in refused.stderr


def test_no_other_command_takes_it() -> None:
    takes = {name for name, options in SIZED.items() if options}
    assert takes == {*DRAWN, "plot", "report"}
    for name in set(main.commands) - takes - {"trace"}:
        assert "-o" in {each for param in main.commands[name].params for each in param.opts}


def test_the_pictures_of_a_report_take_a_size_and_a_theme(tmp_path: Path) -> None:
    words = ["report", "8,M", "--size", "square", "--dark", "-o"]
    assert CliRunner().invoke(main, [*words, str(tmp_path / "x.md")]).exit_code == 0
    pictures = list((tmp_path / "x").glob("*.svg"))
    assert pictures
    for each in pictures:
        assert 'width="576pt" height="576pt"' in each.read_text()
        assert DARK.ground.lower() in each.read_text()
    refused = CliRunner().invoke(main, [*words, str(tmp_path / "x.html")])
    assert refused.exit_code == 2
    assert "a page's follow its reader's" in refused.stderr


def test_a_sweep_takes_a_memory_and_a_card_brings_its_rules(tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    assert run("8,M", "sweep", "--memory", "8MiB", "-o", path).exit_code == 0
    assert ">8 MiB<" in path.read_text()
    assert run("8,M", "sweep", "--memory", "rtx4090", "-o", path, "--force").exit_code == 0
    assert "rules of device cuda" in path.read_text().replace("\n", " ")


GIVEN = {
    "device": ("--device", "cuda"),
    "optimizer": ("--optimizer", "adam"),
    "mode": ("--mode", "eval"),
    "foreach": ("--foreach",),
    "fused": ("--fused",),
    "first_step": ("--first-step",),
    "amp": ("--amp", "bfloat16"),
    "checkpoint": ("--checkpoint", "blocks"),
    "accumulate": ("--accumulate", 2),
    "onednn": ("--no-onednn",),
    "processor": ("--processor", "avx2"),
    "threads": ("--threads", 2),
    "freeze": ("--freeze", "features.0"),
    "batch": ("--batch", 2),
    "inputs": ("--input", 32),
    "have": ("--memory", "8GiB"),
    "record": ("--measured", RECORD),
}
"""How each option that some kind has no use for is given."""


@pytest.mark.parametrize("kind", KINDS)
def test_an_option_is_drawn_or_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.svg"
    base = ("D", kind, *(("--measured", RECORD) if kind in ("check", "time") else ()), "-o", path)
    for name, given in GIVEN.items():
        if name in USELESS[kind]:
            done = run(*base, *given)
            assert (done.exit_code, path.exists()) == (2, False), given
            assert f"The figure {kind} has no use for {given[0].replace('--no-', '--')}." in done.stderr
    assert set(USELESS) == set(KINDS)
    assert set().union(*USELESS.values()) == set(GIVEN)


@pytest.mark.parametrize("kind", ["memory", "shares", "timeline", "compare", "sweep", "batch"])
def test_an_option_that_is_not_refused_changes_the_figure(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "to_bytes", lambda figure, *_, **__: repr(figure).encode())
    path = tmp_path / "x.svg"
    assert run("8,M", kind, "-o", path).exit_code == 0
    plain = path.read_bytes()
    for name in ("mode", "amp", "checkpoint", "accumulate", "device", "optimizer", "onednn"):
        if name not in USELESS[kind]:
            done = run("8,M", kind, *GIVEN[name], "-o", path, "--force")
            assert done.exit_code == 0, done.output
            assert path.read_bytes() != plain, name


def test_a_default_that_is_typed_is_refused_as_well_where_it_means_nothing(tmp_path: Path) -> None:
    done = run("D", "sweep", "--batch", 1, "-o", tmp_path / "x.svg")
    assert "It draws a range of its own; for another: `vgg-profile sweep D --batch 1..64" in done.stderr


def test_a_folder_of_records_has_that_of_the_network_at_the_setting(tmp_path: Path) -> None:
    pictures = []
    for number, (kind, record, given) in enumerate(
        (
            ("check", RECORD, ()),
            ("check", FOLDER, ()),
            ("timeline", FOLDER / "D-adam-cpu.json", ()),
            ("timeline", FOLDER, ("--optimizer", "adam", "--batch", 4)),
        )
    ):
        path = tmp_path / f"{number}.svg"
        done = run("D", kind, "--measured", record, *given, "-o", path)
        assert done.exit_code == 0, done.output
        pictures.append(path.read_bytes())
    assert pictures[0] == pictures[1] != pictures[2] == pictures[3]


def test_a_folder_where_one_record_is_wanted_says_what_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"is a folder, and a record is one file\. Name one of its: 'A-BN-cpu"
    ):
        load(FOLDER)
    with pytest.raises(InputError, match=r"is a folder.*Measure again"):
        load(tmp_path)


def test_where_not_even_one_image_fits_the_picture_says_so(tmp_path: Path) -> None:
    done = run("D", "batch", "--memory", "100MiB", "-o", tmp_path / "x.svg")
    assert done.exit_code == 0
    assert "Not even one image fits into 100 MiB" in done.stderr


def test_a_card_brings_its_own_rules_unless_others_are_asked_for(tmp_path: Path) -> None:
    told = [
        run("8,M", "batch", "--input", 8, "--memory", have, *device, "-o", tmp_path / f"{number}.svg").stderr
        for number, (have, device) in enumerate(
            [("rtx4090", ()), ("rtx4090", ("--device", "cuda")), ("24GiB", ("--device", "cpu"))]
        )
    ]
    unasked, cuda, cpu = (each.partition(": ")[2] for each in told)
    assert unasked == cuda != cpu
    assert "not verified on a card; at most" in cuda


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("D", "memory"), "A figure goes to a file, and none is named. Name one: -o memory.svg."),
        (("D", "memory", "-o", "x.gif"), "Use one of .svg, .png, .pdf"),
        (("D", "memory", "-o", "x"), "names no format"),
        (("D", "memory", "-o", "-"), "names no format"),
        (("D", "memory", "-o", "nowhere/x.svg"), "There is no directory"),
        (("D", "memry", "-o", "x.svg"), "Did you mean memory?"),
        (("memory", "D", "-o", "x.svg"), "The kind comes last. Type: `vgg-profile plot D memory"),
        (("-o", "x.svg"), "There is no network and no kind of figure. Type: `vgg-profile plot D memory"),
        (
            ("64,M", "-o", "x.svg"),
            "The kind of figure is missing: the one word given, '64,M', is the network.",
        ),
        (("D", "-o", "x.svg"), "after it. Type: `vgg-profile plot D memory -o memory.svg`."),
        (("A", "check", "--measured", FOLDER, "--batch", 3, "-o", "x.svg"), "none is of A at input"),
        (("A", "B", "memory", "-o", "x.svg"), "is of one network, and 2 are named"),
        (("D", "check", "-o", "x.svg"), "Name its record: --measured"),
        (("D", "time", "-o", "x.svg"), "Name its record: --measured"),
        (("D", "memory", "--memory", "8GiB", "-o", "x.svg"), "has no use for --memory"),
        (("A", "B", "compare", "--measured", RECORD, "-o", "x.svg"), "has no use for --measured"),
        (("D", "batch", "--memory", "8G", "-o", "x.svg"), "Type 8GiB or 8GB"),
        (("E", "check", "--measured", RECORD, "-o", "x.svg"), "another config"),
        (("E", "time", "--measured", RECORD, "-o", "x.svg"), "another config"),
        (("D", "timeline", "--batch", 4, "--measured", RECORD, "-o", "x.svg"), "another batch"),
        (("D", "check", "--measured", "none.json", "-o", "x.svg"), "There is no record"),
        (("nothing", "memory", "-o", "x.svg"), "There is no config"),
        (("memory", "-o", "x.svg"), "There is no network to draw memory of. Type: `vgg-profile plot D"),
    ],
    ids=str,
)
def test_a_mistake_is_explained_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_record_without_times_or_bytes_is_explained(tmp_path: Path) -> None:
    record = load(RECORD)
    timeless = Measurement(record.subject, record.environment)
    with pytest.raises(InputError, match="holds no times"):
        depict(timeless)
    unread = Measurement(record.subject, record.environment, skipped={EVERYTHING_ELSE: "no memory"})
    with pytest.raises(InputError, match="holds no live bytes"):
        depict(overlay("D", unread), "check")


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    path.write_text("old")
    done = run("D", "memory", "-o", path)
    assert done.exit_code == 2
    assert path.read_text() == "old"
    assert run("D", "memory", "-o", path, "--force").exit_code == 0
    assert path.read_bytes().startswith(b"<?xml")


# -- any result that has a figure, by the suffix of -o


@pytest.mark.parametrize(
    "arguments",
    [
        ("timeline", "D", "--optimizer", "adam"),
        ("fit", "D", "--memory", "8GiB"),
        ("compare", "A", "D"),
        ("check", "D", RECORD),
        ("sweep", "D", "--batch", "1..8", "--input", "64,96"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_suffix_of_pictures_draws_the_result(tmp_path: Path, arguments: tuple[object, ...]) -> None:
    path = tmp_path / "picture.svg"
    result = CliRunner().invoke(main, [*map(str, arguments), "-o", str(path)])
    assert result.exit_code == 0, result.output
    assert ElementTree.fromstring(path.read_bytes()).tag.endswith("svg")


def test_what_has_no_figure_is_refused_as_a_picture(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["notes", "-o", str(tmp_path / "notes.png")])
    assert (result.exit_code, "There is no figure" in result.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []
