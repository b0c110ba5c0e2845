"""Published figures, from outside this project, as data: the oracles of these tests.

Sources: the VGG paper's Tables 1 and 2; torchvision's ``models/vgg.py``; the notes after Stanford's CS231n,
line by line; figures read from public tools on a real run. None of it is computed here.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Published(NamedTuple):
    """One net of the paper at 224×224 with 1000 classes; ``None`` where nobody publishes the figure."""

    weights: int
    biases: int
    parameters: int
    with_batch_norm: int | None
    macs: int
    values: int | None
    """The sum of the notes' "memory" column, per image."""
    millions: int
    """Parameters in the paper's Table 2."""
    receptive_field: int | None
    """At the last pool, in pixels."""


PAPER = {
    "A": Published(132_851_392, 11_944, 132_863_336, 132_868_840, 7_609_090_048, 9_116_136, 133, 150),
    "A-LRN": Published(132_851_392, 11_944, 132_863_336, None, 7_609_090_048, None, 133, None),
    "B": Published(133_035_712, 12_136, 133_047_848, 133_053_736, 11_308_466_176, 13_933_032, 133, 156),
    "C": Published(133_625_536, 13_416, 133_638_952, None, 11_770_888_192, 15_237_608, 134, 156),
    "D": Published(138_344_128, 13_416, 138_357_544, 138_365_992, 15_470_264_320, 15_237_608, 138, 212),
    "E": Published(143_652_544, 14_696, 143_667_240, 143_678_248, 19_632_062_464, 16_542_184, 144, 268),
}

STRIDE_AT_THE_LAST_POOL = 32


class Torchvision(NamedTuple):
    """What torchvision prints of a net: ``_ops`` is said to be GFLOPS, ``_file_size`` to be MB."""

    num_params: int
    ops: float
    file_size: float


TORCHVISION = {
    "vgg11": Torchvision(132_863_336, 7.609, 506.84),
    "vgg11_bn": Torchvision(132_868_840, 7.609, 506.881),
    "vgg13": Torchvision(133_047_848, 11.308, 507.545),
    "vgg13_bn": Torchvision(133_053_736, 11.308, 507.59),
    "vgg16": Torchvision(138_357_544, 15.47, 527.796),
    "vgg16_bn": Torchvision(138_365_992, 15.47, 527.866),
    "vgg19": Torchvision(143_667_240, 19.632, 548.051),
    "vgg19_bn": Torchvision(143_678_248, 19.632, 548.143),
}


class NotesLine(NamedTuple):
    """A line of the notes' VGG-16 table as it is printed: ``[224x224x64]  memory:  224*224*64=3.2M``."""

    label: str
    shape: str
    memory: str
    weights: str
    weights_working: str = ""


NOTES = (
    NotesLine("INPUT", "224x224x3", "150K", "0"),
    NotesLine("CONV3-64", "224x224x64", "3.2M", "1,728", "(3*3*3)*64"),
    NotesLine("CONV3-64", "224x224x64", "3.2M", "36,864", "(3*3*64)*64"),
    NotesLine("POOL2", "112x112x64", "800K", "0"),
    NotesLine("CONV3-128", "112x112x128", "1.6M", "73,728", "(3*3*64)*128"),
    NotesLine("CONV3-128", "112x112x128", "1.6M", "147,456", "(3*3*128)*128"),
    NotesLine("POOL2", "56x56x128", "400K", "0"),
    NotesLine("CONV3-256", "56x56x256", "800K", "294,912", "(3*3*128)*256"),
    NotesLine("CONV3-256", "56x56x256", "800K", "589,824", "(3*3*256)*256"),
    NotesLine("CONV3-256", "56x56x256", "800K", "589,824", "(3*3*256)*256"),
    NotesLine("POOL2", "28x28x256", "200K", "0"),
    NotesLine("CONV3-512", "28x28x512", "400K", "1,179,648", "(3*3*256)*512"),
    NotesLine("CONV3-512", "28x28x512", "400K", "2,359,296", "(3*3*512)*512"),
    NotesLine("CONV3-512", "28x28x512", "400K", "2,359,296", "(3*3*512)*512"),
    NotesLine("POOL2", "14x14x512", "100K", "0"),
    NotesLine("CONV3-512", "14x14x512", "100K", "2,359,296", "(3*3*512)*512"),
    NotesLine("CONV3-512", "14x14x512", "100K", "2,359,296", "(3*3*512)*512"),
    NotesLine("CONV3-512", "14x14x512", "100K", "2,359,296", "(3*3*512)*512"),
    NotesLine("POOL2", "7x7x512", "25K", "0"),
    NotesLine("FC", "1x1x4096", "4096", "102,760,448", "7*7*512*4096"),
    NotesLine("FC", "1x1x4096", "4096", "16,777,216", "4096*4096"),
    NotesLine("FC", "1x1x1000", "1000", "4,096,000", "4096*1000"),
)

NOTES_TOTAL_PARAMETERS = "138M"

SAVED_FOR_BACKWARD = {"D": 72_757_152, "D-BN": 126_981_024}
"""Bytes live after the forward pass, above weights and input: float32, training, 224×224, batch 1."""

SAVED_IN_EVAL = 72_691_616
SAVED_WITHOUT_GRAD = 4_000
POOL_INDEX_BYTES = 12_242_944
"""The int64 indices of D's five max pools; all four figures read from CPU allocator events."""


class Sold(NamedTuple):
    """A card's memory as NVIDIA states it, in GiB, and whether ECC takes its part of it as sold."""

    gib: int
    ecc: bool = False


CARDS = {
    "P100": Sold(16),
    "V100 16 GB": Sold(16),
    "V100 32 GB": Sold(32),
    "GTX 1050 Ti": Sold(4),
    "GTX 1060 6 GB": Sold(6),
    "GTX 1070": Sold(8),
    "GTX 1070 Ti": Sold(8),
    "GTX 1080": Sold(8),
    "GTX 1080 Ti": Sold(11),
    "TITAN X": Sold(12),
    "TITAN Xp": Sold(12),
    "TITAN V": Sold(12),
    "TITAN RTX": Sold(24),
    "GTX 1650": Sold(4),
    "GTX 1660 Ti": Sold(6),
    "RTX 2060": Sold(6),
    "RTX 2070": Sold(8),
    "RTX 8000": Sold(48),
    "RTX 6000 Ada": Sold(48, ecc=True),
    "T4": Sold(16, ecc=True),
    "RTX 2080 Ti": Sold(11),
    "RTX 3060 12 GB": Sold(12),
    "RTX 3070": Sold(8),
    "RTX 3080 10 GB": Sold(10),
    "RTX 3090": Sold(24),
    "A10": Sold(24, ecc=True),
    "A10G": Sold(24, ecc=True),
    "A40": Sold(48, ecc=True),
    "RTX A6000": Sold(48),
    "A100 40 GB": Sold(40),
    "A100 80 GB": Sold(80),
    "RTX 4060": Sold(8),
    "RTX 4070": Sold(12),
    "RTX 4080": Sold(16),
    "RTX 4090": Sold(24),
    "L4": Sold(24, ecc=True),
    "L40S": Sold(48, ecc=True),
    "H100 80 GB": Sold(80),
    "H200": Sold(141),
    "RTX 5090": Sold(32),
}
"""NVIDIA's data sheets. HBM keeps its ECC bits elsewhere; GDDR gives up a sixteenth of itself for them."""

ECC_TAKES = Fraction(625, 10_000)
"""Of GDDR memory: "reduced by 6.25%", CUDA C++ Best Practices Guide, Memory Optimizations."""
