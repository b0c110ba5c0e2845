"""A model set against a config, and defects put in at random."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from diagnosing import POOL, RELU, conv, diagnosed, run_fixed, shared, summary, written
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vgg_profile.core.errors import InputError
from vgg_profile.diagnose import Draft, Kind, Written, diagnose
from vgg_profile.diagnose.draft import Family
from vgg_profile.predict.vgg.configs import Config, Conv, Pool, config
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.predict.vgg.walk import walk

TINY = config([4, 4, "M", 6, 6, "M"], batch_norm=True, classes=5)


def test_a_layer_called_again_is_two_in_a_config():
    layers = written(Config("twice", (Conv(4), Conv(4), Pool()), (), classes=5))
    layers[2] = shared(layers[2], 6)
    layers.insert(4, shared(conv(4, 4), 7))
    layers.insert(5, RELU)
    thrice = Config("thrice", (Conv(4), Conv(4), Conv(4), Pool()), (), classes=5)
    diagnosis = diagnosed(*layers, like=thrice)
    assert [(each.place, each.kind) for each in diagnosis.defects] == [("conv1_3", Kind.REUSED)]
    assert diagnosis.parameters == diagnosis.wanted_parameters
    run_fixed(diagnosis)


def test_every_config_of_the_paper_is_clean_against_itself_and_its_neighbours():
    for label in ("A", "A-LRN", "B-BN", "C", "D", "E-BN"):
        layers, image = written(config(label)), (3, 224, 224)
        for like in (config(label), None):
            diagnosis = diagnosed(*layers, image=image, like=like)
            assert not diagnosis.defects, label
            assert diagnosis.parameters == walk(label).totals.parameters
            assert [name for name, _, _ in diagnosis.fixed] == [m.name for m in modules(config(label))]


def test_another_config_is_not_clean():
    diagnosis = diagnosed(*written(config("D")), image=(3, 224, 224), like=config("E"))
    missing = {each.place for each in diagnosis.defects}
    assert missing == {f"{what}{block}_4" for what in ("conv", "relu") for block in (3, 4, 5)}
    assert diagnosis.parameters == diagnosis.wanted_parameters == walk("E").totals.parameters


def test_a_setting_that_differs_is_told():
    layers = written(TINY)
    layers[0] = conv(3, 4, kernel=5)
    assert summary(diagnosed(*layers, like=TINY)) == [
        ("conv1_1", Kind.SETTING, "nn.Conv2d(3, 4, 3, padding=1)")
    ]


def test_a_layer_of_another_class_is_told():
    layers = written(TINY)
    layers[layers.index(POOL)] = Written("AvgPool2d", POOL.arguments)
    assert summary(diagnosed(*layers, like=TINY)) == [
        ("pool1", Kind.SETTING, "nn.MaxPool2d(2, stride=2)"),
    ]


def test_relu_in_place_or_not_is_no_difference():
    layers = [RELU if layer.family is Family.ACTIVATION else layer for layer in written(TINY)]
    assert not diagnosed(*layers, like=TINY).defects


def test_an_image_too_small_for_the_config_is_refused():
    with pytest.raises(InputError, match="too small"):
        diagnosed(*written(TINY), image=(3, 2, 2), like=TINY)


@pytest.mark.parametrize(("side", "is_missed"), [(224, False), (256, True)])
@pytest.mark.parametrize("name", ["D", "D-BN"])
def test_an_adaptive_pool_is_missed_only_where_it_changes_something(
    name: str, side: int, is_missed: bool
) -> None:
    net = config(name)
    without = [layer for layer in written(net) if layer.family is not Family.ADAPTIVE]
    found = diagnose(Draft(tuple(without)), (3, side, side), net)
    assert any(fault.place == "avgpool" for fault in found.defects) is is_missed
    assert any("an adaptive pool" in remark for remark in found.remarks) is not is_missed
    assert is_missed or not found.defects


# -- defects injected at random


@st.composite
def configs(draw: st.DrawFn, batch_norm: bool | None = None) -> Config:
    """Small networks in VGG's style: blocks of one width, pools between."""
    layers: list[Conv | Pool] = []
    for _ in range(draw(st.integers(1, 3))):
        layers += [Conv(draw(st.integers(2, 9)))] * draw(st.integers(1, 3))
        layers.append(Pool())
    norms = draw(st.booleans()) if batch_norm is None else batch_norm
    hidden = tuple(draw(st.lists(st.integers(2, 9), max_size=2)))
    return Config("tiny", tuple(layers), hidden, classes=5, batch_norm=norms)


def replaced(key: str, by: int):
    return lambda layer: [layer.with_arguments(**{key: int(layer.arguments[key]) + by})]


def dropped(layer: Written) -> list[Written]:
    return []


def doubled_by(extra: Written):
    return lambda layer: [layer, extra]


INJECTIONS = {
    "norm width": (Family.NORM, replaced("num_features", 3), Kind.NORM_WIDTH),
    "in-channels": (Family.CONV, replaced("in_channels", 2), Kind.IN_CHANNELS),
    "out-channels": (Family.CONV, replaced("out_channels", 3), Kind.WIDTH),
    "fan-in": (Family.LINEAR, replaced("in_features", 15), Kind.FAN_IN),
    "out-features": (Family.LINEAR, replaced("out_features", 3), Kind.WIDTH),
    "no norm": (Family.NORM, dropped, Kind.NO_NORM),
    "no activation": (Family.ACTIVATION, dropped, Kind.NO_ACTIVATION),
    "no flatten": (Family.FLATTEN, dropped, Kind.NO_FLATTEN),
    "no pool": (Family.POOL, dropped, Kind.NO_LAYER),
    "no dropout": (Family.DROPOUT, dropped, Kind.NO_LAYER),
    "extra": (Family.CONV, doubled_by(Written("Softmax", {"dim": 1})), Kind.EXTRA),
}


Chosen = dict[int, str]


def choose(draw: st.DrawFn, net: Config, names: Iterable[str]) -> Chosen:
    """One to three injections, each at another layer."""
    possible = [
        (place, name)
        for place, layer in enumerate(written(net))
        for name in names
        if INJECTIONS[name][0] is layer.family
    ]
    return dict(draw(st.lists(st.sampled_from(possible), min_size=1, max_size=3)))


def inject(net: Config, chosen: Chosen) -> tuple[list[Written], set[tuple[str, Kind]]]:
    """A network's layers with the defects chosen, and what should be told of them."""
    layers: list[Written] = []
    expected = set()
    for place, (module, layer) in enumerate(zip(modules(net), written(net), strict=True)):
        if place in chosen:
            _, injected, kind = INJECTIONS[chosen[place]]
            layers += injected(layer)
            expected.add(("softmax" if kind is Kind.EXTRA else module.name, kind))
        else:
            layers.append(layer)
    return layers, expected


def check_all_is_named_and_fixed(net: Config, chosen: Chosen, like: Config | None) -> None:
    layers, expected = inject(net, chosen)
    diagnosis = diagnosed(*layers, like=like)
    assert {(each.place, each.kind) for each in diagnosis.defects} == expected
    assert [str(layer) for _, layer, _ in diagnosis.fixed] == list(map(str, written(net)))
    run_fixed(diagnosis)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_injected_defects_are_all_named_against_the_config_and_fixed(data):
    net = data.draw(configs())
    check_all_is_named_and_fixed(net, choose(data.draw, net, INJECTIONS), like=net)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_injected_defects_are_all_named_by_the_neighbours_and_fixed(data):
    """Where two of three witnesses of each width are right, and most layers have what one lacks."""
    net = data.draw(configs(batch_norm=True))
    told = ["norm width", "in-channels", "out-channels", "fan-in", "no norm", "no activation", "no flatten"]
    chosen = choose(data.draw, net, told)
    assume(can_be_told(net, chosen))
    check_all_is_named_and_fixed(net, chosen, like=None)


def can_be_told(net: Config, chosen: Chosen) -> bool:
    layers = written(net)
    names = list(chosen.values())
    convs = sum(layer.family is Family.CONV for layer in layers)
    joints = [
        sum(layer.is_weighted for layer in layers[: place + 1]) - (name in ("in-channels", "fan-in"))
        for place, name in chosen.items()
        if name not in ("no activation", "no flatten")
    ]
    return (
        len(set(joints)) == len(joints)
        and names.count("no norm") <= (convs >= 3)
        and names.count("no activation") <= (convs >= 3)
    )
