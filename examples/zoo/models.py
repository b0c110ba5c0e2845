"""The networks of the zoo: each a function that builds it, what it is given, and a loss of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Animal(NamedTuple):
    """One network: what builds it, its inputs without the batch, and a loss of its own."""

    name: str
    build: Callable[[], nn.Module]
    inputs: tuple[str, ...]
    loss: Callable[[Any, Any], Tensor] | None = None


IMAGE, TOKENS = 64, 32

CLASSIFIERS = (
    "alexnet convnext_tiny densenet121 densenet169 densenet201 efficientnet_b0 efficientnet_b1 "
    "efficientnet_b2 efficientnet_v2_s mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3 mobilenet_v2 "
    "mobilenet_v3_large mobilenet_v3_small regnet_x_400mf regnet_x_800mf regnet_y_400mf "
    "regnet_y_800mf resnet18 resnet34 resnet50 resnet101 resnext50_32x4d shufflenet_v2_x0_5 "
    "shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 swin_t "
    "swin_v2_t vgg11 vgg11_bn vgg13 vgg16 wide_resnet50_2"
)
"""torchvision's classifiers, a size or several of every family."""

SEGMENTERS = "fcn_resnet50 deeplabv3_resnet50 deeplabv3_mobilenet_v3_large lraspp_mobilenet_v3_large"
VIDEOS = "r3d_18 mc3_18 r2plus1d_18 s3d"

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 500,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "use_cache": False,
}
"""A transformer's config, small; each takes the keys that it knows."""

CAUSAL = (
    "llama mistral qwen2 qwen3 gemma gemma2 phi phi3 olmo olmo2 starcoder2 stablelm gpt_neox cohere "
    "granite helium glm nemotron persimmon opt bloom gpt2 gpt_neo gptj falcon mpt codegen"
)
MASKED = (
    "bert roberta electra albert distilbert camembert xlm-roberta mobilebert deberta deberta-v2 mpnet ernie"
)


def animals() -> Iterator[Animal]:
    """Every network whose package is installed."""
    yield from _recurrent()
    yield from _transformers()
    yield from _torchvision()


def _recurrent() -> Iterator[Animal]:
    for kind in (nn.RNN, nn.GRU, nn.LSTM):
        for layers, two_ways in ((1, False), (2, False), (2, True)):
            build = partial(kind, 24, 32, layers, bidirectional=two_ways, batch_first=True)
            yield Animal(f"{kind.__name__} {layers}{' both ways' if two_ways else ''}", build, ("10x24",))
    layer = partial(nn.TransformerEncoderLayer, 32, 4, 64, batch_first=True)
    yield Animal("TransformerEncoder", lambda: nn.TransformerEncoder(layer(), 2), ("6x32",))
    pre = partial(layer, norm_first=True, activation="gelu")
    yield Animal(
        "TransformerEncoder, norm first",
        lambda: nn.TransformerEncoder(pre(), 2, enable_nested_tensor=False),
        ("6x32",),
    )
    yield Animal("Transformer", partial(nn.Transformer, 32, 4, 2, 2, 64, batch_first=True), ("6x32", "5x32"))
    decoder = partial(nn.TransformerDecoderLayer, 32, 4, 64, batch_first=True)
    yield Animal("TransformerDecoder", lambda: nn.TransformerDecoder(decoder(), 2), ("6x32", "5x32"))


def _torchvision() -> Iterator[Animal]:
    try:
        models = _import_torchvision()
    except ImportError:
        return
    for name in CLASSIFIERS.split():
        yield Animal(name, partial(getattr(models, name), weights=None), (f"3x{IMAGE}x{IMAGE}",))
    vit = partial(models.VisionTransformer, IMAGE, 16, 4, 4, 128, 256)
    yield Animal("vit (4 layers)", vit, (f"3x{IMAGE}x{IMAGE}",))
    for name in SEGMENTERS.split():
        build = partial(getattr(models.segmentation, name), weights=None, weights_backbone=None)
        yield Animal(name, build, (f"3x{IMAGE}x{IMAGE}",), _of_pixels)
    for name in VIDEOS.split():
        frames, side = (16, 64) if name == "s3d" else (4, 32)
        yield Animal(name, partial(getattr(models.video, name), weights=None), (f"3x{frames}x{side}x{side}",))


def _of_pixels(output: Any, _: Any) -> Tensor:
    return functional.log_softmax(output["out"], 1).square().mean()


def _import_torchvision() -> Any:
    from vgg_profile.run.find import import_package

    return import_package("torchvision.models")


def _transformers() -> Iterator[Animal]:
    try:
        _import_torchvision()  # which transformers imports, too
        from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM
    except ImportError:
        return
    for names, auto in ((CAUSAL, AutoModelForCausalLM), (MASKED, AutoModelForMaskedLM)):
        for name in names.split():
            try:
                config = AutoConfig.for_model(name)
            except ValueError:  # not in this version
                continue
            for key, value in SMALL.items():
                if hasattr(config, key):
                    setattr(config, key, value)
            yield Animal(name, partial(_Language, auto, config), (f"{TOKENS}:int64<500",))


class _Language(nn.Module):
    """A language model with its own loss: the tokens are their own labels."""

    def __init__(self, auto: Any, config: Any) -> None:
        super().__init__()
        self.model = auto.from_config(config)

    def forward(self, tokens: Tensor) -> Any:
        return self.model(input_ids=tokens, labels=tokens)


torch.manual_seed(0)
