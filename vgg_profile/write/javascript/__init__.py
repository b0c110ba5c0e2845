"""Python as JavaScript, so that a page runs the rules that Python runs: nothing is written a second time.

:func:`translate` is given functions. It follows every name that they use to its definition, in whatever
module of the package, and translates what it reaches, and no more: functions, constants, dataclasses, named
tuples, enums, classes with those of their methods and properties that somebody asks for by name.
``assets/python.js`` has what Python has and JavaScript has not. What is beyond the two is refused by its name
and line, never guessed: :class:`Untranslatable`.

What a type checker sees and a translator does not is up to the author: integers stay below 2^53; ``+=`` makes
a new list; a generator expression is a list; a cache keeps the last call, by what it was given itself;
nobody looks at an id; no mistake is caught.

Source: ECMAScript 2023 and the Python 3.11 language reference; a browser proves it in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vgg_profile.write.javascript.link import Link
from vgg_profile.write.javascript.names import Untranslatable

__all__ = ["Untranslatable", "translate"]


def translate(*roots: Callable[..., Any]) -> str:
    """Functions as one JavaScript expression, an object that holds them by name, behind ``python.js``.

    Raises :class:`Untranslatable` for what it has no JavaScript for.
    """
    link = Link()
    names = {root.__name__: link.reach(root.__module__, root.__name__) for root in roots}
    link.finish()
    held = ", ".join(f"{name}: {mine}" for name, mine in names.items())
    return "\n".join(["(() => {", *link.texts(), f"return {{ {held} }};", "})()"])
