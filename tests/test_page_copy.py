"""What the live page gives to take away: a command and a file that say what it says, whatever is built."""

from __future__ import annotations

import json
import random
import shlex
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from paging import part, press, shown, wanted

from vgg_profile import walk
from vgg_profile.cli import main
from vgg_profile.core.setting import Setup
from vgg_profile.predict.vgg.configs import from_dict
from vgg_profile.predict.vgg.step import tensors_alone


def test_the_address_keeps_the_network_and_a_command_and_a_file_say_it(fresh):
    fresh.page.get_by_label("start from").select_option("C")
    assert fresh.text("#peak strong") == wanted("C")["peak"][0]
    part(fresh, "fc6").click()
    press(fresh, "Drop hidden layer 1")
    fresh.page.get_by_label("batch", exact=True).fill("8")
    fresh.page.get_by_label("optimizer").select_option("adam")
    fresh.page.get_by_label("autocast").select_option("bfloat16")
    before = shown(fresh)
    press(fresh, "Copy as TOML")
    net = from_dict(tomllib.loads(fresh.text("#given")))
    assert net.classifier == (4096,)
    step = tensors_alone(walk(net, batch=8), Setup(optimizer="adam", amp="bfloat16"))
    assert before["parameters"][0] == f"{step.profile.totals.parameters:,}"
    press(fresh, "Copy as a command")
    assert fresh.text("#given") == (
        "vgg-profile timeline net.toml --input 224x224 --batch 8 --optimizer adam --amp bfloat16"
    )
    fresh.wait_until("location.hash.includes('net=')")
    anchor = fresh.page.evaluate("location.hash")
    fresh.open(anchor=anchor).page.locator("#layers tbody tr").first.wait_for()
    assert shown(fresh) == before


LAYERS = (
    "64 64 M 128 M 256 M",
    "96",
    "64 LRN M conv1-32 M",
    "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
)


def settings(count):
    """Networks and settings at random, as the page's controls hold them."""
    chance = random.Random(20)
    for _ in range(count):
        layers = chance.choice(LAYERS).split()
        layers.insert(chance.randrange(len(layers)), chance.choice(("8", "100", "conv5-16")))
        head = chance.choice(("4096,4096", "4096,4096", "4096,4096", "", "512"))
        classes, channels = chance.choice((1000, 1000, 10)), chance.choice((3, 3, 3, 1))
        amp = chance.choice(("none", "none", "bfloat16"))
        yield {
            "net": f"{','.join(layers)};{head};{classes};{channels};{chance.choice((7, 7, 1, 'none', 3))}",
            "batch": str(chance.choice((1, 3, 64))),
            "size": chance.choice(("64×64", "224×224")),
            "dtype": "float32" if amp != "none" else chance.choice(("float32", "float32", "bfloat16")),
            "amp": amp,
            "norm": chance.choice(("true", "false")),
            "optimizer": chance.choice(("none", "momentum", "adam")),
            "checkpoint": chance.choice(("none", "blocks")),
            "device": chance.choice(("cpu", "cpu", "cuda")),
            "unit": "bytes",
        }


def answered(words):
    """What the command line says: parameters, and bytes at the peak and after every part of the step."""
    step = CliRunner().invoke(main, [*words, "--format", "json"])
    assert step.exit_code == 0, step.output
    content = json.loads(step.stdout)
    return content["peak_bytes"], [each["live_bytes"] for each in content["moments"]]


@pytest.mark.parametrize("count", [12, pytest.param(24, marks=pytest.mark.slow)])
def test_whatever_is_built_the_command_and_the_file_give_the_pages_figures(
    fresh, tmp_path, monkeypatch, count
):
    monkeypatch.chdir(tmp_path)
    kinds = Counter()
    for setting in settings(count):
        page = fresh.show(**setting)
        seen = [int(line[1].replace(",", "")) for line in page["moments"]]
        peak = int(page["figures"]["peak"][0].removesuffix(" bytes").replace(",", ""))
        press(fresh, "Copy as TOML")
        Path("net.toml").write_text(fresh.text("#given"), "utf-8")
        press(fresh, "Copy as a command")
        program, *words = shlex.split(fresh.text("#given"))
        assert program == "vgg-profile"
        kinds[words[1] == "net.toml"] += 1
        assert answered(words) == (peak, seen), (setting, words)
        by_file = [word for word in words if word != "--batch-norm"]
        by_file[1] = "net.toml"
        if "--classes" in by_file:
            del by_file[(at := by_file.index("--classes")) : at + 2]
        assert answered(by_file) == (peak, seen), (setting, by_file)
    assert min(kinds[True], kinds[False]) > count / 8
    assert not fresh.complaints


@pytest.mark.parametrize("name", ["A", "A-LRN", "C", "E"])
def test_a_network_of_the_papers_is_called_by_its_name(reader, name):
    reader.show()
    reader.page.get_by_label("start from").select_option(name)
    press(reader, "Copy as a command")
    assert reader.text("#given").startswith(f"vgg-profile timeline {name} --input")


def test_a_command_that_reads_a_file_says_which(fresh):
    fresh.page.get_by_label("classifier").select_option("one layer on 7×7")
    press(fresh, "Copy as a command")
    fresh.wait_until("document.getElementById('changed').textContent.includes('It reads net.toml')")
