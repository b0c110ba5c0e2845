"""Models that nobody gave us: slips as people make them, causes far from their symptom, odd ones that run."""

from __future__ import annotations

import pytest
import torch
from diagnosing import CASES, IMAGE, examined, line_of, runs
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vgg_profile.core.errors import InputError
from vgg_profile.diagnose import Hint, Kind, diagnose
from vgg_profile.diagnose.against import _GAP, _aligned, _difference
from vgg_profile.diagnose.draft import Written
from vgg_profile.diagnose.given import as_input

DEFECTS = {
    # name: its kind, what its line reads, what the fix has
    ("slips", "NoForward"): (Kind.DOES_NOT_RUN, "class NoForward(nn.Module):", "forward(self, x)"),
    ("slips", "Misspelt"): (Kind.DOES_NOT_RUN, "def foward(self, x):", "rename foward (line 17) to forward"),
    ("slips", "ForwardNoSelf"): (Kind.DOES_NOT_RUN, "def forward(x):", "def forward(self, x)"),
    ("slips", "InitMisspelt"): (Kind.DOES_NOT_RUN, "", "rename _init_ (line 31) to __init__"),
    ("slips", "Nested"): (Kind.DOES_NOT_RUN, "class Nested(nn.Module):", "indented as __init__ is"),
    ("slips", "SiameseBroken"): (Kind.FAN_IN, "", "nn.Linear(4096, 2)"),
    ("slips", "Gray"): (Kind.IN_CHANNELS, "", "nn.Conv2d(3, 8, 3, padding=1)"),
    ("slips", "UNetBroken"): (Kind.IN_CHANNELS, "self.d = nn.Conv2d(8, 8, 3, padding=1)", "nn.Conv2d(16, 8"),
    ("slips", "ResMismatch"): (
        Kind.DOES_NOT_RUN,
        "y = F.relu(self.b(x) + x)",
        "nn.Conv2d(8, 16, 1, stride=2)",
    ),
    ("slips", "parallel_broken"): (Kind.FAN_IN, "", "nn.Linear(8*32*32, 10)"),
    ("slips", "ReluWrongPlace"): (Kind.DOES_NOT_RUN, "x = F.relu(self.c)(x)", "F.relu(self.conv(x))"),
    ("slips", "NoParens"): (Kind.DOES_NOT_RUN, "", "nn.ReLU()"),
    ("slips", "GroupsBad"): (Kind.DOES_NOT_RUN, "self.c = nn.Conv2d(3, 8, 3, padding=1, groups=2)", ""),
    ("slips", "Capital"): (Kind.DOES_NOT_RUN, "self.c = nn.Conv2D(3, 8, 3, padding=1)", ""),
    ("slips", "TypoAttr"): (Kind.DOES_NOT_RUN, "return self.conv_1(x)", ""),
    ("slips", "ModuleListCalled"): (Kind.DOES_NOT_RUN, "", "nn.Sequential"),
    ("slips", "InTuple"): (Kind.HIDDEN, "", "nn.ModuleList(self.c)"),
    ("slips", "ListOfLists"): (Kind.HIDDEN, "", "make each inner list an nn.ModuleList"),
    ("slips", "TensorWeights"): (Kind.HIDDEN, "", "self.w = nn.Parameter"),
    ("slips", "DictHidden"): (Kind.HIDDEN, "", "nn.ModuleDict(self.c)"),
    ("slips", "UsesGlobal"): (Kind.HIDDEN, "GLOBAL = nn.Conv2d(3, 8, 3, padding=1)", "__init__"),
    ("slips", "MadeInForward"): (Kind.HIDDEN, "x = nn.Conv2d(3, 8, 3, padding=1)(x)", "__init__"),
    ("causes", "Pool3"): (Kind.UNLIKE, "", "nn.MaxPool2d(2, stride=2)"),
    ("causes", "MissingPool"): (
        Kind.ROWS,
        "x = x.view(-1, 64 * 4 * 4)",
        "insert nn.MaxPool2d(2, stride=2) before",
    ),
    ("causes", "PyTorchTutorial"): (
        Kind.FAN_IN,
        "self.fc1 = nn.Linear(16 * 4 * 4, 120)",
        "nn.Linear(16*5*5, 120)",
    ),
    ("causes", "FlattenAll"): (Kind.FLATTEN, "x = torch.flatten(x)", "torch.flatten(x, 1)"),
    ("causes", "NoFlatten"): (Kind.NO_FLATTEN, "", "insert nn.Flatten()"),
    ("causes", "WidthTypo"): (
        Kind.WIDTH,
        "nn.Conv2d(64, 182, 3, padding=1), nn.ReLU(True),",
        "nn.Conv2d(64, 128",
    ),
    ("causes", "WidthTypoBN"): (Kind.WIDTH, "", "nn.Conv2d(64, 64"),
    ("causes", "LoopForgetsChannels"): (
        Kind.IN_CHANNELS,
        "",
        "nn.Conv2d(16, 32, 3, padding=1); nn.Conv2d(32, 64",
    ),
    ("causes", "SwappedArgs"): (Kind.WIDTH, "", "nn.Conv2d(16, 32, 3, padding=1)"),
    ("causes", "SwappedLinear"): (Kind.WIDTH, "", "nn.Linear(16*16*16, 128)"),
    ("causes", "BNWrongPlace"): (Kind.NORM_WIDTH, "", "nn.BatchNorm2d(3)"),
    ("causes", "BN1dOnMap"): (Kind.MISPLACED, "", "nn.BatchNorm2d(16)"),
    ("causes", "SequentialFlattenMissing"): (Kind.NO_FLATTEN, "", "insert nn.Flatten()"),
    ("causes", "GapSqueeze"): (Kind.ROWS, "return self.fc(self.net(x).squeeze())", "torch.flatten(x, 1)"),
    ("causes", "EvalOnly"): (Kind.DOES_NOT_RUN, "return self.fcc(x)", ""),
    ("causes", "Overwrites"): (Kind.IN_CHANNELS, "self.conv = nn.Conv2d(cin, w, 3, padding=1)", ""),
    ("sound_odd", "ViTBroken"): (Kind.DOES_NOT_RUN, "", ""),
    ("sound_odd", "CRNNBroken"): (Kind.FAN_IN, "self.h = nn.Linear(32, 11)", "nn.Linear(64, 11)"),
    ("sound_odd", "WNBroken"): (Kind.IN_CHANNELS, "", "nn.Conv2d(8, 8, 3, padding=1)"),
    ("sound_odd", "WSBroken"): (Kind.IN_CHANNELS, "self.d = WSConv(16, 8, 3, padding=1)", ""),
    ("sound_odd", "VAEBroken"): (Kind.DOES_NOT_RUN, "", ""),
    ("sound_odd", "InceptionBroken"): (Kind.PADDING, "", "nn.Conv2d(4, 8, 3, padding=1)"),
    ("sound_odd", "SelfCall"): (Kind.DOES_NOT_RUN, "return self(self.c(x))", ""),
}


@pytest.mark.parametrize(("file", "name"), DEFECTS, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_one_slip_is_one_defect_at_its_line_with_its_fix(file, name, monkeypatch):
    kind, text, fix = DEFECTS[file, name]
    draft = examined(monkeypatch, CASES / f"{file}.py", name)
    (defect,) = draft.defects
    assert defect.kind is kind
    assert fix in defect.fix
    if text:
        assert defect.line == line_of((CASES / f"{file}.py").read_text(), text)
    assert bool(draft.refused) is (kind not in (Kind.HIDDEN, Kind.ROWS))
    assert not [each for each in draft.remarks if each.kind is Hint.IDLE]


REMARKS = {
    ("slips", "ReluNotAssigned"): [Hint.DROPPED],
    ("slips", "WeightedNotAssigned"): [Hint.DROPPED],
    ("slips", "FSoftmaxEnd"): [Hint.SOFTMAX],
    ("slips", "FSoftmaxNoDim"): [Hint.SOFTMAX],
    ("slips", "FSoftmax0"): [Hint.SOFTMAX_BATCH, Hint.SOFTMAX],
    ("slips", "FReluEnd"): [Hint.LOGITS],
    ("slips", "ReluMethodEnd"): [Hint.LOGITS],
    ("slips", "LeakyEnd"): [Hint.LOGITS],
    ("slips", "DropTrainTrue"): [Hint.DROPOUT],
    ("slips", "TorchDropout"): [Hint.DROPOUT],
    ("causes", "IdleLayer"): [Hint.IDLE],
    ("causes", "AddModuleOverwrite"): [Hint.OVERWRITTEN, Hint.OVERWRITTEN],
    ("causes", "NoActAtAll"): [Hint.NO_ACTIVATION],
}


@pytest.mark.parametrize(("file", "name"), REMARKS, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_what_is_hardly_meant_gets_its_remark_alone(file, name, monkeypatch):
    draft = examined(monkeypatch, CASES / f"{file}.py", name)
    assert (draft.refused, draft.defects) == ("", ())
    assert [remark.kind for remark in draft.remarks] == REMARKS[file, name]


def test_a_name_that_a_loop_sets_anew_is_remarked_beside_the_defect_that_comes_of_it(monkeypatch):
    (remark,) = examined(monkeypatch, CASES / "causes.py", "Overwrites").remarks
    assert remark.kind is Hint.OVERWRITTEN
    assert "'conv' is set 3 times" in remark.found


CLEAN = {
    "slips": [
        *("Siamese", "Optional_", "ArgsForward", "InplaceNotAssigned", "InplaceFunc", "InplaceTwoConvs"),
        *("parallel", "logsoftmax_end", "sigmoid_end", "DropOk"),
    ],
    "causes": [
        *("BN1Batch", "AuxUsedInTrainingOnly", "SetattrOk", "ClampAct", "MaxAct", "WhereAct", "SwishAct"),
        *("SquareAct", "AutogradAct", "NormClamp", "ReluMask", "ReluMaskFloat", "InplaceIndex", "AbsAct"),
        *("Maxout", "GLU", "MFM", "Depthwise"),
    ],
    "sound_odd": [
        *("ViT", "CRNN", "CRNNTime", "YoloHead", "Perceptual", "Gram", "FCN", "SegNet", "SENet", "WN", "WS"),
        *("Hooked", "EinsumAttn", "STN", "VAE", "Inception", "Shuffle", "Bilinear", "Buffers", "Item"),
        *("Kwargs", "compiled", "fx", "half", "double", "evaled", "frozen", "NoGrad", "Autocast", "DictOut"),
        *("LossInside", "Recursive"),
    ],
}


@pytest.mark.parametrize(("file", "name"), [(file, name) for file in CLEAN for name in CLEAN[file]], ids=str)
@pytest.mark.filterwarnings("ignore")
def test_what_runs_and_is_meant_is_clean(file, name, monkeypatch):
    draft = examined(monkeypatch, CASES / f"{file}.py", name)
    assert (draft.refused, draft.defects, draft.remarks) == ("", (), ())


@pytest.mark.filterwarnings("ignore")
def test_the_verdict_is_pytorchs_asked_directly():
    for file, name in DEFECTS:
        source = (CASES / f"{file}.py").read_text()
        if DEFECTS[file, name][0] not in (Kind.HIDDEN, Kind.ROWS) and "Siamese" not in name:
            assert not runs(source, name, IMAGE), name
    for file, name in REMARKS:
        assert runs((CASES / f"{file}.py").read_text(), name, IMAGE), name


def test_several_inputs_are_an_image_each_and_what_does_not_run_so_is_refused(monkeypatch):
    assert examined(monkeypatch, CASES / "slips.py", "Siamese").images == 2
    with pytest.raises(
        InputError, match="forward wants 2 inputs, was given an image for each, and did not run"
    ):
        examined(monkeypatch, CASES / "slips.py", "WithLabels")
    with pytest.raises(InputError, match="the model is TorchScript"):
        examined(monkeypatch, CASES / "sound_odd.py", "scripted")


def test_inputs_are_as_the_model_takes_them(monkeypatch):
    for name, image in (("conv1d", (1, 32)), ("c3d", (3, 16, 8, 8)), ("Permuted", (32, 32, 3))):
        draft = examined(monkeypatch, CASES / "g13_odd_layers.py", name, image)
        assert (draft.defects, draft.remarks, draft.input) == ((), (), image), name
    with pytest.raises(InputError, match=r"224 channels.*channels come first"):
        examined(monkeypatch, CASES / "g05_gap_variants.py", "A1", (224, 224, 3))


def test_sizes_are_an_images_where_the_model_takes_images():
    assert as_input(nn.Conv2d(1, 8, 3), (28,)) == (3, 28, 28)
    assert as_input(nn.LazyConv2d(8, 3), (28, 30)) == (3, 28, 30)
    assert as_input(nn.Linear(784, 10), (784,)) == (784,)
    assert as_input(nn.Linear(784, 10), (28, 28)) == (28, 28)
    assert as_input(nn.Conv3d(3, 8, 3), (3, 4, 5, 6)) == (3, 4, 5, 6)


def test_twice_as_many_layers_are_aligned_in_twice_the_work(monkeypatch):
    from vgg_profile.diagnose import against

    counted = [0]

    def counting(mine: Written, theirs: Written) -> int:
        counted[0] += 1
        return _difference(mine, theirs)

    monkeypatch.setattr(against, "_difference", counting)
    work = []
    for length in (1000, 2000):
        theirs = [Written("Conv2d", {"out_channels": place % 5}) for place in range(length)]
        mine = [layer for place, layer in enumerate(theirs) if place != length // 2]
        counted[0] = 0
        assert sum(one is None for one, _ in _aligned(mine, theirs)) == 1
        work.append(counted[0])
    assert work[1] < 2.1 * work[0]


LAYERS = [
    *(Written("Conv2d", {"in_channels": 3, "out_channels": width}) for width in (4, 8)),
    *(Written("ReLU"), Written("MaxPool2d", {"kernel_size": 2}), Written("BatchNorm2d", {"num_features": 4})),
]


def least(mine: list[Written], theirs: list[Written]) -> int:
    """The least price of an alignment, over all of them."""
    price = [_GAP * place for place in range(len(theirs) + 1)]
    for one in mine:
        before, price = price, [price[0] + _GAP]
        for place, other in enumerate(theirs):
            ways = (before[place] + _difference(one, other), before[place + 1] + _GAP, price[place] + _GAP)
            price.append(min(ways))
    return price[-1]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(*[st.lists(st.sampled_from(LAYERS), max_size=12)] * 2)
def test_the_alignment_is_the_best_of_all(mine, theirs):
    pairs = [*_aligned(mine, theirs)]
    assert [one for one, _ in pairs if one] == mine
    assert [other for _, other in pairs if other] == theirs
    price = sum(_difference(one, other) if one and other else _GAP for one, other in pairs)
    assert price == least(mine, theirs)


def test_a_model_in_a_process_of_its_own_takes_its_own_input(tmp_path):
    file = tmp_path / "signal.py"
    file.write_text(
        "from torch import nn\n"
        "model = nn.Sequential(nn.Conv1d(2, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 5))\n"
    )
    diagnosis = diagnose(f"{file}:model", (2, 16))
    assert (diagnosis.input, diagnosis.defects) == ((2, 16), ())
    assert torch.Size(diagnosis.visits[0].output) == (8, 16)
