"""What a rule is made of: terms, a tool's figures, and the terms that several tools share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from . import ask

if TYPE_CHECKING:
    from torch import Tensor, nn


class Term(NamedTuple):
    """``each`` of a count over all modules of some kinds, and why; without kinds, of a figure by itself."""

    each: int
    what: str
    kinds: tuple[str, ...]
    why: str

    @property
    def label(self) -> str:
        """The term in words.

        >>> Term(2, "values in", ("relu",), "as a module and as a function").label
        '+ 2 × values in of relu: as a module and as a function'
        """
        sign = "−" if self.each < 0 else "+"
        count = f"{abs(self.each)} × {self.what} of {', '.join(self.kinds)}: " if self.kinds else ""
        return f"{sign} {count}{self.why}"


@dataclass(frozen=True)
class Figure:
    """One number of a tool: its name there, what it really is, and how a figure of ours becomes it."""

    name: str
    sort: str
    """"parameters", "operations", "memory" or "traffic"."""
    ours: str
    meaning: str
    terms: tuple[Term, ...] = ()
    unit: int = 1
    """Bytes in the unit of a figure that is printed text, and is compared as it is printed."""


@dataclass(frozen=True)
class Tool:
    """A tool: how to ask it, where its rules stand, and each of its figures."""

    name: str
    package: str
    ask: Callable[[nn.Module, Tensor], ask.Readings]
    source: str
    about: str
    figures: tuple[Figure, ...]
    folder: str = ""
    """Where it is installed, if not in this environment."""


CONVS, NORMS, RELUS, FCS, DROPOUTS = ("conv",), ("batchnorm",), ("relu",), ("fc",), ("dropout",)
MAX_POOLS, AVG_POOL, IMAGE = ("maxpool",), ("avgpool",), ("input",)
WEIGHTED, OWNERS = ("conv", "fc"), ("conv", "batchnorm", "fc")
MODULES = ("conv", "batchnorm", "relu", "maxpool", "avgpool", "flatten", "fc", "dropout")

BIASES = Term(1, "values out", WEIGHTED, "a bias is one more addition an output")
NO_IMAGE = Term(-4, "values out", IMAGE, "the image is no layer's output")
AND_IMAGE = Term(4, "values out", IMAGE, "the image")
AND_PARAMETERS = Term(4, "parameters", OWNERS, "the parameters; running statistics are left out")


def parameters(name: str) -> Figure:
    return Figure(name, "parameters", "parameters", "weights and biases")


# torchinfo and torchsummary: outputs, "x2 for gradients"
OUTPUTS_OF_OWNERS = (
    NO_IMAGE,
    Term(-4, "values out", MAX_POOLS, "a pool owns no parameters, and is left out"),
    Term(4, "values out", NORMS, "a batch norm owns some, and is in"),
    Term(4, "values out", OWNERS, "all of it again, 'x2 for gradients'"),
)
OUTPUTS_OF_MODULES = (
    NO_IMAGE,
    Term(4, "values out", ("relu", "flatten"), "in place, or a view: no memory of their own"),
    Term(4, "values out", ("batchnorm", "avgpool", "dropout"), "modules that the notes' table leaves out"),
    Term(4, "values out", MODULES, "all of it again, 'x2 for gradients'"),
)

# torchscan, both versions: they differ in the mode that they run in, which a batch norm feels
SCAN_MACS = (
    Term(1, "values out", MAX_POOLS, "kernel_size=2 is read as a window of 2 values; one comparison"),
    Term(2, "values out", AVG_POOL, "no addition in a window of one value, but a division a dimension"),
)
SCAN_FLOPS = (
    Term(1, "values in", RELUS, "a comparison a value"),
    *SCAN_MACS,
    Term(1, "values in", DROPOUTS, "a random number a value, in eval mode too"),
)
SCAN_TRAFFIC = (
    Term(-1, "MACs", FCS, "a linear layer reads an input once, a convolution once a MAC"),
    Term(1, "values in", ("fc", "relu", "dropout", "batchnorm"), "read once"),
    Term(1, "parameters", WEIGHTED, "read once"),
    Term(1, "values out", ("conv", "fc", "dropout", "batchnorm"), "written once"),
    Term(5, "values out", MAX_POOLS, "four read, one written: here the window is 2×2"),
    Term(2, "values out", AVG_POOL, "one read, one written"),
    Term(2, "values in", ("flatten",), "read and written, though it is a view"),
    Term(1, "modules", DROPOUTS, "its probability is read"),
    Term(2, "parameters", NORMS, "scale, shift and two running statistics are read"),
    Term(2, "modules", NORMS, "eps and the momentum are read"),
)
SCAN_MEANS = {
    "macs": "MACs, and operations of pools and norms",
    "flops": "FLOPs; a bias is the addition that a sum of n products saves",
    "dmas": "values read or written, 'direct memory accesses'",
}
MODEL_SIZE = Figure("Model size", "memory", "weights and buffers", "weights and buffers, no activation")
