"""Models read from files: what ``forward`` calls, and what only a run shows."""

from __future__ import annotations

import pytest
from diagnosing import (
    BODY,
    CLASS,
    FLAT,
    HEAD,
    IMAGE,
    SMALL,
    START,
    changed,
    inspected,
    line_of,
    run_fixed,
    written,
)

from vgg_profile.core.errors import InputError
from vgg_profile.diagnose import Kind, diagnose
from vgg_profile.diagnose.child import inspect_model
from vgg_profile.diagnose.draft import decode, encode
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.render import FORMATS, render

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
            layer.with_arguments(
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
    assert decode(encode(draft)) == draft


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
        assert (defect.kind, defect.fix) == (Kind.REUSED, f"call {meant} on line {line}")


@pytest.mark.parametrize("case", FLAWED)
def test_what_a_run_shows_is_told_at_its_line_and_nothing_else(case, monkeypatch, tmp_path):
    changes, place, expected = FLAWED[case]
    source = changed(*changes)
    diagnosis = diagnose(inspected(monkeypatch, tmp_path, source, "Model"), IMAGE)
    assert [(each.kind, each.found) for each in diagnosis.defects] == expected
    line = line_of(source, "F.relu(x)") if place == "F.relu(x)" else line_of(SMALL, place)
    assert [each.line for each in diagnosis.defects] == [line]
    run_fixed(diagnosis)


def test_what_is_dropped_is_fixed_in_its_own_words(monkeypatch, tmp_path):
    for statement in (FLAT, "x.flatten(1)"):
        source = changed((f"x = {FLAT}", statement))
        (defect,) = diagnose(inspected(monkeypatch, tmp_path, source, "Model"), IMAGE).defects
        assert defect.fix == f"write x = {statement}"


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
        "unless a defect is listed there.",
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
    assert "It does not run as it stands: the fix for pool1 and pool2 is not known." in said
    assert "# pool1, does not run" in diagnosis.code
    assert "pad should be at most half of effective kernel size" in failures[0].found


def test_a_layer_in_place_needs_no_name_for_its_result(monkeypatch, tmp_path):
    source = changed(("x = F.relu(self.fc1(x))", "x = self.fc1(x)\n        F.relu_(x)"))
    assert not diagnose(inspected(monkeypatch, tmp_path, source, "Model"), IMAGE).defects


def test_the_same_padding_of_an_uneven_window_keeps_the_map(monkeypatch, tmp_path):
    first, second = (
        'nn.Conv2d(3, 8, 4, padding="same")',
        'nn.Conv2d(8, 8, (3, 1), dilation=2, padding="same")',
    )
    head = "nn.Flatten(), nn.Linear(8 * 32 * 32, 5)"
    source = f"{HEAD}model = nn.Sequential({first}, nn.ReLU(), {second}, nn.ReLU(), {head})\n"
    assert not diagnose(inspected(monkeypatch, tmp_path, source), IMAGE).defects


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
