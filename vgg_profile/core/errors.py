"""The one error that a user's mistake raises: what is wrong and why, then what to type next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class InputError(ValueError):
    """A mistake in what the user gave, explained.

    The command line prints it without a traceback and exits with 2; from Python it is an ordinary
    ``ValueError``.

    >>> raise InputError("The batch is 0, and a batch holds at least one image.", "Try --batch 1.")
    Traceback (most recent call last):
    vgg_profile.core.errors.InputError: The batch is 0, and a batch holds at least one image. Try --batch 1.
    """

    def __init__(self, problem: str, next_step: str) -> None:
        super().__init__(f"{problem} {next_step}")
        self.problem = problem
        self.next_step = next_step
        self.so_far: object = None
        """The result as far as it came, where there is one to show."""


def message(error: BaseException) -> str:
    """What an exception says. It may be of a stranger's making, and then saying it may raise.

    >>> message(KeyError("odd"))
    "'odd'"
    """
    try:
        return str(error)
    except BaseException as another:
        return f"a message that cannot be read ({type(another).__name__})"


def kind(error: BaseException) -> str:
    """The name of an exception's class, whatever that class makes of its name.

    >>> kind(KeyError("odd"))
    'KeyError'
    """
    name: str = vars(type)["__name__"].__get__(type(error))
    return name


def excerpt(text: object, longest: int = 60) -> str:
    """Quote what a user gave: printable, on one line, and short enough for an error message.

    >>> excerpt("64,\\x1b[31mM")
    "'64,\\\\x1b[31mM'"
    """
    try:
        quoted = repr(text) if str(text).isprintable() else ascii(text)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a list nested as deep
        return f"a monstrous {type(text).__name__}"
    return quoted if len(quoted) <= longest else f"{quoted[: longest - 2]}…{quoted[-1]}"


def did_you_mean(
    name: str, known: Iterable[str] | Mapping[str, str], *, at_most: int = 3, cutoff: float = 0.5
) -> str:
    """The known names most like a mistyped one, as the beginning of a next step; else nothing.

    ``known`` may map what people type to what they are told. ``at_most`` and ``cutoff`` are those of
    :func:`difflib.get_close_matches`: how many, and how alike, from 0 to 1. Case counts.

    >>> did_you_mean("vgg20", ["vgg16", "vgg19", "D"], at_most=1)
    'Did you mean vgg19? '
    >>> did_you_mean("peek", {"peak": "the peak"}), did_you_mean("Q", ["vgg16"])
    ('Did you mean the peak? ', '')
    """
    import difflib  # a millisecond that only a mistake costs

    told = known if isinstance(known, Mapping) else {each: each for each in known}
    close = difflib.get_close_matches(name, told, n=at_most, cutoff=cutoff)
    names = dict.fromkeys(told[each] for each in close)
    return f"Did you mean {' or '.join(names)}? " if names else ""


def in_python(name: str) -> str:
    """How a network in Python is named, if this looks like one, as the beginning of a next step.

    >>> in_python("my/net.py"), in_python("torchvision.models.resnet18")
    ('Name the network in it: my/net.py:NAME. ', 'Did you mean torchvision.models:resnet18? ')
    """
    if name.endswith(".py"):
        return f"Name the network in it: {name}:NAME. "
    home, dot, last = name.rpartition(".")
    is_dotted = dot and all(part.isidentifier() for part in (*home.split("."), last))
    return f"Did you mean {home}:{last}? " if is_dotted else ""
