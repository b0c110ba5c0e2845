"""What a shell offers for the word that is being typed, by click's own completion; it loads nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from vgg_profile.predict.vgg.configs import PAPER, TYPED_NAMES

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_NETWORKS = [*TYPED_NAMES, *(f"{name}-BN" for name in PAPER)]


def network(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """A config by its name or, where none begins so, a file; nothing after the one that is named already."""
    return [] if context.params.get(parameter.name or "") else _or_file(_NETWORKS, begun)


def networks(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The same, as often as one likes."""
    return _or_file(_NETWORKS, begun)


def cards(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """A card's name as one types it."""
    from vgg_profile.ask.cards import CARDS

    return _beginning((card.typed for card in CARDS), begun)


def figure_words(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Networks and, once there is one, the kind of figure; nothing after that."""
    import vgg_profile.describe.figures  # noqa: F401 - they register
    from vgg_profile.describe.kinds import KINDS

    before = context.params.get(parameter.name or "") or ()
    if before and before[-1] in KINDS:
        return []
    return _or_file([*(KINDS if before else ()), *_NETWORKS], begun)


def topics_or_networks(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """A topic, or a network."""
    from vgg_profile.teach.topics import TOPICS

    return _or_file([*TOPICS, *_NETWORKS], begun)


def _beginning(words: Iterable[str], begun: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(word) for word in words if word.lower().startswith(begun.lower())]


def _or_file(words: Iterable[str], begun: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return _beginning(words, begun) or [CompletionItem(begun, type="file")]
