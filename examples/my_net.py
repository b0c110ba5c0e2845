"""A network that is no VGG, for README and docs: a small U-Net, with a skip and a transposed convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def block(channels: int, width: int) -> nn.Sequential:
    """A 3×3 convolution, its norm and its ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )


class UNet(nn.Module):
    """One level down and up again; ``classes`` scores for each pixel."""

    def __init__(self, width: int = 16, classes: int = 5) -> None:
        super().__init__()
        self.down = block(3, width)
        self.pool = nn.MaxPool2d(2)
        self.deep = block(width, 2 * width)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.out = nn.Conv2d(2 * width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) to scores (N, classes, H, W)."""
        skipped = self.down(x)
        deep = self.deep(self.pool(skipped))
        return self.out(torch.cat([self.up(deep), skipped], 1))
