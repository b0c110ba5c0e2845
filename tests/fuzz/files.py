"""Hostile files of the commands that read some: budgets, own tables, traced networks, what is kept."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from vgg_profile.core.signed import sign

ROOT = Path(__file__).parents[2]

Files = tuple[list[str], dict[str, bytes], bool]
"""A call's words, the files that it finds, and whether it lies."""

VALUES = (
    "8", '"8"', "-1", "0", "[8]", "[]", "{}", "true", "nan", "inf", "1e400", "9" * 30, '"D"', '"A"', '"8,M"',
    '"x.toml"', '"../x"', '"m.py:net"', '"3x8x8"', '"\\u202e"', '"\\u001b[31m"', '"=1+1"', '"8GiB"',
    '"adam"', '"rtx4090"', '{ rtx4090 = 1, "8GiB" = 2 }', "{ nowhere = 1 }", "{ rtx4090 = 0 }", '"cuda"',
)  # fmt: skip
KEYS = (
    "name", "input", "batch", "dtype", "device", "optimizer", "mode", "foreach", "limits", "limits.peak",
    "limits.batch", "limits.macs", "limits.parameters", "odd", "with", "loss", "probe", "batch_dim", "amp",
    "threads", "processor", "freeze", "checkpoint", "accumulate", "a.b", "x." * 30 + "y",
)  # fmt: skip

FIT = {
    "batch": "2", "dtype": '"float64"', "device": '"cuda"', "optimizer": '"adam"', "mode": '"inference"',
    "checkpoint": '"blocks"', "amp": '"bfloat16"', "accumulate": "2",
    "freeze": '["features"]', "threads": "2", "processor": '"amx"',
    "foreach": "true", "classes": "3", "batch_norm": "true", "first_step": "true",
}  # fmt: skip
"""Settings that can be, though not all together."""


def budget(chance: random.Random) -> Files:
    """Networks with odd settings, under odd limits."""
    text = ""
    for _ in range(chance.randrange(4)):
        text += "[[network]]\n"
        if chance.random() < 0.7:
            text += 'name = "8,M"\ninput = "8"\n'
        for _ in range(chance.randrange(3)):
            key = chance.choice(list(FIT))
            text += f"{key} = {FIT[key]}\n" if chance.random() < 0.7 else ""
            text += f"{chance.choice(KEYS)} = {chance.choice(VALUES)}\n" if chance.random() < 0.3 else ""
        if chance.random() < 0.9:
            peak = '"4GiB"' if chance.random() < 0.6 else chance.choice(VALUES)
            text += f"[network.limits]\npeak = {peak}\n"
    return ["budget", "b.toml"], {"b.toml": text.encode()}, False


HEADERS = (
    "layer", "weights", "memory (MB)", "memory (MiB)", "params", "MACs", "FLOPs", "output", "biases", "odd",
    "", "layer", "＝1+1", "\u202e", "\x1b[31m", "memory (" * 40, "GFLOPs", "input", "batch", "dtype",
    "config",
)  # fmt: skip
CELLS = (
    "conv3-64", "CONV3-64", "maxpool", "FC: 4096", "POOL2", "total", "input", "1728", "1,728", "1.7K", "-1",
    "nan", "inf", "1e400", "9" * 400, "", "0x10", "１２３", "[224x224x64]", "(3*3*3)*64",
    "(3*3*3)*64 = 1,728",
    "＝1+1", "=cmd|' /C calc'!A0", "\u202e", "\x00", "\x1b]0;x\x07", "conv" * 999, "64x" * 99, "D", "8", '"',
)  # fmt: skip
LINES = (
    "INPUT: [224x224x3] memory: 224*224*3=150K weights: 0",
    "CONV3-64: [224x224x64] memory: 224*224*64=3.2M weights: (3*3*3)*64 = 1,728",
    "POOL2: [112x112x64] memory: 112*112*64=800K weights: 0", "FC: [1x1x4096] memory: 4096 weights: 1e999",
    "CONV3-9999999999: [9x9]", "TOTAL memory: 24M * 4 bytes ~= 93MB / image", "((((" * 99, "memory: " * 99,
)  # fmt: skip


def own_table(chance: random.Random) -> Files:
    """A student's table as CSV, as Markdown, or as the notes have it."""
    kind = chance.randrange(3)
    if kind == 2:
        rows = [chance.choice(LINES) for _ in range(chance.randrange(12))]
    else:
        between = " | " if kind else "," if chance.random() < 0.9 else "\t"
        width = chance.randrange(1, 5)
        first = "layer" if chance.random() < 0.9 else "odd"
        rows = [between.join([first, *(chance.choice(HEADERS) for _ in range(width))])]
        rows += [between.join(["---"] * (width + 1))] * (kind == 1)
        for _ in range(chance.randrange(12)):
            several = width if chance.random() < 0.8 else chance.randrange(7)
            layer = chance.choice(CELLS[:6] if chance.random() < 0.8 else CELLS)
            rows.append(between.join([layer, *(chance.choice(CELLS) for _ in range(several))]))
    words = ["notes", "t.csv"]
    words += ["--net", chance.choice(("D", "A", "8,M", "x.toml", ""))] if chance.random() < 0.3 else []
    words += ["--format", chance.choice(("json", "csv", "latex", "html", "markdown", "x"))]
    rows = [f"| {row} |" for row in rows] if kind == 1 else rows
    return words, {"t.csv": "\n".join(rows).encode()}, False


TRACED = ("table", "timeline", "fit", "compare", "explain", "sweep", "plot", "report", "check")


@cache
def _traced_text() -> str:
    """The book of a small network, as ``trace`` writes it."""
    import torch

    from vgg_profile.predict.fake.trace import trace
    from vgg_profile.predict.traced import dumps

    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten())
    return dumps(trace(net, "3x8x8", probe=False))


def changed(chance: random.Random, value: Any) -> Any:
    """The same with one value in it another, or gone, or twice."""
    if isinstance(value, dict) and value:
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {name: each for name, each in value.items() if name != key}
        if chance.random() < 0.1:
            return {**value, chance.choice(("odd", "\u202e", f"{key} ")): value[key]}
        return {**value, key: changed(chance, value[key])}
    if isinstance(value, list) and value:
        place = chance.randrange(len(value))
        if chance.random() < 0.1:
            return [*value[:place], *value[place + 1 :]]
        if chance.random() < 0.1:
            return [*value[:place], value[place], *value[place:]]
        return [*value[:place], changed(chance, value[place]), *value[place + 1 :]]
    odd: tuple[Any, ...] = (
        None, True, -1, 0, 1, 2**70, 1.5, "", "\u202e", "\x1b[31m", "=1+1", "$\\input{/etc/passwd}$", [], {},
    )  # fmt: skip
    return value + chance.choice((1, -1, 10**15)) if type(value) is int else chance.choice(odd)


def traced(chance: random.Random) -> Files:
    """A traced network with something changed, signed anew, that some command reads."""
    content = json.loads(_traced_text())
    content.pop("digest", None)
    for _ in range(chance.randrange(1, 3)):
        content = changed(chance, content)
    command = chance.choice(TRACED)
    words = {
        "fit": ["fit", "n.json", "--memory", chance.choice(("8GiB", "rtx4090"))],
        "compare": ["compare", "n.json", "8,M", "--short"],
        "explain": ["explain", "n.json", chance.choice(("0", "peak", "1"))],
        "plot": ["plot", "n.json", "timeline", "-o", "p.svg"],
        "report": ["report", "n.json", "-o", "r.md"],
        "check": ["check", "n.json", "n.json"],
    }.get(command, [command, "n.json"])
    text = json.dumps(sign(content)) if isinstance(content, dict) else json.dumps(content)
    return words, {"n.json": text.encode(errors="surrogatepass")}, False


def against(chance: random.Random) -> Files:
    """Versions that are compared: files that are odd, in a folder that is no repository."""
    file = chance.choice(("x.toml", "x.json", "D", "x.py:net", "", "../x.toml", ":", "\u202e.toml"))
    words = ["compare", file, "--input", "8"]
    if chance.random() < 0.6:
        revision = ("main", "HEAD", "--help", "-x", "--output=y", "", "HEAD:x", "a\nb", "\u202e", "~", "@{9}")
        words += ["--against", chance.choice(revision)]
    else:
        words += [chance.choice(("8,M", "x.toml", "A")), "--short"]
    return (
        words,
        {"x.toml": b'layers = [8, "M"]\n', "x.json": b'{"layers": [8]}', "x.py": b"net = 1\n"},
        False,
    )


SIZES = (
    "8GiB",
    "rtx4090",
    "1",
    "0",
    "-1GiB",
    "1e400GiB",
    "nan",
    "8 GB",
    "８GiB",
    "",
    "9" * 40,
    "h100 ",
    "\x1b",
)
COLUMNS = (
    "name",
    "+macs",
    "macs,name",
    "",
    ",",
    "+",
    "+,",
    "\u202e",
    "n",
    "a\nb",
    "name," * 500,
    "＝1",
    "%s",
)


def columns(chance: random.Random) -> Files:
    """Columns that are chosen, of tables on a screen and in files; memories that a grid is asked about."""
    words = chance.choice((["table", "8,M", "--input", "8"], ["list"], ["compare", "8,M", "A"], ["notes"]))
    if chance.random() < 0.3:
        memory, batch = chance.choice(SIZES), chance.choice(("1..3", "1", "0", "9..1"))
        words = ["sweep", "8,M", "--input", "8", "--batch", batch, "--memory", memory]
    words = [*words, "--columns", chance.choice(COLUMNS)]
    return [*words, *chance.choice(([], ["--wide"], ["--format", "csv"], ["--bytes"]))], {}, False


KEPT = {
    "processor": "amx", "threads": 2, "torch": "2.13.0", "host": "", "beside": {"0123456789abcdef": 2**28},
}  # fmt: skip


KEPT_IN = "../kept/vgg-profile/machine.json"
"""Where a run finds it: see the environment in ``running``."""


def kept(chance: random.Random) -> Files:
    """What ``doctor`` and ``--calibrate`` keep of this machine, with something changed in it."""
    import platform

    content = changed(chance, {**KEPT, "host": platform.node()})
    text = json.dumps(content).encode(errors="surrogatepass")
    text = text[: chance.randrange(len(text) + 1)] if chance.random() < 0.3 else text
    return ["fit", "8,M", "--input", "8", "--memory", "8GiB"], {KEPT_IN: text}, False


_STARTS = "import torch\nfrom torch import nn\n"
_FORWARD = f"{_STARTS}class net(nn.Module):\n    def forward(self, x):\n        "
NETS = (
    f"{_STARTS}net = nn.Conv2d(3, 4, 3)\n", f"{_STARTS}net = nn.Sequential()\n", "net = 1\n", "net = None\n",
    "def net(): return 1\n", "def net(a, b): pass\n", "def net(): net()\n", "x = (\n", "1 / 0\n",
    f"{_STARTS}net = nn.Sequential()\nnet.add_module('\\u202e\\x1b[31m=1+1', nn.Conv2d(3, 4, 1))\n",
    f"{_STARTS}net = nn.Linear(8, 10**9)\n", f"{_STARTS}net = nn.LazyConv2d(4, 3)\n",
    f"{_FORWARD}return None\n", f"{_FORWARD}return {{'\\u202e': x}}\n", f"{_FORWARD}return [x, [x, 'x']]\n",
    f"{_FORWARD}raise Exception('\\x1b[31m\\u202e')\n", f"{_FORWARD}return self(x)\n",
    f"{_FORWARD}return x * x.sum().item()\n", f"{_FORWARD}return x.numpy()\n", f"{_FORWARD}return y\n",
    f"{_FORWARD}raise MemoryError\n", f"{_FORWARD}return x.expand(2**40, -1)\n",
    f"class E(Exception):\n    def __str__(self): 1 / 0\n{_FORWARD}raise E\n",
)  # fmt: skip
"""Modules that somebody wrote; none of them ends the process that imports it, as it well may."""


def networks(chance: random.Random) -> Files:
    """Networks that are traced: odd modules at odd inputs, with odd options."""
    name = f"m{chance.randrange(10**9)}.py"  # a module is imported once
    given = "3x8x8"
    if chance.random() < 0.4:
        given = chance.choice(("8", "8x8", "0", "x", "8:int64", "4096", "8:float99", "\u202e"))
    words = ["trace", f"{name}:net", "--input", given, "-o", "n.json", "--no-probe"]
    for _ in range(chance.randrange(3)):
        words += chance.choice((
            ["--batch", "2"], ["--batch", "0"], ["--up-to", "3"], ["--loss", "odd"], ["--with", "a=1"],
            ["--device", "cuda"], ["--mode", "eval"], ["--optimizer", "adam"], ["--amp", "bfloat16"],
            ["--freeze", "0"], ["--with", "\u202e"],
        ))  # fmt: skip
    return words, {name: chance.choice(NETS).encode()}, False


MAKERS: dict[str, tuple[int, Callable[[random.Random], Files]]] = {
    "budgets": (1_500, budget),
    "own tables": (3_000, own_table),
    "traced": (3_000, traced),
    "against": (200, against),
    "columns": (1_000, columns),
    "kept": (1_000, kept),
    "networks": (500, networks),
}
"""Each kind with the number of a whole run, and what makes one."""
