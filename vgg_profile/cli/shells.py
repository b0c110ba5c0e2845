"""Where click's completion and a shell disagree: on an option and its value in one word, ``--memory=h1``."""

from __future__ import annotations

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)


class Bash(BashComplete):
    """Bash takes such a word apart, and hands on the sign as a word of its own, which no command has."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before, and what is begun."""
        words, begun = super().get_completion_args()
        return [word for word in words if word != "="], begun


class _Joined(ShellComplete):
    """A shell that puts what it is offered in the place of the whole word, or compares it with that."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """What is offered; for a value, with its option before it. Files are the shell's own to find."""
        found = super().get_completions(args, incomplete)
        option, is_joined, _ = incomplete.partition("=")
        if not (is_joined and option.startswith("-")):
            return found
        return [
            CompletionItem(f"{option}={each.value}", each.type, each.help) if each.type == "plain" else each
            for each in found
        ]


class Zsh(_Joined, ZshComplete):
    """Zsh puts it in the place of the whole word."""


class Fish(_Joined, FishComplete):
    """Fish compares it with the whole word."""


def register() -> None:
    """Let click ask these."""
    for shell in (Bash, Zsh, Fish):
        add_completion_class(shell)
