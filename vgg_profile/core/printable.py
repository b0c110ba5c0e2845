"""The one way by which a name, a path or a command reaches anybody's eyes: printable, on one line.

A form (``forms``, ``figures``) spells out every text that it is made of, so that no writer meets an escape
sequence, a line end, a sign that turns the direction of writing, or a byte that is no text. What a format
would take for a command of its own is its writer's to escape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

T = TypeVar("T")


def printable(text: str) -> str:
    """A text on one line, as it is but for what does not print, which is spelled out.

    >>> printable("net.json"), printable("net\\x1b[31m\\n.json")
    ('net.json', 'net\\\\x1b[31m\\\\n.json')
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _spelled(sign) for sign in text)


def _spelled(sign: str) -> str:
    return sign.encode("unicode_escape").decode()


def printable_lines(text: str) -> str:
    r"""The same of a label that is laid out in lines.

    >>> print(printable_lines("memory\n(bytes)\r"))
    memory
    (bytes)\r
    """
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


def spelled_out(form: T, spell: Callable[[str], str] = printable) -> T:
    """A part of a form with every text in it printable; what has a ``__post_init__`` saw to that itself."""
    if form is None or isinstance(form, (int, float)):
        return form
    if isinstance(form, str):
        return form if form.isprintable() else spell(form)  # type: ignore[return-value]
    if isinstance(form, tuple):
        parts = (spelled_out(each, spell) for each in form)
        return type(form)(*parts) if hasattr(form, "_fields") else tuple(parts)  # type: ignore[return-value]
    if is_dataclass(form) and not isinstance(form, type) and not hasattr(form, "__post_init__"):
        values = {each.name: spelled_out(getattr(form, each.name), spell) for each in fields(form)}
        return replace(form, **values)
    return form


def spell_out(form: Any, spell: Callable[[str], str] = printable) -> None:
    """Have a form that is just made, and frozen, hold nothing but printable texts."""
    for each in fields(form):
        object.__setattr__(form, each.name, spelled_out(getattr(form, each.name), spell))


def json_printable(text: str) -> str:
    """A JSON text that says the same, with every sign that does not print as JSON's own escape.

    >>> json_printable('{"name": "\\u202e"}')
    '{"name": "\\\\u202e"}'
    """
    if text.replace("\n", "").isprintable():
        return text
    return re.sub(r"[^\n -~]", lambda found: found[0] if found[0].isprintable() else _escaped(found[0]), text)


def _escaped(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def command_line(words: Sequence[str]) -> str:
    """Words as a shell takes them, on one line, to be copied.

    Source: POSIX.1-2024, Shell Command Language, 2.2.4 Dollar-Single-Quotes; bash and zsh have them as well.

    >>> command_line(["vgg-profile", "table", "my net.json", "a\\nb"])
    "vgg-profile table 'my net.json' $'a\\\\nb'"
    """
    import shlex

    return " ".join(shlex.quote(word) if word.isprintable() else f"$'{_shell(word)}'" for word in words)


def _shell(word: str) -> str:
    return "".join(_shell_sign(sign) for sign in word)


def _shell_sign(sign: str) -> str:
    if sign in "'\\":
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    if sign == "\n":
        return "\\n"
    return "".join(f"\\{byte:03o}" for byte in sign.encode("utf-8", "surrogateescape"))
