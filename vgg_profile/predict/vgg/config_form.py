"""What a config file may hold, key by key, and what is said where it holds something else.

:func:`values` knows forms alone; what a list of layers means is told by ``configs``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, Self

from msgspec import Meta

from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.core.setting import LARGEST
from vgg_profile.core.validate import MisfitError, Text, conform
from vgg_profile.predict.vgg.limits import LONGEST_NAME, MOST_LAYERS

Size = Annotated[int, Meta(ge=1, le=LARGEST)]


class Name(Text):
    """What a network may be called."""

    __slots__ = ()

    def __new__(cls, value: object) -> Self:
        name = super().__new__(cls, value)
        if not name.strip() or len(name) > LONGEST_NAME:
            raise ValueError(f"Expected 1 to {LONGEST_NAME} characters, got {len(name):,}")
        return name


class KeyForm(NamedTuple):
    """The type of a key's value; what that is, in words; and what to write."""

    type: Any
    words: str
    advice: str


_SIZE = KeyForm(Size, f"a whole number from 1 to {LARGEST:,}", "Write it in plain digits.")

FORMS = {
    "name": KeyForm(Name, f"one line of 1 to {LONGEST_NAME} printable characters", 'Try name = "tiny".'),
    "layers": KeyForm(str | list[Any], "a list of layers", 'Try layers = [64, 64, "M", 128, "M"].'),
    "classifier": KeyForm(
        Annotated[tuple[Size, ...], Meta(max_length=MOST_LAYERS)],
        f"a list of at most {MOST_LAYERS:,} whole numbers from 1 to {LARGEST:,}",
        "List the hidden widths, such as [4096, 4096]; [] for none.",
    ),
    "classes": _SIZE,
    "in_channels": _SIZE,
    "batch_norm": KeyForm(bool, "true or false", "Write it unquoted."),
    "pool": KeyForm(
        Size | Literal["none"],
        'a whole number or "none"',
        'Write 7 for the paper\'s 7×7 average pool, 1 for a global one, "none" for none at all.',
    ),
}
"""Every key that a config file may have; all but ``layers`` may be left out."""


def values(content: object) -> dict[str, Any]:
    """The values of a config file by their keys; raises ``InputError`` naming the key at fault.

    >>> values({"layers": "64,M", "classes": 0})
    Traceback (most recent call last):
    vgg_profile.core.errors.InputError: The config's classes is 0, not a whole number from 1 to \
1,000,000,000. Write it in plain digits.
    """
    if not isinstance(content, dict) or "layers" not in content:
        raise InputError("The config has no list of layers.", 'Add one: layers = [64, 64, "M", 128, "M"].')
    return {key: _value(key, value) for key, value in content.items()}


def _value(key: object, value: object) -> Any:
    form = FORMS.get(key) if isinstance(key, str) else None
    if form is None:
        raise InputError(
            f"The config has an unknown key, {excerpt(key)}.",
            did_you_mean(str(key), FORMS.keys(), at_most=1, cutoff=0.6) + f"Known: {', '.join(FORMS)}.",
        )
    try:
        return conform(value, form.type)
    except MisfitError:
        raise InputError(f"The config's {key} is {excerpt(value)}, not {form.words}.", form.advice) from None
