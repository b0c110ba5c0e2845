"""The course notes' VGG-16 table as data, as it is printed, and how to read its figures.

Source: Stanford's CS231n, "Convolutional Networks", the VGGNet table. What comes of holding it against a
count is in :mod:`~vgg_profile.teach.audit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vgg_profile.teach.printed import ONE, Printed


class PrintedLine(NamedTuple):
    """One line of the table: the layer, its output as HxWxC, memory in values, weights."""

    label: str
    shape: str
    memory: str
    weights: str


@dataclass(frozen=True, slots=True)
class Published:
    """Everything the notes print of VGG-16; the totals are the words of their two last lines."""

    lines: tuple[PrintedLine, ...]
    values: str
    value_bytes: int
    megabytes: str
    backward_factor: int
    parameters: str


NOTES = Published(
    lines=(
        PrintedLine("INPUT", "224x224x3", "224*224*3=150K", "0"),
        PrintedLine("CONV3-64", "224x224x64", "224*224*64=3.2M", "(3*3*3)*64 = 1,728"),
        PrintedLine("CONV3-64", "224x224x64", "224*224*64=3.2M", "(3*3*64)*64 = 36,864"),
        PrintedLine("POOL2", "112x112x64", "112*112*64=800K", "0"),
        PrintedLine("CONV3-128", "112x112x128", "112*112*128=1.6M", "(3*3*64)*128 = 73,728"),
        PrintedLine("CONV3-128", "112x112x128", "112*112*128=1.6M", "(3*3*128)*128 = 147,456"),
        PrintedLine("POOL2", "56x56x128", "56*56*128=400K", "0"),
        PrintedLine("CONV3-256", "56x56x256", "56*56*256=800K", "(3*3*128)*256 = 294,912"),
        PrintedLine("CONV3-256", "56x56x256", "56*56*256=800K", "(3*3*256)*256 = 589,824"),
        PrintedLine("CONV3-256", "56x56x256", "56*56*256=800K", "(3*3*256)*256 = 589,824"),
        PrintedLine("POOL2", "28x28x256", "28*28*256=200K", "0"),
        PrintedLine("CONV3-512", "28x28x512", "28*28*512=400K", "(3*3*256)*512 = 1,179,648"),
        PrintedLine("CONV3-512", "28x28x512", "28*28*512=400K", "(3*3*512)*512 = 2,359,296"),
        PrintedLine("CONV3-512", "28x28x512", "28*28*512=400K", "(3*3*512)*512 = 2,359,296"),
        PrintedLine("POOL2", "14x14x512", "14*14*512=100K", "0"),
        PrintedLine("CONV3-512", "14x14x512", "14*14*512=100K", "(3*3*512)*512 = 2,359,296"),
        PrintedLine("CONV3-512", "14x14x512", "14*14*512=100K", "(3*3*512)*512 = 2,359,296"),
        PrintedLine("CONV3-512", "14x14x512", "14*14*512=100K", "(3*3*512)*512 = 2,359,296"),
        PrintedLine("POOL2", "7x7x512", "7*7*512=25K", "0"),
        PrintedLine("FC", "1x1x4096", "4096", "7*7*512*4096 = 102,760,448"),
        PrintedLine("FC", "1x1x4096", "4096", "4096*4096 = 16,777,216"),
        PrintedLine("FC", "1x1x1000", "1000", "4096*1000 = 4,096,000"),
    ),
    values="24M",
    value_bytes=4,
    megabytes="93MB",
    backward_factor=2,
    parameters="138M",
)
"""The notes after Stanford's CS231n, line by line."""


def unrounded(printed: str) -> int:
    """The number that a rounded figure writes out.

    >>> unrounded("3.2M"), unrounded("150K"), unrounded("4096")
    (3200000, 150000, 4096)
    """
    figure = Printed.parse(printed)
    if figure is None:
        raise ValueError(f"{printed!r} is no figure")
    return int(figure.number * (figure.unit or ONE).size)
