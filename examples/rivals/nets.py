"""Ten networks that nobody here wrote, each with what it is given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vgg_profile.run.find import import_package

BATCH = 2
IMAGE, TOKENS, WORDS = 224, 256, 32_000


class Net(NamedTuple):
    """What builds a network, and its input without the batch."""

    build: Callable[[], nn.Module]
    given: str

    @property
    def is_of_words(self) -> bool:
        return "int64" in self.given

    def inputs(self) -> Tensor:
        if self.is_of_words:
            return torch.zeros(BATCH, TOKENS, dtype=torch.int64)
        return torch.empty(BATCH, 3, IMAGE, IMAGE).normal_()


class Language(nn.Module):
    """A language model that returns its loss: the tokens are their own labels."""

    def __init__(self, name: str, auto: str, sizes: dict[str, int]) -> None:
        super().__init__()
        import_package("torchvision")  # which transformers imports, too
        import transformers

        config = transformers.AutoConfig.for_model(name, vocab_size=WORDS, use_cache=False, **sizes)
        self.model = getattr(transformers, auto).from_config(config)

    def forward(self, tokens: Tensor) -> Tensor:
        loss: Tensor = self.model(input_ids=tokens, labels=tokens).loss
        return loss


def _vision(name: str) -> nn.Module:
    models: Any = import_package("torchvision.models")
    built: nn.Module = getattr(models, name)(weights=None)
    return built


_PIXELS, _TOKENS = f"3x{IMAGE}x{IMAGE}", f"{TOKENS}:int64<{WORDS}"

_VISION = (
    "resnet50",
    "resnet152",
    "mobilenet_v2",
    "densenet201",
    "convnext_base",
    "swin_b",
    "vit_l_16",
)
"""As torchvision builds them."""

_WORDS: dict[str, tuple[str, dict[str, int]]] = {
    "gpt2": ("AutoModelForCausalLM", {"n_embd": 1024, "n_layer": 24, "n_head": 16}),
    "bert": (
        "AutoModelForMaskedLM",
        {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
    ),
    "llama": (
        "AutoModelForCausalLM",
        {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 2816},
    ),
}
"""GPT-2 Medium and BERT Large at the size in which they were published, and a Llama as large."""

NETS: dict[str, Net] = {
    **{name: Net(partial(_vision, name), _PIXELS) for name in _VISION},
    **{name: Net(partial(Language, name, auto, sizes), _TOKENS) for name, (auto, sizes) in _WORDS.items()},
}
