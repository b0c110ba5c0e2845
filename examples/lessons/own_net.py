"""The network of lesson 9: a strided convolution, a skip, a mean. Put your own in its place."""

from __future__ import annotations

from torch import Tensor, nn


class Net(nn.Module):
    """Ten scores for each image (N, 3, H, W)."""

    def __init__(self, width: int = 16, *, skips: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.same = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Linear(width, 10)
        self.skips = skips

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images).relu()
        y = self.same(x).relu()
        return self.head((x + y if self.skips else y).mean((2, 3)))
