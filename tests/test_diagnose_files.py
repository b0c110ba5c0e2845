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
    diagnosed,
    inspected,
    line_of,
    run_fixed,
    runs,
)

from vgg_profile.core.errors import InputError
from vgg_profile.diagnose import Diagnosis, Draft, Hint, Kind
from vgg_profile.diagnose.answer import decode
from vgg_profile.diagnose.child import inspect_model
from vgg_profile.diagnose.draft import encode
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.spelled_out import modules
from vgg_profile.render import FORMATS, render


def layers(draft: Draft) -> list[str]:
    return [str(visit.written) for visit in draft.layers if visit.written]


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
    net = config([4, "M", 6, 6, "M"], classes=5)
    draft = inspected(monkeypatch, tmp_path, TORCHVISIONS, "VGG", like=net)
    assert [visit.name for visit in draft.layers] == [module.name for module in modules(net)]
    paths = [visit.written.module for visit in draft.layers if visit.written]
    assert [path for path in paths if path != "forward"] == [
        module.path for module in modules(net) if module.name != "flatten"
    ]
    assert (draft.defects, draft.differences, draft.remarks, draft.refused) == ((), (), (), "")
    assert draft.layers[0].written.line == 13
    assert decode(encode(draft), tmp_path) == draft


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
    assert layers(draft) == [
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
    assert [visit.written.line for visit in draft.layers[:3]] == [8, 14, 14]
    assert (draft.defects, draft.remarks) == ((), ())


def test_what_returns_nothing_is_told_and_read_all_the_same(monkeypatch, tmp_path):
    function = f"{HEAD}def model():\n    nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())\n"
    draft = inspected(monkeypatch, tmp_path, function)
    (defect,) = draft.defects
    assert (defect.place, defect.kind, defect.line) == ("model()", Kind.SILENT, 5)
    assert len(draft.layers) == 2

    loose = f"{HEAD}def model():\n    layers = []\n    layers += [nn.ReLU()]\n    layers += [nn.Tanh()]\n"
    assert layers(inspected(monkeypatch, tmp_path, loose)) == ["ReLU()", "Tanh()"]

    forward = f"{CLASS}{BODY}    def forward(self, x):\n        self.fc(torch.flatten(self.conv(x), 1))\n"
    draft = inspected(monkeypatch, tmp_path, forward, "Model")
    (defect,) = draft.defects
    assert (defect.place, defect.kind, defect.line) == ("Model.forward()", Kind.SILENT, 10)
    assert [visit.written.name for visit in draft.layers] == ["Conv2d", "Flatten", "Linear"]


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
    assert [visit.written.name for visit in draft.layers] == [
        *("Conv2d", "ReLU", "MaxPool2d") * 2,
        *("Flatten", "Linear", "ReLU", "Linear"),
    ]
    assert (draft.defects, draft.remarks) == ((), ())


FLAWED = {
    "a batch written down": (((FLAT, "x.view(32, -1)"),), FLAT, Kind.FLATTEN, "which fixes the batch at 32"),
    "a batch of one": (((FLAT, "x.view(1, -1)"),), FLAT, Kind.FLATTEN, "which fixes the batch at 1"),
    "all in one row": (((FLAT, "x.view(-1)"),), FLAT, Kind.FLATTEN, "which gives no row an image"),
    "too long a row": (((FLAT, "x.view(-1, 64 * 9 * 9)"),), FLAT, Kind.FLATTEN, "64*8*8 = 4,096 values"),
    "a layer made, not applied": (
        (("F.relu(self.conv1(x))", "nn.ReLU(self.conv1(x))"),),
        "F.relu(self.conv1(x))",
        Kind.UNAPPLIED,
        "nn.ReLU(…) makes a layer, and does not apply it",
    ),
    "a list": (
        (
            ("self.conv1 = nn.Conv2d(3, 32, 3, padding=1)", "self.convs = [nn.Conv2d(3, 32, 3, padding=1)]"),
            ("self.conv1(x)", "self.convs[0](x)"),
        ),
        "self.conv1 = ",
        Kind.HIDDEN,
        "a Python list hides 1 layer with weights from PyTorch",
    ),
    "a layer made at each call": (
        (("self.conv1(x)", "nn.Conv2d(3, 32, 3, padding=1)(x)"),),
        "self.conv1(x)",
        Kind.HIDDEN,
        "Conv2d(3, 32, 3, padding=1) is no module of the model",
    ),
    "a layer called for another": (
        (("self.conv2(x)", "self.conv1(x)"),),
        "self.conv2(x)",
        Kind.REUSED,
        "conv1 is called twice (lines 21 and 22), and conv2 never",
    ),
}


def test_the_call_that_was_meant_for_another_layer_is_found_whichever_it_is(monkeypatch, tmp_path):
    for used, meant, line in (("conv2", "conv1", 21), ("conv1", "conv2", 22)):
        source = changed((f"self.{meant}(x)", f"self.{used}(x)"))
        (defect,) = inspected(monkeypatch, tmp_path, source, "Model").defects
        assert (defect.kind, defect.fix) == (Kind.REUSED, f"call {meant} on line {line}")


@pytest.mark.parametrize("case", FLAWED)
def test_what_a_run_shows_is_told_at_its_line_and_nothing_else(case, monkeypatch, tmp_path):
    changes, place, kind, found = FLAWED[case]
    source = changed(*changes)
    diagnosis = diagnosed(monkeypatch, tmp_path, source, "Model")
    (defect,) = diagnosis.defects
    assert defect.kind is kind
    assert found in defect.found
    assert defect.line == line_of(SMALL, place)
    assert runs(source, "Model", IMAGE) is (kind is Kind.HIDDEN)
    run_fixed(diagnosis)


def test_what_is_dropped_is_remarked_upon_at_its_line(monkeypatch, tmp_path):
    source = changed(("x = F.relu(self.fc1(x))", "x = self.fc1(x)\n        F.relu(x)"))
    draft = inspected(monkeypatch, tmp_path, source, "Model")
    assert draft.defects == ()
    dropped = [remark for remark in draft.remarks if remark.kind is Hint.DROPPED]
    assert [remark.line for remark in dropped] == [line_of(source, "        F.relu(x)")]
    source = changed((f"x = {FLAT}", FLAT))
    draft = inspected(monkeypatch, tmp_path, source, "Model")
    assert [defect.kind for defect in draft.defects] == [Kind.NO_FLATTEN]
    assert [(remark.kind, remark.line) for remark in draft.remarks] == [(Hint.DROPPED, line_of(source, FLAT))]


def test_what_is_never_called_is_remarked_upon_if_it_has_weights(monkeypatch, tmp_path):
    source = changed(("self.fc2 = ", "self.fc3 = nn.Linear(9, 9)\n        self.fc2 = "))
    (remark,) = inspected(monkeypatch, tmp_path, source, "Model").remarks
    assert (remark.kind, remark.line) == (Hint.IDLE, line_of(source, "self.fc3"))


def test_a_layer_called_again_is_shared_and_counted_once(monkeypatch, tmp_path):
    source = changed(
        ("nn.Conv2d(32, 64, 3, padding=1)", "nn.Conv2d(32, 32, 3, padding=1)"),
        ("64 * 8 * 8", "32 * 8 * 8"),
        (f"x = {FLAT}", "x = F.relu(self.conv2(x))\n        x = x.flatten(1)"),
    )
    diagnosis = diagnosed(monkeypatch, tmp_path, source, "Model")
    assert (diagnosis.defects, diagnosis.remarks) == ((), ())
    assert diagnosis.code.count("nn.Conv2d(32, 32") == 1
    assert diagnosis.parameters == 896 + 9248 + 128 * (2048 + 1) + 1290
    run_fixed(diagnosis)


def test_a_layer_called_again_where_it_cannot_fit_needs_another(monkeypatch, tmp_path):
    source = f"{HEAD}c = nn.Conv2d(3, 8, 3, padding=1)\nmodel = nn.Sequential(c, nn.ReLU(), c, nn.ReLU())\n"
    diagnosis = diagnosed(monkeypatch, tmp_path, source)
    (defect,) = diagnosis.defects
    assert defect.fix == "make a layer of its own for this call: nn.Conv2d(8, 8, 3, padding=1)"


def test_a_call_that_fails_for_no_reason_known_here_is_told_in_pytorchs_words(monkeypatch, tmp_path):
    source = changed(("nn.MaxPool2d(2)", "nn.MaxPool2d(2, padding=2)"))
    draft = inspected(monkeypatch, tmp_path, source, "Model")
    assert draft.refused
    assert "pad should be at most half of effective kernel size" in draft.refused
    assert draft.defects


def test_what_python_refuses_in_forward_is_a_defect_at_its_line(monkeypatch, tmp_path):
    source = changed((f"x = {FLAT}", f"assert x.size(1) == 3\n        x = {FLAT}"))
    draft = inspected(monkeypatch, tmp_path, source, "Model")
    (defect,) = draft.defects
    assert (defect.kind, defect.line) == (Kind.DOES_NOT_RUN, line_of(source, "assert"))
    assert draft.stopped == f"What follows line {defect.line} could not be examined."


def test_a_layer_in_place_needs_no_name_for_its_result(monkeypatch, tmp_path):
    source = changed(("x = F.relu(self.fc1(x))", "x = self.fc1(x)\n        F.relu_(x)"))
    draft = inspected(monkeypatch, tmp_path, source, "Model")
    assert (draft.defects, draft.remarks) == ((), ())


def test_a_squeeze_that_drops_a_batch_of_one_is_a_defect(monkeypatch, tmp_path):
    source = changed(
        ("64 * 8 * 8", "64"),
        (f"x = {FLAT}", "x = F.adaptive_avg_pool2d(x, 1).squeeze()"),
    )
    draft = inspected(monkeypatch, tmp_path, source, "Model")
    (defect,) = draft.defects
    assert (draft.refused, defect.kind, defect.line) == ("", Kind.ROWS, line_of(source, ".squeeze()"))


def test_the_same_padding_of_an_uneven_window_keeps_the_map(monkeypatch, tmp_path):
    first, second = (
        'nn.Conv2d(3, 8, 4, padding="same")',
        'nn.Conv2d(8, 8, (3, 1), dilation=2, padding="same")',
    )
    head = "nn.Flatten(), nn.Linear(8 * 32 * 32, 5)"
    source = f"{HEAD}model = nn.Sequential({first}, nn.ReLU(), {second}, nn.ReLU(), {head})\n"
    assert not inspected(monkeypatch, tmp_path, source).defects


def test_a_file_that_reads_values_is_built_with_memory(monkeypatch, tmp_path):
    source = f"{HEAD}width = int(torch.tensor(8.0).item())\nmodel = nn.Sequential(nn.Conv2d(3, width, 3))\n"
    assert layers(inspected(monkeypatch, tmp_path, source)) == ["Conv2d(3, 8, 3)"]


def test_a_name_may_have_dots(monkeypatch, tmp_path):
    source = f"{HEAD}class Nets:\n    small = nn.Conv2d(3, 8, 3)\n"
    assert layers(inspected(monkeypatch, tmp_path, source, "Nets.small")) == ["Conv2d(3, 8, 3)"]
    with pytest.raises(InputError, match=r"nothing named 'Nets\.smal'\. Did you mean Nets\.small\?"):
        inspected(monkeypatch, tmp_path, source, "Nets.smal")


def test_a_file_in_no_encoding_that_it_names_is_refused_as_python_refuses_it(tmp_path):
    path = tmp_path / "latin.py"
    path.write_bytes(f"{HEAD}# caf\xe9\nmodel = nn.ReLU()\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"line 4: SyntaxError: the file is not in utf-8"):
        inspect_model(path, "model", IMAGE)
    path.write_bytes(b"# -*- coding: latin-1 -*-\n" + path.read_bytes())
    assert layers(inspect_model(path, "model", IMAGE)) == ["ReLU()"]


def test_names_of_the_files_own_making_are_printable(monkeypatch, tmp_path):
    source = f"{HEAD}model = nn.Sequential()\nmodel.add_module('\\x1b[31m<b>', nn.Conv2d(3, 8, 3))\n"
    draft = inspected(monkeypatch, tmp_path, source, image=(1, 8, 8))
    diagnosis = Diagnosis("m", (1, 8, 8), draft)
    for form in FORMATS:
        assert "\x1b" not in render(diagnosis, form)
    assert "<b>" not in render(diagnosis, "page")
