"""Reports: what people keep is complete, true to the JSON, made again alike, and whole or not at all."""

from __future__ import annotations

import base64
import gzip
import json
import re
import runpy
import shutil
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result

from vgg_profile import walk
from vgg_profile.ask.compare import Comparison
from vgg_profile.ask.report import Report
from vgg_profile.cli import main
from vgg_profile.cli.output import bar
from vgg_profile.core import files, units
from vgg_profile.core.documents import Code, Document, Heading, Items
from vgg_profile.core.events import Phase
from vgg_profile.core.setting import Setup
from vgg_profile.describe.documents import compose
from vgg_profile.predict.steps import ledger
from vgg_profile.write import plots
from vgg_profile.write.documents import to_html, to_markdown, to_text
from vgg_profile.write.plots import schemes

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "reports" / "measured" / "D-cpu.json"
REGENERATE = runpy.run_path(str(ROOT / "reports" / "regenerate.py"))
TINY = "4,M"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def links(markdown: str) -> list[str]:
    """Where the pictures of a page are said to lie."""
    return [unquote(path) for path in re.findall(r"!\[(?:[^\]\\]|\\.)*\]\(([^)]*)\)", markdown)]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures with nothing in them, for what says nothing of pictures: drawing takes the most time."""
    monkeypatch.setattr(plots, "to_bytes", lambda *_, **__: b"<svg></svg>")
    monkeypatch.setattr(schemes, "save", lambda *_, **__: b"<svg></svg>")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "vgg16.md"
    result = run("report", "D", "--measured", RECORD, "-o", path)
    assert result.exit_code == 0, result.output
    return path


def test_the_page_has_its_headline_from_the_step(page: Path) -> None:
    text, step = page.read_text(), ledger(walk("D"))
    for figure in (
        step.profile.totals.parameters,
        step.profile.totals.macs,
        step.profile.totals.saved_bytes,
        step.peak.peak,
        sum(step.flops.values()),
    ):
        assert units.exact(figure) in text
    assert re.search(r"PASS: (\d+) of \1 checks hold in a real pass, to the byte", text)


@pytest.mark.parametrize(
    "setup",
    [Setup(checkpoint="blocks"), Setup(amp="bfloat16"), Setup(mode="eval"), Setup(mode="inference")],
    ids=lambda setup: setup.label,
)
def test_headline_table_and_pictures_are_of_the_step_that_is_reported(setup: Setup) -> None:
    profile = walk("D-BN", input=64, batch=4)
    step = ledger(profile, setup)
    kept = step.fixed_points[Phase.FORWARD] - step.fixed_points[Phase.INPUT]
    assert step.profile.totals.saved_bytes == kept
    assert sum(row.saved_bytes(4) for row in step.profile.module_rows) == kept
    document = compose(Report(Comparison((profile,), setup), "vgg-profile report"))
    text = to_markdown(document, "pictures")
    assert len(re.findall(rf"\b{units.exact(kept)}\b", text)) >= 3
    if setup != Setup(mode="eval"):
        assert units.exact(profile.totals.saved_bytes) not in text
    assert setup.forward_pass in text
    flops = sum(step.flops.values()) + sum(step.recomputed_flops.values())
    assert f"{units.exact(flops)} FLOPs" in text


def test_the_page_says_how_it_was_made(page: Path) -> None:
    assert f"vgg-profile report D --measured {RECORD} -o {page}" in page.read_text()


def test_every_picture_lies_where_the_page_says_and_none_is_left_over(page: Path) -> None:
    named = {page.parent / link for link in links(page.read_text())}
    assert named == set((page.parent / "vgg16").iterdir())
    assert len(named) == 8


@pytest.mark.usefixtures("undrawn")
def test_without_a_record_nothing_is_called_measured(tmp_path: Path) -> None:
    assert run("report", TINY, "--input", 8, "-o", tmp_path / "tiny.md").exit_code == 0
    text = (tmp_path / "tiny.md").read_text()
    assert "nothing here is measured" in text
    assert "PASS" not in text
    assert not any("check" in link or "time." in link for link in links(text))


@pytest.mark.usefixtures("undrawn")
def test_a_fresh_measurement_can_be_asked_for(tmp_path: Path) -> None:
    result = run("report", TINY, "--input", 8, "--classes", 3, "--measure", "-o", tmp_path / "tiny.md")
    assert result.exit_code == 0, result.output
    assert "recording memory" in result.stderr
    assert "checks hold in a real pass" in (tmp_path / "tiny.md").read_text()


@pytest.mark.usefixtures("undrawn")
def test_several_networks_stand_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "all.md"
    names = ("8,M", "8,M,8,M", TINY)
    assert run("report", *names, "--optimizer", "adam", "-o", path).exit_code == 0
    text = path.read_text()
    assert text.startswith(f"# What {units.listed(names)} cost\n")
    for name in names:
        peak = ledger(walk(name), Setup(optimizer="adam")).peak.peak
        assert text.count(units.exact(peak)) >= 2
    assert len(set(links(text))) == 7


def test_made_again_it_is_the_same_byte_for_byte(page: Path) -> None:
    files = [page, *sorted((page.parent / "vgg16").iterdir())]
    before = [path.read_bytes() for path in files]
    assert run("report", "D", "--measured", RECORD, "-o", page, "--force").exit_code == 0
    again = [path.read_bytes() for path in files]
    assert again[1:] == before[1:]
    assert again[0] == before[0].replace(f"-o {page}".encode(), f"-o {page} --force".encode())


@pytest.mark.usefixtures("undrawn")
def test_a_report_interrupted_half_way_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tiny.md"
    assert run("report", TINY, "--input", 8, "-o", path).exit_code == 0
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    drawn = []

    def stop(figure: object, form: str, size: str, *, dark: bool) -> bytes:
        drawn.append(figure)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return b"half"

    monkeypatch.setattr(plots, "to_bytes", stop)
    result = run("report", TINY, "--input", 16, "-o", path, "--force")
    assert (result.exit_code, len(drawn)) == (130, 3)
    assert {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("D", "-o", "report.pdf"), "Name it FILE.md or FILE.html"),
        (("D",), "--output"),
        (("F", "-o", "f.md"), "F"),
        (("D", "-o", "nowhere/d.md"), "no directory"),
        (("D", "--measured", RECORD, "--batch", "8", "-o", "d.md"), "none is of D"),
        (("D", "--measured", RECORD, "--measure", "-o", "d.md"), "two sources"),
        (("D", "--measured", "none.json", "-o", "d.md"), "no record"),
    ],
)
def test_bad_input_is_a_clear_error(
    arguments: tuple[object, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("report", *arguments)
    assert (result.exit_code, said in result.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unasked(page: Path) -> None:
    before = page.read_bytes()
    result = run("report", "D", "-o", page)
    assert (result.exit_code, "exists already" in result.stderr) == (2, True)
    assert page.read_bytes() == before


def test_a_hostile_name_is_text(tmp_path: Path) -> None:
    net = tmp_path / "net.json"
    name = '<img src=x onerror=alert(1)> | ![x](y) "quoted"'
    net.write_text(json.dumps({"name": name, "layers": [4, "M"], "classifier": [], "classes": 3}))
    for suffix in ("md", "html"):
        result = run("report", net, "--input", 8, "-o", tmp_path / f"net.{suffix}")
        assert result.exit_code == 0, result.output
    markdown, html = ((tmp_path / f"net.{suffix}").read_text() for suffix in ("md", "html"))
    assert "<img src=x" not in html
    assert not re.search(r"(?<!\\)<img src=x", markdown)
    assert all((tmp_path / link).is_file() for link in links(markdown))


def test_a_report_knows_its_figures_as_json() -> None:
    comparison = Comparison((walk("D"),), Setup())
    content = Report(comparison, "a command").to_dict()
    assert content["command"] == "a command"
    assert content["configs"][0]["peak_bytes"] == ledger(walk("D")).peak.peak


@pytest.mark.usefixtures("undrawn")
def test_a_page_shows_how_far_it_is_and_in_a_pipe_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vgg_profile.ask.page_data.SIZES", (64,))
    labels = []

    def noted(items: Iterable[object], length: int, label: str) -> Iterator[object]:
        labels.append(label)
        return bar(items, length, label)

    monkeypatch.setattr("vgg_profile.cli.report.bar", noted)
    result = run("report", TINY, "--input", 8, "-o", tmp_path / "tiny.html")
    assert labels == ["Drawing"]
    assert result.stderr == f"Wrote {tmp_path / 'tiny.html'}\n"


# -- documents


DOCUMENT = Document("A & B", (Heading("<h>"), "1 < 2 | 3", Items(("one",)), Code(("```", "x"), "sh")))


def test_a_document_is_the_same_in_every_format() -> None:
    assert to_text(DOCUMENT) == "A & B\n\n<h>\n\n1 < 2 | 3\n\n- one\n\n    ```\n    x\n"
    assert to_markdown(DOCUMENT) == (
        "# A \\& B\n\n## \\<h\\>\n\n1 \\< 2 \\| 3\n\n- one\n\n````sh\n```\nx\n````\n"
    )
    html = to_html(DOCUMENT)
    for part in ("<h1>A &amp; B</h1>", "<h2>&lt;h&gt;</h2>", "<li>one</li>", "<pre>```\nx</pre>"):
        assert part in html


# -- reports/


def test_the_index_is_what_the_script_writes() -> None:
    assert (ROOT / "reports" / "README.md").read_text() == REGENERATE["index"]()


def test_every_file_under_reports_is_in_the_index() -> None:
    index = (ROOT / "reports" / "README.md").read_text()
    named = {ROOT / "reports" / path for path in re.findall(r"\]\(([^)]+)\)", index)}
    pages = {path for path in (ROOT / "reports").rglob("*") if path.suffix in (".md", ".html", ".json")}
    assert named >= pages - {ROOT / "reports" / "README.md", ROOT / "reports" / "tools.json"}
    assert all(path.is_file() for path in named)


@pytest.mark.parametrize("name", [*REGENERATE["REPORTS"]])
@pytest.mark.slow
def test_a_committed_report_is_what_its_command_makes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reports").mkdir()
    shutil.copytree(ROOT / "reports" / "measured", tmp_path / "reports" / "measured")
    monkeypatch.chdir(tmp_path)
    result = run(*REGENERATE["command"](name)[1:])
    assert result.exit_code == 0, result.output
    made = [
        path for path in (tmp_path / "reports").rglob("*") if path.is_file() and "measured" not in path.parts
    ]
    assert made
    for path in made:
        committed = ROOT / path.relative_to(tmp_path)
        assert unpacked(path.read_bytes()) == unpacked(committed.read_bytes()), path.name


def unpacked(content: bytes) -> bytes:
    """A file as it is, but a live page's data unpacked: how well it is packed is zlib's business."""
    return re.sub(
        rb'(?<=id="data">)[^<]+', lambda found: gzip.decompress(base64.b64decode(found[0])), content
    )


def test_a_changed_figure_in_a_page_would_be_noticed() -> None:
    page = (ROOT / "reports" / "vgg16.html").read_bytes()
    data = unpacked(page)
    assert b'["conv", 512, 3]' in data
    assert b'["conv", 512, 3]' not in page
    assert unpacked(page.replace(b"72,757,152", b"72,757,153")) != data


@pytest.mark.usefixtures("undrawn")
def test_two_names_that_look_alike_to_a_file_keep_their_own_pictures(tmp_path: Path) -> None:
    nets = []
    for name, width in (("a b", 4), ("a-b", 8)):
        nets.append(tmp_path / f"{width}.json")
        content = {"name": name, "layers": [width, "M"], "classifier": [], "classes": 3}
        nets[-1].write_text(json.dumps(content))
    assert run("report", *nets, "--input", 8, "-o", tmp_path / "r.md").exit_code == 0
    found = links((tmp_path / "r.md").read_text())
    assert len(set(found)) == len(found) == 5
    assert all((tmp_path / link).is_file() for link in found)


@pytest.mark.usefixtures("undrawn")
def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("here first")
    result = run("report", TINY, "--input", 8, "-o", tmp_path / "r.md")
    assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


@pytest.mark.usefixtures("undrawn")
def test_a_report_that_is_refused_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, content: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_draft", refuse)
    result = run("report", TINY, "--input", 8, "-o", tmp_path / "r.md")
    assert (result.exit_code, "No space left" in result.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_ctrl_c_that_a_library_swallowed_counts_before_anything_is_written(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swallow(*_: object, **__: object) -> bytes:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return b"<svg></svg>"

    monkeypatch.setattr(plots, "to_bytes", swallow)
    monkeypatch.setattr(schemes, "save", swallow)
    result = run("report", TINY, "--input", 8, "-o", tmp_path / f"report{suffix}")
    assert result.exit_code == 130, result.output
    assert list(tmp_path.iterdir()) == []
