"""How a config is asked for, and what a refusal of it looks like."""

from __future__ import annotations

import json

import pytest

from vgg_profile.core.errors import InputError

KEYS = ("name", "layers", "classifier", "classes", "in_channels", "batch_norm", "pool")


def refusal(action, *args, **kwargs) -> str:
    """The message of the refusal that must come: one printable paragraph, short enough to read."""
    with pytest.raises(InputError) as refused:
        action(*args, **kwargs)
    message = str(refused.value)
    assert message.isprintable()
    assert len(message) < 1000
    assert message == f"{refused.value.problem} {refused.value.next_step}"
    return message


def answer(action, *args, **kwargs):
    """What comes of it: a result, or ``None`` after a proper refusal. Nothing else may happen."""
    try:
        return action(*args, **kwargs)
    except InputError as error:
        message = str(error)
        assert message.isprintable()
        assert len(message) < 1000
        return None


def as_json(content: dict) -> str:
    return json.dumps(content)


def as_toml(content: dict) -> str:
    """TOML writes lists, strings, numbers and truth as JSON does."""
    return "\n".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in content.items())


WRITERS = {".json": as_json, ".toml": as_toml}
