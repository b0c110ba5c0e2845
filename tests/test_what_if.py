"""What would help: each line is what `fit` answers when its option is typed, and what a real pass takes."""

from __future__ import annotations

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from any_nets import run
from calling import refusal
from conftest import Golden

from vgg_profile import Setup, memory, walk
from vgg_profile.ask.machine import WORST
from vgg_profile.ask.question import Question
from vgg_profile.ask.what_if import FEW_LAYERS, SAME_RESULT, WhatIf, advised, changes, what_if

AVX512 = ("--processor", "avx512", "--threads", "2")


def asked(*words: object) -> dict[str, Any]:
    result = run("fit", *words, "--format", "json")
    assert result.exit_code in (0, 4), result.output
    return dict(json.loads(result.stdout))


def without(words: list[str], *options: str) -> list[str]:
    """Words but for these options and what they are given."""
    return [word for at, word in enumerate(words) if not {word, words[at - 1]} & {*options}]


QUESTIONS = {
    "D with Adam": ["D", "--memory", "8GiB", "--optimizer", "adam", *AVX512],
    "D, processor unknown": ["D", "--memory", "8GiB", "--optimizer", "momentum"],
    "D-BN, a batch that does not fit": ["D-BN", "--memory", "12GiB", "--batch", "150", *AVX512],
    "A on a card": ["A", "--memory", "t4", "--optimizer", "adamw", "--input", "448"],
    "E on a card, one batch": ["E", "--memory", "t4", "--batch", "96", "--foreach", "--optimizer", "sgd"],
    "a list, checkpointed, in micro-batches": [
        "8,M,conv1-8,M", "--memory", "2GiB", "--input", "96x64", "--checkpoint", "blocks",
        "--accumulate", "4", *AVX512,
    ],
    "inference": ["B", "--memory", "4GiB", "--mode", "inference", *AVX512],
    "one part frozen already": [
        "D", "--memory", "8GiB", "--freeze", "features", "--amp", "bfloat16", *AVX512,
    ],
    "not even one image": ["D", "--memory", "1GiB", *AVX512],
}  # fmt: skip


@pytest.mark.parametrize("words", QUESTIONS.values(), ids=QUESTIONS)
def test_each_line_is_what_fit_prints_when_its_option_is_typed(words: list[str]) -> None:
    found = asked(*words, "--what-if")
    times = found["accumulate"]
    batch = int(words[words.index("--batch") + 1]) if "--batch" in words else max(1, found["largest_batch"])
    whole = batch * times
    before = asked(*without(words, "--batch"), "--batch", batch)
    is_chosen_by_the_batch = found.get("machine", {}).get("source") == WORST
    assert found["what_if"]
    for line in found["what_if"]:
        options = shlex.split(line["options"])
        of_all = without(words, "--batch", *options[:1])
        here = asked(*of_all, *options, "--batch", line["batch"])
        there = asked(*of_all, *options) if is_chosen_by_the_batch else here
        assert line["largest_batch"] == there["largest_batch"], options
        assert line["images"] == there["largest_batch"] * there["accumulate"]
        assert line["gained"] == line["images"] - found["largest_batch"] * times
        assert whole <= line["batch"] * here["accumulate"] < whole + here["accumulate"]
        taken = "peak_bytes" if found["device"] == "cpu" else "reserved_bytes"
        assert (line["taken_bytes"], line["fits"]) == (here[taken], here["fits"]), options
        assert line["saved_bytes"] == before[taken] - here[taken]


def test_the_lines_of_a_network_at_hand_are_what_fit_prints_too(nets: Path) -> None:
    words = [f"{nets}:Net", "--input", "3x64x64", "--memory", "1GiB", "--no-probe", "--optimizer", "adam"]
    found = asked(*words, "--what-if")
    typed = [line["options"] for line in found["what_if"]]
    assert {"--amp bfloat16", "--optimizer sgd", "--input 3x32x32", "--freeze a --freeze b"} <= {*typed}
    assert "--accumulate 2" in typed
    assert not any("checkpoint" in each for each in typed), "a trace has no blocks"
    for line in found["what_if"]:
        options = shlex.split(line["options"])
        here = asked(*without(words, *options[:1]), *options, "--batch", line["batch"])
        assert (line["largest_batch"], line["taken_bytes"]) == (here["largest_batch"], here["peak_bytes"])


def test_half_a_sequence_is_what_a_network_of_words_is_offered(nets: Path) -> None:
    words = ("--input", "16:int64<50", "--memory", "1GiB", "--no-probe")
    result = run("fit", f"{nets}:Words", *words, "--what-if")
    assert "sequences of 8" in result.stdout
    assert "--input '8:int64<50'" in result.stdout, "as a shell takes it"


def of(name: str, have: str, *, size: int = 224, device: str = "cpu", **said: Any) -> WhatIf:
    batch = said.pop("batch", None)
    kernels = {"processor": "avx512", "threads": 2} if device == "cpu" else {}
    setup = Setup(**kernels, **said)
    return what_if(Question(walk(name, input=size, device=device), memory(have), setup, batch))


def test_the_most_images_come_first_then_the_most_bytes() -> None:
    found = of("D", "8GiB", optimizer="adam")
    order = [(each.gained, each.saved_bytes) for each in found.changes]
    assert order == sorted(order, reverse=True)
    assert all(one != after for one, after in pairwise(order))
    assert {*found.helpful, *found.idle} == {*found.changes}
    assert [each.options for each in found.idle] == ["--fused"], "the peak is in backward"


def test_each_change_saves_what_it_is_known_to_save() -> None:
    """Adam keeps two moments of every parameter, momentum one: 138,357,544 parameters of 4 bytes."""
    found = {each.options: each for each in of("D", "8GiB", optimizer="adam").changes}
    moments = 138_357_544 * 4
    assert found["--optimizer momentum"].saved_bytes == moments + 16 * 2 * 4, "and its steps, one each"
    assert found["--optimizer sgd"].saved_bytes == 2 * moments + 16 * 2 * 4


def test_extra_flops_are_those_of_the_blocks_run_again_and_fewer_where_less_is_trained() -> None:
    """D: 15,470,264,320 MACs an image, conv1_1 86,704,128 of them, the classifier 123,633,664."""
    found = {each.options: each for each in of("D", "8GiB").changes}
    macs, first, classifier = 15_470_264_320, 86_704_128, 123_633_664
    assert found["--accumulate 2"].flops == 2 * (3 * macs - first)
    assert found["--checkpoint blocks"].extra_flops == 2 * (macs - classifier)
    alone = 2 * (macs + 2 * classifier) - 2 * 25_088 * 4096
    assert found["--freeze features"].flops == alone, "fc6 needs no gradient of its input"


def test_a_batch_that_does_not_fit_is_told_what_makes_it_fit() -> None:
    found = of("D", "8GiB", batch=300)
    assert not found.fit.fits
    ways = {each.options: each for each in found.changes if each.fits}
    (accumulate,) = (each for each in ways if "accumulate" in each)
    times = int(accumulate.split()[1])
    fewer = of("D", "8GiB", batch=-(-300 // (times - 1)), accumulate=times - 1)
    assert ways[accumulate].batch == -(-300 // times)
    assert not fewer.fit.fits, "with one micro-batch fewer it would not"
    words = ["D", "--memory", "8GiB", *AVX512, "--batch", "300"]
    result = run("fit", *words, "--what-if")
    assert result.exit_code == 4
    assert f"It does with {accumulate}." in result.stdout.splitlines()[0]
    nothing = run("fit", "8,M", "--input", "32", "--memory", "1MB", "--batch", "9", "--what-if")
    assert "No single change makes it fit." in nothing.stdout


def test_nothing_is_offered_that_the_step_does_already_or_cannot() -> None:
    def offered(name: str, have: str, **said: Any) -> set[str]:
        device = said.pop("device", "cpu")
        question = Question(walk(name, device=device), memory(have), Setup(**said))
        return {change.typed for change in changes(question, question.answer())}

    bare = offered("D", "8GiB", mode="inference")
    assert bare == {"--amp bfloat16"}
    everything = {"optimizer": "sgd", "amp": "bfloat16", "checkpoint": "blocks", "accumulate": 2}
    assert offered("D", "8GiB", **everything, fused=True, freeze=("features",)) == set()
    on_a_card = offered("D", "rtx4090", device="cuda", optimizer="adam")
    assert {"--no-foreach", "--fused", "--expandable-segments"} <= on_a_card
    assert "--fused" not in offered("D", "rtx4090", device="cuda", optimizer="adam", foreach=True)


def test_where_no_rule_knows_all_the_line_says_at_most() -> None:
    words = ("128,128,M", "--memory", "8GiB", "--processor", "amx", "--threads", 2, "--what-if")
    words = (*words, "--dtype", "bfloat16", "--input")
    marks = [{line["is_at_least"] for line in asked(*words, size)["what_if"]} for size in (150, 152)]
    assert True in marks[0]
    assert marks[1] == {False}
    said = "At most so many images, for no rule knows all that kernels take: --"
    assert said in run("fit", *words, 150).stdout
    assert "no rule knows" not in run("fit", *words, 152).stdout


def test_a_smaller_image_that_is_too_small_is_said_so() -> None:
    result = run("fit", "8,M,M,M,M,M,M", "--input", "64", "--memory", "1GiB", *AVX512, "--what-if")
    assert result.exit_code == 0
    assert "Not answered here, --input 3x32x32: " in result.stdout


def test_a_book_that_is_carried_names_the_trace_to_type(nets: Path, tmp_path: Path) -> None:
    book = tmp_path / "net.json"
    traced = run(
        "trace", f"{nets}:Net", "--input", "3x64x64", "--no-probe", "--optimizer", "adam", "-o", book
    )
    assert traced.exit_code == 0
    found = asked(book, "--memory", "1GiB", "--what-if")
    assert found["what_if"] == []
    why = {each["options"]: each["why"] for each in found["not_answered"]}
    assert "`vgg-profile trace" in why["--optimizer sgd"]
    assert why.keys() >= {"--accumulate 2", "--freeze a --freeze b", "--input 3x32x32"}
    typed = shlex.split(why["--optimizer sgd"].split("`")[1])
    assert "--no-probe" in typed
    again = run(*typed[1:-1], tmp_path / "lighter.json")
    assert again.exit_code == 0, again.output
    lighter = asked(tmp_path / "lighter.json", "--memory", "1GiB")
    words = [f"{nets}:Net", "--input", "3x64x64", "--no-probe", "--optimizer", "sgd"]
    assert lighter["largest_batch"] == asked(*words, "--memory", "1GiB")["largest_batch"]


def test_on_a_card_a_carried_book_is_asked_about_its_memory_alone(nets: Path, tmp_path: Path) -> None:
    book = tmp_path / "net.json"
    assert run("trace", f"{nets}:Net", "--input", "3x64x64", "--device", "cuda", "-o", book).exit_code == 0
    found = asked(book, "--memory", "t4", "--what-if")
    assert [line["options"] for line in found["what_if"]] == ["--expandable-segments"]


def test_the_screen(golden: Golden) -> None:
    words = ["D", "--memory", "8GiB", "--optimizer", "adam", *AVX512]
    golden("what_if_D.txt", run("fit", *words, "--what-if").stdout)


@pytest.mark.parametrize("name", ["D with Adam", "A on a card", "a list, checkpointed, in micro-batches"])
def test_the_hint_of_fit_has_the_figures_of_what_if(name: str) -> None:
    words = QUESTIONS[name]
    lines = {line["options"]: line for line in asked(*words, "--what-if")["what_if"]}
    hint = run("fit", *words).stdout.splitlines()[-1]
    said = re.findall(r"(--\S+ \S+) (?:about )?([\d,]+) \(\+([\d,]+)\)", hint)
    assert said
    for options, images, gained in said:
        line = lines[options]
        assert (f"{line['images']:,}", f"{line['gained']:,}") == (images, gained)
    same = {each for each in lines if each.split()[0] in SAME_RESULT and lines[each]["gained"] > 0}
    assert {options for options, *_ in said} == same - {"--optimizer momentum"}, (
        "of the lighter, the lightest"
    )
    assert hint.endswith("--what-if ranks all.")


def test_no_hint_is_worked_out_for_a_program_or_of_what_takes_long(nets: Path) -> None:
    assert "would_help" not in asked("D", "--memory", "8GiB", *AVX512)
    traced = run("fit", f"{nets}:Net", "--input", "3x64x64", "--memory", "1GiB", "--no-probe").stdout
    assert traced.splitlines()[-1] == "What would help: --what-if ranks it."
    question = Question(walk(",".join(["8"] * FEW_LAYERS), input=32), memory("1GiB"))
    assert advised(question, question.answer()).would_help == {}


def test_of_several_networks_nothing_is_asked_but_what_fits() -> None:
    assert "of one network" in refusal(run("fit", "A", "D", "--memory", "8GiB", "--what-if"))


@pytest.mark.slow
@pytest.mark.parametrize("words", [["D-BN", "--input", "64"], ["8,conv1-8,M,16,M", "--input", "64x96"]])
def test_a_real_pass_takes_what_each_line_says(words: list[str], tmp_path: Path) -> None:
    """`measure` with the same option: the peak, to the byte, and every FLOP."""
    record = tmp_path / "now.json"
    base = [*words, "--optimizer", "adam", "--batch", "4"]
    assert run("measure", *base, "--repeats", "0", "-o", record).exit_code == 0
    subject = json.loads(record.read_text())["subject"]
    if subject["processor"] is None:
        pytest.skip("no rule knows this processor")
    here = ["--processor", subject["processor"], "--threads", subject["threads"]]
    found = asked(*base, "--memory", "8GiB", *here, "--what-if")
    for line in found["what_if"]:
        options = shlex.split(line["options"])
        given = without(words, *options[:1])
        typed = [*given, "--optimizer", "adam", "--batch", line["batch"], *options, "--repeats", "0"]
        result = run("measure", *typed, "--format", "json", "-o", record, "--force")
        if line["is_at_least"]:  # no rule knows all that this processor's kernels take, and so it is no PASS
            continue
        assert result.exit_code == 0, (options, result.output)
        readings = {
            (each["quantity"], each["layer"]): each for each in json.loads(record.read_text())["readings"]
        }
        assert readings["peak_bytes", ""]["value"] == line["taken_bytes"], options
