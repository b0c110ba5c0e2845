"""What stands between features and classifier: the average pool, said and shown."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from vgg_profile.check.crosscheck import crosscheck
from vgg_profile.check.results import Verdict
from vgg_profile.check.subject import profile_for
from vgg_profile.cli import main
from vgg_profile.core.errors import InputError
from vgg_profile.measure import measure
from vgg_profile.models import build
from vgg_profile.predict.vgg.configs import config, from_dict
from vgg_profile.predict.vgg.walk import walk

CIFAR = {
    "name": "cifar-vgg16",
    "layers": "64,64,M,128,128,M,256,256,256,M,512,512,512,M,512,512,512,M",
    "classifier": [],
    "classes": 10,
    "batch_norm": True,
}
SMALL = {"name": "small-cnn", "layers": [32, "M", 64, "M"], "classifier": [500], "classes": 10}


@pytest.mark.parametrize(
    ("content", "size", "pool", "parameters", "macs"),
    [
        (CIFAR, 32, "none", 14_728_266, 313_201_664),
        (CIFAR, 32, 1, 14_728_266, 313_201_664),
        (CIFAR, 32, 7, 14_974_026, 313_447_424),
        (SMALL, 50, "none", 4_632_902, 18_293_000),
        (SMALL, 50, 7, 1_592_902, 15_253_000),
    ],
)
def test_public_networks_have_the_figures_that_their_own_code_has(content, size, pool, parameters, macs):
    totals = walk(from_dict({**content, "pool": pool}), input=size).totals
    assert (totals.parameters, totals.macs) == (parameters, macs)
    net = build(from_dict({**content, "pool": pool}), input=size, device="meta")
    assert sum(each.numel() for each in net.parameters()) == parameters


def test_what_a_network_without_a_pool_keeps_is_known():
    kept = walk(from_dict({**SMALL, "pool": "none"}), input=50, batch=64).totals.saved_bytes
    assert kept == 53_541_888 + 64 * 10 * 4


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    classifier=st.lists(st.integers(1, 6), max_size=2),
    pool=st.sampled_from([7, 1, 2, 5, "none"]),
    height=st.integers(4, 40),
    width=st.integers(4, 40),
    norm=st.booleans(),
)
def test_every_head_pool_and_size_is_what_the_built_module_is(classifier, pool, height, width, norm):
    """Parameters, shapes, MACs and bytes, measured."""
    net = from_dict(
        {"layers": "3,M,5,M", "classifier": classifier, "classes": 4, "pool": pool, "batch_norm": norm}
    )
    record = measure(net, input=(3, height, width), batch=2, repeats=0)
    checks = crosscheck(profile_for(net, record), record)
    assert [check for check in checks.checks if check.verdict is not Verdict.PASS] == []


def test_a_pool_that_is_not_the_one_that_was_measured_is_refused():
    record = measure("4,M,GAP", input=16, repeats=0)
    with pytest.raises(InputError, match=r"its pool is 1, and 4,M's is 7|another config"):
        profile_for("4,M", record)


def test_a_list_says_it_with_its_last_item():
    assert [config(f"8,M{end}").pool for end in ("", ",GAP", ",gap", ",none", ",NONE")] == [
        7,
        1,
        1,
        None,
        None,
    ]
    assert config("8,M,GAP").label == "8,M,GAP"
    with pytest.raises(InputError, match="not a layer"):
        config("8,GAP,M")


@pytest.mark.parametrize("pool", [0, -1, 7.0, True, "7", "None", [7]])
def test_what_is_no_pool_is_refused(pool):
    with pytest.raises(InputError, match="The config's pool is"):
        from_dict({"layers": "8,M", "pool": pool})


@pytest.mark.parametrize(
    ("net", "size", "said"),
    [
        ("D", 32, "1×1 → 7×7: 49 copies of one value, 102,760,448 weights read them"),
        ("D", 64, "2×2 → 7×7: 49 values out of 4, 102,760,448 weights read them"),
        ("D", 384, "12×12 → 7×7: 49 means of 144 values, 102,760,448 weights read them"),
        ("8,M,GAP", 8, "4×4 → 1×1: the mean of 16 values, 32,768 weights read it"),
    ],
)
def test_a_pool_that_changes_the_map_says_so_on_the_first_line_and_has_its_row(net, size, said):
    for command, *options in (["table"], ["timeline"], ["fit", "--memory", "8GiB"], ["compare"], ["sweep"]):
        result = CliRunner().invoke(main, [command, net, *options, "--input", str(size)])
        assert result.exit_code == 0, result.output
        assert said in result.stdout.splitlines()[0], command
    assert [row.kind for row in walk(net, input=size).rows].count("avgpool") == 1
    assert f"avgpool: {said}." in CliRunner().invoke(main, ["table", net, "--input", str(size)]).stdout


def test_a_pool_that_changes_nothing_is_not_spoken_of():
    for net, size in (("D", 224), ("8,M,none", 64), ("8,M,GAP", 2)):
        profile = walk(net, input=size)
        assert profile.pooled == ""
        assert "avgpool" not in [row.kind for row in profile.rows]


@pytest.mark.parametrize("net", ["D", "8,M,GAP", "8,M,none"])
def test_json_has_the_pool_and_what_it_does(net):
    profile = walk(net, input=32)
    wanted = {
        "pool": "none" if profile.config.pool is None else profile.config.pool,
        "pooled": profile.pooled,
    }
    for command, *options in (["table"], ["timeline"], ["fit", "--memory", "8GiB"], ["compare"]):
        result = CliRunner().invoke(main, [command, net, *options, "--input", "32", "--format", "json"])
        content = json.loads(result.stdout)
        found = content["configs"][0] if command == "compare" else content
        assert {key: found[key] for key in wanted} == wanted, command
    swept = json.loads(CliRunner().invoke(main, ["sweep", net, "--input", "32", "--format", "json"]).stdout)
    assert swept["pool"] == wanted["pool"]
    assert list(swept["pooled"].values()) == [wanted["pooled"]] * bool(wanted["pooled"])


@pytest.mark.parametrize(
    "kind", ["memory", "parameters", "macs", "shares", "timeline", "batch", "compare", "sweep"]
)
def test_every_figure_says_what_the_pool_does(kind):
    from vgg_profile import Comparison, ledger
    from vgg_profile.ask.sweep import sweep
    from vgg_profile.describe.figures import depict

    profile = walk("8,M", input=32)
    result = {
        "timeline": lambda: ledger(profile),
        "batch": lambda: ledger(profile),
        "compare": lambda: Comparison((profile, walk("16,M,none", input=32))),
        "sweep": lambda: sweep(config("8,M"), inputs=(32,), batches=(1, 2)),
    }.get(kind, lambda: profile)()
    figure = depict(result, kind)
    assert f"average pool {profile.pooled}" in f"{figure.title} {figure.subtitle}"
