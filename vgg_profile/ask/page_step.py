"""Any VGG-like network at any setting, as a page shows it: its rows, its totals, its step.

The page runs this file itself: ``write.javascript`` translates it, and with it all of ``predict.vgg`` that it
reaches. So it takes and gives what JSON has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vgg_profile.ask.page_parts import figures_of
from vgg_profile.core import units
from vgg_profile.core.events import kept
from vgg_profile.core.setting import Setting, Setup
from vgg_profile.core.step import Step
from vgg_profile.core.tree import Profile
from vgg_profile.predict.vgg.configs import Config, Conv, Normalise, Pool, Token
from vgg_profile.predict.vgg.step import book_of
from vgg_profile.predict.vgg.walk import check_image, count


def built(
    layers: list[list[Any]],
    classifier: list[int],
    classes: int,
    in_channels: int,
    batch_norm: bool,
    pool: int | None,
    plane: list[int],
    dtype: str,
    device: str,
    setup: list[Any],
    optimizer: str,
    amp: str,
    checkpoint: str,
) -> dict[str, Any]:
    """A network's rows and totals per image, what each row keeps, and its step, bytes affine in the batch.

    ``layers`` are ``["conv", width, kernel]``, ``["pool"]`` and ``["lrn"]``; ``setup`` has the fields of a
    :class:`Setup` in their order. Raises ``InputError`` for an image too small for so many pools.

    >>> net = [["conv", 8, 3], ["pool"]], [], 10, 3, False, 7
    >>> small = built(*net, [32, 32], "float32", "cpu", [], "sgd", "none", "none")
    >>> small["totals"]["parameters"], small["lines"]
    (4154, [[33240, 45104], [32344, 110640]])
    """
    run = replace(Setup(*setup), optimizer=optimizer, amp=amp, checkpoint=checkpoint)
    setting = Setting((in_channels, *plane), 1, dtype, device, run.on(device))
    net = Config(
        "", tuple(_token(*each) for each in layers), tuple(classifier), classes, in_channels, batch_norm, pool
    )
    check_image(net, setting.input)
    book = book_of(net, setting)
    saved = kept(book.events)
    profile = Profile(net, setting, tuple(count(net, setting.input, lambda: saved)))
    step = Step(profile, book)
    return {
        **figures_of(step),
        "kinds": profile.kinds,
        "input": units.shape(setting.input[1:]),
    }


def smallest(layers: list[list[Any]]) -> int:
    """The side of the smallest image that so many pools leave something of.

    >>> smallest([["conv", 8, 3], ["pool"], ["pool"]])
    4
    """
    side: int = 2 ** sum(1 for layer in layers if layer[0] == "pool")
    return side


def witness(kinds: list[str], confirmed: list[tuple[list[str], int]]) -> int:
    """Who confirmed a card's rules for these kinds of layers: the first who saw them all; 0 is nobody.

    >>> witness(["conv 3", "fc"], [(["fc"], 1), (["conv 3", "fc", "relu"], 2)])
    2
    """
    found: list[int] = [number for layers, number in confirmed if all(kind in layers for kind in kinds)]
    return found[0] if found else 0


def _token(kind: str, width: int = 0, kernel: int = 3) -> Token:
    if kind == "conv":
        return Conv(width, kernel)
    return Pool() if kind == "pool" else Normalise()
