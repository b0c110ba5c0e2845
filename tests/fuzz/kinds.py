"""What hostile inputs there are: each kind with its number, and what makes one of them by chance."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.fuzz.addresses import address
from tests.fuzz.files import MAKERS, Files
from tests.fuzz.terminals import NET, terminal
from vgg_profile.core.signed import sign

ROOT = Path(__file__).parents[2]

ODD = (
    "", "-", "--", "-1", "0", "1", "7", "64", "999999999999", "1e9", "nan", "inf", "\x1b[31m", "a\nb",
    "\u202e", "é", "网络", "\udcff", "D", "A", "E-BN", "vgg16_bn", "8,M", "8,conv1-8,LRN,M", "M", "8,,M",
    "8," * 200, "x.toml", "/", "/dev/null", ".", "..", "~", "$HOME", "{x}", "8GiB", "rtx4090", "1..5",
    "5..1", "1..9:2", "224", "3x8x8", "8x8", "float32", "bfloat16", "adam", "sgd", "train", "blocks",
    "total", "layer", "conv1_1", "fc6", "peak", "json", "csv", "latex", "html", "table", "out.md",
    "out.svg", "=1+1", "'", '"', "\\", "%s", "1" * 400,
)  # fmt: skip
COMMANDS = (
    "budget", "check", "compare", "diagnose", "doctor", "explain", "fit",
    "list", "notes", "plot", "report", "sweep", "table",
    "timeline", "trace",
)  # fmt: skip
OPTIONS = (
    "--batch", "--input", "--dtype", "--classes", "--batch-norm", "--no-batch-norm", "--format", "-o",
    "--force", "--device", "--optimizer", "--mode", "--foreach", "--fused", "--first-step", "--amp",
    "--checkpoint", "--no-onednn", "--memory", "--reserve", "--by", "--relative-to", "--measured",
    "--freeze", "--processor", "--threads", "--with", "--loss", "--like", "--timeout",
    "--claims", "--saved", "--against", "--short", "--columns", "--wide", "--bytes", "--what-if",
    "--accumulate",    "--expandable-segments", "--relative-to", "--net", "--dark", "--unit", "--size",
    "--all-layers", "--help", "-h", "-V", "--odd", "--all-layers=1",
)  # fmt: skip


@dataclass
class Case:
    """One call: its words and the files it finds; ``is_lie`` must not pass, ``is_real`` runs a real step.

    On a terminal, what it says of itself (``environment``), and its lines and columns.
    """

    words: list[str]
    folder: Path
    files: dict[str, bytes] = field(default_factory=dict)
    is_lie: bool = False
    is_real: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (24, 80)

    def to_dict(self) -> dict[str, Any]:
        """As the process that runs it reads it."""
        return {
            "words": [os.fsencode(word).hex() for word in self.words],
            "files": {name: content.hex() for name, content in self.files.items()},
            "is_lie": self.is_lie,
        }

    def told(self) -> str:
        """The call on one line."""
        around = [f"{name}={value}" for name, value in self.environment.items()]
        return ascii(around + self.words)[:300]


def _arguments(chance: random.Random, folder: Path) -> Case:
    words = [chance.choice(COMMANDS)]
    for _ in range(chance.randrange(6)):
        words += [chance.choice(OPTIONS)] if chance.random() < 0.5 else []
        words += [chance.choice(ODD)] if chance.random() < 0.8 else []
    return Case([word for word in words if "\x00" not in word], folder)


def _measured(chance: random.Random, folder: Path) -> Case:
    """As ``_arguments``, of a real step of one image."""
    words = _arguments(chance, folder).words
    small = [] if "--input" in words else ["--input", "8"]
    net = [] if chance.random() < 0.3 else [chance.choice(("8,M", "A", "E-BN"))]
    return Case(["measure", *net, *words[1:], *small, "--batch", "1", "--repeats", "0"], folder, is_real=True)


def _config(chance: random.Random, folder: Path) -> Case:
    values = (
        "8",
        '"x"',
        "[8]",
        '[8, "M"]',
        "[]",
        "true",
        "null",
        "-1",
        "1e400",
        "9" * 30,
        "{}",
        '"\\u001b"',
        "nan",
    )
    keys = (
        "name",
        "layers",
        "classifier",
        "classes",
        "in_channels",
        "batch_norm",
        "odd",
        "a.b",
        "x." * 30 + "y",
    )
    pairs = [(chance.choice(keys), chance.choice(values)) for _ in range(chance.randrange(7))]
    pairs += [("layers", '[8, "M"]')] * chance.randrange(2)
    is_toml = chance.random() < 0.5
    if is_toml:
        text = "\n".join(f"{key} = {value}" for key, value in pairs)
    else:
        text = "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in pairs) + "}"
    content = _damaged(chance, text.encode()) if chance.random() < 0.4 else text.encode()
    name = "x.toml" if is_toml else "x.json"
    return Case(["table", name, "--input", "8"], folder, {name: content})


def _damaged(chance: random.Random, content: bytes) -> bytes:
    """Cut, or with a bit turned, or with something in it that does not belong there."""
    place = chance.randrange(len(content) + 1)
    match chance.randrange(3):
        case 0:
            return content[:place]
        case 1 if content:
            turned = bytearray(content)
            turned[place - 1] ^= 1 << chance.randrange(8)
            return bytes(turned)
        case _:
            return (
                content[:place]
                + chance.choice([b"\x00", b"\xff", b"[" * 3000, b"{", b'"', b"\n"])
                + content[place:]
            )


_READ_ONLY = ("s", "FLOP/s", "pages", "pages/s")
"""Units of what no check holds against a prediction, as docs/claims.md says."""


@cache
def _record_text() -> str:
    return (ROOT / "reports" / "measured" / "A-cpu.json").read_text("utf-8")


def _record(chance: random.Random, folder: Path) -> Case:
    """Cut, turned, or signed anew with a number changed that a check holds, so that it is a lie."""
    if chance.random() < 0.5:
        content = _damaged(chance, _record_text().encode())
        is_lie = not _says_the_same(content)
        return Case(["check", "A", "r.json"], folder, {"r.json": content}, is_lie=is_lie)
    record = json.loads(_record_text())
    readings = [each for each in record["readings"] if each["unit"] not in _READ_ONLY]
    if chance.random() < 0.1:
        by = chance.uniform(1.1, 1e4)
        for each in record["readings"]:
            each["value"] = each["value"] / by if each["unit"] == "s" else each["value"]
        return _signed(record, folder)
    changed = chance.choice([chance.choice(readings), chance.choice(record["timeline"])])
    key = "value" if "value" in changed else "live"
    if isinstance(changed[key], list):
        changed[key] = [*changed[key], 1]
    else:
        changed[key] += chance.choice([1, -1, 4, 10**12, -(10**12), changed[key] + 1])
    return _signed(record, folder)


def _signed(record: dict[str, Any], folder: Path) -> Case:
    content = json.dumps(sign(record))
    return Case(["check", "A", "r.json"], folder, {"r.json": content.encode()}, is_lie=True)


def _says_the_same(content: bytes) -> bool:
    """Whether another space, or a digit beyond a float's precision, is all that was changed."""
    try:
        return bool(json.loads(content) == json.loads(_record_text()))
    except (ValueError, RecursionError):
        return False


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("weights-ran-code",))


def _weights(chance: random.Random, folder: Path) -> Case:
    """A checkpoint that is none, or a damaged one; nothing in it is run."""
    import torch

    buffer = io.BytesIO()
    torch.save({"features.0.weight": torch.zeros(chance.randrange(1, 5))}, buffer)
    content = chance.choice(
        [_damaged(chance, buffer.getvalue()), pickle.dumps(_Runs()), b"PK\x03\x04" + bytes(50)]
    )
    return Case(["(weights)", "1", "w.pth"], folder, {"w.pth": content})


_STARTS = "import os, subprocess, sys\ncode = 'import time; time.sleep(600)'\n"
_MODELS = (
    "import json\njson.dumps = lambda *a, **k: '{}'\nfrom torch import nn\nnet = nn.Conv2d(3, 8, 3)\n",
    "import os\nfor n in range(3, 30):\n    try: os.write(n, b'x' * 40)\n    except OSError: pass\n",
    f"{_STARTS}subprocess.Popen([sys.executable, '-c', code], start_new_session=True)\n1 / 0\n",
    f"{_STARTS}os.fork() or (os.setsid(), os.fork() and os._exit(0), subprocess.run(['sleep', '600']))",
    "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E\n",
    "import os, tempfile\ntempfile.mkdtemp()\nos.kill(os.getpid(), 9)\n", "print('\x1b]0;x\x07' * 9)\n",
    "import sys\nsys.stdout.write('x' * 2**22)\n", "import os\nos.closerange(0, 99)\n",
    "class M(type):\n    __name__ = property(lambda self: 1 / 0)\nclass E(KeyError, metaclass=M): 0\nraise E",
    "from torch import nn\nnet = nn.Conv2d(3, 8, 3)\n", "import os\nos._exit(0)\n", "raise SystemExit(3)\n",
    "def net(): return 1\n", "net = 1\n", "x = (\n", "\x00", "raise KeyboardInterrupt\n", "import nowhere\n",
    "class net:\n    pass\n", "def net():\n    net()\n", "print('\\x1b[31m')\nnet = None\n", "1/0\n",
    "from torch import nn\nclass net(nn.Module):\n    def forward(self, x): return y\n",
)  # fmt: skip


def _model(chance: random.Random, folder: Path) -> Case:
    content = chance.choice(_MODELS).encode()
    if chance.random() < 0.4:
        content = _damaged(chance, content)
    return Case(
        ["diagnose", "m.py:net", "--input", "8", "--timeout", "20"], folder, {"m.py": content}, is_real=True
    )


def _signal(chance: random.Random, folder: Path) -> Case:
    words = chance.choice([
        ["table", "D", "-o", "t.md"], ["report", "8,M", "-o", "r.md"], ["report", "8,M", "-o", "r.html"],
        ["plot", "D", "memory", "-o", "m.svg"],
        ["measure", "8,M", "--input", "8", "--repeats", "1", "-o", "r.json"],
        ["diagnose", "m.py:net", "-o", "d.md"], ["--help"],
        ["sweep", "D", "--batch", "1..99", "-o", "s.csv"],
    ])  # fmt: skip
    return Case(list(words), folder, {"m.py": b"import time\ntime.sleep(30)\n"}, is_real=True)


def _completed(chance: random.Random, folder: Path) -> Case:
    """A line that a shell asks to complete."""
    return Case(["(complete)", *_arguments(chance, folder).words], folder)


def _terminal(chance: random.Random, folder: Path) -> Case:
    words, environment, size = terminal(chance)
    return Case(words, folder, {"x.toml": NET.encode()}, environment=environment, size=size)


def _address(chance: random.Random, folder: Path) -> Case:
    return Case([address(chance)], folder)


Make = Callable[[random.Random, Path], Case]


def _of_files(make: Callable[[random.Random], Files]) -> Make:
    def case(chance: random.Random, folder: Path) -> Case:
        words, files, is_lie = make(chance)
        if chance.random() < 0.2:
            files = {name: _damaged(chance, content) for name, content in files.items()}
        return Case(words, folder, files, is_lie)

    return case


KINDS: dict[str, tuple[int, Make]] = {
    "arguments": (12_000, _arguments),
    "measured": (300, _measured),
    "configs": (1_500, _config),
    "records": (40_000, _record),
    "weights": (500, _weights),
    "diagnose": (100, _model),
    "signals": (60, _signal),
    "completed": (1_000, _completed),
    "terminals": (240, _terminal),
    "addresses": (2_000, _address),
    **{name: (number, _of_files(make)) for name, (number, make) in MAKERS.items()},
}
"""Each kind with the number of a whole run, and what makes one."""
