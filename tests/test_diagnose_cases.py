"""Models after public questions: the verdict is PyTorch's, the cause comes first, the clean are clean."""

from __future__ import annotations

import random
from itertools import product

import pytest
import torch
from breaking import BREAKS, sound
from diagnosing import CASES, IMAGE, diagnosed, examined, kinds, line_of, listed, runs

from vgg_profile.diagnose import Diagnosis, Draft, Hint, Kind
from vgg_profile.predict.vgg.configs import config

LARGE, AUDIO = (3, 224, 224), (1, 96, 64)

CLEAN = {
    "b02_various": ["shared"],
    "g01_cifar_bn": ["SmallVGG"],
    "g05_gap_variants": [f"A{number}" for number in range(1, 15)],
    "g08_stride_conv": ["AllConv"],
    "g09_residual": ["ResV", "Plus"],
    "g10_lazy": ["Lazy", "LazyHead", "LazyBN"],
    "g13_odd_layers": [
        *("ZeroPadFace", "FPad", "AdaIN", "PaddingModeReflect", "prelu", "rrelu", "hsilu", "swish", "clip"),
        *("square", "binary", "LRNHand", "se", "od", "specnorm", "weightnorm", "Quant", "Ckpt", "TwoHeads"),
        *("Dict", "NumFlat", "Unpool"),
    ],
    "m3_offchain": ["Flat2"],
    "sound": [
        *("ResNet", "MobileNet", "Dense", "UNet", "squeezenet", "Autoencoder", "Patches", "Attention"),
        *("Recurrent", "espcn", "discriminator", "Embedding", "Named", "Loss", "separable"),
    ],
}
AT = [
    ("g03_modulelist", "V", LARGE),
    ("g06_groupnorm_leaky", "GN", LARGE),
    ("g13_odd_layers", "Permuted", (32, 32, 3)),
    ("g13_odd_layers", "Vggish", AUDIO),
    ("sound", "alexnet", LARGE),
    ("sound", "LeNet", (1, 32, 32)),
]


@pytest.mark.parametrize(
    ("file", "name", "image"),
    [*((file, name, IMAGE) for file, names in CLEAN.items() for name in names), *AT],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_a_clean_model_has_no_defect_and_no_remark(file, name, image, monkeypatch):
    draft = examined(monkeypatch, CASES / f"{file}.py", name, image)
    assert (draft.refused, draft.defects, draft.remarks) == ("", (), ())
    assert runs((CASES / f"{file}.py").read_text(), name, image)


REMARKS = {
    ("b01_one_relu_per_stage", "plain"): [Hint.NO_ACTIVATION],
    ("b01_one_relu_per_stage", "normed"): [Hint.NO_ACTIVATION],
    ("b02_various", "relu_on_logits"): [Hint.LOGITS],
    ("b02_various", "dropout_on_logits"): [Hint.LOGITS],
    ("b02_various", "bn_on_logits"): [Hint.LOGITS],
    ("b02_various", "softmax_end"): [Hint.SOFTMAX],
    ("b02_various", "softmax_dim0"): [Hint.SOFTMAX_BATCH, Hint.SOFTMAX],
    ("b02_various", "softmax_nodim"): [Hint.SOFTMAX],
    ("b02_various", "sigmoid_mid"): [Hint.SOFTMAX_INSIDE],
    ("b02_various", "DropEval"): [Hint.DROPOUT],
    ("b02_various", "padded_1x1"): [Hint.PADDED_1X1, Hint.PADDED_1X1],
    ("b02_various", "pad2"): [Hint.UNLIKE],
    ("b02_various", "stride2"): [Hint.UNLIKE],
    ("b02_various", "kernel5"): [Hint.UNLIKE],
    ("b02_various", "nopool"): [Hint.HIDDEN_POOL],
    ("b02_various", "tanh_one"): [Hint.UNLIKE],
}


@pytest.mark.parametrize(("file", "name"), REMARKS, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_what_runs_and_is_hardly_meant_gets_its_remark_and_no_other(file, name, monkeypatch):
    draft = examined(monkeypatch, CASES / f"{file}.py", name)
    assert (draft.refused, draft.defects) == ("", ())
    assert [remark.kind for remark in draft.remarks] == REMARKS[file, name]
    for remark in draft.remarks:
        assert remark.line
        assert remark.why.endswith(".")


def test_the_remarks_say_what_the_cases_say(monkeypatch):
    (lost,) = examined(monkeypatch, CASES / "b01_one_relu_per_stage.py", "plain").remarks
    assert "8 of 13 convolutions have no activation" in lost.found
    assert lost.found.count("conv3_2") == 1
    assert "'relu' is overwritten in the loop" in lost.found
    straight, _, pool = lost.found.partition("straight into the next layer")
    assert straight.count("(line") == 3
    assert pool.count("(line") == 5
    broken = examined(monkeypatch, CASES / "g13_odd_layers.py", "VggishBroken", AUDIO)
    assert [remark.kind for remark in broken.remarks] == [Hint.NO_ACTIVATION]
    assert "2 of 3 linear layers" in broken.remarks[0].found
    assert broken.defects == ()


def case(monkeypatch, file: str, name: str, image=IMAGE) -> tuple[Draft, str]:
    path = CASES / f"{file}.py"
    return examined(monkeypatch, path, name, image), path.read_text()


def test_no_convolution_is_padded_and_the_head_is_right(monkeypatch):
    for file, name, image, number in (
        ("b02_various", "unpadded", IMAGE, 7),
        ("b03_unpadded16", "Face16", LARGE, 13),
    ):
        draft, _ = case(monkeypatch, file, name, image)
        (defect,) = draft.defects
        assert defect.kind is Kind.PADDING
        assert defect.fix.startswith(f"write padding=1 in all {number} of them")
        assert draft.refused


def test_one_convolution_lacks_its_padding_and_the_head_is_right(monkeypatch):
    draft, source = case(monkeypatch, "one_unpadded", "net")
    (defect,) = draft.defects
    assert (defect.kind, defect.place, defect.line) == (
        Kind.PADDING,
        "conv1_2",
        line_of(source, "nn.Conv2d(64, 64, 3),"),
    )
    assert defect.fix == "nn.Conv2d(64, 64, 3, padding=1)"
    assert (defect.raised, defect.raised_line) == ("fc3", line_of(source, "nn.Linear(128 * 8 * 8, 512)"))
    assert defect.others == (f"nn.Linear(128*7*7, 512) for fc3 (module 11, line {defect.raised_line})",)


def test_another_image_would_fit(monkeypatch):
    for name, size in (("last_2048", 64), ("big_512", 224)):
        draft, _ = case(monkeypatch, "b02_various", name)
        (defect,) = draft.defects
        assert defect.kind is Kind.FAN_IN
        assert "512*1*1 = 512 arrive" in defect.found
        assert defect.others[-1].endswith(f"--input 3x{size}x{size}")
        assert examined(monkeypatch, CASES / "b02_various.py", name, (3, size, size)).defects == ()


def test_a_call_on_an_earlier_result_drops_what_came_before(monkeypatch):
    draft, source = case(monkeypatch, "b02_various", "UsesXAgain")
    assert [(defect.module, defect.kind) for defect in draft.defects] == [
        ("c2", Kind.IN_CHANNELS),
        ("c3", Kind.IN_CHANNELS),
        ("h", Kind.FAN_IN),
    ]
    assert "padding=1 in all 4" in draft.defects[2].others[-1]
    (remark,) = draft.remarks
    assert remark.kind is Hint.DROPPED
    assert f"called on the image on line {line_of(source, 'o = self.c4(x)')}" in remark.found


@pytest.mark.parametrize(
    ("file", "name", "module", "kind"),
    [("m1_fork", "Fork", "c2", Kind.IN_CHANNELS), ("m3_offchain", "Aux", "aux", Kind.IN_CHANNELS)],
)
def test_what_is_off_the_chain_is_run_too(file, name, module, kind, monkeypatch):
    draft, _ = case(monkeypatch, file, name)
    assert [(defect.module, defect.kind) for defect in draft.defects] == [(module, kind)]
    assert [remark.kind for remark in draft.remarks] == [Hint.DROPPED]


def test_rows_that_are_no_images_are_a_defect_though_it_runs(monkeypatch):
    for name, rows, text in (("BatchMix", 4, ".view(-1, 256)"), ("WrongReshape", 16, ".reshape(-1, 64)")):
        draft, source = case(monkeypatch, "b02_various", name)
        (defect,) = draft.defects
        assert (draft.refused, defect.kind) == ("", Kind.ROWS)
        assert f"{rows} rows an image" in defect.found
        assert defect.line == line_of(source, text)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("FixedBatch", ".view(32, -1)", Kind.FLATTEN),
        ("NoSuper", "self.c = nn.Conv2d(3, 8, 3)", Kind.DOES_NOT_RUN),
        ("NoSelf", "def __init__():", Kind.DOES_NOT_RUN),
        ("bn_after_last", "nn.Linear(1024, 128), nn.BatchNorm2d(128)", Kind.MISPLACED),
        ("PlainList", "self.l = [", Kind.HIDDEN),
    ],
)
def test_a_defect_stands_at_its_line(name, text, kind, monkeypatch):
    draft, source = case(monkeypatch, "b02_various", name)
    (defect,) = draft.defects
    assert defect.kind is kind
    assert defect.line == line_of(source, text)
    assert bool(draft.refused) is (name != "PlainList")


def test_another_head_is_one_difference(monkeypatch):
    like = config("D-BN", classes=10)
    draft = examined(monkeypatch, CASES / "g01_cifar_bn.py", "SmallVGG", IMAGE, like)
    assert (draft.defects, draft.remarks) == ((), ())
    assert kinds(draft.differences) == ["another head"]


def test_another_order_is_one_difference(monkeypatch, tmp_path):
    layers, channels = [], 3
    for width in (8, 8, "M", 12, 12, "M"):
        if width == "M":
            layers.append("nn.MaxPool2d(2)")
            continue
        conv = f"nn.Conv2d({channels}, {width}, 3, padding=1)"
        layers += [conv, "nn.ReLU(inplace=True)", f"nn.BatchNorm2d({width})"]
        channels = width
    layers += ["nn.Flatten()", "nn.Linear(12 * 8 * 8, 5)"]
    source = "from torch import nn\nmodel = nn.Sequential(\n" + ",\n".join(layers) + ")\n"
    like = config("8,8,M,12,12,M,none", batch_norm=True, classes=5)
    diagnosis = diagnosed(monkeypatch, tmp_path, source, like=like)
    assert kinds(diagnosis.differences) == ["another order", "another head"]


# -- broken at random


@pytest.mark.parametrize(
    "seed", [*range(30), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(30, 60))]
)
def test_every_break_is_named_at_its_line_and_the_mended_code_runs(seed, monkeypatch, tmp_path):
    """Sound models are clean; one to three breaks are named; the verdict is PyTorch's, asked directly."""
    choice = random.Random(seed)
    source = sound(choice)
    for break_one in choice.sample(BREAKS, len(BREAKS)):
        if len(source.broken) < seed % 4:
            break_one(source, choice)
    diagnosis = diagnosed(monkeypatch, tmp_path, source.text)
    assert bool(diagnosis.defects) is not runs(source.text, "model", IMAGE)
    said = {line for each in diagnosis.defects for line in (each.line, each.raised_line)}
    said |= {each.line for each in diagnosis.remarks}
    beside = [other for each in diagnosis.defects for other in each.others]
    for mark, why in source.broken.items():
        lines = source.lines_of(mark)
        named = lines & said or any(f"line {line})" in other for line, other in product(lines, beside))
        assert named, (mark, why)
    if not source.broken:
        assert diagnosis.remarks == ()
    space: dict[str, torch.nn.Module] = {}
    exec(diagnosis.code, space)
    assert space["model"](torch.zeros(2, *IMAGE)).shape == (2, 10)


def test_a_break_that_is_not_named_is_noticed(monkeypatch, tmp_path):
    """The property can fail: a remark's line is not everywhere."""
    choice = random.Random(3)
    source = sound(choice)
    assert BREAKS[2](source, choice)
    (mark,) = source.broken
    draft = diagnosed(monkeypatch, tmp_path, source.text).draft
    assert {defect.line for defect in draft.defects} == source.lines_of(mark)
    assert not source.lines_of("flatten") & {defect.line for defect in draft.defects}


def calls_made(monkeypatch, tmp_path, depth: int, wrong: int) -> int:
    """How many calls of layers a diagnosis of a deep model runs."""
    from vgg_profile.diagnose import run

    counted = 0
    original = run.Run.called

    def called(self, *arguments):
        nonlocal counted
        counted += 1
        return original(self, *arguments)

    monkeypatch.setattr(run.Run, "called", called)
    layers = ["nn.Conv2d(3, 8, 3, padding=1)", "nn.ReLU()"]
    for number in range(depth):
        channels = 7 if wrong and number % wrong == 0 else 8
        layers += [f"nn.Conv2d({channels}, 8, 3, padding=1)", "nn.ReLU()"]
    source = "from torch import nn\nmodel = nn.Sequential(\n" + ",\n".join(layers) + ")\n"
    found = diagnosed(monkeypatch, tmp_path, source)
    assert len(found.defects) == (-(-depth // wrong) if wrong else 0)
    return counted


@pytest.mark.slow
def test_twice_the_depth_is_twice_the_work(monkeypatch, tmp_path):
    first, second = (calls_made(monkeypatch, tmp_path, depth, 0) for depth in (100, 200))
    assert second < 2.1 * first
    from vgg_profile.diagnose.search import MOST_CALLS

    assert calls_made(monkeypatch, tmp_path, 400, 1) < 2 * MOST_CALLS


def test_a_diagnosis_says_what_it_found_in_every_format(monkeypatch):
    from vgg_profile.render import FORMATS, render

    draft = examined(monkeypatch, CASES / "b02_various.py", "UsesXAgain")
    for form in FORMATS:
        text = render(Diagnosis("m.py:UsesXAgain", IMAGE, draft), form)
        assert "wrong fan-in" in text


def test_a_fan_in_that_two_slips_explain_together_names_both(monkeypatch, tmp_path):
    source = listed(
        *("nn.Conv2d(3, 12, 3, padding=1)", "nn.ReLU()", "nn.Conv2d(12, 12, 3)", "nn.ReLU()"),
        *(
            "nn.MaxPool2d(2)",
            "nn.Conv2d(12, 24, 3, padding=1)",
            "nn.ReLU()",
            "nn.Conv2d(24, 65, 3, padding=1)",
        ),
        *("nn.ReLU()", "nn.MaxPool2d(2)", "nn.Flatten()", "nn.Linear(24 * 8 * 8, 10)"),
    )
    (defect,) = diagnosed(monkeypatch, tmp_path, source).defects
    assert defect.kind is Kind.FAN_IN
    both = defect.others[-1]
    assert "nn.Conv2d(12, 12, 3, padding=1) for conv1_2" in both
    assert "nn.Conv2d(24, 24, 3, padding=1) for conv2_2" in both
