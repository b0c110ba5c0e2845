"""What somebody else wrote, held against a form: parsed JSON or TOML in, checked values out, by msgspec.

Import this only where something is read: printing a table needs neither it nor msgspec.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec

from vgg_profile.core.errors import excerpt


class Text(str):
    """Printable text on one line, safe to show on any terminal.

    >>> Text("evil\\x1b[31m")
    Traceback (most recent call last):
    ValueError: Expected printable text, got 'evil\\x1b[31m'
    """

    __slots__ = ()

    def __new__(cls, value: object) -> Self:
        if not isinstance(value, str) or not value.isprintable():
            raise ValueError(f"Expected printable text, got {excerpt(value)}")
        return super().__new__(cls, value)


class Texts(dict[str, str]):
    """Printable texts by printable names.

    >>> Texts({"device": None})
    Traceback (most recent call last):
    ValueError: Expected printable text, got None
    """

    def __init__(self, value: object) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"Expected names with texts, got {excerpt(value)}")
        super().__init__({Text(name): Text(text) for name, text in value.items()})


class MisfitError(ValueError):
    """What was expected, what was found, and where; one printable line."""


def conform(content: object, form: Any) -> Any:
    """The content as ``form``: any type that msgspec knows, with :class:`Text` and :class:`Texts`.

    Nothing is coerced: ``1`` is neither a truth nor a text, ``True`` no number, ``1.0`` no whole number.
    Raises :class:`MisfitError`.

    >>> conform([64, 128], list[int])
    [64, 128]
    >>> conform([64, True], list[int])
    Traceback (most recent call last):
    vgg_profile.core.validate.MisfitError: Expected `int`, got `bool` - at `$[1]`
    """
    try:
        return msgspec.convert(content, form, strict=True, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        text = str(error)
        raise MisfitError(text if text.isprintable() else excerpt(text, 200).strip("'\"")) from None
    except UnicodeEncodeError as error:  # a half of a character, where msgspec looks into a text
        raise MisfitError(f"Expected text, got {excerpt(error.object)}") from None
