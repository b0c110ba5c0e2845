"""Networks that exercise what a trace must know, written with torch.nn alone: (build, inputs).

Each stands for a family: shared weights, several inputs and outputs, attention, recurrence, in-place work on
views, frozen parts, checkpoints, values that steer the course.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def conv(i: int, o: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two residual blocks: gradients that meet are added up in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two = conv(3, 16), conv(16, 16), conv(16, 16)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.relu(self.one(x) + x)
        x = torch.relu(self.two(x) + x)
        return self.fc(torch.flatten(self.pool(x), 1))


class UNet(nn.Module):
    """Skips, transposed convolutions, upsampling; a class for each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep, self.pool = conv(3, 8), conv(8, 16), nn.MaxPool2d(2)
        self.up, self.out = nn.ConvTranspose2d(16, 8, 2, stride=2), nn.Conv2d(16, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down(x)
        b = self.deep(self.pool(a))
        return self.out(torch.cat([self.up(b), a], 1))


class Shared(nn.Module):
    """An embedding whose weights are those of the head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.body = nn.Embedding(50, 16), nn.GRU(16, 16, batch_first=True)
        self.head = nn.Linear(16, 50, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        hidden, _ = self.body(self.embed(ids))
        return self.head(hidden[:, -1])


class Several(nn.Module):
    """Two inputs, a dict of two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.join = nn.Linear(12, 16), nn.Linear(8, 16), nn.Bilinear(16, 16, 4)

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        a, b = torch.tanh(self.left(x)), torch.sigmoid(self.right(y))
        return {"joint": self.join(a, b), "sum": (a * b).sum(1)}


class Steered(nn.Module):
    """Its course is read off small tensors: rates of dropping, a mask, a loop count."""

    def __init__(self) -> None:
        super().__init__()
        rates = [rate.item() for rate in torch.linspace(0, 0.2, 3)]
        self.drops = nn.ModuleList(nn.Dropout(rate) for rate in rates)
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in rates)
        self.register_buffer("mask", torch.ones(16))

    def forward(self, x: Tensor) -> Tensor:
        if torch.ones(3, dtype=torch.bool).all():
            for layer, drop in zip(self.layers, self.drops, strict=True):
                x = x + drop(torch.nn.functional.gelu(layer(x))) * self.mask
        for _ in range(int(torch.tensor(2))):
            x = x * 0.5 + 1
        return x


class Lucky(nn.Module):
    """Drops a layer by a rate of 0: what is drawn decides nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            if torch.rand([]) < 0.0:
                continue
            x = torch.relu(layer(x))
        return x


class Remembering(nn.Module):
    """Each pass leaves what it made for the next."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        x = x if self.last is None else x + self.last.mean(0)
        self.last = x.detach() * 2
        return x


class Views(nn.Module):
    """Writes into views of what it made."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        out = torch.zeros_like(y)
        out[:, :8] = y[:, :8].exp()
        out[:, 8:] = y[:, 8:].softmax(1)
        return out


class Frozen(nn.Module):
    """Only its head learns."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = Residual(), nn.Linear(10, 4)
        for parameter in self.body.parameters():
            parameter.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class Checkpointed(nn.Module):
    """Blocks that run again in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.blocks = conv(3, 16), nn.ModuleList([conv(16, 16), conv(16, 16)])
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False, preserve_rng_state=False)
        return self.fc(x.mean((2, 3)))


class Redrawn(nn.Module):
    """A checkpoint that draws the same random numbers again, and a guard against what is not finite."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 16))

    def forward(self, x: Tensor) -> Tensor:
        x = checkpoint(self.block, x, use_reentrant=False)
        return x if torch.isfinite(x).all() else torch.zeros_like(x)


class Attention(nn.Module):
    """Self-attention with its weights, and without."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.MultiheadAttention(32, 4, dropout=0.1, batch_first=True)
        self.two = nn.MultiheadAttention(32, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.one(x, x, x, need_weights=True)[0]
        return self.two(x, x, x, need_weights=False)[0]


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 10))


def depthwise() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1),
        nn.Hardswish(),
        nn.Conv2d(16, 16, 3, 1, 1, groups=16),
        nn.GroupNorm(4, 16),
        nn.SiLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(16, 8, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def spectral() -> nn.Module:
    inner = nn.utils.spectral_norm(nn.Conv2d(3, 8, 3, 1, 1))
    return nn.Sequential(inner, nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(512, 4))


class Positions(nn.Module):
    """Waves of whole numbers, as attention marks its places with: in passing they are cast to floats."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        places, channels = torch.arange(x.shape[1]), torch.arange(8)
        waves = places[:, None] / 10000.0 ** (channels / 8)
        halves = places // 2
        return self.fc(x + waves.sin() + torch.cos(places)[:, None] + (halves / 3)[:, None])


class Windows(nn.Module):
    """Windows that overlap, counted with PyTorch's arithmetic on Python's numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        count = torch.div(x.shape[1], 4, rounding_mode="trunc") - 1
        out = x.new_zeros(x.shape[0], count, 8, 8)
        for place in range(count):
            out[:, place] = self.fc(x[:, 4 * place : 4 * place + 8])
        return out.mean((1, 2)) * torch.add(count, 0.5)


ZOO: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "perceptron": (perceptron, ["3x4x4"]),
    "residual": (Residual, ["3x16x16"]),
    "U-Net": (UNet, ["3x16x16"]),
    "depthwise": (depthwise, ["3x16x16"]),
    "shared weights": (Shared, ["7:int64<50"]),
    "several inputs and outputs": (Several, ["12", "8"]),
    "steered by values": (Steered, ["16"]),
    "never dropped": (Lucky, ["16"]),
    "remembers": (Remembering, ["16"]),
    "spectral norm": (spectral, ["3x8x8"]),
    "positions": (Positions, ["16x8"]),
    "windows": (Windows, ["16x8"]),
    "writes into views": (Views, ["16"]),
    "frozen body": (Frozen, ["3x16x16"]),
    "checkpointed": (Checkpointed, ["3x16x16"]),
    "redrawn": (Redrawn, ["16"]),
    "attention": (Attention, ["6x32"]),
    "transformer encoder": (encoder, ["6x32"]),
    "RNN": (lambda: nn.RNN(12, 16, 2, batch_first=True), ["5x12"]),
    "LSTM": (lambda: nn.LSTM(12, 16, batch_first=True), ["5x12"]),
}
