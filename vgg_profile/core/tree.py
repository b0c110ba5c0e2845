"""What a network is made of: its modules in order, and totals that are added up from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple, Protocol

from vgg_profile.core.counts import Count, plain, total
from vgg_profile.core.display import Displayed
from vgg_profile.core.events import Storage
from vgg_profile.core.fold import memory_bytes
from vgg_profile.core.lazy import Lazy
from vgg_profile.core.setting import Setting, Setup
from vgg_profile.core.sizes import Shape
from vgg_profile.core.verified import Verified, verified
from vgg_profile.core.version import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Row:
    """One layer at one input.

    Counts are per image; ``saved`` is what the layer leaves alive after the forward pass of a training
    step. ``receptive_field`` and ``stride`` are in input pixels; ``None`` where every output sees the
    whole image, or pools of uneven windows leave no single figure.
    """

    name: str
    module: str
    kind: str
    output_shape: Shape
    values: Count
    weights: Count
    biases: int
    buffers: int
    macs: Count
    receptive_field: int | None
    stride: int | None
    kernel: int | None = None
    head: str = ""
    """The layer whose line of the notes it is counted into; its own name, if it has a line."""
    block: str = ""
    """The group that it stands in: ``block 3``, ``classifier``; empty for the input."""
    saved: Sequence[Storage] = field(default=(), compare=False)
    note: str = ""
    backward_macs: Count | None = None
    """The MACs of its backward pass, where they were counted; else they follow from the forward's."""
    pooled: str = ""
    """What the average pool before the classifier does, where it changes the map."""
    more_outputs: tuple[Shape, ...] = ()
    """The shapes of what it gives beside its first output."""
    calls: int = 1
    """How often a forward pass calls it; parameters count once, MACs and saved bytes of all calls."""
    frozen: int = 0
    """How many of its parameters are not trained, where the network itself says so."""
    uncounted_macs: int = 0
    """Of its ``macs``, those of operations that torch's FlopCounterMode has no formula for."""
    uncounted_backward_macs: int = 0

    def memory_bytes(self, batch: int, itemsize: int) -> int:
        """Bytes of the values that the layer makes, for a whole batch."""
        return memory_bytes(self.values.value, itemsize, batch)

    def saved_bytes(self, batch: int) -> int:
        return sum(storage.size.at(batch) for storage in self.saved)

    @property
    def parameters(self) -> int:
        return self.weights.value + self.biases


CLASSIFIER = "classifier"
"""The group after the last block."""

BLOCK = "block "
"""How the name of a VGG's block begins, before its number."""


def block_labels(rows: Iterable[Row]) -> dict[str, str]:
    """The groups that layers stand in, in order, each with a label for a chart: 1, 2, 3, fc of a VGG.

    Of any other network it is the group's own name.
    """
    blocks = dict.fromkeys(row.block for row in rows if row.block)
    return {block: "fc" if block == CLASSIFIER else block.removeprefix(BLOCK) for block in blocks}


class Totals(NamedTuple):
    """Sums over rows. ``values`` and ``macs`` are per image, the two ``bytes`` for the batch."""

    values: int
    memory_bytes: int
    saved_bytes: int
    weights: int
    biases: int
    buffers: int
    macs: int

    @property
    def parameters(self) -> int:
        return self.weights + self.biases


class Network(Protocol):
    """What a result says of the network that it is of; a ``predict.vgg`` config is one."""

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def title(self) -> tuple[str, str]:
        """What it is, before and after its input's size is said."""
        ...

    @property
    def depth(self) -> int: ...

    @property
    def is_traced(self) -> bool:
        """Whether it is any network, whose step was traced and not worked out on paper."""
        ...

    @property
    def scope(self) -> str:
        """What the figures of its step count, in words."""
        ...

    @property
    def heading(self) -> dict[str, Any]:
        """How it is named in every JSON form."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """What the JSON form of its table says of it beside."""
        ...

    def to_dict(self) -> dict[str, Any]: ...

    def __hash__(self) -> int: ...


def heading(network: Network, setting: dict[str, Any]) -> dict[str, Any]:
    """How every JSON form begins: its schema, the network, and the setting."""
    return {
        "schema_version": SCHEMA_VERSION,
        **network.heading,
        **setting,
    }


@dataclass(frozen=True, repr=False)
class Profile(Displayed):
    """What a network costs at one setting: its rows, and totals that are added up from them.

    ``rows`` are the notes' rows: the input, each convolution, pool and fully-connected layer, with the
    small modules that follow counted into theirs (a batch norm into its convolution, the average
    pool into the last max pool, a dropout into its fully-connected layer). ``module_rows`` has
    every module for itself. Both give the same parameters, MACs and saved bytes: those that are alive after
    the forward pass of the setting.

    >>> from vgg_profile import walk
    >>> walk("D").totals.parameters
    138357544
    """

    config: Network
    setting: Setting
    module_rows: Sequence[Row]
    run: Callable[[Setup], Any] | None = field(default=None, compare=False)
    """The step with a setup, for a network that was traced; else it is worked out on paper."""
    build: Callable[[], Any] | None = field(default=None, compare=False)
    """The network with weights, its inputs and its loss, where it is at hand and no config describes it."""
    groups: Mapping[str, Row] = field(default_factory=dict, compare=False)
    """The modules that hold others, by path: what they give, and how often they are called."""

    @property
    def is_traced(self) -> bool:
        """Whether it is of any network, and not worked out on paper."""
        return self.config.is_traced

    @property
    def input(self) -> Shape:
        """(C, H, W)."""
        return self.setting.input

    @property
    def batch(self) -> int:
        return self.setting.batch

    @property
    def dtype(self) -> str:
        return self.setting.dtype

    @property
    def device(self) -> str:
        return self.setting.device

    @property
    def forward_pass(self) -> str:
        """After which forward pass the saved bytes are alive, in words."""
        return self.setting.setup.forward_pass

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of layer that have rules of their own: some have others on maps of one pixel."""
        found = set()
        for row in self.module_rows:
            is_one = row.kind in ("batchnorm", "avgpool") and row.output_shape[1:] == (1, 1)
            found.add(f"conv {row.kernel}" if row.kind == "conv" else row.kind + " of one pixel" * is_one)
        return tuple(sorted(found))

    @cached_property
    def verified(self) -> Verified | None:
        """Where this very step, at any batch and image size, was confirmed on a card; ``None`` if nowhere."""
        return None if self.device == "cpu" else verified(self.kinds, self.setting)

    @property
    def verification(self) -> dict[str, str | None]:
        """The same as JSON has it. Of the CPU it says nothing: every test run verifies its rules."""
        return {} if self.device == "cpu" else {"verified_on": self.verified and self.verified.label}

    def at(self, batch: int) -> Profile:
        """The same with another batch."""
        return replace(self, setting=replace(self.setting, batch=batch))

    @property
    def itemsize(self) -> int:
        """Bytes a value."""
        return self.setting.itemsize

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        return tuple(_notes_rows(self.module_rows))

    def by(self, group: Callable[[Row], str]) -> Profile:
        """The same with a row for each group of layers that follow one another; the input is none.

        >>> from vgg_profile import walk
        >>> [row.name for row in walk("A").by(lambda row: row.block).rows]
        ['input', 'block 1', 'block 2', 'block 3', 'block 4', 'block 5', 'classifier']
        """
        first, *others = self.rows
        grouped = (self._group(name, tuple(rows)) for name, rows in groupby(others, group))
        return replace(self, module_rows=(first, *grouped))

    def to_depth(self, depth: int) -> Profile:
        """The same with modules up to so deep in the tree, each with all that it holds counted in."""
        return self.by(lambda row: ".".join(row.module.split(".")[:depth]) or row.name)

    def _group(self, name: str, rows: Sequence[Row]) -> Row:
        """One row for several: what they cost together; what the last, or the module of that name, gives."""
        whole = _fold([replace(row, note="") for row in rows])
        gives = self.groups.get(name, rows[-1])
        kind = gives.kind if len(rows) == 1 or name in self.groups else ""
        return replace(
            whole,
            name=name,
            head=name,
            module=gives.module if name in self.groups or len(rows) == 1 else "",
            kind=kind,
            values=whole.values if len(rows) == 1 else plain(sum(row.values.value for row in rows)),
            weights=whole.weights if len(rows) == 1 else plain(whole.weights.value),
            macs=plain(sum(row.macs.value for row in rows)),
            output_shape=gives.output_shape,
            more_outputs=gives.more_outputs,
            calls=gives.calls,
            frozen=sum(row.frozen for row in rows),
            receptive_field=rows[-1].receptive_field,
            stride=rows[-1].stride,
        )

    @cached_property
    def totals(self) -> Totals:
        return self.total(self.rows)

    @cached_property
    def pooled(self) -> str:
        """What the average pool before the classifier does to the map; empty where it changes nothing."""
        return next((row.pooled for row in self.module_rows if row.pooled), "")

    @property
    def receptive_field(self) -> int | None:
        """How many pixels of a side one value of the last map sees, 212 for D; ``None``: not known."""
        if self.is_traced:
            maps = [row for row in self.module_rows[1:] if len(row.output_shape) == len(self.input) == 3]
            return maps[-1].receptive_field if maps else None
        fields = (row.receptive_field for row in self.module_rows[1:])
        return max((each for each in fields if each is not None), default=None)

    def total(self, rows: Iterable[Row]) -> Totals:
        """Add up rows of this profile."""
        rows = list(rows)
        return Totals(
            values=sum(row.values.value for row in rows),
            memory_bytes=sum(row.memory_bytes(self.batch, self.itemsize) for row in rows),
            saved_bytes=sum(row.saved_bytes(self.batch) for row in rows),
            weights=sum(row.weights.value for row in rows),
            biases=sum(row.biases for row in rows),
            buffers=sum(row.buffers for row in rows),
            macs=sum(row.macs.value for row in rows),
        )

    def to_dict(self, *, all_layers: bool = False) -> dict[str, Any]:
        """The profile as JSON has it: raw integers, rows of the notes or of every module."""
        rows = self.module_rows if all_layers else self.rows
        totals = self.total(rows)
        return {
            **heading(self.config, self.setting.tensors),
            **self.verification,
            **self.config.facts,
            "pooled": self.pooled,
            "all_layers": all_layers,
            "rows": [
                {
                    "name": row.name,
                    "module": row.module,
                    "kind": row.kind,
                    "output_shape": list(row.output_shape),
                    "values": row.values.value,
                    "values_working": row.values.working,
                    "memory_bytes": row.memory_bytes(self.batch, self.itemsize),
                    "saved_bytes": row.saved_bytes(self.batch),
                    "saved": [
                        {
                            "what": storage.what,
                            "category": storage.category.value,
                            "why": storage.why,
                            "bytes": storage.size.at(self.batch),
                        }
                        for storage in row.saved
                    ],
                    "weights": row.weights.value,
                    "weights_working": row.weights.working,
                    "biases": row.biases,
                    "macs": row.macs.value,
                    "macs_working": row.macs.working,
                    "receptive_field": row.receptive_field,
                    "stride": row.stride,
                    "note": row.note,
                    **_where_several(row),
                }
                for row in rows
            ],
            "totals": {
                "values": totals.values,
                "memory_bytes": totals.memory_bytes,
                "saved_bytes": totals.saved_bytes,
                "weights": totals.weights,
                "biases": totals.biases,
                "parameters": totals.parameters,
                "parameter_bytes": totals.parameters * self.itemsize,
                "buffers": totals.buffers,
                "macs": totals.macs,
                "flops": 2 * totals.macs,
            },
        }


def _where_several(row: Row) -> dict[str, Any]:
    """What JSON says of a row where there is something to say."""
    return {
        **({"more_outputs": [list(shape) for shape in row.more_outputs]} if row.more_outputs else {}),
        **({"calls": row.calls} if row.calls != 1 else {}),
        **({"frozen": row.frozen} if row.frozen else {}),
    }


def _notes_rows(rows: Sequence[Row]) -> Iterator[Row]:
    """Count every module into the row of its head."""
    for _, stage in groupby(rows, key=lambda row: row.head):
        yield _fold(tuple(stage))


def _fold(stage: Sequence[Row]) -> Row:
    head = stage[0]
    if len(stage) == 1:
        return head
    return replace(
        head,
        weights=total(row.weights for row in stage),
        biases=sum(row.biases for row in stage),
        buffers=sum(row.buffers for row in stage),
        saved=Lazy(lambda: [storage for row in stage for storage in row.saved]),
    )
