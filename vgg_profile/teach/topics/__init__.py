"""The facts worth an hour of class, a file each, worked out with the numbers in place.

A new topic is a new file in this folder: every :class:`~vgg_profile.teach.topic.Topic` in it is found, listed
at its ``place`` and explained by its name.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterable, Iterator
from importlib import import_module

from vgg_profile.core.errors import InputError, did_you_mean, excerpt
from vgg_profile.predict.vgg.configs import config
from vgg_profile.teach.forms import Contents, Lesson
from vgg_profile.teach.topic import Topic


def found_in(folder: Iterable[str], package: str) -> Iterator[Topic]:
    """The topics of the modules that lie in a package's ``folder``, in the order of the course."""
    modules = [import_module(f"{package}.{info.name}") for info in pkgutil.iter_modules(folder)]
    topics = [each for module in modules for each in vars(module).values() if isinstance(each, Topic)]
    yield from sorted(topics, key=lambda topic: topic.place)


TOPICS: dict[str, Topic] = {topic.name: topic for topic in found_in(__path__, __name__)}
"""Every topic by its name, in the order of a course."""

ALIASES = {alias: topic.name for topic in TOPICS.values() for alias in topic.aliases}
"""Other words for the same."""


def contents() -> Contents:
    """Every topic with its one line."""
    return Contents(
        "What can be explained",
        ("topic", "in a line"),
        tuple((topic.name, topic.title) for topic in TOPICS.values()),
        "`vgg-profile explain pool-indices` explains one; `vgg-profile explain D` lists the layers of a "
        "network, and `vgg-profile explain D conv3_2` works one out.",
    )


def lesson(name: str) -> Lesson | None:
    """The lesson of a topic, by its name or another word for it; ``None`` if there is none."""
    key = name.strip().lower().replace("_", "-").replace(" ", "-")
    found = TOPICS.get(ALIASES.get(key, key))
    return found.lesson if found else None


_LAYER_NAME = r"(?:conv|relu|bn|pool|drop|lrn|fc)\d+(?:_\d+)?|avgpool|flatten"


def check_known(name: str) -> None:
    """Raise ``InputError`` for a word that is neither a topic nor a network, with what was perhaps meant."""
    try:
        config(name)
    except InputError as error:
        if "," in name or name.strip().lower().endswith((".toml", ".json")):
            raise
        if re.fullmatch(_LAYER_NAME, name.strip().lower()):
            raise InputError(
                f"{excerpt(name)} is a layer, and of which network is not said.",
                f"Name it first: `vgg-profile explain D {name.strip()}`.",
            ) from error
        raise InputError(
            f"There is no topic and no config named {excerpt(name)}.",
            did_you_mean(name.lower(), {topic: topic for topic in TOPICS} | ALIASES)
            + "`vgg-profile explain` lists the topics, `vgg-profile list` the configs.",
        ) from error
