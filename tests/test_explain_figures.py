"""Lessons: every working gives its value, and every figure has an outside oracle."""

from __future__ import annotations

import pytest
import torch
from explaining import one_line, wrong_totals, wrong_workings
from facts import PAPER, POOL_INDEX_BYTES, SAVED_FOR_BACKWARD, SAVED_IN_EVAL, SAVED_WITHOUT_GRAD, TORCHVISION
from torch import nn

from vgg_profile import walk
from vgg_profile.core.counts import Count
from vgg_profile.core.events import Phase
from vgg_profile.core.setting import Setup
from vgg_profile.predict.steps import ledger
from vgg_profile.predict.vgg.layers import Conv2d
from vgg_profile.render import render
from vgg_profile.teach.forms import Grid, Lesson, Section, Working
from vgg_profile.teach.topics import TOPICS
from vgg_profile.teach.topics.padding import _zeros


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_is_right_and_fits_a_terminal(name: str) -> None:
    """Its arithmetic, its totals, the figures that are known from outside, a hundred columns."""
    lesson = TOPICS[name].lesson
    assert wrong_workings(lesson) == []
    assert wrong_totals(lesson) == []
    assert lesson.sections
    assert all(section.parts for section in lesson.sections)
    text = render(lesson, "table")
    assert [figure for figure in ORACLES[name] if figure not in one_line(text)] == []
    assert [line for line in text.splitlines() if len(line) > 100 or line.endswith(" ")] == []


def test_wrong_arithmetic_would_be_found() -> None:
    parts = (
        Working("sum", Count(5, "2+2"), "apples"),
        Grid("pears", ("n",), ((1,), (Count(2, "1+1"),)), (4,)),
        Working("code", Count(1, "open"), "apples"),
    )
    lesson = Lesson("x", "x", (Section("x", parts),), "")
    assert wrong_workings(lesson) == ["2+2 is not 5", "open is not 1"]
    assert wrong_totals(lesson) == ["pears: n"]


# Every topic's figures, from outside: FACTS, the paper, torchvision, or worked out by hand here


D = PAPER["D"]
WEIGHTS = 4 * D.parameters
"""The bytes of all parameters in float32; of their gradients, too."""


IMAGE = 3 * 224 * 224 * 4 + 8
"""An image and its target."""


MAP1, MAP2, MAP3, MAP4 = (224 * 224 * 64 * 4 // 2**n for n in range(4))
"""The bytes of one map of each block."""


BLOCK1 = 2 * MAP1 + MAP2 // 2 + MAP2
"""What block 1 keeps: two maps, the pooled one (half a map of block 2), and indices of twice its size."""


BLOCK2 = 2 * MAP2 + MAP3 // 2 + MAP3
BLOCK3 = 3 * MAP3 + MAP4 // 2 + MAP4


LEARNED1, LEARNED2, LEARNED3, LEARNED4 = 38_720, 221_440, 1_475_328, 5_899_776
"""Parameters of the blocks: 1,728 + 64 + 36,864 + 64 in the first, and so on down the notes' column."""


LOGITS, SCALARS = 4_000, 8
"""What the caller holds: an image's scores; the loss and its gradient."""


# What is live where a step of D has its peak: with one image in the backward of relu3_3, with 64 in that of
# relu4_3. The gradients of the layers behind it are there, the maps up to it, and two gradients of a map.
AT_RELU3_3 = IMAGE + BLOCK1 + BLOCK2 + 5 * MAP3 + LOGITS
AT_RELU4_3 = IMAGE + BLOCK1 + BLOCK2 + BLOCK3 + 5 * MAP4 + LOGITS
PEAK_OF_1 = 2 * WEIGHTS - 4 * (LEARNED1 + LEARNED2 + LEARNED3) + AT_RELU3_3 + SCALARS
PEAK_OF_64 = 2 * WEIGHTS - 4 * (LEARNED1 + LEARNED2 + LEARNED3 + LEARNED4) + 64 * AT_RELU4_3 + SCALARS


# Checkpointed: the pooled maps, the average pool's copy, six rows of the classifier and the scores are kept;
# the peak is where block 1, made again, is gone back through.
CHECKPOINTED = POOL_INDEX_BYTES // 2 + 7 * 7 * 512 * 4 + 6 * 4096 * 4 + LOGITS
CHECKPOINTED_PEAK = 2 * WEIGHTS - 4 * LEARNED1 + 64 * (IMAGE + 4 * MAP1 + LOGITS) + SCALARS
CLASSIFIER_MACS = 7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 1000


# A later micro-batch of 8 is highest in fc6's backward: all gradients are there from before, fc6's own are
# new, and everything is kept that lies in front of fc6.
FC6 = 4 * (7 * 7 * 512 * 4096 + 4096)
IN_FRONT_OF_FC6 = SAVED_FOR_BACKWARD["D"] - 6 * 4096 * 4 + 4096 * 4 + 7 * 7 * 512 * 4
LATER_PEAK = 2 * WEIGHTS + FC6 + 8 * (IMAGE + IN_FRONT_OF_FC6) + SCALARS
PADDED = 224 * 224 * 68 * 4
"""A map of 64 channels with two more at either side."""


ORACLES: dict[str, list[str]] = {
    "receptive-field": [
        "pool5 2 16 196+(2-1)*16 = 212 32",
        "3*((3*3*512)*512) = 7,077,888",
        "(7*7*512)*512 = 12,845,056",
        "1.81 times",
        *(
            f"{name} {depth} {PAPER[name].receptive_field} 32"
            for name, depth in {"A": 11, "B": 13, "C": 16, "D": 16, "E": 19}.items()
        ),
    ],
    "padding": ["451,584", "448,900", "(672*672-670*670)*3*64 = 515,328", "500,440,320 15,346,630,656 3.3 %"],
    "one-by-one": [
        "(1*1*256)*256 = 65,536",
        "(3*3*256)*256 = 589,824",
        "9 times",
        f"C 16 {PAPER['C'].parameters:,} {PAPER['C'].macs:,} {SAVED_FOR_BACKWARD['D']:,} 156",
    ],
    "fc6": [
        "7*7*512 = 25,088",
        "102,760,448",
        f"{FC6:,}",
        "74.3 %",
        "0.66 %",
        "512*4096 = 2,097,152",
        "2.0 %",
    ],
    "biases": [f"{D.biases:,}", "0.0097 %", "13,556,712", f"{2 * D.macs:,}", "4,224"],
    "mac-vs-flop": [f"{2 * D.macs:,}", f"{D.macs + 25_088:,}", f"publishes {TORCHVISION['vgg16'].ops} "],
    "backward-flops": ["92,648,177,664", "conv1_1's 173,408,256 FLOPs", "1.99 times"],
    "where-it-lives": [
        f"block 1 {BLOCK1:,} 48.6 % {LEARNED1:,} 0.028 %",
        "classifier 102,304 0.14 % 123,642,856 89.4 %",
        f"total {SAVED_FOR_BACKWARD['D']:,} {D.parameters:,} {D.macs:,}",
        "29.9 % in block 3 and as much in block 4",
    ],
    "pool-indices": [
        f"{POOL_INDEX_BYTES:,}",
        f"{POOL_INDEX_BYTES // 2:,} bytes in float32",
        "the indices are 2 times",
        "so are 4 times as large",
        "16.8 %",
        "64 bits",
        "50,176 places, which takes 16 bits",
        f"{POOL_INDEX_BYTES // 32:,}",
    ],
    "dropout-mask": [
        f"{SAVED_FOR_BACKWARD['D']:,}",
        f"{SAVED_IN_EVAL:,}",
        f"{SAVED_FOR_BACKWARD['D'] - SAVED_IN_EVAL:,}",
        f"under no_grad {SAVED_WITHOUT_GRAD:,} bytes",
        f"keeps single bytes: {2 * 4096:,} bytes",
    ],
    "in-place-relu": [
        f"relu1_1 {MAP1:,} {MAP1:,} {MAP1:,} {2 * MAP1:,}",
        f"relu1_2 {2 * MAP1:,} {2 * MAP1:,} {2 * MAP1:,} {3 * MAP1:,}",
        f"pool1 {BLOCK1:,} {BLOCK1:,}",
        "12.25 MiB",
    ],
    "batch-norm": [
        "2*4224 = 8,448",
        "8,461",
        f"{SAVED_FOR_BACKWARD['D']:,} {SAVED_FOR_BACKWARD['D-BN']:,}",
        f"{SAVED_FOR_BACKWARD['D-BN'] - SAVED_FOR_BACKWARD['D']:,}",
        "1.75 times",
    ],
    "lrn": [
        f"A-LRN {PAPER['A-LRN'].parameters:,}",
        f"padded squares {PADDED:,}",
        f"total {3 * MAP1 + PADDED + 8:,}",
    ],
    "peak": [
        "626,789,448",
        f"1 {PEAK_OF_1:,} backward of relu3_3 {WEIGHTS:,}",
        f"64 {PEAK_OF_64:,} backward of relu4_3 {WEIGHTS:,}",
        "471.66 MiB",
    ],
    "checkpointing": [
        f"for backward {64 * SAVED_FOR_BACKWARD['D']:,} {64 * CHECKPOINTED:,} 8.7 %",
        f"peak {PEAK_OF_64:,} {CHECKPOINTED_PEAK:,} 76.6 %",
        f"run again {64 * 2 * (D.macs - CLASSIFIER_MACS):,} FLOPs",
        f"a step without {64 * 92_648_177_664:,} FLOPs",
        f"block 1 {64 * BLOCK1:,} 48.6 %",
    ],
    "optimizer-state": [
        f"momentum's sums {D.parameters}*4 = {WEIGHTS:,}",
        f"Adam's two means 2*{D.parameters}*4 = {2 * WEIGHTS:,}",
        f"adam {2 * WEIGHTS + 32 * 4:,}",
        "32 weight and bias tensors",
        f"sgd 0 {2 * WEIGHTS + IMAGE + LOGITS + 4:,}",
    ],
    "micro-batches": [
        f"64 at once {64 * SAVED_FOR_BACKWARD['D']:,}",
        f"8 at a time {8 * SAVED_FOR_BACKWARD['D']:,}",
        f"every later one, batch 8 1140451816+553430176+411058176 = {LATER_PEAK:,}",
        f"batch 64 at once {PEAK_OF_64:,}",
    ],
    "mib-vs-mb": [
        "1,048,576",
        f"{WEIGHTS:,} bytes",
        "553.43 MB, or 527.79 MiB",
        "1,179,869,184",
        "1.07 times",
    ],
    "notes-total": [
        "total 15,237,608",
        "60,950,432",
        "15,184,192",
        "96.00 MB = 91.55 MiB",
        "No explanation of 24M is known",
        f"the image, which is given -{3 * 224 * 224 * 4:,}",
        f"kept for backward 60950432-602112+12242944+100352+65536 = {SAVED_FOR_BACKWARD['D']:,}",
    ],
}


def test_the_words_around_the_figures_hold() -> None:
    """What sentences say without a number: more than the rest, most of it, nearly half, as much."""
    alone, rest = walk("A-LRN").totals.saved_bytes, walk("A").totals.saved_bytes
    assert alone - rest > rest
    assert walk("C").totals.saved_bytes == walk("D").totals.saved_bytes
    assert 0.45 < BLOCK1 / SAVED_FOR_BACKWARD["D"] < 0.5
    assert 1.7 < SAVED_FOR_BACKWARD["D-BN"] / SAVED_FOR_BACKWARD["D"] < 2
    assert PAPER["B"].receptive_field == PAPER["C"].receptive_field
    assert ledger(walk("D"), Setup(optimizer="adam")).peak.phase is Phase.STEP


@pytest.mark.parametrize(
    ("kernel", "height", "width"), [(1, 3, 4), (3, 1, 5), (3, 4, 6), (5, 7, 5), (7, 9, 8)]
)
def test_the_zeros_of_padding_are_those_of_a_real_convolution(kernel: int, height: int, width: int) -> None:
    """Over a map of ones with a kernel of ones, each output is the number of taps that are on the map."""
    on_the_map = nn.functional.conv2d(
        torch.ones(1, 1, height, width), torch.ones(1, 1, kernel, kernel), padding=kernel // 2
    ).sum()
    zeros = kernel**2 * height * width - int(on_the_map)
    assert _zeros(Conv2d(2, 3, kernel), height, width).value == 2 * 3 * zeros
