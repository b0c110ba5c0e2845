"""How much memory there is: an amount as it is typed, or a graphics card by its name.

A **GiB** is 2^30 bytes and a **GB** 10^9, 7 % less, so neither is taken for the other, and a bare ``8G``
is refused. A card counts with what PyTorch reports as its total
(``torch.cuda.get_device_properties().total_memory``), which is less than the figure it is sold under.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.core.units import binary, exact

LARGEST = 2**60
"""No memory that a user gives may be larger."""

SMALLEST_BARE = 2**20
"""A number without a unit is bytes, and with fewer than these it was surely meant as something else."""

LARGEST_BARE = 1024
"""A number without a unit and below this is read as GiB."""

LONGEST_NAME = 60

_UNITS = {"B": 1} | {
    f"{prefix}{suffix}": base**power
    for suffix, base in (("iB", 2**10), ("B", 10**3))
    for power, prefix in enumerate(("K" if suffix == "iB" else "k", "M", "G", "T"), start=1)
}
"""Unit → its bytes: B, KiB, MiB, GiB, TiB, kB, MB, GB, TB."""

# Not Gi, Ti and the like: an RTX 3090 Ti is no 3,090 tebibytes.
_TYPED_UNITS = {unit.lower(): unit for unit in _UNITS} | {"": "B", "byte": "B", "bytes": "B"}

# Bounded, so that no number is ever too long to compute with or to print.
_AMOUNT = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,9})?) ?([a-z]*)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Memory:
    """So many bytes of memory, and whose they are.

    ``device`` is "cuda" for a card and ``None`` for an amount, which may be any device's. ``source`` says
    what of the card was read where, ``architecture`` which family it is of.
    """

    bytes: int
    label: str
    device: Literal["cpu", "cuda"] | None = None
    source: str | None = None
    architecture: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A graphics card of NVIDIA's and the total memory that somebody saw reported for it.

    ``sold_as`` is the figure on its box, in GB; ``architecture`` what NVIDIA calls its family
    (https://developer.nvidia.com/cuda-gpus); ``total`` the figure as it was printed, and ``where`` the
    page it was read on, or the file of this project. Totals differ by a percent or two between drivers and
    settings (Windows reports more than Linux, error correction takes its part): of those found with a page
    to name, the smallest stands here, and one that this project read itself before any page.

    ``by`` is what printed it, PyTorch where a page with its figure was found. TensorFlow asks CUDA the same
    question (``cuMemGetInfo``), and nvidia-smi of that time said the same in whole MiB: on the page of the
    TITAN X stand both, 11.91 GiB and 12193 MiB. A newer nvidia-smi counts what CUDA does not get.

    >>> card("rtx4090").total, card("NVIDIA A100-SXM4-80GB").name
    ('23.52 GiB', 'A100 80 GB')
    """

    name: str
    sold_as: int
    architecture: str
    total: str
    where: str
    by: Literal["PyTorch", "TensorFlow", "nvidia-smi"] = "PyTorch"

    @property
    def bytes(self) -> int:
        """The total in bytes, rounded down; printed with two decimals it is true to ±5 MiB, in MiB to ±1.

        >>> card("T4").bytes == int(14.56 * 2**30)
        True
        """
        number, unit = self.total.split(" ")
        return _bytes(number, unit)

    @property
    def _model(self) -> str:
        return self.name.removesuffix(f" {self.sold_as} GB")

    @property
    def typed(self) -> str:
        """Its name as one types it, in one word.

        >>> card("4090").typed, card("V100 32 GB").typed
        ('rtx4090', 'v100-32gb')
        """
        size = f"-{self.sold_as}gb" if self._model != self.name else ""
        return self._model.lower().replace(" ", "") + size

    @property
    def keys(self) -> tuple[str, ...]:
        """The names it goes by, spelt as :func:`_key` spells them: with its size or without.

        >>> card("V100 32 GB").keys
        ('v100', 'v10032', 'v10032g', 'v10032gb')
        """
        model = _key(self._model)
        return (model, *(f"{model}{self.sold_as}{unit}" for unit in ("", "g", "gb")))


_GITHUB = "https://github.com/"

# PyTorch prints MiB as "MB" where it prints device properties; here they are MiB.
CARDS = (
    Card(
        "P100",
        16,
        "Pascal",
        "16280.875 MiB",
        "https://docs.ultralytics.com/yolov5/tutorials/test_time_augmentation",
    ),
    Card(
        "GTX 1050 Ti",
        4,
        "Pascal",
        "3.94 GiB",
        _GITHUB + "schoenemeyer/convolution-cpu-vs-gpu/blob/master/README.md",
        by="TensorFlow",
    ),
    Card(
        "GTX 1060 6 GB",
        6,
        "Pascal",
        "6071 MiB",
        _GITHUB + "jwyang/faster-rcnn.pytorch/issues/83",
        by="nvidia-smi",
    ),
    Card("GTX 1070", 8, "Pascal", "7.93 GiB", _GITHUB + "svip-lab/impersonator/issues/19"),
    # In its author's post "How to Setup an eGPU on Ubuntu for TensorFlow" of that month; nvidia-smi says
    # 8114 MiB there. On Windows others have 8.00 GiB, which is more.
    Card(
        "GTX 1070 Ti",
        8,
        "Pascal",
        "7.92 GiB",
        "https://bsautermeister.blogspot.com/2018/04/",
        by="TensorFlow",
    ),
    Card(
        "GTX 1080",
        8,
        "Pascal",
        "7.92 GiB",
        _GITHUB + "lengstrom/fast-style-transfer/issues/10",
        by="TensorFlow",
    ),
    Card("GTX 1080 Ti", 11, "Pascal", "10.92 GiB", _GITHUB + "Rubics-Xuan/TransBTS/issues/45"),
    Card(
        "TITAN X",
        12,
        "Pascal",
        "11.91 GiB",
        _GITHUB + "microsoft/Bringing-Old-Photos-Back-to-Life/issues/87",
    ),
    Card(
        "TITAN Xp",
        12,
        "Pascal",
        "12186.875 MiB",
        _GITHUB + "sergeicu/yolov7/blob/main/exp2%20-%20train.sh",
    ),
    Card("V100 16 GB", 16, "Volta", "15.77 GiB", _GITHUB + "nomic-ai/gpt4all/issues/544"),
    Card("V100 32 GB", 32, "Volta", "31.74 GiB", _GITHUB + "liucongg/ChatGLM-Finetuning/issues/73"),
    Card(
        "TITAN V",
        12,
        "Volta",
        "11.78 GiB",
        _GITHUB + "iparkirk/HuggingFace_Transformers/blob/master/README.md",
    ),
    Card("T4", 16, "Turing", "14.56 GiB", _GITHUB + "Zheng-Chong/CatVTON/issues/133"),
    Card("GTX 1650", 4, "Turing", "3.81 GiB", _GITHUB + "ultralytics/yolov5/issues/285"),
    Card("GTX 1660 Ti", 6, "Turing", "5.81 GiB", _GITHUB + "zhou13/lcnn/issues/23"),
    Card("RTX 2060", 6, "Turing", "5.79 GiB", _GITHUB + "facebookresearch/meshrcnn/issues/92"),
    Card("RTX 2070", 8, "Turing", "7.78 GiB", _GITHUB + "tloen/alpaca-lora/issues/442"),
    Card("RTX 2080 Ti", 11, "Turing", "10.76 GiB", _GITHUB + "ispc-lab/TMA/issues/5"),
    # Others have 23.65 GiB (24,217 MiB), which is more.
    Card(
        "TITAN RTX",
        24,
        "Turing",
        "24190 MiB",
        _GITHUB + "Lornatang/YOLOv3-PyTorch/blob/a16614c97f9c9b7910c155d8c2ea3bfa4f9a24c7/README.md",
    ),
    Card("RTX 8000", 48, "Turing", "47.46 GiB", _GITHUB + "Victarry/stable-dreambooth/issues/8"),
    Card("RTX 3060 12 GB", 12, "Ampere", "11.75 GiB", _GITHUB + "smy20011/dreambooth-gui/issues/78"),
    Card("RTX 3070", 8, "Ampere", "7.76 GiB", _GITHUB + "sshan-zhao/GASDA/issues/19"),
    Card("RTX 3080 10 GB", 10, "Ampere", "9.78 GiB", _GITHUB + "zai-org/CogVideo/issues/34"),
    Card("RTX 3090", 24, "Ampere", "23.56 GiB", _GITHUB + "noonghunna/club-3090/issues/58"),
    Card("A10", 24, "Ampere", "22.05 GiB", _GITHUB + "InternLM/InternLM/issues/71"),
    Card("A10G", 24, "Ampere", "21.99 GiB", _GITHUB + "bigcode-project/starcoder/issues/151"),
    Card("A40", 48, "Ampere", "45416 MiB", _GITHUB + "songxf1024/CaPGNN/blob/main/main.py"),
    Card("RTX A6000", 48, "Ampere", "48670 MiB", _GITHUB + "ultralytics/ultralytics/issues/19084"),
    Card("A100 40 GB", 40, "Ampere", "39.50 GiB", _GITHUB + "TianheWu/CoSeR/issues/10"),
    Card("A100 80 GB", 80, "Ampere", "79.14 GiB", _GITHUB + "lianqi1008/Control-GIC/issues/6"),
    Card("RTX 4060", 8, "Ada", "7.75 GiB", _GITHUB + "ESRSchao/EdgeRegNet/issues/2"),
    Card("RTX 4070", 12, "Ada", "12877955072 B", _GITHUB + "Lightricks/ComfyUI-LTXVideo/issues/337"),
    Card(
        "RTX 4080",
        16,
        "Ada",
        "16049 MiB",
        "https://brainglobe.info/documentation/cellfinder/troubleshooting/speed-up.html",
    ),
    Card("RTX 4090", 24, "Ada", "23.52 GiB", _GITHUB + "Soul-AILab/SoulX-FlashTalk/issues/5"),
    Card("RTX 6000 Ada", 48, "Ada", "44.43 GiB", _GITHUB + "DINGYANB/MTVCrafter/issues/21"),
    # The Space's pages say that it runs on an L4 (discussion 71).
    Card("L4", 24, "Ada", "21.95 GiB", "https://huggingface.co/spaces/AI4Editing/MagicQuill/discussions/26"),
    Card("L40S", 48, "Ada", "47929425920 B", _GITHUB + "Comfy-Org/ComfyUI/issues/11723"),
    # Read by this project itself, and so to the byte; vllm-project/vllm/issues/27508 has 79.11 GiB.
    Card("H100 80 GB", 80, "Hopper", "85017493504 B", "tests/data/cuda-first-look.json"),
    Card(
        "H200",
        141,
        "Hopper",
        "143156 MiB",
        _GITHUB + "ai-bot-pro/achatbot/blob/main/deploy/modal/src/llm/vllm/vlm/skywork_r1v.py",
    ),
    Card("RTX 5090", 32, "Blackwell", "31.36 GiB", _GITHUB + "ostris/ai-toolkit/issues/484"),
)


def memory(text: str) -> Memory:
    """Read an amount of memory, or a card's name.

    An amount is a number and a unit, ``8GiB``, ``8 GB``, ``24576MiB``, ``1.5gib``; without a unit it is
    bytes, below 1,024 GiB. It is computed exactly and rounded down to whole bytes. Names of cards are read
    forgivingly: ``rtx4090``, ``4090`` and ``NVIDIA GeForce RTX 4090`` are one. Raises ``InputError`` for
    anything else.

    >>> memory("8GiB")
    Memory(bytes=8589934592, label='8 GiB', device=None, source=None, architecture=None)
    >>> memory("a100-80gb").label
    'NVIDIA A100 80 GB, 79.14 GiB'
    >>> memory("8G")
    Traceback (most recent call last):
    vgg_profile.core.errors.InputError: '8G' may be 8,589,934,592 bytes (8 GiB) or 8,000,000,000 bytes \
(8 GB). Type 8GiB or 8GB.
    """
    if not isinstance(text, str):
        raise InputError(
            f"A memory cannot be {excerpt(text)}, of type {type(text).__name__}.",
            'Give a text such as "8GiB" or "RTX 4090".',
        )
    typed = " ".join(text.split())
    amount = _AMOUNT.fullmatch(typed)
    if _key(typed) in _CARDS_BY_KEY or re.match(r"(?!inf|nan)[a-z]", typed, re.ASCII | re.IGNORECASE):
        found = card(typed)
        return Memory(
            found.bytes,
            label=f"NVIDIA {found.name}, {binary(found.bytes)}",
            device="cuda",
            source=f"{found.by} reported {found.total} in total: {found.where}",
            architecture=found.architecture,
        )
    if amount is None:
        raise InputError(
            f"The memory {excerpt(text)} is no amount: a positive number in plain digits, and a unit.",
            "Type one such as 8GiB, 1.5GiB or 24000MB, or a card such as rtx4090.",
        )
    return _amount(*amount.groups())


def reserve(text: str) -> int:
    """Read an amount that is kept free, in bytes: as for :func:`memory`, but 0 is one, and a card is none.

    Raises ``InputError`` for what is no amount.

    >>> reserve("512MiB"), reserve("0")
    (536870912, 0)
    """
    amount = _AMOUNT.fullmatch(" ".join(text.split()))
    if amount is None:
        raise InputError(
            f"The reserve {excerpt(text)} is no amount: a number in plain digits, and a unit.",
            "Type one such as --reserve 512MiB, or --reserve 0 for none.",
        )
    return _amount(*amount.groups(), or_nothing=True).bytes


def card(name: str) -> Card:
    """The card of that name; raises ``InputError`` if there is none or more than one."""
    found = _CARDS_BY_KEY.get(_key(name), [])
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"There is more than one card {excerpt(name)}: {' and '.join(each.name for each in found)}.",
            f"Type {' or '.join(each.typed for each in found)}.",
        )
    near = _did_you_mean(name)
    known = "" if near else f"; known are {', '.join(each.name for each in CARDS)}"
    raise InputError(
        f"There is no card named {excerpt(name)} here{known}.",
        f"{near}For any other card, give its memory, such as 24GiB.",
    )


def is_unit(word: str) -> bool:
    """Whether a word can only be a unit of memory: B is a config, too.

    >>> is_unit("GiB"), is_unit("B")
    (True, False)
    """
    return len(word) > 1 and word.lower() in _TYPED_UNITS


def _amount(number: str, unit: str, *, or_nothing: bool = False) -> Memory:
    """The memory of a number and a unit as they were typed."""
    name = _TYPED_UNITS.get(unit.lower())
    figure = f"{Decimal(number).normalize():,f}"
    if name is None and unit.upper() in ("K", "M", "G", "T"):
        readings = (_TYPED_UNITS[f"{unit.lower()}ib"], _TYPED_UNITS[f"{unit.lower()}b"])
        meant = [f"{exact(_bytes(number, each))} bytes ({figure} {each})" for each in readings]
        raise InputError(
            f"{excerpt(number + unit)} may be {meant[0]} or {meant[1]}.",
            f"Type {number}{readings[0]} or {number}{readings[1]}.",
        )
    if name is None:
        raise InputError(
            f"There is no unit {excerpt(unit)} here; known are {', '.join(_UNITS)}.",
            f"{_did_you_mean(number + unit)}Type an amount such as 8GiB.",
        )
    if unit[:1].isupper() and unit.endswith("b"):
        raise InputError(
            f"The unit {excerpt(unit)}, with a small b, means bits to many; memory is counted in bytes.",
            f"Type {number}{name} if you mean {exact(_bytes(number, name))} bytes.",
        )
    if not unit and not or_nothing and 1 <= Decimal(number) < LARGEST_BARE:
        return replace(_amount(number, "GiB"), source="read as GiB, since it came without a unit")
    size = _bytes(number, name)
    if not unit and 0 < size < SMALLEST_BARE:
        raise InputError(
            f"{number} alone would be {exact(size)} bytes, less than 1 MiB, and no card here has that name.",
            f"{_did_you_mean(number)}Add a unit, as in {number}MiB, or give a card's memory.",
        )
    if size == 0 and not or_nothing:
        raise InputError(f"A memory of {figure} {name} does not hold one byte.", "Give one such as 8GiB.")
    if size > LARGEST:
        raise InputError(
            f"A memory of {figure} {name} is more than {exact(LARGEST)} bytes; there is none so large.",
            "Give one such as 8GiB.",
        )
    return Memory(size, label=f"{figure} {name}")


def _bytes(number: str, unit: str) -> int:
    """Exactly so many units, rounded down to whole bytes."""
    return int(Fraction(number) * _UNITS[unit])


def _did_you_mean(name: str) -> str:
    """The card of which this is a variant, a Ti or a laptop's; else those that are spelt alike."""
    known = {key: " or ".join(card.name for card in cards) for key, cards in _CARDS_BY_KEY.items()}
    typed = _key(name)[:LONGEST_NAME]
    variants = [key for key in known if re.match(rf"{key}[a-z]", typed)]
    meant = max(variants, key=len, default=typed)
    return did_you_mean(meant, known, cutoff=0.7, at_most=1 if variants else 3)


def _key(name: str) -> str:
    """A card's name without case, space, maker, series and socket.

    >>> _key("NVIDIA GeForce RTX 4090"), _key("Tesla V100-SXM2-16GB"), _key("a100_40gb")
    ('4090', 'v10016gb', 'a10040gb')
    """
    words = re.split(r"[\s_-]+", name.lower())
    key = "".join(
        word for word in words if not re.fullmatch(r"sxm[0-9]?|pcie|hbm[0-9]?e?|\(pascal\)|generation", word)
    )
    for family in ("nvidia", "geforce", "tesla", "rtx", "gtx"):
        key = key.removeprefix(family)
    return key


_CARDS_BY_KEY: dict[str, list[Card]] = {}
for _card in CARDS:
    for _name in _card.keys:
        _CARDS_BY_KEY.setdefault(_name, []).append(_card)
