"""The tools reconciled: every figure in ``reports/tools.json`` is ours and named terms, and the page says so.

The tools themselves need not be here: their words are in the record, and everything else is computed anew.
"""

from __future__ import annotations

import copy
import doctest
import json
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from examples.reconcile import sums, terms
from examples.reconcile.page import page
from examples.reconcile.rules import TOOLS
from examples.reconcile.run import ROOT, keep, run
from examples.reconcile.sums import NETS, Net, Record, Sum, reconcile
from examples.reconcile.terms import MODULES, Term, Tool
from vgg_profile.core.events import Category

RECORD: Record = json.loads((ROOT / "reports" / "tools.json").read_text("utf-8"))
SUMS = [*reconcile(RECORD)]

TOOLS_THEN = {
    ("calflops", "MACs"): 15_470_264_320,
    ("fvcore", "FlopCountAnalysis"): 15_470_289_408,
    ("torchprofile", "profile_macs"): 15_470_289_408,
    ("thop", "macs"): 15_470_314_496,
    ("torchscan 0.2", "macs"): 15_471_844_864,
    ("torchinfo", "total_mult_adds"): 15_483_821_032,
    ("ptflops", "macs"): 15_523_225_576,
    ("FlopCounterMode", "forward"): 30_940_528_640,
    ("FlopCounterMode", "forward and backward"): 92_648_177_664,
}
"""What the tools said of VGG-16 in another place on another day, before there was a term."""


def name(one: Sum) -> str:
    return f"{one.tool.name}, {one.figure.name}, {one.net}"


def forged(tool: str, figure: str, by: int) -> Record:
    """The record with one reading of D changed."""
    record = copy.deepcopy(RECORD)
    readings = record["tools"][tool]["nets"]["D"]["readings"]
    reading = readings[figure]
    readings[figure] = reading + by if isinstance(reading, int) else f"{float(reading) + by / 100:.2f}"
    return record


def test_every_tool_was_asked_about_every_network() -> None:
    asked = {(one.tool.name, one.net) for one in SUMS}
    assert asked == {(tool.name, net) for tool in TOOLS for net in NETS}


@pytest.mark.parametrize("one", SUMS, ids=name)
def test_theirs_is_ours_and_named_terms(one: Sum) -> None:
    assert one.remainder == 0


@pytest.mark.parametrize(("one", "figure"), TOOLS_THEN, ids=", ".join)
def test_the_readings_are_those_of_another_day(one: str, figure: str) -> None:
    assert RECORD["tools"][one]["nets"]["D"]["readings"][figure] == TOOLS_THEN[one, figure]


@pytest.mark.parametrize("one", [one for one in SUMS if one.net == "D"], ids=name)
def test_a_forged_reading_is_not_explained(one: Sum) -> None:
    record = forged(one.tool.name, one.figure.name, by=1)
    wrong = [each for each in reconcile(record) if each.remainder]
    assert [name(each) for each in wrong] == [name(one)]
    text = page(record)
    assert "**Not explained: 1 figure.**" in text
    assert any(
        line.startswith("| **not explained**") and f" {wrong[0].remainder:,} " in line
        for line in text.splitlines()
    )


def test_a_changed_term_is_not_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Net, "value", lambda net, term: 0)
    assert any(one.remainder for one in reconcile(RECORD))


def test_no_term_is_the_whole_difference_by_another_name() -> None:
    """A term is a small multiple of a count; only three stand for a figure of their own."""
    terms = [term for tool in TOOLS for figure in tool.figures for term in figure.terms]
    assert max(abs(term.each) for term in terms) <= 8
    assert {term.what for term in terms if not term.kinds} == {"storage object", "hidden peak", "scratch"}
    assert {kind for term in terms for kind in term.kinds} <= {*MODULES, "input"}


def test_a_misspelt_kind_or_count_is_nothing() -> None:
    assert Net("D", {}).value(Term(1, "values out", ("convolution",), "")) == 0


def test_every_term_counts_something() -> None:
    """So no term is misspelt, or for show."""
    net = Net("D-BN", RECORD["measured"]["D-BN"])
    for tool in TOOLS:
        for figure in tool.figures:
            for term in figure.terms:
                assert net.value(term) != 0, (tool.name, figure.name, term)


def test_the_counts_add_up_to_the_profile() -> None:
    net = Net("D-BN", {})
    totals = net.profile.totals
    assert sum(net.counts[kind, "parameters"] for kind in MODULES) == totals.parameters
    assert sum(net.counts[kind, "MACs"] for kind in MODULES) == totals.macs
    assert sum(net.counts[kind, "modules"] for kind in MODULES) == len(net.profile.module_rows) - 1


def test_scratch_is_measured_and_never_negative() -> None:
    for name in NETS:
        net = Net(name, RECORD["measured"][name])
        assert net.measured["peak_bytes"] >= net.ours["peak of tensors"] >= net.peak_between_operations


def test_no_tool_has_a_line_for_the_pool_indices() -> None:
    """As the page claims; nor for what autograd keeps, but for MemTracker."""
    net = Net("D", {})
    indices = sum(
        storage.size.at(1)
        for row in net.profile.module_rows
        for storage in row.saved
        if storage.category is Category.INDICES
    )
    readings = {
        (tool, reading)
        for tool, entry in RECORD["tools"].items()
        for reading in entry["nets"]["D"]["readings"].values()
    }
    assert indices not in {reading for _, reading in readings}
    assert {tool for tool, reading in readings if reading == net.ours["saved for backward"]} == {"MemTracker"}
    assert f"{indices:,}" in page(RECORD)


def test_the_page_is_what_the_record_says() -> None:
    assert (ROOT / "reports" / "tools.md").read_text("utf-8") == page(RECORD)


def test_the_page_shows_every_figure() -> None:
    text = page(RECORD)
    assert "**In every one the remainder is 0.**" in text
    assert "not explained" not in text
    for one in SUMS:
        assert f"= **{one.figure.name}**" in text
        assert (f"**{one.theirs:,}**" if isinstance(one.theirs, int) else f"**{one.theirs}**") in text


def test_a_tool_that_is_not_there_is_named_with_its_reason() -> None:
    record = copy.deepcopy(RECORD)
    record["tools"]["thop"] = {"failure": "ModuleNotFoundError: No module named 'thop'"}
    assert page(record).count("annot run here: ModuleNotFoundError: No module named 'thop'") == 2
    assert "thop" not in {one.tool.name for one in reconcile(record)}


def test_why_a_process_failed_is_kept() -> None:
    thop = next(tool for tool in TOOLS if tool.name == "thop")
    outcome = run([sys.executable, "-c", "import a_module_of_nobody"])
    assert outcome.failure == "ModuleNotFoundError: No module named 'a_module_of_nobody'"
    record: Record = {"tools": {}, "measured": {"D": {}}}
    keep(record, thop, "D", outcome)
    assert record["tools"]["thop"] == {"failure": outcome.failure}
    assert "not installed in nowhere" in run([sys.executable, "-c", ""], folder="nowhere").failure


def test_a_tool_that_changes_its_mind_is_refused() -> None:
    thop = next(tool for tool in TOOLS if tool.name == "thop")
    record: Record = {"tools": {}, "measured": {"D": {}}}
    for macs in (1, 2):
        said = {"version": "1", "readings": {"macs": macs}, "left": {}}
        outcome = run([sys.executable, "-c", f"print({json.dumps(json.dumps(said))})"])
        if macs == 1:
            keep(record, thop, "D", outcome)
        else:
            with pytest.raises(SystemExit, match="two things"):
                keep(record, thop, "D", outcome)


def test_a_record_is_rendered_without_any_tool(tmp_path: Path) -> None:
    """The script's own road, in a process that refuses to load torch or a tool."""
    heavy = ["torch", *{tool.package for tool in TOOLS}]
    code = (
        f"import sys; sys.path.insert(0, 'examples'); sys.modules.update(dict.fromkeys({heavy!r}));"
        "import reconcile_tools; reconcile_tools.main(sys.argv[1:])"
    )
    target = tmp_path / "tools.md"
    command = [sys.executable, "-c", code, "--render", "reports/tools.json", "-o", str(target)]
    subprocess.run(command, check=True, cwd=ROOT)
    assert target.read_text("utf-8") == page(RECORD)


def test_the_examples_in_docstrings_hold() -> None:
    results = [doctest.testmod(module) for module in (sums, terms)]
    assert sum(result.attempted for result in results) >= 2
    assert not any(result.failed for result in results)


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if not tool.folder], ids=lambda tool: tool.name)
@pytest.mark.slow
def test_a_tool_that_is_here_says_it_again(tool: Tool) -> None:
    """Only with the version that the record has: another may count by another rule."""
    for package in (tool.package, *(["transformers"] if tool.name == "calflops" else [])):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not here: pip install '.[peers]'")
    here, then = version(tool.package), RECORD["tools"][tool.name]["version"]
    if here != then:
        pytest.skip(f"{tool.package} is {here} here, and the record has {then}")
    if tool.name == "torchscan 0.2, peak":
        pytest.skip("oneDNN's scratch depends on the processor")
    outcome = run([sys.executable, "examples/reconcile_tools.py", "--child", tool.name, "D"])
    assert outcome.failure == ""
    assert outcome.said["readings"] == RECORD["tools"][tool.name]["nets"]["D"]["readings"]
