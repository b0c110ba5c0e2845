"""The answer stands first: what fits, whether every figure holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner
from torch import nn

from vgg_profile import Fit, Setup, ledger, memory, trace, walk
from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.subject import profile_for
from vgg_profile.cli import main
from vgg_profile.core import units
from vgg_profile.measure.reading import load
from vgg_profile.render import render

RECORD = Path(__file__).parent.parent / "reports" / "measured" / "D-cpu.json"
ADAM = Setup(optimizer="adam", processor="avx512", threads=2)


def first_line(result, form: str = "table") -> str:
    return render(result, form).splitlines()[0]


def fit(setup: Setup, have: str = "8GiB", **asked) -> Fit:
    return Fit(ledger(walk("D"), setup), memory(have), **asked)


def test_the_batch_that_fits_is_the_first_sentence_with_what_is_left():
    found = fit(ADAM)
    largest = found.largest_batch
    assert first_line(found) == (
        f"Batch {largest} fits in 8 GiB ({units.binary(found.spare_bytes)} left); {largest + 1} does not."
    )
    unknown = fit(Setup(optimizer="adam"))
    assert first_line(unknown).startswith(f"At most batch {unknown.largest_batch} fits in 8 GiB (")


def test_without_an_optimizer_the_first_line_says_so_and_what_adam_would_make_of_it():
    bare, adam = fit(replace(ADAM, optimizer="none")), fit(ADAM)
    assert bare.with_adam == adam.largest_batch
    assert first_line(bare).endswith(f" No optimizer is counted: with Adam it is {adam.largest_batch}.")
    assert adam.with_adam is None
    assert fit(Setup(mode="inference")).with_adam is None
    assert "optimizer" not in first_line(fit(Setup(mode="inference")))


def test_of_any_network_the_first_line_says_that_no_optimizer_is_counted():
    net = trace(nn.Linear(64, 8), "64", batch=2, probe=False)
    assert first_line(Fit(net, memory("2GiB"))).endswith(
        " No optimizer is counted: --optimizer adam counts Adam's state."
    )
    for setup in (Setup(optimizer="adam"), Setup(mode="inference")):
        step = trace(nn.Linear(64, 8), "64", batch=2, probe=False, setup=setup)
        assert "optimizer" not in first_line(Fit(step, memory("2GiB")))


def test_what_can_be_measured_of_a_vgg_alone_is_not_offered_elsewhere():
    net = trace(nn.Linear(64, 8), "64", batch=2, probe=False)
    assert "--calibrate" in render(fit(ADAM), "table")
    assert "--calibrate" not in render(Fit(net, memory("2GiB")), "table")


def test_a_smaller_reserve_is_advised_only_where_it_would_help():
    needed = fit(ADAM, asked=1, given=()).peak_bytes
    for have, reserve in ((needed, True), (needed - 1, False)):
        said = render(fit(ADAM, f"{have} bytes"), "table")
        assert "Not even one image fits: " in said
        assert ("give more --memory, or a smaller --reserve." in said) is reserve
        assert ("give more --memory." in said) is not reserve


def test_where_adam_leaves_no_room_at_all_the_first_line_says_that():
    found = fit(replace(ADAM, optimizer="none"), "2GiB", given=())
    assert found.largest_batch > 0
    assert found.with_adam == 0
    assert first_line(found).endswith("with Adam not even one image fits.")


def test_a_batch_that_is_asked_about_is_answered():
    largest = fit(ADAM).largest_batch
    fits, short = fit(ADAM, asked=largest - 9), fit(ADAM, asked=largest + 9)
    assert first_line(fits) == (
        f"Batch {largest - 9} fits in 8 GiB ({units.binary(fits.spare_bytes)} left); "
        f"the largest is {largest}."
    )
    assert first_line(short) == (
        f"Batch {largest + 9} does not fit in 8 GiB ({units.binary(-short.spare_bytes)} short); "
        f"the largest that does is {largest}."
    )


def test_on_a_card_the_first_line_says_about_at_most_and_not_verified():
    found = Fit(ledger(walk("D", device="cuda"), Setup(optimizer="adam")), memory("rtx4090"))
    said = first_line(found)
    assert said.startswith(f"About {found.largest_batch:,} fit in ")
    assert "not verified on a card" in said
    assert said.endswith(f"at most {found.at_most:,}.")


def test_every_format_for_people_begins_with_the_answer():
    found = fit(ADAM)
    for form, begins in (("table", "Batch"), ("markdown", "**Batch"), ("latex", "% Batch")):
        assert first_line(found, form).startswith(begins)
    page = render(found, "page")
    assert page.index("fits in 8 GiB") < page.index("<table>")
    assert "fits in" not in render(found, "csv")


def test_a_check_begins_with_its_verdict():
    record = load(RECORD)
    held = crosscheck(profile_for("D", record), record)
    number, device = len(held.checks), record.environment["device"]
    assert first_line(held) == (
        f"Every figure holds: {number} of {number}, 0 bytes and 0 FLOPs off ({device}, torch 2.13.0+cpu)."
    )
    first, *others = held.checks
    assert isinstance(first.predicted, int)
    broken = replace(held, checks=(replace(first, predicted=first.predicted + 1), *others))
    assert first_line(broken).startswith(f"{number - 1} of {number} figures hold, 1 fail (")


def test_the_command_line_begins_so_too():
    result = CliRunner().invoke(main, ["fit", "D", "--memory", "8GiB", "--optimizer", "adam"])
    assert " fits in 8 GiB (" in result.stdout.splitlines()[0]
    assert CliRunner().invoke(main, ["check", "D", str(RECORD)]).stdout.startswith("Every figure holds: 376")
