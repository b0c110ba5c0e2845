"""Ten networks that nobody here wrote, each with what it is given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vgg_profile.run.find import import_package

BATCH = 4
IMAGE, TOKENS, WORDS = 96, 64, 1000


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
    if name == "vit":
        built: nn.Module = models.VisionTransformer(IMAGE, 16, 6, 6, 384, 1536)
    else:
        built = getattr(models, name)(weights=None)
    return built


_PIXELS, _TOKENS = f"3x{IMAGE}x{IMAGE}", f"{TOKENS}:int64<{WORDS}"
_GPT = {"n_embd": 256, "n_layer": 4, "n_head": 4, "n_positions": TOKENS}
_SMALL = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}

NETS: dict[str, Net] = {
    **{
        name: Net(partial(_vision, name), _PIXELS)
        for name in (
            "resnet18",
            "resnet50",
            "mobilenet_v2",
            "densenet121",
            "convnext_tiny",
            "swin_t",
            "vit",
        )
    },
    "gpt2": Net(partial(Language, "gpt2", "AutoModelForCausalLM", _GPT), _TOKENS),
    "bert": Net(partial(Language, "bert", "AutoModelForMaskedLM", _SMALL), _TOKENS),
    "llama": Net(partial(Language, "llama", "AutoModelForCausalLM", _SMALL), _TOKENS),
}
