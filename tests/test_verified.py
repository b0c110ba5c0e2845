"""The mark "not verified on a card": which records lift it, from what, and where it stands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from turns import by_turns

from vgg_profile import Comparison, Fit, ledger, memory, walk
from vgg_profile.ask.page_data import page_data
from vgg_profile.ask.page_step import witness
from vgg_profile.ask.report import Report
from vgg_profile.ask.verification import verification
from vgg_profile.cli import main
from vgg_profile.core import verified as room
from vgg_profile.core.setting import Setup
from vgg_profile.core.tree import Profile
from vgg_profile.core.verified import LIST, confirmed
from vgg_profile.describe.documents import compose
from vgg_profile.describe.figures import depict
from vgg_profile.describe.tables import describe
from vgg_profile.measure.reading import load
from vgg_profile.measure.record import Measurement
from vgg_profile.predict.vgg.configs import Source
from vgg_profile.predict.vgg.step import tensors_alone
from vgg_profile.render import live_page, render

MEASURED = Path(__file__).parent.parent / "reports" / "measured"
MARK = "not verified on a card"
H100, H200 = "NVIDIA H100 80GB HBM3", "NVIDIA H200"


def records() -> dict[str, Measurement]:
    return {path.stem: load(path) for path in MEASURED.glob("*.json")}


def test_the_list_in_the_package_is_what_the_committed_records_confirm() -> None:
    assert list(verification(records())) == list(confirmed())
    assert {entry["record"] for entry in confirmed()} == {path.stem for path in MEASURED.glob("*-cuda.json")}
    assert LIST.name == "verified.json"


def step_of(name: Source, **options: object) -> Profile:
    """The profile of a step on a card, as far as a mark is concerned."""
    setup = {key: options.pop(key) for key in list(options) if key in Setup.__dataclass_fields__}
    return ledger(walk(name, device="cuda", **options), Setup(**setup)).profile  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options", "is_verified"),
    [
        ("D", {}, True),
        ("D", {"batch": 1000, "input": 64}, True),  # whatever the batch and the image
        ("64,M,conv1-64,M", {}, True),  # C's kinds of layer
        ("A-LRN", {}, True),
        ("A-LRN", {"dtype": "float16"}, False),
        ("A-LRN", {"batch_norm": True}, False),  # each was measured, never both
        ("D", {"dtype": "float64"}, False),
        ("D", {"mode": "eval"}, True),
        ("D", {"mode": "eval", "optimizer": "sgd"}, False),
        ("D", {"optimizer": "adam"}, True),
        ("D", {"optimizer": "adam", "foreach": True}, True),  # as it is by default
        ("D", {"optimizer": "adam", "foreach": False}, H200),
        ("D", {"optimizer": "adam", "fused": True}, H200),
        ("D-BN", {"amp": "bfloat16", "mode": "eval"}, H200),
        ("D", {"optimizer": "adam", "first_step": True}, False),
        ("D", {"optimizer": "adamw"}, False),
        ("D-BN", {"optimizer": "adam"}, False),
        ("D", {"freeze": ("features",)}, False),
        ("8,M,GAP", {"input": 8}, False),  # a mean
        ("8,M,none", {"input": 8}, True),
        ("D", {"amp": "bfloat16"}, True),
        ("D", {"amp": "bfloat16", "checkpoint": "blocks"}, False),
        ("8,M,M", {"batch_norm": True, "input": 4, "batch": 2}, True),
        ("8,M,8", {"batch_norm": True, "input": 2, "batch": 2}, False),  # a norm on one value a channel
    ],
    ids=str,
)
def test_a_step_is_verified_where_a_record_has_its_setting_and_its_kinds_of_layer(
    name: str, options: dict[str, object], is_verified: bool | str
) -> None:
    """``True`` is the H100, the first of the list; where only another card has seen it, its name."""
    found = step_of(name, **options).verified
    assert (found and found.device) == {True: H100, False: None}.get(is_verified, is_verified)  # type: ignore[call-overload]


def test_a_record_that_fails_confirms_nothing_and_one_more_that_holds_lifts_the_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = load(MEASURED / "D-adam-cuda.json")
    (confirms,) = verification({"D-adam-cuda": record})
    wrong = record.timeline[5]._replace(live=record.timeline[5].live + 1)
    off = replace(record, timeline=(*record.timeline[:5], wrong, *record.timeline[6:]))
    assert list(verification({"off by a byte": off})) == []
    assert list(verification({"of the CPU": load(MEASURED / "D-cpu.json")})) == []
    unread = replace(record, timeline=(), skipped={"everything else": "out of memory"})
    assert list(verification({"cut off": unread})) == []

    def given(*entries: object) -> Profile:
        path = tmp_path / f"{len(entries)}.json"
        path.write_text(json.dumps(entries))
        monkeypatch.setattr(room, "LIST", path)
        confirmed.cache_clear()
        return step_of("E", optimizer="adam")

    try:
        assert given().verified is None
        assert given(confirms).verified is not None
    finally:
        monkeypatch.undo()
        confirmed.cache_clear()


def test_a_record_without_fvcore_counts_as_well() -> None:
    record = load(MEASURED / "A-cuda.json")
    readings = tuple(each for each in record.readings if not each.quantity.startswith("fvcore"))
    skipped = dict.fromkeys(("fvcore_flops", "fvcore_activations"), "fvcore is not installed")
    assert list(verification({"A": replace(record, readings=readings, skipped=skipped)}))


def test_of_the_cpu_nothing_is_said() -> None:
    profile = ledger(walk("A-LRN", dtype="float64"), Setup()).profile
    assert (profile.verified, profile.verification) == (None, {})
    assert MARK not in render(profile, "table")


OPEN = Setup(optimizer="adamw", fused=True, amp="float16")
"""No record is of it."""


def run(*arguments: object) -> str:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


AS_TYPED = ("--device", "cuda", "--optimizer", "adamw", "--fused", "--amp", "float16")


SCREENS = [
    ("table", "A-LRN", "--device", "cuda", "--dtype", "float16"),
    ("timeline", "D", *AS_TYPED),
    ("fit", "D", "--memory", "h100", *AS_TYPED),
    ("fit", "D", "--memory", "h100"),  # what is reserved no record confirms
    ("compare", "A", "D", *AS_TYPED),
    ("sweep", "D", *AS_TYPED),
]


@pytest.mark.parametrize(
    ("words", "form"),
    by_turns(SCREENS, ["table", "markdown", "json", "latex", "html"]),
    ids=lambda each: each if isinstance(each, str) else " ".join(each[:2]),
)
def test_every_screen_has_the_mark(words: tuple[str, ...], form: str) -> None:
    said = run(*words, "--format", form)
    assert ('"verified_on": null' if form == "json" else MARK) in said


def test_the_answer_itself_has_the_mark() -> None:
    step = ledger(walk("D", device="cuda"), OPEN)
    assert any(line.startswith("Peak: ") and MARK in line for line in describe(step).footer)
    assert MARK in describe(step).title
    assert MARK in describe(walk("A-LRN", dtype="float16", device="cuda")).title
    assert describe(Fit(step, memory("h100"))).footer[0].startswith("About ")
    assert MARK in describe(Fit(step, memory("h100"))).footer[0]


def test_the_findings_of_pictures_have_it() -> None:
    step = ledger(walk("D", device="cuda"), OPEN)
    comparison = Comparison((walk("A", device="cuda"), walk("D", device="cuda")), OPEN)
    pictures = [depict(step), depict(step, "batch"), depict(Fit(step, memory("h100"))), depict(comparison)]
    assert all(MARK in picture.title for picture in pictures)
    assert MARK in depict(walk("A-LRN", dtype="float16", device="cuda"), "memory").title
    verified = ledger(walk("D", device="cuda"), Setup())
    assert MARK not in depict(verified).title
    assert f"tensors verified on an {H100}" in depict(verified).footer


def test_in_a_comparison_each_network_says_where_it_was_verified() -> None:
    networks = tuple(walk(name, device="cuda", dtype="float16") for name in ("A-LRN", "D"))
    comparison = Comparison(networks, Setup())
    assert [each["verified_on"] for each in comparison.to_dict()["configs"]] == [
        None,
        f"{H100}, torch 2.11.0+cu130",
    ]
    said = describe(comparison)
    assert f"Rules of cuda ({MARK}): A-LRN." in said.footer
    assert f"Rules of cuda (tensors verified on an {H100}): D." in said.footer
    assert MARK in said.title


def test_a_report_and_its_live_page_have_it() -> None:
    report = Report(Comparison((walk("8,M", input=64, device="cuda"),), OPEN), "as typed")
    assert MARK in str(compose(report).parts[0])
    page = live_page(report)
    assert f"by the rules of device cuda ({MARK})" in page  # without the script, too


def test_the_live_page_knows_for_every_setting_of_a_card_where_it_was_verified() -> None:
    data = page_data(Comparison((walk("8,M", input=64, device="cuda"),)))
    seen = set()
    for key, known in data["verified"].items():
        dtype, optimizer, amp, checkpoint = key.split(",")
        for norm in (False, True):
            profile = walk("8,M", input=64, dtype=dtype, device="cuda", batch_norm=norm)
            step = tensors_alone(profile, Setup(optimizer=optimizer, amp=amp, checkpoint=checkpoint))
            place = witness(list(profile.kinds), known)
            assert data["witnesses"][place] == step.profile.verified
            seen.add(place)
    assert len(seen) == 3  # no card, an H100, an H200
