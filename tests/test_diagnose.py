"""Broken models: what is found, where, with which mend; and files that are no model at all."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vgg_profile.cli import main
from vgg_profile.core.errors import InputError
from vgg_profile.diagnose import Diagnosis, Draft, Kind, Written, diagnose, read
from vgg_profile.diagnose.calls import of_function
from vgg_profile.diagnose.child import inspect_model
from vgg_profile.diagnose.written import Family, as_written
from vgg_profile.models import vgg19_bn
from vgg_profile.predict.vgg.configs import Config, Conv, Pool, config
from vgg_profile.predict.vgg.network import modules
from vgg_profile.predict.vgg.walk import walk
from vgg_profile.render import FORMATS, render

ROOT = Path(__file__).parent.parent
BROKEN = ROOT / "examples" / "broken_vgg19.py"
STORY = ROOT / "examples" / "broken_vgg19.md"
IMAGE = (3, 32, 32)


def conv(inputs: int, outputs: int, kernel: int = 3, **more: object) -> Written:
    sizes = {"in_channels": inputs, "out_channels": outputs, "kernel_size": kernel, "padding": kernel // 2}
    return Written("Conv2d", sizes | more)


def norm(channels: int) -> Written:
    return Written("BatchNorm2d", {"num_features": channels})


def linear(inputs: int, outputs: int) -> Written:
    return Written("Linear", {"in_features": inputs, "out_features": outputs})


RELU, FLATTEN, DROPOUT = Written("ReLU"), Written("Flatten"), Written("Dropout")
POOL = Written("MaxPool2d", {"kernel_size": 2, "stride": 2})


def diagnosed(*layers: Written, image: tuple[int, ...] = IMAGE, like: Config | None = None) -> Diagnosis:
    return diagnose(Draft(layers), image, like)


def summary(diagnosis: Diagnosis) -> list[tuple[str, Kind, str]]:
    return [(each.place, each.kind, each.mend) for each in diagnosis.defects]


def run_mended(diagnosis: Diagnosis) -> torch.nn.Sequential:
    """Build the mended list from its source and run it; every layer gives the shape that was said."""
    space: dict[str, torch.nn.Sequential] = {}
    exec(diagnosis.code, space)
    model = space["model"].eval()
    x = torch.zeros(2, *diagnosis.input)
    with torch.no_grad():
        for layer, (name, _, shape) in zip(model, diagnosis.mended, strict=True):
            x = layer(x)
            assert tuple(x.shape[1:]) == shape, name
    assert sum(each.numel() for each in model.parameters()) == diagnosis.parameters
    return model


# -- one defect of each kind


CASES = {
    "a norm's width": (
        (conv(3, 8), norm(64), RELU),
        [("bn1_1", Kind.NORM_WIDTH, "nn.BatchNorm2d(8)")],
    ),
    "a group norm's width, and groups that divide it": (
        (conv(3, 6), Written("GroupNorm", {"num_groups": 4, "num_channels": 8})),
        [("gn1_1", Kind.NORM_WIDTH, "nn.GroupNorm(2, 6)")],
    ),
    "the first in-channels": (
        (conv(1, 8), RELU),
        [("conv1_1", Kind.IN_CHANNELS, "nn.Conv2d(3, 8, 3, padding=1)")],
    ),
    "groups that no longer divide": (
        (conv(3, 6), conv(4, 8, groups=4)),
        [("conv1_2", Kind.IN_CHANNELS, "nn.Conv2d(6, 8, 3, padding=1)")],
    ),
    "each channel by itself, as it was": (
        (conv(3, 8), norm(8), conv(16, 16, groups=16), norm(16)),
        [("conv1_2", Kind.IN_CHANNELS, "nn.Conv2d(8, 16, 3, padding=1, groups=8)")],
    ),
    "a norm and the next convolution outvote a width": (
        (conv(3, 8), norm(8), conv(8, 18), norm(16), conv(16, 16), norm(16)),
        [("conv1_2", Kind.WIDTH, "nn.Conv2d(8, 16, 3, padding=1)")],
    ),
    "the block decides against a width": (
        (conv(3, 18), conv(16, 16)),
        [("conv1_1", Kind.WIDTH, "nn.Conv2d(3, 16, 3, padding=1)")],
    ),
    "the block decides for a width": (
        (conv(3, 16), conv(18, 16)),
        [("conv1_2", Kind.IN_CHANNELS, "nn.Conv2d(16, 16, 3, padding=1)")],
    ),
    "alone, a width stands": (
        (conv(3, 16), POOL, conv(18, 24)),
        [("conv2_1", Kind.IN_CHANNELS, "nn.Conv2d(16, 24, 3, padding=1)")],
    ),
    "a linear layer's fan-in": (
        (conv(3, 8), POOL, FLATTEN, linear(8 * 8 * 8, 10)),
        [("fc2", Kind.FAN_IN, "nn.Linear(8*16*16, 10)")],
    ),
    "a missing flatten": (
        (conv(3, 8), POOL, linear(8 * 16 * 16, 10)),
        [("flatten", Kind.NO_FLATTEN, "insert nn.Flatten() after pool1")],
    ),
    "a flatten too early": (
        (conv(3, 8), FLATTEN, POOL, FLATTEN, linear(8 * 16 * 16, 10)),
        [("flatten", Kind.MISPLACED, "remove it")],
    ),
    "images put in one row": (
        (Written("Flatten", {"start_dim": 0}), linear(3 * 32 * 32, 10)),
        [("flatten", Kind.FLATTEN, "nn.Flatten()")],
    ),
    "a row of the wrong length": (
        (Written("Flatten", {"row": 3 * 28 * 28}), linear(3 * 32 * 32, 10)),
        [("flatten", Kind.FLATTEN, "nn.Flatten()")],
    ),
    "a pool too many": (
        (conv(3, 8), *[POOL] * 6, FLATTEN, linear(8, 10)),
        [("pool6", Kind.NOTHING_LEFT, "remove it")],
    ),
    "a kernel larger than the map": (
        (*[POOL] * 4, conv(3, 8, padding=0)),
        [("conv5_1", Kind.NOTHING_LEFT, "nn.Conv2d(3, 8, 3, padding=1)")],
    ),
    "a norm that most have": (
        (conv(3, 8), norm(8), conv(8, 8), norm(8), conv(8, 8), POOL),
        [("bn1_3", Kind.NO_NORM, "insert nn.BatchNorm2d(8) after conv1_3")],
    ),
    "an activation that most have, after the norm": (
        (conv(3, 8), norm(8), RELU, conv(8, 8), norm(8), conv(8, 8), norm(8), RELU, POOL),
        [("relu1_2", Kind.NO_ACTIVATION, "insert nn.ReLU() after bn1_2")],
    ),
    "a convolution on a row": (
        (FLATTEN, linear(3072, 8), RELU, conv(8, 8)),
        [("conv1_1", Kind.MISPLACED, "remove it")],
    ),
    "a batch norm for the wrong dimensions": (
        (conv(3, 8), Written("BatchNorm1d", {"num_features": 8})),
        [("bn1_1", Kind.MISPLACED, "nn.BatchNorm2d(8)")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_defect_is_named_at_its_place_with_its_mend(case):
    layers, expected = CASES[case]
    assert summary(diagnosed(*layers)) == expected


@pytest.mark.parametrize("case", CASES)
def test_what_is_mended_runs_and_is_clean(case):
    diagnosis = diagnosed(*CASES[case][0])
    run_mended(diagnosis)
    assert not diagnosed(*(layer for _, layer, _ in diagnosis.mended)).defects


def test_a_norm_for_rows_says_that_a_map_arrives():
    (defect,) = diagnosed(*CASES["a batch norm for the wrong dimensions"][0]).defects
    assert defect.found == "BatchNorm1d(8), and a map, 8×32×32, arrives"


def test_one_mistake_is_told_once():
    """What comes after meets the mended layer."""
    layers = (conv(3, 8), norm(64), RELU, conv(8, 8), norm(8), RELU, FLATTEN, linear(8 * 32 * 32, 10))
    assert [each.place for each in diagnosed(*layers).defects] == ["bn1_1"]


def test_the_working_of_a_fan_in_is_shown():
    layers = (conv(3, 512), *[POOL] * 5, FLATTEN, linear(512 * 8 * 8, 4096))
    (defect,) = diagnosed(*layers, image=(3, 224, 224)).defects
    assert defect.found.endswith("512*8*8 = 32,768, and 512*7*7 = 25,088 arrive")
    assert defect.fits == "512*7*7 = 25,088"


def test_a_fan_in_that_is_no_square_map_is_a_bare_number():
    (defect,) = diagnosed(conv(3, 8), FLATTEN, linear(1000, 10)).defects
    assert ": 1,000, and 8*32*32 = 8,192 arrive" in defect.found


@pytest.mark.parametrize("pool", ["MaxPool2d", "AvgPool2d"])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("side", range(5, 12))
@pytest.mark.parametrize(
    "window", [(2, 2, 0), (3, 2, 0), (3, 2, 1), (2, 3, 1), ((2, 3), (2, 1), (1, 0))], ids=str
)
def test_a_pool_gives_what_pytorchs_gives(pool, ceil_mode, side, window):
    kernel, stride, padding = window
    arguments = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    real = getattr(torch.nn, pool)(**arguments)(torch.zeros(1, 2, side, side + 1))
    assert Written(pool, arguments).output_shape((2, side, side + 1)) == tuple(real.shape[1:])


@pytest.mark.parametrize(
    ("first", "fan_in", "meant"),
    [
        (conv(1, 8), 8 * 32 * 32, "1x32x32"),
        (conv(3, 8), 8 * 64 * 64, "3x64x64"),
        (conv(1, 8), 6272, "1x28x28"),
    ],
)
def test_an_input_that_the_model_takes_as_it_is_is_named(first, fan_in, meant):
    diagnosis = diagnosed(first, RELU, FLATTEN, linear(fan_in, 10))
    assert diagnosis.defects
    (remark,) = diagnosis.remarks
    assert remark.endswith(f"try --input {meant}.")


def test_no_other_input_is_named_where_none_would_do():
    assert not diagnosed(conv(3, 8), RELU, FLATTEN, linear(1000, 10)).remarks
    assert not diagnosed(conv(3, 8), RELU, conv(4, 8), RELU).remarks


def test_twice_the_same_name_is_told_apart():
    layers = (conv(3, 8), RELU, RELU, Written("ReLU6"), FLATTEN, linear(8 * 32 * 32, 10), FLATTEN)
    assert [name for name, _, _ in diagnosed(*layers).mended] == [
        *("conv1_1", "relu1_1", "relu1_1_2", "relu6_1_1"),
        *("flatten", "fc2", "flatten_2"),
    ]


def test_a_place_to_insert_at_has_the_files_own_name():
    layers = [conv(3, 8), RELU, conv(8, 8), conv(8, 8), RELU, POOL]
    layers[2] = replace(layers[2], module="body.2", line=11)
    (defect,) = diagnosed(*layers).defects
    assert defect.mend == "insert nn.ReLU() after conv1_2 (module body.2, line 11)"


def test_what_is_too_close_to_call_is_remarked_upon():
    layers = (conv(3, 8), RELU, conv(8, 8), RELU, conv(8, 8), POOL, conv(8, 8), POOL, conv(8, 8), RELU, POOL)
    diagnosis = diagnosed(*layers)
    assert not diagnosis.defects
    tally = "3 of 5 such layers have one"
    assert diagnosis.remarks == (f"No activation follows Conv2d; {tally}.",) * 2
    assert render(diagnosis, "table").endswith("Every layer fits. See the 2 remarks above.\n")


def test_a_1x1_convolution_is_not_measured_by_others():
    layers = (conv(3, 8), RELU, conv(8, 8), RELU, conv(8, 4, kernel=1), POOL)
    diagnosis = diagnosed(*layers)
    assert not diagnosis.defects
    assert not diagnosis.remarks


def test_no_activation_at_all_is_remarked_upon():
    diagnosis = diagnosed(conv(3, 8), POOL, FLATTEN, linear(8 * 16 * 16, 10))
    assert not diagnosis.defects
    assert diagnosis.remarks[0].startswith("No activation stands anywhere")


def test_a_padding_that_its_neighbours_have_is_missed_unless_a_layer_counts_on_its_absence():
    body = [conv(3, 8), RELU, conv(8, 8, padding=0), RELU, *[conv(8, 8), RELU] * 3, FLATTEN]
    assert summary(diagnosed(*body, linear(8 * 32 * 32, 5))) == [
        ("conv1_2", Kind.PADDING, "nn.Conv2d(8, 8, 3, padding=1)")
    ]
    assert not diagnosed(*body, linear(8 * 30 * 30, 5)).defects
    few = [conv(3, 8), RELU, conv(8, 8, padding=0), RELU, conv(8, 8), RELU]
    assert not diagnosed(*few).defects


def test_a_width_that_its_block_bears_out_stands_against_a_norm_and_the_next_block():
    layers = (conv(3, 8), norm(8), conv(8, 8), norm(4), POOL, conv(4, 16), norm(16))
    assert summary(diagnosed(*layers)) == [
        ("bn1_2", Kind.NORM_WIDTH, "nn.BatchNorm2d(8)"),
        ("conv2_1", Kind.IN_CHANNELS, "nn.Conv2d(8, 16, 3, padding=1)"),
    ]


def shared(layer: Written, line: int) -> Written:
    return replace(layer, module="twin", line=3, call=line)


def test_a_layer_called_again_is_shared_and_counted_once():
    twin = conv(8, 8)
    diagnosis = diagnosed(conv(3, 8), RELU, shared(twin, 5), RELU, shared(twin, 6), RELU)
    assert not diagnosis.defects
    assert diagnosis.code.count("nn.Conv2d(8, 8") == 1
    run_mended(diagnosis)


def test_a_layer_called_again_is_one_witness():
    twin = [shared(conv(8, 8), 5), replace(norm(8), module="norm"), RELU]
    assert not diagnosed(conv(3, 8), RELU, *twin * 3).defects


def test_a_layer_called_again_is_mended_once():
    twin = conv(9, 8)
    diagnosis = diagnosed(conv(3, 8), norm(8), RELU, shared(twin, 5), RELU, shared(twin, 6), RELU)
    assert [(each.place, each.line) for each in diagnosis.defects] == [("conv1_2", 3)]
    run_mended(diagnosis)


def test_a_layer_called_again_where_it_cannot_fit_needs_another():
    twin = conv(3, 8)
    diagnosis = diagnosed(shared(twin, 5), RELU, shared(twin, 6), RELU)
    (defect,) = diagnosis.defects
    assert (defect.place, defect.line) == ("conv1_2", 6)
    assert defect.mend == "make a layer of its own for this call: nn.Conv2d(8, 8, 3, padding=1)"
    run_mended(diagnosis)


# -- against a config


def test_a_layer_called_again_is_two_in_a_config():
    layers = written(Config("twice", (Conv(4), Conv(4), Pool()), (), classes=5))
    layers[2] = shared(layers[2], 6)
    layers.insert(4, shared(conv(4, 4), 7))
    layers.insert(5, RELU)
    thrice = Config("thrice", (Conv(4), Conv(4), Conv(4), Pool()), (), classes=5)
    diagnosis = diagnosed(*layers, like=thrice)
    assert [(each.place, each.kind) for each in diagnosis.defects] == [("conv1_3", Kind.REUSED)]
    assert diagnosis.parameters == diagnosis.wanted_parameters
    run_mended(diagnosis)


TINY = config([4, 4, "M", 6, 6, "M"], batch_norm=True, classes=5)


def written(net: Config) -> list[Written]:
    return [as_written(module.layer) for module in modules(net)]


def test_every_config_of_the_paper_is_clean_against_itself_and_its_neighbours():
    for label in ("A", "A-LRN", "B-BN", "C", "D", "E-BN"):
        layers, image = written(config(label)), (3, 224, 224)
        for like in (config(label), None):
            diagnosis = diagnosed(*layers, image=image, like=like)
            assert not diagnosis.defects, label
            assert diagnosis.parameters == walk(label).totals.parameters
            assert [name for name, _, _ in diagnosis.mended] == [m.name for m in modules(config(label))]


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


def test_a_layer_that_is_not_known_is_refused_at_its_place():
    with pytest.raises(InputError, match=r"features\.3 \(line 7\) is a LSTM, whose shapes are not known"):
        diagnosed(Written("LSTM", {}, "features.3", 7))


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
    return lambda layer: [layer.mended(**{key: int(layer.arguments[key]) + by})]


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


def check_all_is_named_and_mended(net: Config, chosen: Chosen, like: Config | None) -> None:
    layers, expected = inject(net, chosen)
    diagnosis = diagnosed(*layers, like=like)
    assert {(each.place, each.kind) for each in diagnosis.defects} == expected
    assert [str(layer) for _, layer, _ in diagnosis.mended] == list(map(str, written(net)))
    run_mended(diagnosis)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_injected_defects_are_all_named_against_the_config_and_mended(data):
    net = data.draw(configs())
    check_all_is_named_and_mended(net, choose(data.draw, net, INJECTIONS), like=net)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_injected_defects_are_all_named_by_the_neighbours_and_mended(data):
    """Where two of three witnesses of each width are right, and most layers have what one lacks."""
    net = data.draw(configs(batch_norm=True))
    told = ["norm width", "in-channels", "out-channels", "fan-in", "no norm", "no activation", "no flatten"]
    chosen = choose(data.draw, net, told)
    assume(can_be_told(net, chosen))
    check_all_is_named_and_mended(net, chosen, like=None)


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


# -- files


def inspected(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str, name: str = "model") -> Draft:
    """A file's model, read in this process."""
    path = folder / f"file_{abs(hash(source))}.py"
    path.write_text(source)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, path.stem, None)
    return inspect_model(path, name, IMAGE)


HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"

TORCHVISIONS = f"""{HEAD}
class VGG(nn.Module):
    def __init__(self):
        super().__init__()
        layers, channels = [], 3
        for width in (4, "M", 6, 6, "M"):
            if width == "M":
                layers += [nn.MaxPool2d(kernel_size=2, stride=2)]
            else:
                layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
                channels = width
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(6 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(),
            nn.Linear(4096, 5),
        )

    def forward(self, x):
        x = self.features(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        return self.classifier(x)
"""


def test_a_model_of_torchvisions_form_is_read_as_it_is(monkeypatch, tmp_path):
    draft = inspected(monkeypatch, tmp_path, TORCHVISIONS, "VGG")
    net = config([4, "M", 6, 6, "M"], classes=5)
    assert [str(layer) for layer in draft.layers] == [
        str(
            layer.mended(
                **{key: int(layer.arguments[key]) for key in layer.arguments if key == "in_features"}
            )
        )
        for layer in written(net)
    ]
    assert [layer.module for layer in draft.layers if layer.module != "forward"] == [
        module.path for module in modules(net) if module.name != "flatten"
    ]
    assert (draft.defects, draft.remarks, draft.idle) == ((), (), ())
    assert not diagnose(draft, IMAGE, net).defects
    assert draft.layers[0].line == 13
    assert Draft.from_dict(json.loads(json.dumps(draft.to_dict()))) == draft


FUNCTIONS = f"""{HEAD}
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv2d(3, 4, 3, padding="same")
        self.c2 = nn.Conv2d(4, 6, (3, 3), padding=(1, 1))
        self.fc = nn.Linear(6 * 8 * 8, 5)
        self.idle = nn.Tanh()

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.c1(x)), 2)
        x = F.avg_pool2d(torch.relu(self.c2(x)), kernel_size=2)
        x = F.dropout(x, 0.3, self.training)
        x = x.view(x.size(0), -1)
        return F.log_softmax(self.fc(x).contiguous(), dim=1)
"""


def test_functions_in_forward_are_layers_too(monkeypatch, tmp_path):
    draft = inspected(monkeypatch, tmp_path, FUNCTIONS, "Model")
    assert [str(layer) for layer in draft.layers] == [
        "Conv2d(3, 4, 3, padding=1)",
        "ReLU()",
        "MaxPool2d(2, stride=2)",
        "Conv2d(4, 6, 3, padding=1)",
        "ReLU()",
        "AvgPool2d(2, stride=2)",
        "Dropout(p=0.3)",
        "Flatten()",
        "Linear(384, 5)",
        "LogSoftmax(dim=1)",
    ]
    assert [layer.line for layer in draft.layers[:3]] == [8, 14, 14]
    assert draft.remarks == ("idle, a Tanh, is registered and never called.",)
    assert not diagnose(draft, IMAGE).defects


CLASS = f"{HEAD}class Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
BODY = "        self.conv = nn.Conv2d(3, 8, 3, padding=1)\n        self.fc = nn.Linear(8 * 32 * 32, 5)\n"


def test_what_returns_nothing_is_told_and_read_all_the_same(monkeypatch, tmp_path):
    function = f"{HEAD}def model():\n    nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())\n"
    draft = inspected(monkeypatch, tmp_path, function)
    (defect,) = diagnose(draft, IMAGE).defects
    assert (defect.place, defect.kind, defect.line) == ("model()", Kind.SILENT, 5)
    assert len(draft.layers) == 2

    loose = f"{HEAD}def model():\n    layers = []\n    layers += [nn.ReLU()]\n    layers += [nn.Tanh()]\n"
    assert [layer.name for layer in inspected(monkeypatch, tmp_path, loose).layers] == ["ReLU", "Tanh"]

    forward = f"{CLASS}{BODY}    def forward(self, x):\n        self.fc(torch.flatten(self.conv(x), 1))\n"
    draft = inspected(monkeypatch, tmp_path, forward, "Model")
    (defect,) = draft.defects
    assert (defect.place, defect.kind, defect.line) == ("Model.forward()", Kind.SILENT, 10)
    assert [layer.name for layer in draft.layers] == ["Conv2d", "Flatten", "Linear"]


SMALL = f"""{CLASS}
        self.conv1 = nn.Conv2d(3, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(64 * 8 * 8, 128)
        self.fc2 = nn.Linear(128, 10)

    def flat(self, x):
        size = 1
        for side in x.size()[1:]:
            size *= side
        return size

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)
"""


def changed(*changes: tuple[str, str]) -> str:
    """A model without a mistake, with some of its text replaced."""
    source = SMALL
    for old, new in changes:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source


def line_of(source: str, text: str) -> int:
    return source[: source.index(text)].count("\n") + 1


FLAT = "torch.flatten(x, 1)"
START = "    def forward(self, x):\n"

SOUND = {
    "as it is": (),
    "the tutorial's flatten": ((FLAT, "x.view(-1, self.flat(x))"),),
    "sizes multiplied": ((FLAT, "x.view(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3])"),),
    "an assertion": ((START, f"{START}        assert x.shape[1] == 3 and x.size(0) > 0\n"),),
    "a branch": ((START, f"{START}        if x.size(0) > 1:\n            x = x.contiguous()\n"),),
    "sizes unpacked": ((START, f"{START}        n, c, h, w = x.shape\n        x = x.view(n, c, h, w)\n"),),
    "values": ((START, f"{START}        if x.sum() > 1e9:\n            return x\n"),),
    "printing": ((START, f"{START}        print(x.shape)\n"),),
}


@pytest.mark.parametrize("case", SOUND)
def test_whatever_python_a_forward_holds_is_run(case, monkeypatch, tmp_path):
    draft = inspected(monkeypatch, tmp_path, changed(*SOUND[case]), "Model")
    assert [layer.name for layer in draft.layers] == [
        *("Conv2d", "ReLU", "MaxPool2d") * 2,
        *("Flatten", "Linear", "ReLU", "Linear"),
    ]
    assert not draft.remarks
    assert not diagnose(draft, IMAGE).defects


FLAWED = {
    "a batch written down": (
        ((FLAT, "x.view(32, -1)"),),
        FLAT,
        [(Kind.FLATTEN, "view(32, -1), which fixes the batch at 32")],
    ),
    "a batch of one": (
        ((FLAT, "x.view(1, -1)"),),
        FLAT,
        [(Kind.FLATTEN, "view(1, -1), which fixes the batch at 1")],
    ),
    "all in one row": (
        ((FLAT, "x.view(-1)"),),
        FLAT,
        [(Kind.FLATTEN, "view(-1), which gives no row an image")],
    ),
    "a layer made, not applied": (
        (("F.relu(self.conv1(x))", "nn.ReLU(self.conv1(x))"),),
        "F.relu(self.conv1(x))",
        [(Kind.UNAPPLIED, "nn.ReLU(…) makes a layer, and does not apply it")],
    ),
    "a flatten dropped": (
        ((f"x = {FLAT}", FLAT),),
        FLAT,
        [(Kind.DROPPED, "the result of flatten is dropped")],
    ),
    "an activation dropped": (
        (("x = F.relu(self.fc1(x))", "x = self.fc1(x)\n        F.relu(x)"),),
        "F.relu(x)",
        [(Kind.DROPPED, "the result of relu is dropped")],
    ),
    "a list": (
        (
            ("self.conv1 = nn.Conv2d(3, 32, 3, padding=1)", "self.convs = [nn.Conv2d(3, 32, 3, padding=1)]"),
            ("self.conv1(x)", "self.convs[0](x)"),
        ),
        "self.conv1 = ",
        [
            (
                Kind.HIDDEN,
                "a Python list hides 1 layer with weights from PyTorch: "
                "parameters(), .to() and state_dict() pass over them",
            )
        ],
    ),
    "a layer made at each call": (
        (("self.conv1(x)", "nn.Conv2d(3, 32, 3, padding=1)(x)"),),
        "self.conv1(x)",
        [
            (
                Kind.HIDDEN,
                "Conv2d(3, 32, 3, padding=1) is no module of the model: parameters() passes over it",
            )
        ],
    ),
    "a layer called for another": (
        (("self.conv2(x)", "self.conv1(x)"),),
        "self.conv2(x)",
        [(Kind.REUSED, "conv1 is called twice (lines 21 and 22), and conv2 never")],
    ),
}


def test_the_call_that_was_meant_for_another_layer_is_found_whichever_it_is(monkeypatch, tmp_path):
    for used, meant, line in (("conv2", "conv1", 21), ("conv1", "conv2", 22)):
        source = changed((f"self.{meant}(x)", f"self.{used}(x)"))
        (defect,) = diagnose(inspected(monkeypatch, tmp_path, source, "Model"), IMAGE).defects
        assert (defect.kind, defect.mend) == (Kind.REUSED, f"call {meant} on line {line}")


@pytest.mark.parametrize("case", FLAWED)
def test_what_a_run_shows_is_told_at_its_line_and_nothing_else(case, monkeypatch, tmp_path):
    changes, place, expected = FLAWED[case]
    source = changed(*changes)
    diagnosis = diagnose(inspected(monkeypatch, tmp_path, source, "Model"), IMAGE)
    assert [(each.kind, each.found) for each in diagnosis.defects] == expected
    line = line_of(source, "F.relu(x)") if place == "F.relu(x)" else line_of(SMALL, place)
    assert [each.line for each in diagnosis.defects] == [line]
    run_mended(diagnosis)


def test_what_is_dropped_is_mended_in_its_own_words(monkeypatch, tmp_path):
    for statement in (FLAT, "x.flatten(1)"):
        source = changed((f"x = {FLAT}", statement))
        (defect,) = diagnose(inspected(monkeypatch, tmp_path, source, "Model"), IMAGE).defects
        assert defect.mend == f"write x = {statement}"


def test_what_is_shared_or_never_used_is_remarked_upon(monkeypatch, tmp_path):
    source = changed(
        ("nn.Conv2d(32, 64, 3, padding=1)", "nn.Conv2d(32, 32, 3, padding=1)"),
        ("64 * 8 * 8", "32 * 8 * 8"),
        (f"x = {FLAT}", "x = F.relu(self.conv2(x))\n        y = self.pool(x)\n        x = x.flatten(1)"),
        ("self.fc2 = ", "self.fc3 = nn.Linear(9, 9)\n        self.fc2 = "),
    )
    diagnosis = diagnose(inspected(monkeypatch, tmp_path, source, "Model"), IMAGE)
    assert not diagnosis.defects
    assert diagnosis.remarks == (
        "The result of MaxPool2d (line 25) is never used.",
        "conv2 is called twice (lines 23 and 24): one layer with one set of weights, "
        "unless a defect is told there.",
        "fc3, a Linear, is registered and never called.",
    )
    assert "Every layer that is called fits. See the 3 remarks above." in render(diagnosis, "table")
    assert diagnosis.parameters == 896 + 9248 + 128 * (2048 + 1) + 1290


def test_a_call_that_fails_for_no_reason_known_here_is_told_in_pytorchs_words(monkeypatch, tmp_path):
    source = changed(("nn.MaxPool2d(2)", "nn.MaxPool2d(2, padding=2)"))
    diagnosis = diagnose(inspected(monkeypatch, tmp_path, source, "Model"), IMAGE)
    failures = [each for each in diagnosis.defects if each.kind is Kind.DOES_NOT_RUN]
    assert [each.line for each in failures] == [21, 22]
    assert diagnosis.failing == ("pool1", "pool2")
    said = " ".join(render(diagnosis, "table").split())
    assert "It does not run as it stands: the mend of pool1 and pool2 is not known." in said
    assert "# pool1, does not run" in diagnosis.code
    assert "pad should be at most half of effective kernel size" in failures[0].found


def test_a_layer_in_place_needs_no_name_for_its_result(monkeypatch, tmp_path):
    source = changed(("x = F.relu(self.fc1(x))", "x = self.fc1(x)\n        F.relu_(x)"))
    assert not diagnose(inspected(monkeypatch, tmp_path, source, "Model"), IMAGE).defects


def test_a_file_that_reads_values_is_built_with_memory(monkeypatch, tmp_path):
    source = f"{HEAD}width = int(torch.tensor(8.0).item())\nmodel = nn.Sequential(nn.Conv2d(3, width, 3))\n"
    assert str(inspected(monkeypatch, tmp_path, source).layers[0]) == "Conv2d(3, 8, 3)"


def test_a_name_may_have_dots(monkeypatch, tmp_path):
    source = f"{HEAD}class Nets:\n    small = nn.Conv2d(3, 8, 3)\n"
    assert str(inspected(monkeypatch, tmp_path, source, "Nets.small").layers[0]) == "Conv2d(3, 8, 3)"
    with pytest.raises(InputError, match=r"nothing named 'Nets\.smal'\. Did you mean Nets\.small\?"):
        inspected(monkeypatch, tmp_path, source, "Nets.smal")


def test_a_file_in_no_encoding_that_it_names_is_refused_as_python_refuses_it(tmp_path):
    path = tmp_path / "latin.py"
    path.write_bytes(f"{HEAD}# caf\xe9\nmodel = nn.ReLU()\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"line 4: SyntaxError: the file is not in utf-8"):
        inspect_model(path, "model", IMAGE)
    path.write_bytes(b"# -*- coding: latin-1 -*-\n" + path.read_bytes())
    assert inspect_model(path, "model", IMAGE).layers[0].name == "ReLU"


def test_names_of_the_files_own_making_are_printable(monkeypatch, tmp_path):
    source = f"{HEAD}model = nn.Sequential()\nmodel.add_module('\\x1b[31m<b>', nn.Conv2d(3, 8, 3))\n"
    draft = inspected(monkeypatch, tmp_path, source)
    diagnosis = diagnose(draft, (1, 8, 8))
    for form in FORMATS:
        assert "\x1b" not in render(diagnosis, form)
    assert "<b>" not in render(diagnosis, "page")


REFUSED = {
    "syntax": ("model = nn.Sequential(nn.ReLU()\n    nn.ReLU())", r"line 4: SyntaxError: .*forgot a comma\?"),
    "a misspelt name": ("model = nn.Seuenital()", r"line 4: AttributeError: .*Did you mean: 'Sequential'\?"),
    "its line": ("model = nn.Seuenital()", r"The line reads `model = nn.Seuenital\(\)`"),
    "a name that is not there": (
        "layers = 1\nmodel = layesr",
        r"line 5: NameError: .*Did you mean: 'layers'\?",
    ),
    "a constructor": (
        "def model():\n    return nn.Linear(512*8*8, )",
        r"line 5: TypeError: .*'out_features'",
    ),
    "forward": (
        f"{BODY.join((CLASS, ''))}    def forward(self, x):\n        return self.con(x)\nmodel = Model()",
        r"line 13: AttributeError: .*Did you mean: 'conv'\?",
    ),
    "an exception": ("1 / 0", r"line 4: ZeroDivisionError: division by zero\."),
    "an exit": ("import sys\nsys.exit(3)", r"line 5 ended in sys\.exit\(3\)"),
    "a package": ("import no_such_package", r"line 4 needs a package that is not here: .*'no_such_package'"),
    "input": ("input()", r"line 4: .*Error"),
    "no such name": ("def modell(): ...", r"has nothing named 'model'. Did you mean modell\?"),
    "a number": ("model = 3", r"model in .* is of type int"),
    "another class": ("class model: ...", r"is a class, but no nn\.Module"),
    "a function of a number": ("def model(): return 3", r"returns an object of type int"),
    "a function of nothing": ("def model(): ...", r"returns nothing, and builds no module"),
    "arguments": ("def model(cfg): ...", r"cannot be called without arguments: missing .* 'cfg'"),
    "a join": (
        f"{CLASS}{BODY}    def forward(self, x):\n        return x + self.conv(x)\nmodel = Model()",
        r"line 13: forward calls 'add'",
    ),
    "an assertion": (
        changed(("        x = torch.flatten", "        assert x.size(1) == 3\n        x = torch.flatten"))[
            len(HEAD) :
        ]
        + "\nmodel = Model()",
        r"line 23: AssertionError\. .*What follows line 23 could not be examined",
    ),
    "forward misspelt": (
        changed((START, START.replace("forward", "foward")))[len(HEAD) :] + "\nmodel = Model()",
        r"line 20: the class Model has no forward. Did you mean forward instead of foward\?",
    ),
    "not written yet": (
        f"{CLASS}{BODY}    def forward(self, x):\n        raise NotImplementedError\nmodel = Model()",
        r"line 13: NotImplementedError",
    ),
    "forward without a line": (
        f"{CLASS}{BODY}    def forward(self, x):\n        pass\nmodel = Model()",
        r"line 13: forward calls no layer and returns nothing",
    ),
    "two heads": (
        f"{CLASS}{BODY}    def forward(self, x):\n        return self.conv(x), x\nmodel = Model()",
        r"line 13: forward returns a tuple of 2 values\. Let it return one tensor",
    ),
    "two inputs": (
        f"{CLASS}{BODY}    def forward(self, x, mask):\n        return self.conv(x)\nmodel = Model()",
        r"line 12: forward cannot be called with an image alone: missing a required argument: 'mask'",
    ),
    "a pool that gives indices too": (
        f"{CLASS}{BODY}    def forward(self, x):\n        x, _ = nn.MaxPool2d(2, return_indices=True)(x)\n"
        "        return x\nmodel = Model()",
        r"line 13: forward calls 'MaxPool2d'",
    ),
    "no layer": (
        f"{CLASS}    def forward(self, x):\n        return x\nmodel = Model()",
        r"does not lead from its input",
    ),
    "a list for its layers": (
        "model = nn.Sequential([nn.ReLU()])",
        r"line 4: TypeError: list is not a Module subclass.* Put a star before the list",
    ),
    "a backslash": ("raise ValueError('a\\tb')", r"The line reads `raise ValueError\('a\\tb'\)`"),
    "a null byte": ("\x00", r"(SyntaxError|ValueError): source code .*null bytes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_without_a_model_is_refused_at_its_line(case, monkeypatch, tmp_path):
    source, complaint = REFUSED[case]
    with pytest.raises(InputError, match=complaint) as refusal:
        inspected(monkeypatch, tmp_path, HEAD + source)
    assert "\n" not in str(refusal.value)
    assert "Traceback" not in str(refusal.value)


# -- the process of its own


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["diagnose", *arguments])


def saved(folder: Path, source: str) -> str:
    path = folder / "model.py"
    path.write_text(HEAD + source)
    return f"{path}:model"


def test_the_command_prints_to_stdout_what_it_found_and_to_stderr_what_the_file_prints(tmp_path):
    subject = saved(
        tmp_path, "print('hello')\nmodel = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(64))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "vgg_profile", "diagnose", subject, "--input", "32", "--format", "json"],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        timeout=120,
    )
    assert (ended.returncode, ended.stderr) == (3, "hello\n")
    content = json.loads(ended.stdout)
    assert list(content) == [
        *("schema_version", "subject", "input", "like", "defects"),
        *("layers", "mended", "parameters", "source", "runs", "remarks"),
    ]
    assert [each["mend"] for each in content["defects"]] == ["nn.BatchNorm2d(8)"]


def test_a_clean_model_exits_with_0(tmp_path):
    result = call(saved(tmp_path, "model = nn.Sequential(nn.Conv2d(1, 8, 3))\n"), "--input", "1x8x8")
    assert result.exit_code == 0, result.output
    assert "no defect" in result.stdout
    assert result.stdout.endswith("Every layer fits.\n")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("while True: pass", "took longer than 3 seconds"),
        ("import os; os._exit(5)", "ended the process with exit code 5"),
        ("import os; os.kill(os.getpid(), 9)", "ended the process by signal 9"),
        ("model = nn.Seuenital()", "Did you mean: 'Sequential'?"),
    ],
)
def test_whatever_the_file_does_ends_in_one_paragraph(source, complaint, tmp_path):
    timeout = "3" if "while" in source else "60"
    result = call(saved(tmp_path, source), "--timeout", timeout)
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("subject", "complaint"),
    [
        ("model.py", "does not say what to diagnose"),
        ("model.py:", "does not say what to diagnose"),
        (":model", "does not say what to diagnose"),
        ("model.txt:model", "is no Python file"),
        ("no-such.py:model", "cannot be read: No such file or directory"),
        ("tests.py:mo del", "does not say what to diagnose"),
    ],
)
def test_a_subject_that_is_none_is_refused_at_once(subject, complaint):
    with pytest.raises(InputError, match=complaint):
        read(subject, IMAGE)


def test_an_input_of_other_channels_than_the_config_is_refused():
    result = call(f"{BROKEN}:vgg19", "--like", "E-BN", "--input", "1x32x32")
    assert result.exit_code == 2
    assert "The input has 1 channel" in result.stderr


def test_channels_last_are_refused_with_the_size_that_is_meant():
    result = call(f"{BROKEN}:vgg19", "--input", "224x224x3")
    assert result.exit_code == 2
    assert "channels come first. Try --input 3x224x224" in result.stderr


def test_a_config_of_other_classes_or_with_norms_can_be_named(tmp_path):
    source = "model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), "
    source += "nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(4 * 49, 4096), nn.ReLU(), nn.Dropout(), "
    source += "nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 10))\n"
    subject = saved(tmp_path, source)
    like = ("--like", "4,M", "--input", "32")
    result = call(subject, *like)
    assert result.exit_code == 3
    assert "If 10 classes are meant, and not 1,000, try --classes 10." in result.stdout
    assert call(subject, *like, "--classes", "10").exit_code == 0
    result = call(subject, *like, "--classes", "10", "--batch-norm")
    assert result.exit_code == 3
    assert "missing norm" in result.stdout


def test_classes_without_a_config_are_refused():
    result = call(f"{BROKEN}:vgg19", "--classes", "10")
    assert result.exit_code == 2
    assert "Name it, such as --like D" in result.stderr


# -- the example


def diagnosed_example(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str) -> Diagnosis:
    return diagnose(inspected(monkeypatch, folder, source, "vgg19"), (3, 224, 224), config("E-BN"))


def test_every_mistake_of_the_example_is_named(monkeypatch, tmp_path):
    diagnosis = diagnosed_example(monkeypatch, tmp_path, BROKEN.read_text())
    assert [(each.place, each.kind) for each in diagnosis.defects] == [
        ("vgg19()", Kind.SILENT),
        ("conv1_2", Kind.SETTING),
        ("bn2_2", Kind.NORM_WIDTH),
        ("conv3_1", Kind.IN_CHANNELS),
        ("conv3_3", Kind.WIDTH),
        ("conv4_4", Kind.NO_LAYER),
        ("bn4_4", Kind.NO_NORM),
        ("relu4_4", Kind.NO_ACTIVATION),
        ("bn5_4", Kind.NO_NORM),
        ("relu5_4", Kind.NO_ACTIVATION),
        ("flatten", Kind.NO_FLATTEN),
        ("fc6", Kind.FAN_IN),
        ("relu6", Kind.NO_ACTIVATION),
    ]


def test_the_example_is_told_by_its_neighbours_too_but_for_the_layer_that_is_not_there(monkeypatch, tmp_path):
    draft = inspected(monkeypatch, tmp_path, BROKEN.read_text(), "vgg19")
    diagnosis = diagnose(draft, (3, 224, 224))
    places = {each.place for each in diagnosis.defects}
    assert places == {
        *("vgg19()", "conv1_2", "bn2_2", "conv3_1", "conv3_3", "bn5_4", "relu5_4", "flatten", "fc6", "relu6"),
    }
    assert not diagnosis.remarks


def test_the_example_mended_is_vgg19_bn(monkeypatch, tmp_path):
    diagnosis = diagnosed_example(monkeypatch, tmp_path, BROKEN.read_text())
    space: dict[str, torch.nn.Module] = {}
    with torch.device("meta"):
        exec(diagnosis.code, space)
        assert space["model"](torch.zeros(2, 3, 224, 224)).shape == (2, 1000)
    own = [tuple(each.shape) for each in space["model"].parameters()]
    assert own == [tuple(each.shape) for each in vgg19_bn(device="meta").parameters()]
    assert diagnosis.parameters == walk("E-BN").totals.parameters
    assert [name for name, _, _ in diagnosis.mended] == [each.name for each in modules(config("E-BN"))]


def test_the_example_is_mended_step_by_step(monkeypatch, tmp_path):
    """Each diff takes away just the defects that its heading names, and what was found is quoted."""
    source = BROKEN.read_text()
    before = diagnosed_example(monkeypatch, tmp_path, source).defects
    steps = re.findall(r"^## \d+\. (.*?)\n(.*?)(?=^## |\Z)", STORY.read_text(), re.M | re.S)
    assert len(steps) == 10, "as the file and the story say"
    for heading, body in steps:
        (change,) = re.findall(r"```diff\n(.*?)```", body, re.S)
        (quoted,) = re.findall(r"```text\n(.*?)```", body, re.S)
        old, new = ("".join(re.findall(rf"^[ {sign}](.*\n)", change, re.M)) for sign in "-+")
        assert source.count(old) == 1, heading
        source = source.replace(old, new)
        after = diagnosed_example(monkeypatch, tmp_path, source).defects
        mended = re.findall(r"`([^`]+)`", heading)
        assert [each.place for each in before if each.place in mended] == mended
        assert [each.place for each in after] == [each.place for each in before if each.place not in mended]
        told = [each for each in before if each.place in mended]
        assert quoted.splitlines() == [
            line
            for each in told
            for line in (f"found  {each.found}", f"fits   {each.fits}", f"mend   {each.mend}")
        ]
        before = after
    assert before == (), "the story ends before the model is whole"


def test_the_example_looks_as_it_should(golden, monkeypatch, tmp_path):
    draft = inspected(monkeypatch, tmp_path, BROKEN.read_text(), "vgg19")
    diagnosis = diagnose(draft, (3, 224, 224), config("E-BN"), "examples/broken_vgg19.py:vgg19")
    golden.check("diagnose_broken_vgg19.txt", render(diagnosis, "table"))
    golden.check("diagnose_broken_vgg19.csv", render(diagnosis, "csv"))


# -- what is left out at no cost, and what costs only with one image


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


def test_a_squeeze_that_drops_a_batch_of_one_is_a_wrong_flatten() -> None:
    squeeze = of_function("squeeze", (), {}, (7, 32, 1, 1), "x.squeeze()")
    assert squeeze is not None
    pool = Written("AdaptiveAvgPool2d", {"output_size": 1})
    found = diagnosed(conv(3, 32), pool, *squeeze, linear(32, 10))
    assert [kind for _, kind, _ in summary(found)] == [Kind.FLATTEN]
    assert run_mended(found)(torch.zeros(1, *IMAGE)).shape == (1, 10)
