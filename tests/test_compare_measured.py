"""Networks side by side: what is measured, and what may be compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from comparing import PLAIN, REPORTS, asked, networks, printed, run

from vgg_profile import Comparison, InputError, walk
from vgg_profile.ask.compare import MEASURED, distinct, read_records
from vgg_profile.describe.tables import describe
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import Measurement, dumps
from vgg_profile.render import render

# What is measured


def test_measured_figures_are_the_records() -> None:
    record = load(REPORTS / "D-cpu.json")
    [network] = asked("D", "--measured", REPORTS / "D-cpu.json")["configs"]
    forward = [moment.live for moment in record.timeline if moment.phase == "forward"]
    assert network["measured_live_bytes"] == forward[-1]
    assert network["measured_peak_bytes"] == max(m.peak for m in record.timeline if m.phase != "load")
    for phase in ("forward", "backward"):
        reading = record.get(f"{phase}_time")
        assert reading is not None
        assert network[f"measured_{phase}_us"] == round(reading.value * 1e6)
    assert network["record"] == str(REPORTS / "D-cpu.json")
    assert network["environment"] == record.environment


def test_the_predicted_figures_stay_what_they_are() -> None:
    plain = asked("A", "C", "D")["configs"]
    measured = asked("A", "C", "D", "--measured", REPORTS)["configs"]
    for before, after in zip(plain, measured, strict=True):
        assert after == {**before, **{k: after[k] for k in (*MEASURED, "record", "environment")}}


def test_a_network_without_a_record_is_named() -> None:
    text = printed("A", "C", "D", "--measured", REPORTS, "--relative-to", "A")
    assert "No record at this setting: C." in text
    assert f"A ({REPORTS / 'A-cpu.json'})" in text
    content = asked("A", "C", "--measured", REPORTS, "--relative-to", "A")["configs"]
    assert [content[1][key] for key in MEASURED] == [None] * 4
    assert content[1]["measured_peak_bytes_ratio"] is None
    assert content[0]["measured_peak_bytes_ratio"] == 1.0


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ((), "D-cpu.json"),
        (("--optimizer", "adam"), "D-adam-cpu.json"),
        (("--checkpoint", "blocks", "--optimizer", "none"), "D-checkpoint-cpu.json"),
        (("--batch-norm",), "D-BN-cpu.json"),
    ],
)
def test_of_a_folder_only_the_record_of_this_setting_is_used(options: tuple[str, ...], name: str) -> None:
    records = read_records(REPORTS)
    setup = records[str(REPORTS / name)].subject
    context = ("--batch", setup["batch"], "--dtype", setup["dtype"], "--input", setup["input"][1])
    [network] = asked("D", *options, *context, "--measured", REPORTS)["configs"]
    assert network["record"] == str(REPORTS / name)


@pytest.mark.parametrize(
    "arguments",
    [
        ("A", "--measured", REPORTS / "D-cpu.json"),
        ("D", "--batch", 2, "--measured", REPORTS / "D-cpu.json"),
        ("D", "--optimizer", "sgd", "--measured", REPORTS / "D-cpu.json"),
        ("D", "--device", "cuda", "--batch", "2", "--measured", REPORTS),
        ("D", "--classes", 10, "--measured", REPORTS),
        ("D", "--by", "layer", "--measured", REPORTS),
        ("D", "--measured", REPORTS / "none.json"),
        ("D", "--measured", REPORTS.parent.parent / "tests" / "golden"),
    ],
)
def test_a_record_of_something_else_is_not_used(arguments: tuple[object, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert not result.stdout


def test_a_folder_without_records_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no record in"):
        read_records(tmp_path)
    (tmp_path / "cut.json").write_text(dumps(load(REPORTS / "D-cpu.json"))[:-40])
    with pytest.raises(InputError, match="damaged"):
        read_records(tmp_path)


def off_by_one(record: Measurement) -> Measurement:
    last = record.timeline[-1]
    return replace(record, timeline=(*record.timeline[:-1], last._replace(live=last.live + 1)))


def test_a_record_that_fails_a_check_is_refused() -> None:
    record = load(REPORTS / "D-cpu.json")
    held = Comparison(networks("D"), PLAIN, measured={"D": record})
    assert held.figures[0]["measured_peak_bytes"]
    failing = replace(held, measured={"D": off_by_one(record)})
    with pytest.raises(InputError, match="does not hold: 2 of its"):
        _ = failing.figures


def test_what_a_record_lacks_is_unknown() -> None:
    record = load(REPORTS / "D-cpu.json")
    timeless = replace(record, readings=tuple(r for r in record.readings if not r.quantity.endswith("_time")))
    [figures] = Comparison(networks("D"), PLAIN, measured={"D": timeless}).figures
    assert [figures[key] is None for key in MEASURED] == [False, False, True, True]


def test_how_fast_the_machine_was_in_each_run_stands_beside_the_times() -> None:
    """A difference in time is held against that of the same product in the slowest run and the fastest."""
    nets = ("D", "E", "E-BN", "A-BN")
    rates = {net: load(REPORTS / f"{net}-cpu.json").get("matrix_product_rate").value / 1e9 for net in nets}
    slowest, *_, fastest = sorted(nets, key=rates.__getitem__)
    assert rates[slowest] < rates[fastest]
    said = f"reached {rates[slowest]:.1f} GFLOP/s in that of {slowest} and {rates[fastest]:.1f} in that of"
    assert said in " ".join(printed(*nets, "--measured", REPORTS).split())
    assert "matrix product" not in printed("E", "--measured", REPORTS)


# What may be compared


def test_the_same_network_twice_stays_apart() -> None:
    assert distinct(["D", "D (2)", "D", "D"]) == ["D", "D (2)", "D (3)", "D (4)"]
    content = asked("A", "vgg11", "--by", "block")["configs"]
    assert [network["label"] for network in content] == ["A", "A (2)"]
    rows = printed("A", "A", "--by", "block", "--format", "csv").splitlines()[1:]
    assert {row.split(",")[1] for row in rows} == {"A", "A (2)"}


def test_nothing_and_an_unknown_way_are_refused() -> None:
    with pytest.raises(InputError, match="nothing to compare"):
        Comparison(())
    with pytest.raises(InputError, match="by 'row'"):
        Comparison(networks("A"), PLAIN, by="row")
    assert run().exit_code == 2


def test_the_title_says_every_setting_in_it() -> None:
    profiles = (walk("A"), walk("A", batch=8, dtype="float16", input=64))
    title = describe(Comparison(profiles, PLAIN)).title
    assert "3×224×224 and 3×64×64, batch 1 and 8, float32 and float16, train, no optimizer" in title
    assert "autocast to bfloat16" in printed("A", "--amp", "bfloat16").splitlines()[0]


def test_a_list_of_totals_runs_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vgg_profile.predict.steps.ledger", None)
    assert "138,357,544" in render(Comparison(networks("D")), "table")
    with pytest.raises(TypeError):
        render(Comparison(networks("D"), PLAIN), "table")
