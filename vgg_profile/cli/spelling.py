"""Options as people write them: a dtype by its short name, any case, a number with an exponent."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import click

from vgg_profile.core.errors import InputError

_SHORT = {
    "bf16": "bfloat16",
    "fp16": "float16",
    "half": "float16",
    "fp32": "float32",
    "float": "float32",
    "fp64": "float64",
    "double": "float64",
}


class Word(click.Choice):  # type: ignore[type-arg]
    """One of several words, in any case; a dtype by the names that PyTorch has for it, too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        word = str(value).lower().removeprefix("torch.")
        return super().convert(_SHORT.get(word, word), param, ctx)


class Whole(click.ParamType):  # type: ignore[type-arg]
    """A whole number, also as ``1e3``."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if (number := whole(str(value))) is not None:
            return number
        if ".." in str(value):
            self.fail(f"{value!r} is a range, and this takes one number; `sweep` takes ranges.", param, ctx)
        return click.INT.convert(value, param, ctx)


def whole(text: str) -> int | None:
    """A whole number, also with an exponent; ``None`` for what is none.

    >>> whole("1e3"), whole("1.5"), whole("8..16")
    (1000, None, None)
    """
    try:
        number = Decimal(text)
        if abs(number.adjusted()) < _MOST_DIGITS and number == int(number):
            return int(number)
    except (InvalidOperation, OverflowError, ValueError):  # it is none, or without end
        pass
    return None


_MOST_DIGITS = 30


def one_word(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> str:
    """The callback of an argument that takes one word, and says so to whoever typed a list as several."""
    if len(words) > 1:
        raise InputError(
            f"One network is asked about, and {len(words)} words are given.",
            f'A list of layers is one word: put it into quotes, "{" ".join(words)}".',
        )
    return words[0]
