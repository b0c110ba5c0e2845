"""The grid: every point is what the ledger says of it."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from dataclasses import fields
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from vgg_profile import Fit, InputError, memory, walk
from vgg_profile.ask.sweep import MOST_POINTS, GridPoint, sweep
from vgg_profile.cli import main
from vgg_profile.cli.sweep import image_sizes, numbers
from vgg_profile.core.setting import Setup
from vgg_profile.describe.figures import depict
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.configs import config


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_every_point_is_what_the_ledger_says_of_it() -> None:
    setup = Setup(checkpoint="blocks")
    grid = sweep(
        config("D-BN"),
        inputs=(64, "96x64", 128),
        batches=(1, 2, 30),
        dtypes=("float32", "bfloat16"),
        optimizers=("none", "adam"),
        setup=setup,
    )
    assert len(grid.points) == 3 * 3 * 2 * 2
    for point in random.Random(0).sample(grid.points, 12):
        profile = walk("D-BN", input=tuple(point[:3]), batch=point.batch, dtype=point.dtype)
        step = ledger(profile, Setup(optimizer=point.optimizer, checkpoint="blocks"))
        assert point.peak_bytes == step.peak.peak
        assert point.batch_macs == profile.totals.macs * point.batch
        assert point.fixed_bytes + point.bytes_per_image * point.batch == point.peak_bytes


def test_the_points_come_in_the_order_of_the_grid() -> None:
    result = run("sweep", "8,M", "--batch", "1..3", "--input", "16,8", "--dtype", "float32,float16")
    content = json.loads(
        run(
            *("sweep", "8,M", "--batch", "1..3", "--input", "16,8", "--dtype", "float32,float16"),
            *("--format", "json"),
        ).stdout
    )
    places = [(point["height"], point["dtype"], point["batch"]) for point in content["points"]]
    assert places == list(product((16, 8), ("float32", "float16"), (1, 2, 3)))
    assert "12 points" in result.stdout


@pytest.mark.parametrize("words", [("sweep", "D"), ("compare", "D"), ("timeline", "D")])
def test_a_librarys_scratch_is_said_to_be_left_out_where_no_kernel_is_counted(words: tuple[str, ...]) -> None:
    without = run(*words, "--format", "table").stdout
    named = run(*words, "--processor", "avx512", "--threads", "2", "--format", "table").stdout
    assert "before a library's" in without
    assert "before a library's" not in named
    assert "what kernels take in passing" in named.lower()


def test_a_picture_says_of_the_scratch_in_its_legend_whose_it_is() -> None:
    """Twelve bytes of dropout's are in every step: no picture of one may say "tensors alone"."""
    for setup, counted in ((Setup(), False), (Setup(processor="avx512", threads=2), True)):
        step = ledger(walk("D"), setup)
        timeline = depict(step, "timeline")
        assert "'scratch'" in repr(timeline.panels)
        for footer in (timeline.footer, depict(Fit(step, memory("8GiB")), "batch").footer):
            assert "ensors alone" not in footer
            assert ("own scratch, before a library's" in footer) is not counted, footer


def test_csv_opens_in_pandas_with_integer_columns() -> None:
    arguments = ("sweep", "D", "--batch", "1,8", "--input", "64..128:32", "--optimizer", "sgd,adam")
    frame = pd.read_csv(io.StringIO(run(*arguments, "--format", "csv").stdout))
    points = json.loads(run(*arguments, "--format", "json").stdout)["points"]
    of_a_vgg = [each for each in GridPoint._fields if each not in ("input", "verified_on")]
    assert frame[of_a_vgg].to_dict("records") == points
    setting = ["network", "device", *(each.name for each in fields(Setup) if each.name != "optimizer")]
    assert {*frame.columns} == {*of_a_vgg, "input", "verified_on", *setting}
    assert set(frame["input"]) == {"3x64x64", "3x96x96", "3x128x128"}
    assert frame["peak_bytes"].dtype == "int64"


def test_each_point_by_the_rules_of_a_card_says_whether_one_confirmed_it() -> None:
    arguments = ("sweep", "A-LRN", "--dtype", "float32,float16", "--device", "cuda")
    points = json.loads(run(*arguments, "--format", "json").stdout)["points"]
    h100 = "NVIDIA H100 80GB HBM3, torch 2.11.0+cu130"
    assert [point["verified_on"] for point in points] == [h100, None]
    assert "rules of cuda, 1 of its points not verified on a card\n" in run(*arguments).stdout
    unverified = run(*arguments[:3], "float16", "--device", "cuda").stdout
    assert "rules of cuda, not verified on a card\n" in unverified


def test_a_frame_is_ready_for_parquet() -> None:
    frame = sweep(config("A"), batches=(1, 2)).to_frame()
    assert {str(kind) for kind in frame.dtypes} == {"Int64", "string"}


def test_no_progress_bar_in_a_pipe(tmp_path: Path) -> None:
    done = run("sweep", "8,M", "--input", "8..40", "--classes", 3, "-o", tmp_path / "grid.csv")
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [f"Wrote {tmp_path / 'grid.csv'}"]


def test_a_progress_bar_on_a_terminal(tmp_path: Path) -> None:
    terminal, end = os.openpty()
    command = ["sweep", "8,M", "--input", "8..40", "--classes", "3", "-o", str(tmp_path / "grid.csv")]
    subprocess.run([sys.executable, "-m", "vgg_profile", *command], stderr=end, check=True, timeout=60)
    os.close(end)
    said = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert "Sweeping 8,M" in said
    assert "100%" in said


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("8", [8]),
        ("1..4", [1, 2, 3, 4]),
        ("64..128:32,7", [64, 96, 128, 7]),
        ("5..5", [5]),
        (" 3 , 4", [3, 4]),
        ("998..1e3", [998, 999, 1000]),
    ],
)
def test_a_list_is_read(text: str, found: list[int]) -> None:
    assert numbers(text, "batch") == found


def test_a_list_of_sizes_is_read() -> None:
    assert image_sizes("224,3x64x32,64..96:32") == [224, "3x64x32", 64, 96]


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--batch", ""),
        ("--batch", "0"),
        ("--batch", "4..1"),
        ("--batch", "1..x"),
        ("--batch", "1..4:0"),
        ("--batch", "8:2"),
        ("--batch", "-3"),
        ("--batch", "1,,2"),
        ("--batch", f"1..{10 * MOST_POINTS}"),
        ("--batch", "9" * 60),
        ("--batch", "²"),
        ("--input", "1..10"),
        ("--input", "3x3"),
        ("--dtype", "float8"),
        ("--dtype", "float32,"),
        ("--optimizer", "lion"),
    ],
)
def test_a_bad_grid_is_a_clear_error(option: str, text: str) -> None:
    result = run("sweep", "D", f"{option}={text}")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")


@pytest.mark.parametrize(
    ("option", "text", "meant"),
    [
        ("--batch", "1-256", "1..256"),
        ("--batch", "1...256", "1..256"),
        ("--batch", "1:256", "1..256"),
        ("--batch", "2,1 to 256", "1..256"),
        ("--batch", "1..256;32", "1..256:32"),
        ("--input", "64..512x32", "64..512:32"),
        ("--batch", "0-4", None),
        ("--batch", "many", None),
        ("--batch", "..", None),
    ],
)
def test_a_mistyped_range_is_told_which_was_meant(option: str, text: str, meant: str | None) -> None:
    said = run("sweep", "D", option, text).stderr
    if meant is None:
        assert "Did you mean" not in said
    else:
        assert f"Did you mean {option} {meant}? " in said
        assert run("sweep", "8,M", option, meant).exit_code == 0


def test_a_range_of_sizes_of_any_network_is_answered_with_a_list() -> None:
    said = run("sweep", "examples/my_net.py:UNet", "--input", "64..128:32").stderr
    assert "A range is of a VGG's square images" in said


def test_a_huge_grid_is_refused_before_it_is_walked() -> None:
    result = run("sweep", "D", "--batch", "1..2000", "--input", "64..1000")
    assert (result.exit_code, "points" in result.stderr) == (2, True)


def test_an_empty_grid_is_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        sweep(config("A"), batches=())
