"""The networks of the zoo: each a function that builds it, what it is given, and a loss of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from vgg_profile.core.setting import Setup


class Animal(NamedTuple):
    """One network: what builds it, its inputs without the batch, a loss of its own, and how it is trained."""

    name: str
    build: Callable[[], nn.Module]
    inputs: tuple[str, ...]
    loss: Callable[[Any, Any], Tensor] | None = None
    batch: int = 2
    setup: Setup = Setup(optimizer="adam")
    threads: int = 2


IMAGE, TOKENS = 64, 32

CLASSIFIERS = """
    alexnet convnext_tiny convnext_small densenet121 densenet161 densenet169 densenet201 efficientnet_b0
    efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_v2_s mnasnet0_5
    mnasnet0_75 mnasnet1_0 mnasnet1_3 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_x_400mf
    regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf regnet_y_400mf regnet_y_800mf regnet_y_1_6gf
    regnet_y_3_2gf resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d shufflenet_v2_x0_5
    shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 swin_t swin_s
    swin_v2_t vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn wide_resnet50_2
"""
"""torchvision's classifiers: a size or several of every family, as far as they train in 4 GiB."""

SEGMENTERS = """
    fcn_resnet50 fcn_resnet101 deeplabv3_resnet50 deeplabv3_resnet101 deeplabv3_mobilenet_v3_large
    lraspp_mobilenet_v3_large
"""
VIDEOS = {
    "r3d_18": (4, 32),
    "mc3_18": (4, 32),
    "r2plus1d_18": (4, 32),
    "s3d": (16, 224),
    "swin3d_t": (4, 64),
    "mvit_v1_b": (16, 224),
    "mvit_v2_s": (16, 224),
}
"""Frames and a side of them, as small as each takes."""

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 500,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "use_cache": False,
    "d_kv": 16,
    "d_ff": 128,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "image_size": 64,
    "patch_size": 16,
    "attention_window": [8, 8],
    "embedding_size": 64,
    "layerdrop": 0.0,
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
    "apply_spec_augment": False,
}
"""A transformer's config, small; each takes the keys that it knows."""

PARTICULAR: dict[str, dict[str, Any]] = {
    "gptj": {"rotary_dim": 8},
    "nemotron": {"num_key_value_heads": 4},
    "hunyuan_v1_dense": {"head_dim": 16},
    "esm": {"vocab_size": 500, "pad_token_id": 0, "mask_token_id": 3},
    "xmod": {"default_language": "en_XX"},
    **{name: {"decoder_start_token_id": 1} for name in ("t5", "mt5", "umt5", "longt5")},
    "codegen": {"rotary_dim": 8},
    "mobilebert": {"intra_bottleneck_size": 32, "embedding_size": 32, "true_hidden_size": 32},
    "xglm": {"attention_heads": 4, "ffn_dim": 128},
    "opt": {"ffn_dim": 128, "word_embed_proj_dim": 64},
    "mamba": {"state_size": 8, "time_step_rank": 4},
    "marian": {"decoder_vocab_size": 500},
    "mbart": {"pad_token_id": 3},  # the tokens are zeros, and one that pads may not stand last
    "plbart": {"pad_token_id": 3},
    "deit": {"architectures": ["DeiTForImageClassification"]},
    "levit": {"architectures": ["LevitForImageClassification"], "num_attention_heads": [4, 8, 12]},
    **{
        name: {
            "num_attention_heads": [3, 6, 12, 24],
            "num_hidden_layers": 4,
            "hidden_size": 768,
            "patch_size": 4,
            "window_size": 2,
        }
        for name in ("swin", "swinv2")
    },
    "convnext": {"patch_size": 4},
    "convnextv2": {"patch_size": 4},
    "mobilevitv2": {"patch_size": 2},
    "segformer": {"hidden_sizes": [16, 32, 40, 64], "depths": [1, 1, 1, 1]},
    "beit": {"image_size": 64},
    "wav2vec2": {"conv_dim": [32] * 7},
    "hubert": {"conv_dim": [32] * 7},
    "wavlm": {"conv_dim": [32] * 7},
    "unispeech": {"conv_dim": [32] * 7},
    "sew": {"conv_dim": [32] * 13, "squeeze_factor": 2},
}
"""What the sizes of one model must be for it to be one at all."""

CAUSAL = """
    llama mistral qwen2 qwen3 gemma gemma2 gemma3_text phi phi3 olmo olmo2 starcoder2 stablelm gpt_neox
    cohere cohere2 granite helium glm glm4 nemotron persimmon opt bloom gpt2 gpt_neo gptj falcon mpt
    codegen biogpt xglm openai-gpt ctrl gpt_bigcode mamba smollm3 ernie4_5 arcee seed_oss exaone4
    hunyuan_v1_dense
"""
MASKED = """
    bert roberta electra albert distilbert camembert xlm-roberta mobilebert deberta deberta-v2 mpnet ernie
    rembert megatron-bert squeezebert roformer fnet convbert layoutlm nystromformer yoso ibert longformer
    big_bird modernbert xmod esm data2vec-text
"""
SEQ2SEQ = (
    "t5 mt5 umt5 bart mbart pegasus marian blenderbot blenderbot-small plbart mvp longt5 prophetnet m2m_100"
)
VISION = """
    vit deit beit dinov2 swin swinv2 convnext convnextv2 resnet regnet bit levit poolformer segformer
    mobilevit mobilevitv2 mobilenet_v1 mobilenet_v2 efficientnet pvt pvt_v2 focalnet data2vec-vision
    vit_msn cvt dinov2_with_registers
"""
AUDIO = "wav2vec2 hubert wavlm unispeech sew"

VARIANTS: tuple[tuple[str, int, Setup], ...] = (
    ("SGD, first step, batch 1", 1, Setup(optimizer="sgd", first_step=True)),
    ("momentum, autocast", 2, Setup(optimizer="momentum", amp="bfloat16")),
    ("eval, batch 3", 3, Setup(optimizer="none", mode="eval")),
)
VARIED = ("LSTM 2", "TransformerEncoder", "llama", "bert", "t5", "resnet18", "mobilenet_v2")
"""Networks that are trained in other ways, too."""

LAID = ("resnet18", "mobilenet_v2", "vgg11_bn")
"""Networks whose weights lie in channels last, too."""


def is_variant(name: str) -> bool:
    """Whether it is a network trained in another way, beside itself."""
    family, _, how = name.partition(" (")
    return family in (*VARIED, *LAID) and how not in ("", "transformers)")


def animals() -> Iterator[Animal]:
    """Every network whose package is installed, and some of them trained in other ways."""
    for animal in chain(_recurrent(), _parts(), _transformers(), _torchvision()):
        yield animal
        if animal.name in VARIED:
            for how, batch, setup in VARIANTS:
                yield animal._replace(name=f"{animal.name} ({how})", batch=batch, setup=setup)
            yield animal._replace(name=f"{animal.name} (one thread)", threads=1)
        if animal.name in LAID:
            build = partial(_channels_last, animal.build)
            yield animal._replace(name=f"{animal.name} (channels last)", build=build)


def _channels_last(build: Callable[[], nn.Module]) -> nn.Module:
    return build().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


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
    for name in ("googlenet", "inception_v3"):
        build = partial(getattr(models, name), weights=None, init_weights=False)
        yield Animal(
            name,
            build,
            (f"3x{IMAGE if name == 'googlenet' else 299}x{IMAGE if name == 'googlenet' else 299}",),
        )
    yield Animal("maxvit_t", partial(models.maxvit_t, weights=None), ("3x224x224",))
    vit = partial(models.VisionTransformer, IMAGE, 16, 4, 4, 128, 256)
    yield Animal("vit (4 layers)", vit, (f"3x{IMAGE}x{IMAGE}",))
    for name in SEGMENTERS.split():
        build = partial(getattr(models.segmentation, name), weights=None, weights_backbone=None)
        yield Animal(name, build, (f"3x{IMAGE}x{IMAGE}",), _of_pixels)
    for name, (frames, side) in VIDEOS.items():
        yield Animal(name, partial(getattr(models.video, name), weights=None), (f"3x{frames}x{side}x{side}",))


def _of_pixels(output: Any, _: Any) -> Tensor:
    return functional.log_softmax(output["out"], 1).square().mean()


def _import_torchvision() -> Any:
    from vgg_profile.run.find import import_package

    return import_package("torchvision.models")


def _transformers() -> Iterator[Animal]:
    try:
        _import_torchvision()  # which transformers imports, too
        import transformers
    except ImportError:
        return
    kinds = (
        (CAUSAL, transformers.AutoModelForCausalLM, _Language, f"{TOKENS}:int64"),
        (MASKED, transformers.AutoModelForMaskedLM, _Language, f"{TOKENS}:int64"),
        (SEQ2SEQ, transformers.AutoModelForSeq2SeqLM, _Language, f"{TOKENS}:int64"),
        (VISION, transformers.AutoModelForImageClassification, _Vision, f"3x{IMAGE}x{IMAGE}"),
        (AUDIO, transformers.AutoModel, _Audio, "4000"),
    )
    for names, auto, wrapped, given in kinds:
        for name in names.split():
            try:
                config = transformers.AutoConfig.for_model(name)
            except ValueError:  # not in this version
                continue
            _make_small(config, PARTICULAR.get(name, {}))
            yield Animal(
                f"{name} (transformers)" if wrapped is _Vision else name,
                partial(wrapped, auto, config),
                (given,),
            )


def _make_small(config: Any, particular: dict[str, Any]) -> None:
    """Give a config the small sizes that it knows; none that it has left open."""
    for key, value in {**SMALL, **particular}.items():
        if getattr(config, key, None) is not None or key in ("use_cache", *particular):
            with suppress(Exception):  # another kind of value in this version
                setattr(config, key, value)


class _Language(nn.Module):
    """A language model with its own loss: the tokens are their own labels."""

    def __init__(self, auto: Any, config: Any) -> None:
        super().__init__()
        self.model = auto.from_config(config)

    def forward(self, tokens: Tensor) -> Any:
        return self.model(input_ids=tokens, labels=tokens)


class _Vision(nn.Module):
    """A classifier of images: its logits."""

    def __init__(self, auto: Any, config: Any) -> None:
        super().__init__()
        self.model = auto.from_config(config)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(pixel_values=images).logits
        return logits


class _Audio(_Vision):
    """A model of sound: its last hidden state."""

    def forward(self, samples: Tensor) -> Tensor:
        hidden: Tensor = self.model(input_values=samples).last_hidden_state
        return hidden


def _parts() -> Iterator[Animal]:
    """What people build of torch.nn: generators, discriminators, autoencoders, parametrizations."""
    yield Animal("DCGAN generator", _generator, ("16x1x1",))
    yield Animal("DCGAN discriminator", _discriminator, (f"3x{IMAGE}x{IMAGE}",))
    yield Animal("autoencoder", _autoencoder, ("1x28x28",))
    yield Animal("parametrized", _parametrized, ("12",))
    yield Animal("frozen backbone", _frozen, ("3x16x16",))
    yield Animal("3D convolutions", _volumes, ("1x8x16x16",))
    yield Animal("1D convolutions", _sound, ("1x256",))
    yield Animal("upsampler", _upsampler, ("3x16x16",))


def _generator() -> nn.Module:
    layers: list[nn.Module] = []
    for wide, narrow, stride, padding in ((16, 64, 1, 0), (64, 32, 2, 1), (32, 16, 2, 1)):
        layers += [
            nn.ConvTranspose2d(wide, narrow, 4, stride, padding, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(True),
        ]
    return nn.Sequential(*layers, nn.ConvTranspose2d(16, 3, 4, 2, 1, bias=False), nn.Tanh())


def _discriminator() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for narrow, wide in ((16, 32), (32, 64)):
        layers += [nn.utils.spectral_norm(nn.Conv2d(narrow, wide, 4, 2, 1)), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 8 * 8, 1))


def _autoencoder() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1),
        nn.ELU(),
        nn.Conv2d(8, 16, 3, 2, 1),
        nn.PReLU(),
        nn.ConvTranspose2d(16, 8, 4, 2, 1),
        nn.Softplus(),
        nn.ConvTranspose2d(8, 1, 4, 2, 1),
        nn.Sigmoid(),
    )


def _parametrized() -> nn.Module:
    inner = nn.utils.parametrizations.weight_norm(nn.Linear(12, 24))
    return nn.Sequential(inner, nn.Mish(), nn.Linear(24, 4))


def _frozen() -> nn.Module:
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8, affine=True), nn.GELU(), nn.Conv2d(8, 8, 3))
    body.requires_grad_(False)
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


def _volumes() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1),
        nn.BatchNorm3d(8),
        nn.ReLU(),
        nn.MaxPool3d(2),
        nn.Flatten(),
        nn.LazyLinear(3),
    )


def _sound() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(1, 8, 9, 4),
        nn.BatchNorm1d(8),
        nn.GLU(1),
        nn.Conv1d(4, 8, 5, dilation=2),
        nn.AvgPool1d(2),
        nn.Flatten(),
    )


def _upsampler() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.PixelShuffle(2),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.GroupNorm(2, 4),
        nn.ReflectionPad2d(1),
        nn.Conv2d(4, 3, 3),
    )
