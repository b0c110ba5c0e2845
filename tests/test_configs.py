"""The paper's networks, their names, and lists of one's own."""

from __future__ import annotations

import re

import pytest
from configuring import refusal
from facts import PAPER as PUBLISHED

from vgg_profile.core.setting import LARGEST
from vgg_profile.predict.vgg.configs import (
    PAPER,
    Conv,
    Normalise,
    Pool,
    config,
    from_dict,
)
from vgg_profile.predict.vgg.limits import MOST_LAYERS

# -- the paper's networks


def test_the_paper_has_six_networks_in_its_order():
    assert list(PAPER) == list(PUBLISHED) == ["A", "A-LRN", "B", "C", "D", "E"]


@pytest.mark.parametrize(
    ("name", "depth"), [("A", 11), ("A-LRN", 11), ("B", 13), ("C", 16), ("D", 16), ("E", 19)]
)
def test_the_paper_counts_layers_that_learn(name, depth):
    assert PAPER[name].depth == depth
    assert PAPER[name].pools == 5


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("A", "64 | 128 | 256 256 | 512 512 | 512 512"),
        ("A-LRN", "64 LRN | 128 | 256 256 | 512 512 | 512 512"),
        ("B", "64 64 | 128 128 | 256 256 | 512 512 | 512 512"),
        ("C", "64 64 | 128 128 | 256 256 conv1-256 | 512 512 conv1-512 | 512 512 conv1-512"),
        ("D", "64 64 | 128 128 | 256 256 256 | 512 512 512 | 512 512 512"),
        ("E", "64 64 | 128 128 | 256 256 256 256 | 512 512 512 512 | 512 512 512 512"),
    ],
)
def test_each_network_is_a_column_of_table_1(name, blocks):
    written = " ".join(map(str, PAPER[name].layers))
    assert written == f"{blocks} |".replace("|", "M")
    assert (PAPER[name].classifier, PAPER[name].classes, PAPER[name].in_channels) == ((4096, 4096), 1000, 3)


# -- the names people type


ALIASES = {
    "A": ["A", "vgg11", "vgg-11", "vgg_11", "vgg 11", "11", "vgga", "vgg-a"],
    "A-LRN": ["A-LRN", "alrn", "a_lrn", "vgg11-lrn", "vgg11_lrn", "11lrn"],
    "B": ["B", "vgg13", "vgg-13", "13"],
    "C": ["C", "vggc", "vgg-c"],
    "D": ["D", "vgg16", "vgg-16", "vgg_16", "vgg 16", "16", "vggd"],
    "E": ["E", "vgg19", "vgg-19", "19", " e "],
}


SPELLINGS = [(alias, label) for label, aliases in ALIASES.items() for alias in aliases]


@pytest.mark.parametrize(("alias", "label"), SPELLINGS)
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title, str.swapcase])
def test_a_network_answers_to_every_usual_name_in_any_case(alias, label, case):
    assert config(case(alias)) == PAPER[label]


@pytest.mark.parametrize(("alias", "label"), SPELLINGS)
@pytest.mark.parametrize("ending", ["_bn", "-BN", "bn", " Bn"])
def test_a_name_that_ends_in_bn_has_batch_norm(alias, label, ending):
    found = config(alias + ending)
    assert found.label == f"{label}-BN"
    assert found == config(label, batch_norm=True)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("vgg61", "vgg16"),
        ("vg16", "vgg16"),
        ("vgg17", "vgg16"),
        ("vgg19_bm", "vgg19_bn"),
        ("VGG-15", "vgg-16"),
    ],
)
def test_a_typo_is_answered_by_a_name_that_works(typo, meant):
    message = refusal(config, typo)
    suggested = message.partition("Did you mean ")[2].partition("?")[0].split(" or ")
    assert meant in suggested
    assert all(config(name) for name in suggested)


@pytest.mark.parametrize("stranger", ["resnet50", "", "   ", "bn", "-", "vggvgg16", "F", "٣", "Dé"])
def test_a_strange_name_is_told_which_names_there_are(stranger):
    message = refusal(config, stranger)
    assert "A, A-LRN, B, C, D, E" in message
    assert "vgg-profile list" in message


def test_what_the_caller_says_replaces_what_the_name_says():
    assert config("D-BN", batch_norm=False) == PAPER["D"]
    assert config("D", classes=10).classes == 10
    assert config(PAPER["D"]) is PAPER["D"]


# -- a list of one's own


def test_a_quoted_list_is_a_network_with_the_papers_classifier():
    own = config("64, conv1-64 ,LRN,M,128,m,")
    assert own.layers == (Conv(64), Conv(64, 1), Normalise(), Pool(), Conv(128), Pool())
    assert own.name == "64,conv1-64,LRN,M,128,M"
    assert (own.classifier, own.classes, own.in_channels, own.batch_norm) == ((4096, 4096), 1000, 3, False)


def test_a_list_may_be_a_sequence_of_numbers_and_words():
    assert config([64, "M", "128", "MaxPool", "lrn", "CONV1-8"]) == config("64,M,128,M,LRN,conv1-8")
    assert config(range(1, 4)) == config("1,2,3")


def test_a_list_that_spells_d_has_ds_layers():
    spelt = config(PAPER["D"].to_dict()["layers"])
    assert (spelt.layers, spelt.depth) == (PAPER["D"].layers, 16)


def test_a_long_list_has_a_short_name():
    own = config([64] * 100)
    assert own.name == "64,64,64,64,64,64,64,64,… (100 layers)"


@pytest.mark.parametrize(
    ("tokens", "place", "shown"),
    [
        ("64,x,M", 2, "'x'"),
        ("0,M", 1, "'0'"),
        ("64,-5", 2, "'-5'"),
        ("64,M,conv2-64", 3, "'conv2-64'"),
        ("64,conv0-64", 2, "'conv0-64'"),
        ("64,1000000001", 2, "'1000000001'"),
        ("64,6.5", 2, "'6.5'"),
        ("64,٣", 2, "'٣'"),
        ("64,\x1b[31mM", 2, r"'\x1b[31mM'"),
        ("64,M\nM", 2, r"'M\nM'"),
        ([64, 64.0], 2, "64.0"),
        ([True], 1, "True"),
        ([64, None], 2, "None"),
        ([64, float("nan")], 2, "nan"),
        ([64, [64]], 2, "[64]"),
        ([64, 10**12], 2, "1000000000000"),
        ([64, b"M"], 2, "b'M'"),
    ],
)
def test_a_malformed_list_is_told_which_layer_and_what_is_allowed(tokens, place, shown):
    message = refusal(config, tokens)
    assert f"Layer {place} of the list, {shown}, is not a layer." in message
    assert "conv1-64" in message
    assert "LRN" in message


@pytest.mark.parametrize("missing", [",", "64,,M", ",64,M", {"layers": "64,,M"}])
def test_a_comma_without_a_layer_before_it_is_no_list(missing):
    message = refusal(from_dict if isinstance(missing, dict) else config, missing)
    assert re.search(r"Layer [12] of the list, '', is not a layer\.", message)


@pytest.mark.parametrize("nothing", [[], (), "M,M", ["LRN"], ["M"]])
def test_a_list_needs_a_convolution(nothing):
    assert "no convolution" in refusal(config, nothing)


def test_a_list_has_an_end():
    assert "at most 10,000" in refusal(config, [8] * (MOST_LAYERS + 1))


@pytest.mark.parametrize("odd", [None, 16, 3.5, b"64,M", {"layers": [64]}, {64}, object])
def test_what_is_neither_a_name_nor_a_list_nor_a_file_is_refused(odd):
    assert f"of type {type(odd).__name__}" in refusal(config, odd)


@pytest.mark.parametrize(
    "classes", [0, -1, True, 1.5, "10", int, LARGEST + 1, pytest.param(10**5000, id="huge")]
)
def test_classes_must_be_a_size(classes):
    assert "classes" in refusal(config, "D", classes=classes)
