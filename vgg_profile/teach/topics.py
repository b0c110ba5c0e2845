"""The facts worth an hour of class, each worked out with the numbers in place.

A topic is a function that yields sections; its name, its one line and its evidence stand in front of it.
Every number is taken from a walk or a ledger when the topic is asked for, so a sentence cannot grow old. All
topics speak of the notes' setting, config D at 224×224 in float32, unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from vgg_profile.core import units
from vgg_profile.core.counts import ZERO, Count, plain, product, total
from vgg_profile.core.events import Category, Phase, Storage
from vgg_profile.core.setting import Setup
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.core.step import Ledger
from vgg_profile.core.tree import Profile, Row, Totals
from vgg_profile.predict.vgg.configs import PAPER, config
from vgg_profile.predict.vgg.layers import Conv2d, Linear, MaxPool2d, ReLU
from vgg_profile.predict.vgg.network import POOLED, modules
from vgg_profile.predict.vgg.step import ledger
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.walk import load, walk
from vgg_profile.teach.forms import Cell, Grid, Lesson, Line, Section
from vgg_profile.teach.audit import audit

ARITHMETIC = "By arithmetic alone, from the shapes of the layers. No framework has a say in it."
RECORD = (
    "Measured with PyTorch 2.13 on the CPU: reports/measured/D-cpu.json is a real step of D, and every "
    "figure of the step that stands here is equal to it."
)
RECORD_BN = (
    "Measured with PyTorch 2.13 on the CPU: reports/measured/D-cpu.json and D-BN-cpu.json are real steps of "
    "both networks, and every figure of a step that stands here is equal to them."
)
RULES = (
    "By arithmetic; what PyTorch keeps and when, by its rules on the CPU, which this project's tests hold "
    "against real steps of PyTorch 2.13."
)
TESTS = (
    "Measured with PyTorch 2.13 on the CPU by this project's tests, on small networks that are built of "
    "the same layers; the figures here are predicted by the same rules."
)


@dataclass(frozen=True, slots=True)
class Topic:
    """One fact: its name, its line in the list, how it is known, what to type, and its sections."""

    name: str
    title: str
    evidence: str
    commands: tuple[str, ...]
    sections: Callable[[], Iterable[Section]]

    @property
    def lesson(self) -> Lesson:
        """The fact, worked out."""
        return Lesson(self.name, self.title, tuple(self.sections()), self.evidence, self.commands)


TOPICS: dict[str, Topic] = {}
"""Every topic by its name, in the order of a course."""

ALIASES = {
    "1x1": "one-by-one",
    "1x1-convolutions": "one-by-one",
    "flatten": "fc6",
    "flatten-and-fc6": "fc6",
    "bn": "batch-norm",
    "dropout": "dropout-mask",
    "relu": "in-place-relu",
    "flops": "mac-vs-flop",
    "macs": "mac-vs-flop",
    "first-conv-gradient": "backward-flops",
    "adam": "optimizer-state",
    "optimizer": "optimizer-state",
    "gradient-accumulation": "micro-batches",
    "gib-vs-gb": "mib-vs-mb",
    "units": "mib-vs-mb",
    "24m": "notes-total",
}
"""Other words for the same."""


def _topic(
    name: str, title: str, evidence: str, *commands: str
) -> Callable[[Callable[[], Iterable[Section]]], Callable[[], Iterable[Section]]]:
    def register(sections: Callable[[], Iterable[Section]]) -> Callable[[], Iterable[Section]]:
        TOPICS[name] = Topic(name, title, evidence, commands, sections)
        return sections

    return register


# -- what many topics need


@cache
def _walk(name: str = "D", batch: int = 1, device: str = "cpu") -> Profile:
    return walk(name, batch=batch, device=device)


@cache
def _step(name: str = "D", batch: int = 1, setup: Setup = Setup()) -> Ledger:  # noqa: B008 - it is frozen
    return ledger(_walk(name, batch), setup)


def _rows(profile: Profile, *kinds: str) -> list[Row]:
    return [row for row in profile.module_rows if row.kind in kinds]


def _row(profile: Profile, name: str) -> Row:
    return next(row for row in profile.module_rows if row.name == name)


def _size(size: int) -> str:
    """Exact bytes, and how many that is."""
    return f"{size:,} bytes, {units.binary(size)}"


def _minus(whole: Count, part: Count) -> Count:
    return Count(whole.value - part.value, f"{whole.working}-{part.working}")


def _after_forward(step: Ledger) -> dict[Category, int]:
    """What is live by category when the forward pass is over."""
    return [moment for moment in step.moments if moment.phase is Phase.FORWARD][-1].categories


def _kept(step: Ledger) -> int:
    """Live after the forward pass, beside what was there before it."""
    return step.fixed_points[Phase.FORWARD] - step.fixed_points[Phase.INPUT]


def _of(rows: Iterable[Row]) -> Totals:
    return _walk().total(rows)


def _in(moment_phase: Phase, layer: str) -> str:
    return f"{moment_phase.value}{' of ' if layer else ''}{layer}"


# -- shapes


@_topic(
    "receptive-field",
    "how many pixels of the image one value sees",
    ARITHMETIC,
    "vgg-profile table D",
    "vgg-profile explain D conv3_2",
)
def _receptive_field() -> Iterator[Section]:
    profile = _walk()
    rows, after = [], profile.module_rows[0]
    for module, row in zip(modules(profile.config), profile.module_rows[1:], strict=True):
        before, after = after, row
        kernel = module.layer.kernel
        if kernel > 1 and before.receptive_field and row.receptive_field:
            field = Count(row.receptive_field, f"{before.receptive_field}+({kernel}-1)*{before.stride}")
            rows.append((row.name, kernel, before.stride, field, row.stride))
    image = profile.input[1]
    yield Section(
        "The rule",
        (
            "One value of a 3×3 convolution looks at 3 by 3 values of its input. Each of those looked at 3 "
            "by 3 values before it, and so on back to the image. So the field grows from layer to layer: the "
            "new field is the old one plus (kernel - 1) steps, and a step is as long as the stride so far. A "
            "pool of stride 2 doubles the stride, so whatever comes after it widens the field twice as fast.",
            Grid(
                "Config D, one side of the field, in pixels of the image",
                ("layer", "kernel", "stride before", "field", "stride after"),
                tuple(rows),
            ),
            f"One value of the last pool's map sees {profile.receptive_field} of the image's {image} "
            "pixels a side. Near the border part of that field lies on the padding.",
        ),
    )
    width = max(row.output_shape[0] for row in _rows(profile, "conv"))
    stack = product(3, Conv2d(width, width).weights)
    single = Conv2d(width, width, 7).weights
    yield Section(
        "Why VGG stacks small kernels",
        (
            f"Without a pool between them, three 3×3 convolutions see 1+2+2+2 = {1 + 2 + 2 + 2} pixels a "
            f"side, as much as one 7×7 does. Count the weights at {width} channels in and out:",
            Line("three 3×3", stack, "weights"),
            Line("one 7×7", single, "weights"),
            f"The single large kernel takes {units.ratio(single.value, stack.value)} the weights, and the "
            "stack has three ReLUs where the large kernel has one.",
        ),
    )
    yield Section(
        "The paper's configs",
        (
            Grid(
                "At the last pool",
                ("config", "weight layers", "field (px)", "stride (px)"),
                tuple(
                    (name, net.depth, _walk(name).receptive_field, _rows(_walk(name), "maxpool")[-1].stride)
                    for name, net in PAPER.items()
                ),
            ),
            "B and C see equally far, though C is three layers deeper: a 1×1 kernel adds (1 - 1) steps.",
        ),
    )


@_topic("padding", "how many of the MACs multiply the zeros around a map", ARITHMETIC, "vgg-profile table D")
def _padding() -> Iterator[Section]:
    profile = _walk()
    rows: list[tuple[Cell, ...]] = []
    wasted_in_all = 0
    for module, row in zip(modules(profile.config), profile.module_rows[1:], strict=True):
        layer = module.layer
        if not isinstance(layer, Conv2d):
            continue
        _, height, width = row.output_shape
        zeros = _zeros(layer, height, width)
        wasted_in_all += zeros.value
        rows.append((row.name, height, zeros, row.macs.value, units.percent(zeros.value, row.macs.value)))
    macs = sum(row.macs.value for row in _rows(profile, "conv"))
    side = _row(profile, "conv1_1").output_shape[1]
    yield Section(
        "Counting the zeros",
        (
            "A 3×3 kernel on the border reaches one pixel beyond the map, and padding answers with zeros. "
            "Over one row of n places the three taps read 3*n values, and 2 of them are padding. At "
            f"{side} pixels a side a square map is read as follows, for one input and one output channel:",
            Line("taps read in all", product(3, side, 3, side), "values"),
            Line("taps on the map", Count((3 * side - 2) ** 2, f"(3*{side}-2)*(3*{side}-2)"), "values"),
            "The smaller the map, the longer its border for its area:",
            Grid(
                "Config D, one image: MACs on padding, channels times channels times taps",
                ("layer", "side", "MACs on padding", "MACs", "share"),
                tuple(rows),
                ("all convolutions", None, wasted_in_all, macs, units.percent(wasted_in_all, macs)),
            ),
            "Every count of MACs, here and in other tools, has them in: the arithmetic is done, whatever it "
            "is done on.",
        ),
    )


def _zeros(layer: Conv2d, height: int, width: int) -> Count:
    """MACs of a padded convolution, stride 1, that multiply padding, on a map larger than the kernel."""
    k, reach = layer.kernel_size, layer.kernel_size // 2
    beyond = reach * (reach + 1)
    taps = Count(
        k * height * k * width - (k * height - beyond) * (k * width - beyond),
        f"{k * height}*{k * width}-{k * height - beyond}*{k * width - beyond}",
    )
    return product(taps, layer.in_channels, layer.out_channels)


@_topic(
    "one-by-one",
    "what the 1×1 convolutions of config C cost, and what they do not",
    RULES,
    "vgg-profile table C",
    "vgg-profile explain C conv3_3",
)
def _one_by_one() -> Iterator[Section]:
    small, large = _row(_walk("C"), "conv3_3"), _row(_walk("D"), "conv3_3")
    channels = small.output_shape[0]
    yield Section(
        "One pixel, all channels",
        (
            f"conv3_3 of config C has a 1×1 kernel. It makes each of its {channels} output channels from the "
            f"{channels} input channels of one pixel, and looks at no neighbour. In config D the same place "
            "has a 3×3 kernel:",
            Line("C: weights", small.weights, "weights"),
            Line("D: weights", large.weights, "weights"),
            Line("C: MACs", small.macs, "MACs"),
            Line("D: MACs", large.macs, "MACs"),
            "A ninth of both, for a ninth of the taps: D takes "
            f"{units.ratio(large.macs.value, small.macs.value)} the MACs there. The maps are equally "
            f"large, though: {small.values.value:,} values each. Memory for activations follows the number "
            "of outputs, not the size of the kernel.",
            Grid(
                "The nets around C",
                ("config", "weight layers", "parameters", "MACs", "saved (bytes)", "field (px)"),
                tuple(
                    (
                        name,
                        PAPER[name].depth,
                        _walk(name).totals.parameters,
                        _walk(name).totals.macs,
                        _walk(name).totals.saved_bytes,
                        _walk(name).receptive_field,
                    )
                    for name in ("B", "C", "D")
                ),
            ),
            "C is B with a 1×1 convolution more in each of the last three blocks: deeper by three layers and "
            "three ReLUs, with B's field of view.",
        ),
    )


# -- parameters and compute


@_topic(
    "fc6",
    "one layer after the flatten holds most of the weights",
    ARITHMETIC,
    "vgg-profile explain D fc6",
    "vgg-profile explain where-it-lives",
)
def _fc6() -> Iterator[Section]:
    profile = _walk()
    row, totals = _row(profile, "fc6"), profile.totals
    channels = _row(profile, "pool5").output_shape[0]
    averaged = Linear((channels,), row.output_shape[0]).weights
    as_conv = Conv2d(channels, row.output_shape[0], POOLED).weights
    yield Section(
        "From maps to a row of values",
        (
            "Flatten lays the last maps out as one row. It is a view: it moves nothing and takes no memory.",
            Line("values in the row", product(POOLED, POOLED, channels), "values"),
            f"fc6 then joins every one of them to every one of its {row.output_shape[0]:,} outputs:",
            Line("weights", row.weights, "weights"),
            Line("biases", plain(row.biases), "biases"),
            Line("in float32", product(row.parameters, profile.itemsize), "bytes"),
            f"That is {units.percent(row.parameters, totals.parameters)} of D's {totals.parameters:,} "
            f"parameters, and {units.percent(row.macs.value, totals.macs)} of its MACs: each weight of fc6 "
            "is used once an image, a weight of conv1_1 once for every pixel.",
        ),
    )
    yield Section(
        "Two other ways to see it",
        (
            f"fc6 is a {POOLED}×{POOLED} convolution without padding, whose output is a single pixel:",
            Line(f"a {POOLED}×{POOLED} convolution", as_conv, "weights"),
            "Had VGG averaged each map to one value first, as ResNet does:",
            Line("after a global average", averaged, "weights"),
            f"which is {units.percent(averaged.value, row.weights.value)} of what fc6 has.",
        ),
    )


@_topic(
    "biases",
    "the parameters that the notes leave out",
    ARITHMETIC,
    "vgg-profile notes",
    "vgg-profile table D",
)
def _biases() -> Iterator[Section]:
    profile = _walk()
    totals = profile.totals
    layers = _rows(profile, "conv", "fc")
    additions = sum(row.values.value for row in layers)
    yield Section(
        "One for each output channel",
        (
            "A convolution adds one bias to a whole output map, a fully-connected layer one to each output. "
            "So a layer has as many as it has output channels:",
            Line("biases of D", total(_grouped(row.biases for row in layers)), "biases"),
            Line("weights of D", plain(totals.weights), "weights"),
            Line("parameters", total((totals.weights, totals.biases)), "parameters"),
            f"They are {units.percent(totals.biases, totals.parameters)} of the parameters. The notes print "
            "weights alone, and their total is right to the three digits that it has, with biases or "
            "without.",
        ),
    )
    yield Section(
        "What they cost",
        (
            "Adding a bias is one addition for every output value:",
            Line("additions, one image", plain(additions), "FLOPs"),
            Line("multiply-adds, two FLOPs each", product(2, totals.macs), "FLOPs"),
            f"That is {units.percent(additions, 2 * totals.macs)} on top. Here biases count as parameters "
            "and their additions not as MACs. A tool that counts one MAC for each of them prints "
            f"{totals.macs + additions:,} in place of {totals.macs:,} MACs.",
            "Under a batch norm the bias of a convolution does nothing: the norm subtracts each channel's "
            "mean, and the bias with it. torchvision's networks keep it all the same, and so do these:",
            Line(
                "biases of D-BN's convolutions",
                plain(sum(row.biases for row in _rows(_walk("D-BN"), "conv"))),
                "biases",
            ),
        ),
    )


def _grouped(numbers: Iterable[int]) -> Iterator[Count]:
    """Equal neighbours as products: 64, 64, 128 as 2*64 and 128."""
    for number, group in groupby(numbers):
        times = len(list(group))
        yield product(times, number) if times > 1 else plain(number)


@_topic(
    "mac-vs-flop",
    "why one tool prints twice what another does",
    RECORD,
    "vgg-profile table D",
    "vgg-profile check D reports/measured/D-cpu.json",
)
def _mac_vs_flop() -> Iterator[Section]:
    profile = _walk()
    macs, row = profile.totals.macs, _row(profile, "conv1_2")
    entering = _row(profile, "avgpool").values.value
    yield Section(
        "The words",
        (
            "A MAC is one multiply-accumulate: a weight times a value, added to a sum. A FLOP is one "
            "operation on floating-point numbers. A MAC is a multiplication and an addition, so 1 MAC = 2 "
            "FLOPs.",
            "A convolution uses every weight once at every place of its output:",
            Line("conv1_2", row.macs, "MACs"),
            Line("conv1_2", product(2, row.macs.value), "FLOPs"),
            Line("all of D, one image", plain(macs), "MACs"),
            Line("all of D, one image", product(2, macs), "FLOPs"),
        ),
    )
    yield Section(
        "Who prints what",
        (
            f"PyTorch's FlopCounterMode counts {2 * macs:,}: FLOPs. fvcore 0.1.5 prints {macs + entering:,} "
            "under the name of flops: these are MACs, with one for each value that enters the adaptive "
            "average pool:",
            Line("fvcore", total((macs, entering)), "MACs and pool values"),
            f"torchvision publishes {macs / 10**9:.2f} for this network and calls the unit GFLOPS. In the "
            "words above these are thousand millions of MACs.",
            "Neither word is wrong. A figure without its word is: ask of every FLOPs whether it is twice the "
            "MACs, and of every total what was left out.",
        ),
    )


@_topic(
    "backward-flops",
    "why the backward pass takes almost, but not quite, twice the forward pass",
    RECORD,
    "vgg-profile measure D",
    "vgg-profile explain D conv1_1",
)
def _backward_flops() -> Iterator[Section]:
    profile = _walk()
    macs, first = profile.totals.macs, _row(profile, "conv1_1")
    for_weights, for_inputs = product(2, macs), _minus(product(2, macs), product(2, first.macs.value))
    both = for_weights.value + for_inputs.value
    yield Section(
        "Two gradients a layer",
        (
            "Going back, a layer is given the gradient of its output. From it, it makes two others: the "
            "gradient of its weights, for the optimizer, and the gradient of its input, for the layer "
            "before. Each takes as many multiply-adds as the forward pass did.",
            "The first layer is the exception. Its input is the image, nobody wants the image's gradient, "
            "and autograd does not make it:",
            Line("forward", product(2, macs), "FLOPs"),
            Line("gradients of weights", for_weights, "FLOPs"),
            Line("gradients of inputs", for_inputs, "FLOPs"),
            Line("forward and backward", total((2 * macs, both)), "FLOPs"),
            f"So the backward pass does {units.ratio(both, 2 * macs)} the work of the forward pass. What is "
            f"missing to twice are conv1_1's {2 * first.macs.value:,} FLOPs.",
            "The gradient of a bias is a sum, and ReLU and pools pass on or pick values: no multiply-adds, "
            "so they count nothing here, in either direction.",
        ),
    )


@_topic(
    "where-it-lives",
    "memory, compute and parameters live in three different places",
    RECORD,
    "vgg-profile table D",
)
def _where_it_lives() -> Iterator[Section]:
    profile = _walk()
    totals = profile.totals
    parts = {part: rows for part, rows in _by_block(profile).items() if part != "input"}
    sums = {part: profile.total(rows) for part, rows in parts.items()}
    first, last = sums["block 1"], sums["classifier"]
    widest = max(row.output_shape[0] for row in _rows(profile, "conv"))
    most = max(sums[part].macs for part in parts)
    heaviest = [part for part in parts if sums[part].macs == most]
    yield Section(
        "Three columns, three winners",
        (
            Grid(
                "Config D, one image",
                ("part", "saved\n(bytes)", "share", "parameters", "share", "MACs", "share"),
                tuple(
                    (
                        part,
                        sums[part].saved_bytes,
                        units.percent(sums[part].saved_bytes, totals.saved_bytes),
                        sums[part].parameters,
                        units.percent(sums[part].parameters, totals.parameters),
                        sums[part].macs,
                        units.percent(sums[part].macs, totals.macs),
                    )
                    for part in parts
                ),
                ("total", totals.saved_bytes, None, totals.parameters, None, totals.macs, None),
            ),
            Line("block 1: saved", total(row.saved_bytes(1) for row in parts["block 1"]), "bytes"),
            Line("classifier: learned", total(row.parameters for row in parts["classifier"]), "parameters"),
            Line(f"{heaviest[0]}: computed", total(row.macs.value for row in parts[heaviest[0]]), "MACs"),
            f"Memory lives at the front: block 1 alone keeps "
            f"{units.percent(first.saved_bytes, totals.saved_bytes)} of the activations, because its maps "
            "are the largest. Parameters live at the end: the classifier has "
            f"{units.percent(last.parameters, totals.parameters)} of them. Compute lives in between, with "
            f"{units.percent(most, totals.macs)} in {' and as much in '.join(heaviest)}.",
            "A pool halves each side and so quarters a map. VGG then doubles the channels, until there are "
            f"{widest}: a block's maps are half as large as those of the block before, and its layers have "
            "four times the weights, for twice the channels in and twice the channels out.",
        ),
    )


# -- memory, layer by layer


@_topic(
    "pool-indices",
    "what a max pool keeps beside its output, in no published table",
    RECORD,
    "vgg-profile table D --saved",
    "vgg-profile explain D pool1",
)
def _pool_indices() -> Iterator[Section]:
    profile = _walk()
    pools = _rows(profile, "maxpool")
    outputs = sum(row.memory_bytes(1, profile.itemsize) for row in pools)
    halved = sum(row.memory_bytes(1, ITEMSIZE["bfloat16"]) for row in pools)
    indices = {row.name: _saved(row, Category.INDICES) for row in pools}
    whole = sum(indices.values())
    _, height, width = _row(profile, "relu1_2").output_shape
    positions = height * width
    per_value = next(iter(indices.values())) // pools[0].values.value
    yield Section(
        "Why there are any",
        (
            "The gradient of a maximum goes to the value that won, and to no other. So the backward pass "
            "must know where each maximum was. PyTorch writes that down in the forward pass: one index for "
            f"each output value, an integer of {8 * per_value} bits, whatever the dtype of the network.",
            *(Line(f"{row.name} indices", product(*_plane(row), per_value), "bytes") for row in pools),
            Line("together", total(indices.values()), "bytes"),
            f"The pooled maps themselves are {outputs:,} bytes in float32: the indices are "
            f"{units.ratio(whole, outputs)} their size. In bfloat16 the maps are {halved:,} bytes, the "
            f"indices stay as they are, and so are {units.ratio(whole, halved)} as large.",
        ),
    )
    yield Section(
        "What it amounts to",
        (
            f"Of the {profile.totals.saved_bytes:,} bytes that one image leaves for the backward pass, the "
            f"indices are {units.percent(whole, profile.totals.saved_bytes)}. Only those who read the "
            "allocator find them: a sum of the layers' outputs has no place for them.",
            f"It is more than must be. The largest plane that is pooled has {positions:,} places, which "
            f"takes {(positions - 1).bit_length()} bits to number. And a 2×2 window has "
            f"{MaxPool2d.kernel**2} places, which takes {(MaxPool2d.kernel**2 - 1).bit_length()}:",
            Line(
                "at 2 bits a value",
                Count(whole // per_value * 2 // 8, f"{whole // per_value}*2//8"),
                "bytes",
            ),
        ),
    )


def _plane(row: Row) -> tuple[int, ...]:
    channels, *plane = row.output_shape
    return (*plane, channels)


def _saved(row: Row, *categories: Category, batch: int = 1) -> int:
    return sum(storage.size.at(batch) for storage in row.saved if storage.category in categories)


@_topic(
    "dropout-mask",
    "what dropout keeps, and what eval() saves",
    TESTS + " On CUDA the mask is expected to be smaller; that has not been verified on a device.",
    "vgg-profile table D --saved",
    "vgg-profile timeline D --mode eval",
)
def _dropout_mask() -> Iterator[Section]:
    profile = _walk()
    drops = _rows(profile, "dropout")
    train, evaluating = _step(), _step(setup=Setup(mode="eval"))
    cuda = sum(_saved(row, Category.MASKS) for row in _rows(_walk(device="cuda"), "dropout"))
    masks = sum(_saved(row, Category.MASKS) for row in drops)
    names = " and ".join(row.name for row in drops)
    yield Section(
        "A mask and a copy",
        (
            f"In training, {names} each make a mask of random zeros and twos and multiply by it. The "
            "backward pass multiplies by the same mask, so it is kept; the product is a new tensor, which "
            "the next layer keeps as its input.",
            *(
                line
                for row in drops
                for line in (
                    Line(f"{row.name} mask", product(*row.output_shape, profile.itemsize), "bytes"),
                    Line(f"{row.name} output", product(*row.output_shape, profile.itemsize), "bytes"),
                )
            ),
            "In eval mode dropout hands its input on and makes nothing. One image then keeps "
            f"{_kept(evaluating):,} bytes for a backward pass in place of {_kept(train):,}:",
            Line("the difference", _minus(plain(_kept(train)), plain(_kept(evaluating))), "bytes"),
            "eval() is not what saves memory, then; not recording a graph is:",
            Line("under no_grad", plain(_kept(_step(setup=Setup(mode="inference")))), "bytes"),
            "What is left under torch.no_grad() are the scores of the classes.",
        ),
    )
    yield Section(
        "On CUDA",
        (
            f"The CPU keeps a mask of the network's dtype, {masks:,} bytes for both. The kernel for CUDA "
            f"keeps single bytes, so {cuda:,} bytes are expected there.",
        ),
    )


@_topic(
    "in-place-relu",
    "overwriting the input saves less than it seems",
    TESTS,
    "vgg-profile explain D relu1_1",
    "vgg-profile table D --saved",
)
def _in_place_relu() -> Iterator[Section]:
    inside, outside = _block_live(in_place=True), _block_live(in_place=False)
    row = _row(_walk(), "conv1_1")
    size = row.memory_bytes(1, 4)
    yield Section(
        "Run block 1 twice, on paper",
        (
            "ReLU(inplace=True) writes its output over its input. One would think that it saves a map for "
            "every layer. Here is block 1 of D with one image, forward, in both ways:",
            Grid(
                "Live bytes of activations and indices",
                ("after", "in place", "out of place", "most within,\nin place", "most within,\nout of place"),
                tuple((name, *_interleaved(inside[name], outside[name])) for name in inside),
            ),
            "After every ReLU both have the same. The reason is what autograd keeps. A convolution's "
            "backward reads its input, not its output. ReLU's backward reads its own output, which the "
            "next convolution keeps as its input anyway. So out of place, the convolution's output has no "
            "reader left when ReLU is done, and is freed at once.",
        ),
    )
    yield Section(
        "What it does save",
        (
            "While an out-of-place ReLU runs, its input and its output are both there: one map more, for a "
            "moment. Whether that raises the peak depends on where the peak is.",
            Line("one map of block 1", product(row.values, 4), "bytes"),
            f"That is {_size(size)}, in passing. Under a batch norm it is the same story: the norm keeps "
            "its own input, and ReLU overwrites the norm's output, which only ReLU and the next layer read.",
            "Overwriting is allowed only where no earlier backward reads the old values. Put an in-place "
            "ReLU after a layer whose backward needs its own output, such as a sigmoid, and PyTorch stops "
            "the backward pass with an error.",
        ),
    )


def _interleaved(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, ...]:
    return one[0], other[0], one[1], other[1]


def _block_live(*, in_place: bool) -> dict[str, tuple[int, int]]:
    """D's first block on a tape: by layer, the bytes live after it and the most within, its input apart."""
    net, tape = config("D"), Tape(itemsize=4)
    parameters = load(tape, net)
    x = tape.hold(tape.tensor(Category.INPUT, "images", _walk().input))
    start, layers = len(tape.events), {}
    live = 0
    for module in modules(net):
        layer = ReLU(in_place=in_place) if module.layer.kind == "relu" else module.layer
        output = layer.trace(tape, x, parameters[module.name])
        tape.drop(x)
        x, most = output, live
        for event in tape.events[start:]:
            live += sum(storage.size.at(1) for storage in event.allocated)
            most = max(most, live)
            live -= sum(storage.size.at(1) for storage in event.freed)
        start = len(tape.events)
        layers[module.name] = (live, most)
        if module.layer.kind == "maxpool":
            break
    return layers


@_topic(
    "batch-norm",
    "few parameters, no MACs, and almost twice the activations",
    RECORD_BN,
    "vgg-profile table D-BN --saved",
    "vgg-profile list",
)
def _batch_norm() -> Iterator[Section]:
    plain_, normed = _walk("D"), _walk("D-BN")
    norms = _rows(normed, "batchnorm")
    channels = sum(row.output_shape[0] for row in norms)
    maps = sum(row.memory_bytes(1, normed.itemsize) for row in _rows(normed, "conv"))
    before, after = _after_forward(_step("D")), _after_forward(_step("D-BN"))
    yield Section(
        "What it adds to the model",
        (
            f"Each of D's {len(norms)} convolutions gets a norm of as many channels, {channels:,} in all. A "
            "channel has a scale and a shift to learn, a running mean and a running variance to remember, "
            "and each norm counts its batches:",
            Line("scales and shifts", product(2, channels), "parameters"),
            Line("buffers", total((product(2, channels), len(norms))), "values"),
            f"That is {units.percent(2 * channels, normed.totals.parameters)} of the parameters, and no "
            "MACs.",
        ),
    )
    statistics = after[Category.STATISTICS]
    saved = normed.totals.saved_bytes - plain_.totals.saved_bytes
    yield Section(
        "What it adds to memory",
        (
            "Without a norm, ReLU overwrites the convolution's output, and one map a convolution is kept. "
            "With one, its backward reads its input, the convolution's output; ReLU's backward and the next "
            "layer read the normalised map. So two maps are kept for each convolution.",
            Grid(
                "Kept after the forward pass of one image",
                ("what", "D (bytes)", "D-BN (bytes)"),
                tuple(
                    (category.value, before[category], after[category])
                    for category in (
                        Category.ACTIVATIONS,
                        Category.STATISTICS,
                        Category.INDICES,
                        Category.MASKS,
                    )
                ),
                ("total", _kept(_step("D")), _kept(_step("D-BN"))),
            ),
            Line("every convolution's output once more", plain(maps), "bytes"),
            Line("batch mean and inverse deviation", product(2, channels, normed.itemsize), "bytes"),
            Line("the price of the norms", total((maps, statistics)), "bytes"),
            "So one image of D-BN keeps "
            f"{units.ratio(normed.totals.saved_bytes, plain_.totals.saved_bytes)} what D keeps: {saved:,} "
            "bytes more. It is not quite twice, since pools, indices and the classifier stay as they are.",
            "In eval mode with frozen statistics a norm is a scale and a shift, and can be folded into the "
            "weights of its convolution: then it costs nothing at all.",
        ),
    )


@_topic(
    "lrn",
    "one local response norm keeps more than the rest of the network",
    TESTS,
    "vgg-profile table A-LRN --saved",
    "vgg-profile explain A-LRN lrn1_1",
)
def _lrn() -> Iterator[Section]:
    without, having = _walk("A"), _walk("A-LRN")
    row = next(iter(_rows(having, "lrn")))
    more = having.totals.saved_bytes - without.totals.saved_bytes
    yield Section(
        "A layer without parameters",
        (
            "AlexNet's norm divides each value by a sum of squares over neighbouring channels. It has "
            "nothing to learn and counts no MACs, so a table of parameters and MACs cannot tell A from "
            "A-LRN:",
            Line("A", plain(without.totals.parameters), "parameters"),
            Line("A-LRN", plain(having.totals.parameters), "parameters"),
        ),
    )
    yield Section(
        "What PyTorch makes of it",
        (
            "PyTorch writes it as a chain of small operations: square, pad, average over channels, scale, "
            "shift, power, divide. Autograd keeps what each of them will want to read again:",
            Grid(
                f"What {row.name} leaves alive after the forward pass of one image",
                ("what", "bytes", "read again by"),
                tuple(
                    (storage.what, storage.size.at(1), ", ".join(dict.fromkeys(storage.readers)))
                    for storage in row.saved
                ),
                ("total", row.saved_bytes(1), None),
            ),
            f"One such layer adds {more:,} bytes to the {without.totals.saved_bytes:,} that A keeps in "
            f"all: {units.ratio(having.totals.saved_bytes, without.totals.saved_bytes)} as much. The VGG "
            "paper found that it does not help, and its deeper configs do without.",
        ),
    )


# -- a whole step


@_topic(
    "peak",
    "where in a training step most memory is live, and why not at the end of the forward pass",
    "Measured with PyTorch 2.13 on the CPU: reports/measured/D-cpu.json is a real step of D with one image, "
    "and its live bytes are equal to the ones here. Larger batches are predicted by the same rules, affine "
    "in the batch. The peaks are of tensors alone; the CPU's convolutions take scratch memory beside them.",
    "vgg-profile timeline D",
    "vgg-profile timeline D --batch 64 --optimizer adam",
)
def _peak() -> Iterator[Section]:
    step = _step()
    after, most = step.fixed_points[Phase.FORWARD], step.peak
    yield Section(
        "Two tides",
        (
            "In the backward pass activations are freed one after the other, and gradients of weights "
            "appear in their place. The peak is where the sum of both is highest. It depends on the batch: "
            "activations grow with it, weights and their gradients do not.",
            Grid(
                "The peak of a step of D without optimizer, and what is live there",
                ("batch", "peak\n(bytes)", "where", "weights", "their\ngradients", "everything\nelse"),
                tuple(_at_the_peak(batch) for batch in _BATCHES),
            ),
            f"With one image, {after:,} bytes are live after the forward pass and {most.peak:,} at the "
            f"peak, in the {_in(most.phase, most.layer)}. By then the classifier's gradients are there, "
            f"{units.binary(_of(_by_block(_walk())['classifier']).parameters * 4)}, and of the activations "
            "only those of the last, small maps have gone: the classifier is the end with the weights, "
            "block 1 the end with the maps.",
        ),
    )
    yield Section(
        "A straight line for any batch",
        (
            "At any one moment the live bytes are a fixed part and a part for each image. So the peak is the "
            "highest of a few straight lines, and these are the ones that are highest for the batches above:",
            *(Line(f"batch {batch}", _peak_line(step, batch), "bytes") for batch in _BATCHES),
            "That is how the largest batch for a given memory is found: no trial, one division a line.",
        ),
    )


_BATCHES = (1, 8, 64, 256)


def _peak_line(step: Ledger, batch: int) -> Count:
    line = max(step.lines, key=lambda line: line.at(batch))
    return total((line.fixed, product(line.per_image, batch)))


def _at_the_peak(batch: int) -> tuple[Cell, ...]:
    step = _step(batch=batch)
    event, live = max(
        (pair for pair in step.contents() if pair[0].phase is not Phase.LOAD),
        key=lambda pair: sum(pair[1].values()),
    )
    whole, weights, gradients = sum(live.values()), live[Category.WEIGHTS], live[Category.GRADIENTS]
    return batch, whole, _in(event.phase, event.layer), weights, gradients, whole - weights - gradients


@_topic(
    "checkpointing",
    "keep each block's input, run the block again, and what that buys",
    TESTS,
    "vgg-profile timeline D --batch 64",
    "vgg-profile timeline D --batch 64 --checkpoint blocks",
)
def _checkpointing() -> Iterator[Section]:
    batch = 64
    setup = Setup(checkpoint="blocks")
    usual, thrifty = _step(batch=batch), _step(batch=batch, setup=setup)
    again = sum(thrifty.recomputed_flops.values())
    forward = 2 * usual.profile.totals.macs * batch
    step_flops = 3 * forward - 2 * _row(_walk(), "conv1_1").macs.value * batch
    parts = {
        part: sum(row.saved_bytes(batch) for row in rows)
        for part, rows in _by_block(usual.profile).items()
        if part != "input"
    }
    yield Section(
        "The trade",
        (
            "Activations are kept because the backward pass reads them. They could also be made again. With "
            "checkpointing, the forward pass keeps each block's input and nothing within the block; when the "
            f"backward pass comes to a block, it runs it forward again, and then back. With {batch} images:",
            Grid(
                f"A step of D, batch {batch}",
                ("", "all kept\n(bytes)", "checkpointed\n(bytes)", "share"),
                (
                    _compared(
                        "live after forward", *(s.fixed_points[Phase.FORWARD] for s in (usual, thrifty))
                    ),
                    _compared("of them for backward", _kept(usual), _kept(thrifty)),
                    _compared("peak", usual.peak.peak, thrifty.peak.peak),
                ),
            ),
            "It is paid for in compute:",
            Line("run again", plain(again), "FLOPs"),
            Line("a step without", plain(step_flops), "FLOPs"),
            f"so {units.percent(again, step_flops)} more.",
        ),
    )
    yield Section(
        "Why the peak falls by less",
        (
            f"Far less is live after the forward pass, {units.percent(_kept(thrifty), _kept(usual))} of "
            "what was. The peak falls by less, because to go back through a block it must be whole again, "
            "and block 1 alone keeps almost half of everything:",
            Grid(
                f"Kept for the backward pass of {batch} images",
                ("part", "bytes", "share"),
                tuple((part, size, units.percent(size, _kept(usual))) for part, size in parts.items()),
                ("total", sum(parts.values()), None),
            ),
            f"The peak is then in the {_in(thrifty.peak.phase, thrifty.peak.layer)}, where the weight "
            "gradients of everything behind block 1 are there as well. To go lower one would have to cut "
            "block 1 itself.",
        ),
    )


def _compared(what: str, usual: int, other: int) -> tuple[Cell, ...]:
    return what, usual, other, units.percent(other, usual)


@_topic(
    "optimizer-state",
    "what SGD, momentum and Adam keep for every weight",
    TESTS,
    "vgg-profile timeline D --optimizer adam",
    "vgg-profile timeline D --optimizer momentum",
)
def _optimizer_state() -> Iterator[Section]:
    profile = _walk()
    parameters = profile.totals.parameters
    tensors = sum(len(module.layer.parameter_shapes) for module in modules(profile.config))
    steps = {name: _step(setup=Setup(optimizer=name)) for name in ("sgd", "momentum", "adam")}
    state = {name: step.moments[-1].categories[Category.OPTIMIZER] for name, step in steps.items()}
    counters = _minus(plain(state["adam"]), product(2, parameters, profile.itemsize))
    yield Section(
        "Copies of the weights",
        (
            "Plain SGD subtracts the gradient and remembers nothing. Momentum remembers one running sum for "
            "every weight. Adam remembers two, a mean of gradients and a mean of their squares, and a step "
            f"count for each of the {tensors} weight and bias tensors:",
            Line("weights and biases", product(parameters, profile.itemsize), "bytes"),
            Line("their gradients", product(parameters, profile.itemsize), "bytes"),
            Line("momentum's sums", product(parameters, profile.itemsize), "bytes"),
            Line("Adam's two means", product(2, parameters, profile.itemsize), "bytes"),
            Line("Adam's step counts", counters, "bytes"),
            "Weights, gradients and Adam's means are four copies of the network, before the first image.",
            Grid(
                "A later step of D with one image (the first makes its state within the step)",
                ("optimizer", "state (bytes)", "live after the step", "peak", "where"),
                tuple(
                    (
                        name,
                        state[name],
                        step.fixed_points[Phase.STEP],
                        step.peak.peak,
                        _in(step.peak.phase, step.peak.layer),
                    )
                    for name, step in steps.items()
                ),
            ),
            "Adam's peak with a small batch is in its own step: each update takes two temporaries of the "
            "size of the tensor that it updates, and fc6 is a tensor of "
            f"{_row(profile, 'fc6').weights.value:,} weights.",
        ),
    )


@_topic(
    "micro-batches",
    "gradient accumulation: many images, the activations of few",
    "Measured with PyTorch 2.13 on the CPU by this project's tests, on a small network: the peaks of the "
    "first and of later micro-batches are as predicted, to the byte. The figures for D are predicted by "
    "the same rule.",
    "vgg-profile timeline D --batch 8",
    "vgg-profile timeline D --batch 64",
)
def _micro_batches() -> Iterator[Section]:
    whole, part = 64, 8
    at_once, piece = _step(batch=whole), _step(batch=part)
    later = later_peak(piece)
    gradients = product(piece.profile.totals.parameters, piece.profile.itemsize)
    yield Section(
        "One after the other",
        (
            f"{whole} images can be {whole // part} micro-batches of {part}: forward and backward for "
            "each, then one step of the optimizer. Each backward adds its gradients to those that are "
            "there, in place, so there is one set of gradients however many micro-batches there are. And "
            "each has freed its activations before the next begins:",
            Line(f"kept for backward, {whole} at once", plain(_kept(at_once)), "bytes"),
            Line(f"kept for backward, {part} at a time", plain(_kept(piece)), "bytes"),
        ),
    )
    yield Section(
        "The second is not the first",
        (
            "One thing is different from the second micro-batch on: the gradients of the first are there "
            "from its beginning, while its activations are at their height. And each new gradient exists "
            "for a moment beside the sum that it is added to.",
            Line("one set of gradients", gradients, "bytes"),
            Line(f"peak of the first, batch {part}", plain(piece.peak.peak), "bytes"),
            Line(f"peak of every later one, batch {part}", later, "bytes"),
            Line(f"peak of batch {whole} at once", plain(at_once.peak.peak), "bytes"),
            "(The last sum: what else is live at that moment, the set of gradients, and the new gradient.) "
            f"So the later ones take {units.ratio(later.value, piece.peak.peak)} the first one's peak; plan "
            f"with theirs. That is still only {units.percent(later.value, at_once.peak.peak)} of what all "
            f"{whole} take at once, and a third, a tenth, a hundredth micro-batch adds nothing.",
            f"The gradients are added up, and the loss is a mean: divide each loss by {whole // part}, or "
            f"the step is {whole // part} times too long. With a batch norm the result still differs: each "
            "micro-batch is normalised by its own mean.",
        ),
    )


def later_peak(step: Ledger) -> Count:
    """The peak of a step whose gradients are there from the start and are added into, tensors alone.

    A new gradient lives until it has been added to the one that is there, so it is a temporary. The working
    is what else is live, the gradients, and the new one.
    """
    batch = step.profile.batch
    sums = step.profile.totals.parameters * step.profile.itemsize
    made, most = 0, ZERO
    for event, live in step.contents():
        new = _bytes(event.allocated, Category.GRADIENTS, batch)
        made += new
        if event.phase is not Phase.LOAD:
            most = max(most, total((sum(live.values()) - made, sums, new)), key=lambda count: count.value)
    return most


def _bytes(storages: Iterable[Storage], category: Category, batch: int) -> int:
    return sum(storage.size.at(batch) for storage in storages if storage.category is category)


# -- the notes, and units


@_topic(
    "mib-vs-mb",
    "the same bytes under two names, and how far apart they drift",
    RULES,
    "vgg-profile explain optimizer-state",
)
def _mib_vs_mb() -> Iterator[Section]:
    profile = _walk()
    size = profile.totals.parameters * profile.itemsize
    step = _step(setup=Setup(optimizer="adam"))
    large, small = 16 * 2**30, 16 * 10**9
    yield Section(
        "Ten to the sixth, two to the twentieth",
        (
            "A MB is 10^6 bytes and a MiB is 2^20. The letter i is the whole difference:",
            Line("1 MB", Count(10**6, "10**6"), "bytes"),
            Line("1 MiB", Count(2**20, "2**20"), "bytes"),
            f"VGG-16's parameters in float32 are {size:,} bytes. That is {units.decimal(size)}, or "
            f"{units.mebibytes(size)}. torchvision publishes the second number, under the first name.",
            Grid(
                "The larger the unit, the larger the gap",
                ("binary", "decimal", "binary / decimal"),
                tuple(
                    (binary, decimal, units.ratio(1024**power, 1000**power))
                    for power, (binary, decimal) in enumerate(
                        (("KiB", "kB"), ("MiB", "MB"), ("GiB", "GB"), ("TiB", "TB")), start=1
                    )
                ),
            ),
        ),
    )
    yield Section(
        "Why it matters",
        (
            "A label seldom says which of the two it means. How many images fit, for D with Adam?",
            Grid(
                "The largest batch whose tensors fit",
                ("memory", "bytes", "largest batch"),
                (
                    ("16 GB", small, step.largest_batch(small)),
                    ("16 GiB", large, step.largest_batch(large)),
                ),
            ),
            Line("the gap", Count(large - small, "16*2**30-16*10**9"), "bytes"),
            "Here a rounded figure always has its exact bytes beside it.",
        ),
    )


@_topic(
    "notes-total",
    "the notes' 24M * 4 bytes = 93MB, which their own rows do not give",
    RECORD,
    "vgg-profile notes",
    "vgg-profile table D --notes",
)
def _notes_total() -> Iterator[Section]:
    audited = audit()
    profile, notes = audited.profile, audited.published
    totals = profile.totals
    claimed, counted = audited.claims[1], audited.claims[2]
    yield Section(
        "Add up the rows",
        (
            "Every row of the notes' table is right. Add up the memory column, block by block:",
            *(
                Line(part, total(row.values for row in rows), "values")
                for part, rows in _by_block(profile).items()
            ),
            Line("total", plain(totals.values), "values"),
            Line("in float32", product(totals.values, notes.value_bytes), "bytes"),
            f"Adding the figures as they are printed, rounded, gives {audited.rounded_sum:,}: rounding is "
            "not what makes the difference.",
        ),
    )
    yield Section(
        "What is printed",
        (
            f"The notes print {notes.values} values and {notes.megabytes}. Neither follows from the rows, "
            "and the one does not follow from the other:",
            f"{notes.values} * {notes.value_bytes}: {claimed.remark}",
            f"The rows: {counted.remark}",
            f"No explanation of {notes.values} is known. A sum that comes near can always be found, and "
            "would be a guess; so none stands here.",
        ),
    )
    indices = audited.pool_indices
    drops = sum(row.saved_bytes(1) for row in _rows(profile, "dropout"))
    copy = _row(profile, "avgpool").saved_bytes(1)
    images = profile.rows[0].memory_bytes(1, profile.itemsize)
    yield Section(
        "From the column to what PyTorch keeps",
        (
            "The column is not what a training step keeps, either, but the way from one to the other can be "
            "walked without a gap:",
            Line("the column in float32", plain(totals.memory_bytes), "bytes"),
            Line("less the image, which is given", Count(-images, f"-{images}"), "bytes"),
            Line("max pools' indices", plain(indices), "bytes"),
            Line("the average pool's copy", plain(copy), "bytes"),
            Line("dropout: outputs and masks", plain(drops), "bytes"),
            Line(
                "kept for backward",
                Count(
                    totals.memory_bytes - images + indices + copy + drops,
                    f"{totals.memory_bytes}-{images}+{indices}+{copy}+{drops}",
                ),
                "bytes",
            ),
        ),
    )


def _by_block(profile: Profile) -> dict[str, list[Row]]:
    """The notes' rows by block, the image and the classifier for themselves."""
    parts: dict[str, list[Row]] = {}
    for row in profile.rows:
        block = row.name.removeprefix("conv").removeprefix("pool").partition("_")[0]
        part = {"input": "input", "fc": "classifier"}.get(row.kind, f"block {block}")
        parts.setdefault(part, []).append(row)
    return parts
