"""Any network's step on a card, predicted without one: held against what an H200 did, and the paper.

Two witnesses: the moments of networks that an H200 ran (``tests/data/h200``), and the paper's own book of a
VGG on CUDA, which records of cards confirm. The two derivations share no rule.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from torch import Tensor, nn

from examples.zoo.models import animals
from examples.zoo.run import compared, read
from tests.fake_books import fake_book
from vgg_profile.ask.cards import Memory
from vgg_profile.ask.fit import Fit
from vgg_profile.cli import main
from vgg_profile.core.errors import InputError
from vgg_profile.core.inputs import Input
from vgg_profile.core.setting import Setting, Setup
from vgg_profile.core.signed import digest
from vgg_profile.core.step import Step, as_traced
from vgg_profile.measure.record import MeasuredMoment
from vgg_profile.predict.fake.card import _kernel
from vgg_profile.predict.fake.card_temporaries import on_a_card
from vgg_profile.predict.fake.trace import trace
from vgg_profile.predict.kernels.cuda_reduction import reduction
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.steps import trace as step_of
from vgg_profile.predict.vgg.configs import config
from vgg_profile.predict.vgg.walk import walk

H200 = Path(__file__).parent / "data" / "h200"
ANIMALS = {each.name: each for each in animals()}
SEEN = read(H200 / "zoo.json.gz")
FITS = json.loads((H200 / "fit.json").read_text())
OWN = (
    "TransformerEncoder (SGD, first step, batch 1)",
    "TransformerEncoder (momentum, autocast)",
    "TransformerEncoder (eval, batch 3)",
    "TransformerEncoder, norm first",
    "Transformer",
    "TransformerDecoder",
    "DCGAN generator",
    "autoencoder",
    "parametrized",
    "frozen backbone",
    "1D convolutions",
)
"""Networks of the zoo that need no package beside torch."""

OTHERS = ("resnet18", "mobilenet_v2", "densenet121", "bert", "opt", "mpt", "mamba", "vit (4 layers)")
"""Some of the others, where their packages are."""


def predicted(name: str) -> Step:
    animal = ANIMALS[name]
    return trace(
        animal.build,
        [Input.parse(each) for each in animal.inputs],
        loss=animal.loss,
        batch=animal.batch,
        device="cuda",
        setup=animal.setup,
        every_batch=False,
    )


@pytest.mark.parametrize("name", [*OWN, *(name for name in OTHERS if name in ANIMALS)])
def test_every_part_is_what_the_h200_had(name: str) -> None:
    """Live bytes to the byte; the most within, too, and no less than known where cuDNN takes scratch."""
    row = compared(name, predicted(name), SEEN[name], 0)
    assert (row.why, row.live_off, row.most_off) == ("", 0, 0)


def test_a_byte_more_would_be_seen() -> None:
    step, real = predicted("autoencoder"), list(SEEN["autoencoder"])
    last = real[-1]
    wrong = [*real[:-1], MeasuredMoment(last.phase, last.layer, last.live + 1, last.peak, last.op)]
    assert compared("autoencoder", step, wrong, 0).live_off == 1
    less = [MeasuredMoment(one.phase, one.layer, one.live, one.peak - 1, one.op) for one in real]
    assert compared("autoencoder", step, less, 0).most_off == len(real)


NET = replace(config("8,M,16,M", classes=10, batch_norm=True), classifier=(12,))
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    (dtype, {"mode": mode, "optimizer": optimizer})
    for dtype in ("float32", "bfloat16", "float16")
    for mode, optimizer in (("train", "adam"), ("eval", "sgd"), ("inference", "none"))
] + [
    ("float32", {"amp": amp, "mode": mode, "checkpoint": checkpoint})
    for amp in ("bfloat16", "float16")
    for mode in ("train", "eval")
    for checkpoint in ("none", "blocks")
]


@pytest.mark.parametrize(("dtype", "how"), SETTINGS, ids=str)
def test_the_fake_book_of_a_vgg_on_a_card_is_the_papers(dtype: str, how: dict[str, Any]) -> None:
    setting = Setting((3, 16, 16), 3, dtype, "cuda", Setup(**how).on("cuda"))
    profile = walk(NET, input=setting.input, batch=3, dtype=dtype, device="cuda")
    paper, fake = ledger(profile, setting.setup).book, fake_book(NET, setting, temporaries=on_a_card)
    assert [(each.phase, each.layer, each.live) for each in fake.moments(3)] == [
        (each.phase, each.layer, each.live) for each in paper.moments(3)
    ]


@pytest.mark.parametrize(
    ("shape", "stride", "reduced", "taken"),
    [
        ((1576, 768), (768, 1), (0,), (9_830_400, 24)),  # of vit_b_16 on an H100, tests/data/h100
        ((8, 1000), (1000, 1), (0,), ()),
        ((4, 4), (4, 1), (0, 1), ()),
        ((1576, 1), (1, 1), (1,), ()),
        ((0, 3), (3, 1), (0,), ()),
    ],
)
def test_a_sum_takes_what_its_blocks_share(
    shape: tuple[int, ...], stride: tuple[int, ...], reduced: tuple[int, ...], taken: tuple[int, ...]
) -> None:
    assert reduction(shape, stride, reduced, 4) == taken


class OnTheHost(nn.Module):
    """Adds what lies on the host, moved or not."""

    def __init__(self, *, moves: bool) -> None:
        super().__init__()
        self.layer, self.moves = nn.Linear(4, 4), moves

    def forward(self, x: Tensor) -> Tensor:
        more = torch.ones(1, 4)
        return self.layer(x) + (more.to(x.device) if self.moves else more)


def test_what_the_host_has_is_no_memory_of_the_card_and_cannot_be_mixed_with_it() -> None:
    step = trace(lambda: OnTheHost(moves=True), "4", batch=2, device="cuda", every_batch=False)
    made = [storage.size.at(2) for event in step.events for storage in event.allocated]
    assert made.count(16) == 4  # the bias, its gradient, the targets, and the copy on the card
    with pytest.raises(InputError, match="same device"):
        trace(lambda: OnTheHost(moves=False), "4", batch=2, device="cuda")
    assert trace(lambda: OnTheHost(moves=False), "4", batch=2).peak_bytes(2)


@pytest.mark.parametrize(
    ("dtype", "heads", "width", "mask", "kernel"),
    [
        (torch.float32, (4, 4), 64, None, "efficient"),  # seen on an H100: bert, vit_b_16
        (torch.float32, (4, 2), 64, None, "math"),  # llama, whose keys are fewer
        (torch.bfloat16, (4, 4), 64, None, "cudnn"),  # gpt2, vit_b_16 under autocast
        (torch.bfloat16, (4, 2), 64, None, "cudnn"),  # llama in bfloat16
        (torch.bfloat16, (4, 4), 192, None, "flash"),  # from here on by the source alone
        (torch.bfloat16, (4, 4), 192, torch.zeros(1, 1, 8, 8), "efficient"),
        (torch.float32, (4, 4), 63, None, "math"),
        (torch.float64, (4, 4), 64, None, "math"),
    ],
)
def test_which_attention_a_hopper_takes(
    dtype: torch.dtype, heads: tuple[int, int], width: int, mask: Tensor | None, kernel: str
) -> None:
    query, key = (torch.zeros(2, number, 8, width, dtype=dtype) for number in heads)
    assert _kernel(query, key, key, mask, enable_gqa=heads[0] != heads[1]) == kernel


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_what_cudnn_takes_for_a_recurrent_layer_is_refused_by_name(kind: type[nn.RNNBase]) -> None:
    with pytest.raises(InputError, match=r"What cuDNN takes for \w+ on a card is not known"):
        trace(lambda: kind(4, 4), "3x4", batch=2, device="cuda")


def test_the_dispatcher_is_as_it_was_afterwards() -> None:
    predicted("autoencoder")
    x = torch.ones(2, 3, 4, 4, requires_grad=True)
    torch.manual_seed(0)
    out = nn.functional.batch_norm(nn.functional.dropout(x, 0.5), None, None, training=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert nn.functional.softmax(x.bfloat16(), -1).dtype == torch.bfloat16
    names = {type(out.grad_fn).__name__, type(out.grad_fn.next_functions[0][0]).__name__}  # type: ignore[union-attr]
    assert names == {"NativeBatchNormBackward0", "MulBackward0"}


# -- the commands --------------------------------------------------------------------------------------

UNET = ("examples/my_net.py:UNet", "--input", "3x64x64", "--batch", "4")


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_a_record_of_a_card_confirms_a_network_that_is_no_vgg(tmp_path: Path) -> None:
    done = run("check", UNET[0], H200 / "UNet.json", *UNET[1:])
    assert done.exit_code == 0, done.output
    assert "PASS: 72 of 72 checks hold" in done.stdout
    content = json.loads((H200 / "UNet.json").read_text())
    content["timeline"][5]["live"] += 1
    content["sha256"] = digest({key: value for key, value in content.items() if key != "sha256"})
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(content))
    assert run("check", UNET[0], wrong, *UNET[1:]).exit_code in (2, 3)


def test_every_command_asks_about_the_card_and_says_that_none_has_confirmed_it(tmp_path: Path) -> None:
    for command in ("table", "timeline"):
        done = run(command, *UNET, "--device", "cuda")
        assert done.exit_code == 0, done.output
        assert "not verified on a card" in done.stdout
    assert "Peak: 9,140,416 bytes" in run("timeline", *UNET, "--device", "cuda").stdout
    card = run(
        "fit", UNET[0], "--input", "3x64x64", "--memory", "h100", "--reserve", "76GiB", "--format", "json"
    )
    assert card.exit_code == 0, card.output
    assert json.loads(card.stdout)["device"] == "cuda"
    traced = tmp_path / "net.json"
    assert run("trace", UNET[0], *UNET[1:3], "--device", "cuda", "-o", traced).exit_code == 0
    assert json.loads(run("fit", traced, "--memory", "2GiB", "--format", "json").stdout)["device"] == "cuda"
    refused = run("fit", traced, "--memory", "2GiB", "--device", "cpu")
    assert refused.exit_code == 2
    assert "was traced by the rules of cuda, not of cpu" in refused.output


@pytest.mark.slow
@pytest.mark.parametrize("asked", FITS, ids=lambda asked: asked["network"])
def test_a_batch_that_is_said_to_fit_ran_on_the_h200_and_none_beyond_the_bound(asked: dict[str, Any]) -> None:
    """With room for scratch, nine tenths of what is predicted; what was predicted there is predicted here."""
    pytest.importorskip("transformers", reason="the zoo's other packages are not installed")
    build = ANIMALS[asked["network"]].build

    def run(setup: Setup) -> Step:
        return trace(build, "3x224x224", batch=32, device="cuda", setup=setup, every_batch=False)

    setup = Setup(optimizer="adam").on("cuda")
    step = step_of(as_traced(run(setup), run), setup)
    fit = Fit(step, Memory(asked["limit"], "the limit", "cuda", architecture="Hopper"), given=())
    assert (fit.largest_batch, fit.at_most) == (asked["predicted"], asked["at_most"])
    tried = {int(batch): ran for batch, ran in asked["tried"].items()}
    assert tried[fit.largest_batch * 9 // 10] == "runs"
    assert {ran for batch, ran in tried.items() if batch > fit.at_most} == {"out of memory"}


def test_a_timelines_json_has_the_allocators_three_figures() -> None:
    found = json.loads(run("timeline", *UNET, "--device", "cuda", "--format", "json").stdout)
    figures, on_cpu = found["allocator"], json.loads(run("timeline", *UNET, "--format", "json").stdout)
    assert found["peak_bytes"] + figures["workspace_bytes"] == figures["requested_bytes"]
    assert figures["requested_bytes"] < figures["allocated_bytes"] < figures["reserved_bytes"]
    assert "allocator" not in on_cpu


def test_the_pages_in_docs_say_what_the_page_of_the_zoo_says() -> None:
    page = Path("reports/zoo-cuda.md").read_text(encoding="utf-8")
    networks, exact = (
        re.search(pattern, page)[1]  # type: ignore[index]
        for pattern in (r"(\d+) networks that nobody", r"exact at every boundary of (\d+)")
    )
    claims, memory = (
        " ".join(Path(f"docs/{name}.md").read_text(encoding="utf-8").split()) for name in ("claims", "memory")
    )
    assert f"live bytes at every boundary of {exact} of the {networks} networks" in claims
    assert f"did with {networks} networks that nobody here wrote" in memory
