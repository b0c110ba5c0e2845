"""What a hint tells to type: a whole command, in the words of whoever typed the one before.

A room below the command line knows neither how a network was named nor which record was given: it writes NET
and RECORD into the command of its hint, and they are filled in here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import click
from click.core import ParameterSource

from vgg_profile.core.errors import InputError
from vgg_profile.core.printable import command_line

TYPED = f"{__name__}.typed"
"""Where a context keeps the words of the command as they were typed."""

LONGEST = 300
"""Characters: a network that takes more to name is a list of very many layers, and stays NET."""

_COMMAND = re.compile(r"`vgg-profile [^`]*`")

_NETWORKS = ("config_", "configs", "what", "words")
"""The parameters that name networks, the first of them first."""

_NAMING = ("inputs", "dtype", "batch_norm", "classes", "loss", "given", "batch_dim", "probe")
"""The parameters without which a network is another, or none."""

_RECORDS = ("record", "records", "measured")


def as_typed() -> str:
    """The command that is running, as it was typed."""
    return command_line(click.get_current_context().meta[TYPED])


def networks_typed() -> tuple[str, ...]:
    """The networks that the command is asked about, as they were typed; none of a budget."""
    params = click.get_current_context().params
    named = next((params[name] for name in _NETWORKS if params.get(name)), ())
    return (named,) if isinstance(named, str) else tuple(named)


def typed_network(most: int = 1) -> str:
    """The network that is asked about, of several the first ones, with the options that name it; else NET."""
    networks = networks_typed()[:most]
    line = command_line([*networks, *_options(click.get_current_context())])
    return line if networks and len(line) <= LONGEST else "NET"


def _options(context: click.Context) -> Iterator[str]:
    """The options that name a network; of a list of alternatives, as `sweep` takes one, the first."""
    for option in context.command.params:
        name = option.name or ""
        if name not in _NAMING or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        if isinstance(option, click.Option) and option.is_bool_flag:
            yield option.opts[0] if value else option.secondary_opts[0]
            continue
        for each in value if option.multiple else (value,):
            yield from (option.opts[0], re.split(r",|\.\.", str(each))[0])


def filled_in(error: InputError) -> InputError:
    """A mistake with its hint complete: NET and RECORD in its commands are what was typed."""
    context = click.get_current_context()
    record = next((context.params[name] for name in _RECORDS if context.params.get(name)), "RECORD")
    words = {"NET": typed_network(), "RECORD": command_line([str(record)])}

    def fill(command: re.Match[str]) -> str:
        return re.sub(r"(?<= )(NET|RECORD)(?=[ `])", lambda name: words[name[0]], command[0])

    return InputError(error.problem, _COMMAND.sub(fill, error.next_step))


def what_is_missing(error: click.MissingParameter) -> click.UsageError:
    """The same with what the missing word is for, and the command with one: that of the help's example."""
    parameter, context = error.param, error.ctx
    if parameter is None or context is None:
        return error
    typed, examples = context.meta[TYPED], [*_examples(context.command.help or "")]
    given = next((found for each in examples if (found := _given(each, parameter.opts))), [])
    whole = [*typed, *given] if given and len(command_line(typed)) <= LONGEST else examples[0]
    what_for = getattr(parameter, "help", None)
    said = [error.format_message(), *([what_for] if what_for else []), f"Type: `{command_line(whole)}`."]
    return click.UsageError(" ".join(said), context)


def what_was_meant(error: click.UsageError, words: list[str]) -> click.UsageError:
    """The same, if a network stands where a command is expected, with the command that shows it."""
    from vgg_profile.predict.vgg.configs import by_name

    try:
        by_name(words[0])
    except InputError:
        return error
    typed = command_line(["vgg-profile", "table", *words])
    return click.UsageError(f"{error.format_message()} It is a network: `{typed}`.", error.ctx)


def _examples(text: str) -> Iterator[list[str]]:
    """The commands that a help shows, each in words, without what is said beside them."""
    import shlex  # a corner of Python that only a mistake needs

    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip().startswith("vgg-profile "):
            yield shlex.split(re.split(r" {3,}", line.strip())[0])


def _given(example: list[str], names: Iterable[str]) -> list[str]:
    """An option in an example, with its value; nothing if it is not in it."""
    place = next((place for place, word in enumerate(example) if word in names), None)
    return [] if place is None else example[place : place + 2]
