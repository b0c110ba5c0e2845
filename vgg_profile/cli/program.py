"""The program around the commands: one place for what goes wrong in any of them."""

from __future__ import annotations

import atexit
import errno
import os
import sys
from collections import UserDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from vgg_profile.cli.hints import TYPED, filled_in, what_is_missing, what_was_meant
from vgg_profile.cli.speech import Failure, complain, finish, say
from vgg_profile.core.collecting import collecting
from vgg_profile.core.ending import check_not_ended, exit_code, heeded, settle, uninterrupted
from vgg_profile.core.errors import InputError, excerpt, kind, message
from vgg_profile.core.trial import tried_first

NAME = "vgg-profile"
COMPLETION = "_VGG_PROFILE_COMPLETE"
"""The variable by which a shell asks what to offer; click makes it of the name."""


class Refusal(click.ClickException):
    """A user's mistake, in one paragraph on stderr; exit code 2."""

    exit_code = 2


class Commands(UserDict[str, Any]):
    """Commands by name, each given as ``module:attribute`` and loaded when it is first asked for."""

    def __getitem__(self, name: str) -> click.Command:
        home = super().__getitem__(name)
        if isinstance(home, str):
            module, _, attribute = home.partition(":")
            with collecting(is_on=False):
                command = getattr(import_module(module), attribute)
            command.callback = _frugal(command.callback)
            self[name] = command
        found: click.Command = self.data[name]
        return found


def _frugal(callback: Callable[..., Any]) -> Callable[..., Any]:
    """A callback whose hints are whole, and that has let go of all that it held when memory is short.

    CPython 3.11 pushes a new integer as it leaves a ``with`` by an exception, and tries for ever where there
    is no room for that integer (``exception_unwind`` in ``ceval.c``); click calls from within several.
    """

    @wraps(callback)
    @collecting(is_on=False)  # what a command makes lasts to its end
    def call(*args: Any, **options: Any) -> Any:
        try:
            return callback(*args, **options)
        except InputError as error:
            raise filled_in(error) from None
        except MemoryError:
            pass  # with it goes the traceback, and with that the frames and what they held
        raise MemoryError

    return call


class Interruption(click.ClickException):
    """A signal ended the program."""

    def __init__(self, ended: KeyboardInterrupt) -> None:
        super().__init__("Interrupted")
        self.exit_code = exit_code(ended)  # type: ignore[misc]


@contextmanager
def _explained() -> Iterator[None]:
    """What goes wrong in any command, as an exception that has its own words and its own exit code."""
    try:
        yield
    except KeyboardInterrupt as ended:
        raise Interruption(ended) from None
    except InputError as error:
        raise Refusal(str(error)) from None
    except click.MissingParameter as error:
        raise what_is_missing(error) from None
    except (BrokenPipeError, click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except (Exception, SystemExit) as error:
        if _is_lack_of_memory(error):
            raise Failure("There is not enough memory for this. Free some, or ask for less.") from None
        if isinstance(error, ImportError) or _package(error):
            raise _not_loaded(error) from None
        if not isinstance(error, OSError):
            raise
        finish()  # it is stdout, if that says so
        raise Failure(f"The system refuses: {error.strerror or error}.") from None


def _is_lack_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, by whichever exception Python, the system or a library says so."""
    return (
        isinstance(error, MemoryError)
        or getattr(error, "errno", None) == errno.ENOMEM
        or (
            isinstance(error, (SystemError, OSError, RuntimeError, ImportError))
            and any(sign in str(error) for sign in _SIGNS_OF_NO_MEMORY)
        )
    )


_SIGNS_OF_NO_MEMORY = (
    "MemoryError",
    "can't start new thread",
    "Cannot allocate memory",
    "can't allocate memory",
    "failed to map segment",
    "without exception set",
    "without setting an exception",
)
"""How Python, the dynamic loader and PyTorch's allocator say it."""


class Program(click.Group):
    """The commands, with one place for what goes wrong in any of them."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        words = (NAME, *args)
        with _explained():
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[TYPED] = words
        return context

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in their own order, not in the alphabet's."""
        return [*self.commands]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named; where a network stands in its place, that is said."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise what_was_meant(error, args) from None

    def invoke(self, ctx: click.Context) -> Any:
        with _explained():
            result = super().invoke(ctx)
            check_not_ended()
            return result

    def main(self, *args: Any, standalone_mode: bool = True, **options: Any) -> Any:
        """Run a command and exit with its code; not ``standalone_mode``, whatever it raises comes through."""
        if COMPLETION in os.environ:
            import_module("vgg_profile.cli.shells").register()
        run: Callable[[], Any] = partial(super().main, *args, standalone_mode=False, **options)
        if not standalone_mode:
            return run()
        with heeded():
            sys.exit(_code(run))


def _code(run: Callable[[], Any]) -> int:
    """The exit code of a run, once all that there is to say of it is said."""
    try:
        code = run()
        with _explained():
            finish()
        settle()
        return code if isinstance(code, int) else 0
    except Interruption as ended:
        settle()
        say(ended.message)
        return ended.exit_code
    except click.ClickException as error:
        complain(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:  # in between, where only click was
        settle()
        say("Interrupted")
        return exit_code(error if isinstance(error, KeyboardInterrupt) else error.__cause__)
    except BrokenPipeError:  # whoever read the result has enough of it
        return 1


DOES_NOT_FIT = 4


def exit_unless(fits: bool) -> None:
    """End the command with its exit code where something does not fit."""
    if not fits:
        click.get_current_context().exit(DOES_NOT_FIT)


KERNELS = "TORCHINDUCTOR_CACHE_DIR"


def lend_a_folder() -> None:
    """Name a folder to PyTorch that goes with this process: it makes one for kernels before it compiles any.

    Not made here: OpenBLAS ends a process in C where it finds no memory to load, and cleans nothing up.
    """
    if KERNELS not in os.environ:
        import secrets
        import shutil
        import tempfile

        with suppress(OSError):  # no place for temporary files: then PyTorch says so
            folder = f"{tempfile.gettempdir()}{os.sep}vgg-profile-{secrets.token_hex(8)}"
            os.environ[KERNELS] = folder
            atexit.register(shutil.rmtree, folder, ignore_errors=True)


@contextmanager
def undivided() -> Iterator[None]:
    """Let the import of a heavy package come to its end: half of torch cannot be imported again.

    Ctrl-C counts afterwards. Raises ``Failure`` naming the package that is missing or broken.
    """
    try:
        with uninterrupted(), tried_first():
            yield
    except (Exception, SystemExit) as error:
        if _is_lack_of_memory(error):
            raise
        raise _not_loaded(error) from None


_NAMES = {"torch": "PyTorch (torch)"}
"""Packages that people know by another name."""

_INSTALLED_AS = {"PIL": "pillow"}
"""Packages that pip knows by another name."""


def _not_loaded(error: BaseException) -> Failure:
    """What an import that came to no end is called, and what to install.

    >>> print(_not_loaded(ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")))
    matplotlib is missing. `pip install matplotlib` installs it.
    >>> print(_not_loaded(ImportError("libcudart.so.13: cannot open shared object file", name="torch._C")))
    PyTorch (torch) cannot be loaded: libcudart.so.13: cannot open shared object file. \
`pip install --force-reinstall torch` installs it anew.
    """
    package = _package(error)
    name = _NAMES.get(package, package) or "A package"
    to_install = _INSTALLED_AS.get(package, package)
    if isinstance(error, ModuleNotFoundError) and package and "." not in str(error.name):
        return Failure(f"{name} is missing. `pip install {to_install}` installs it.")
    said = excerpt(message(error), 300)[1:-1].rstrip(".")
    why = said if isinstance(error, ImportError) else f"{kind(error)}: {said}" if said else kind(error)
    again = f"--force-reinstall {to_install}" if package else "-c constraints.txt ."
    return Failure(f"{name} cannot be loaded: {why}. `pip install {again}` installs it anew.")


def _package(error: BaseException) -> str:
    """The package whose import an error ended, be it another package's need; nothing if it ended none.

    It is what Python names, else the innermost, neither ours nor Python's, of which a module was being run.
    """
    found = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if isinstance(error, SyntaxError) and (error.filename or "").endswith(".py"):
        file = Path(error.filename or "")
        while (file.parent / "__init__.py").exists():
            file = file.parent
        return file.stem
    trace = error.__traceback__
    innermost = ""
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        home = str(frame.f_globals.get("__name__")).partition(".")[0]
        if frame.f_code.co_name == "<module>" and home not in {*sys.stdlib_module_names, _OURS, "__main__"}:
            innermost = home
    return found or innermost


_OURS = __name__.partition(".")[0]
