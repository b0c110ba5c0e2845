"""The command line: options to calls, results to files. Nothing is computed here.

What only one command needs is imported within it, so that ``table`` starts at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from vgg_profile import __version__
from vgg_profile.compare import Comparison
from vgg_profile.configs import PAPER, Config, config
from vgg_profile.errors import InputError
from vgg_profile.files import check_writable, write_whole
from vgg_profile.render import FORMATS, format_of, render
from vgg_profile.walker import DEVICES, ITEMSIZE, MODES, OPTIMIZERS, Profile, walk

if TYPE_CHECKING:
    from vgg_profile.crosscheck import Checks

Command = TypeVar("Command", bound=Callable[..., Any])


class Refusal(click.ClickException):
    """A user's mistake, in one paragraph on stderr; exit code 2."""

    exit_code = 2


class Failure(click.ClickException):
    """Something went wrong while running, through no mistake of the user's; exit code 1."""

    exit_code = 1


class Program(click.Group):
    """The commands, with one place for what goes wrong in any of them."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise Refusal(str(error)) from None
        except KeyboardInterrupt:
            click.echo("Interrupted; nothing half-written was left behind.", err=True)
            ctx.exit(130)


def _together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several click decorators as one, in the order that ``--help`` shall show them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_network = (
    click.argument("config_", metavar="CONFIG"),
    click.option("--batch-norm/--no-batch-norm", default=None, help="A batch norm after each convolution."),
    click.option("--classes", type=int, metavar="N", help="Classes (default: the config's)."),
)

_setting = (
    click.option(
        "--input", "input_", metavar="SIZE", help="Image size: 224, 192x256 or 3x192x256.  [default: 224]"
    ),
    click.option("--batch", type=int, default=1, show_default=True, metavar="N", help="Images at a time."),
    click.option("--dtype", type=click.Choice(list(ITEMSIZE)), default="float32", show_default=True),
)

_output = (
    click.option(
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        help="How to print it (default: by the suffix of -o, else table).",
    ),
    click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write to a file instead of the terminal.",
    ),
    click.option("--force", is_flag=True, help="Replace the file if it exists."),
)

rules_option = click.option(
    "--device", type=click.Choice(DEVICES), default="cpu", show_default=True, help="Whose rules."
)
mode_option = click.option("--mode", type=click.Choice(MODES), default="train", show_default=True)
optimizer_option = click.option(
    "--optimizer", type=click.Choice(OPTIMIZERS), default="none", show_default=True
)


def takes_config(command: Command) -> Command:
    """CONFIG and its options, handed to the command as ``net``."""

    @wraps(command)
    def with_config(config_: str, batch_norm: bool | None, classes: int | None, **rest: Any) -> Any:
        return command(net=config(config_, batch_norm=batch_norm, classes=classes), **rest)

    return _together(*_network)(cast(Command, with_config))


def takes_network(command: Command) -> Command:
    """CONFIG and its setting, handed to the command as ``walk_on``: a device's rules to a profile."""

    @wraps(command)
    def with_network(net: Config, input_: str | None, batch: int, dtype: str, **rest: Any) -> Any:
        return command(
            walk_on=lambda device: walk(net, input=input_, batch=batch, dtype=dtype, device=device), **rest
        )

    return takes_config(_together(*_setting)(cast(Command, with_network)))


def gives_output(command: Command) -> Command:
    """``--format``, ``-o`` and ``--force``, handed to the command as ``out``."""

    @wraps(command)
    def with_output(format_: str | None, output: Path | None, force: bool, **rest: Any) -> Any:
        return command(out=Output.to(output, format_, force), **rest)

    return _together(*_output)(cast(Command, with_output))


@dataclass(frozen=True, slots=True)
class Output:
    """Where a result goes and in which format; a path that cannot be written is refused at once."""

    path: Path | None
    format: str
    force: bool

    @classmethod
    def to(cls, path: Path | None, format_: str | None, force: bool) -> Output:
        if path is None or str(path) == "-":
            return cls(None, format_ or "table", force)
        check_writable(path, force=force)
        return cls(path, format_ or format_of(path), force)

    def deliver(self, result: Any, **options: bool) -> None:
        """Print a result, or write it whole to the file."""
        form = "page" if self.format == "html" else self.format
        if form == "table" and self.path is None and _is_colourful():
            form = "colour"
        self.write(render(result, form, **options))

    def write(self, text: str, remark: str = "") -> None:
        """Print a text, or write it whole to the file."""
        if self.path is None:
            _show(text)
        else:
            write_whole(self.path, text, force=self.force)
            click.echo(f"Wrote {self.path}{remark}", err=True)


STDOUT = Output(None, "table", force=False)


def _is_colourful() -> bool:
    """Whether stdout is a terminal that shows colour, and its user wants any."""
    dull = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout is not None and sys.stdout.isatty() and not dull


def _show(text: str) -> None:
    """Print to stdout; what stops that is told in a line."""
    try:
        click.echo(text, nl=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except UnicodeEncodeError as error:
        raise click.ClickException(
            f"The encoding of stdout, {error.encoding}, cannot hold the table. "
            "Set PYTHONIOENCODING=utf-8, or write to a file with -o."
        ) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(
            f"Stdout cannot be written: {error.strerror}. Write to a file elsewhere with -o."
        ) from None


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="vgg-profile")
def main() -> None:
    """What does this network cost?

    The VGG table from first principles: shapes, memory, parameters and MACs, layer by layer, with the
    arithmetic beside each figure.

    \b
    vgg-profile table D                  the notes' VGG-16 table
    vgg-profile table "64,64,M,128,M"    a network of your own
    vgg-profile list                     every config of the paper
    """


@main.command("list")
@gives_output
def list_command(out: Output) -> None:
    """Every config of the paper: depth, parameters, MACs, memory."""
    labels = [*PAPER, *(f"{name}-BN" for name in ("A", "B", "D", "E"))]
    out.deliver(Comparison(tuple(walk(label) for label in labels)))


@main.command()
@takes_network
@rules_option
@click.option("--all-layers", is_flag=True, help="Every module: also ReLU, norms, dropout, average pool.")
@click.option("--notes", is_flag=True, help="The notes' conventions: their labels and rounding, no biases.")
@click.option("--saved", is_flag=True, help="What each layer keeps for the backward pass, and why.")
@gives_output
def table(
    walk_on: Callable[[str], Profile], device: str, all_layers: bool, notes: bool, saved: bool, out: Output
) -> None:
    """One network, layer by layer, with the arithmetic beside each figure.

    CONFIG is a name (A, A-LRN, B, C, D, E, vgg16, vgg16_bn, D-BN …), a list of layers, or a .toml or
    .json file. In a list a number is a 3×3 convolution of that width, conv1-256 a 1×1 one, M a max pool,
    LRN a local response norm.

    \b
    vgg-profile table D --batch 8
    vgg-profile table vgg16_bn --all-layers
    vgg-profile table "64,64,M,128,conv1-128,M" --input 3x192x256
    vgg-profile table tiny.toml -o tiny.md

    \b
    tiny.toml:   name = "tiny"
                 layers = [64, "M", 128, "conv1-128", "M"]
                 classifier = [512]       # hidden fully-connected widths
                 classes = 10
                 in_channels = 3
                 batch_norm = false
    """
    if notes and saved:
        raise InputError("--notes and --saved are two different tables.", "Ask for one at a time.")
    out.deliver(walk_on(device), all_layers=all_layers, notes=notes, saved=saved)


@main.command()
@takes_network
@rules_option
@mode_option
@optimizer_option
@gives_output
def timeline(walk_on: Callable[[str], Profile], device: str, mode: str, optimizer: str, out: Output) -> None:
    """What is live when: one training step, predicted, layer by layer, forward, backward and step.

    Each line is what is allocated when that part is over, split by what it is for, and the most that was
    allocated within it. `measure` checks every one of these lines against a real pass.
    """
    from vgg_profile.budget import ledger

    out.deliver(ledger(walk_on(device), mode=mode, optimizer=optimizer))


@main.command("measure")
@takes_network
@click.option("--device", type=click.Choice(("auto", *DEVICES)), default="auto", show_default=True)
@mode_option
@optimizer_option
@click.option("--repeats", type=click.IntRange(0, 1000), default=3, show_default=True, help="Timed passes.")
@click.option("--all-layers", is_flag=True, help="Every layer's checks, not only their sum.")
@gives_output
def measure_command(
    walk_on: Callable[[str], Profile],
    device: str,
    mode: str,
    optimizer: str,
    repeats: int,
    all_layers: bool,
    out: Output,
) -> None:
    """Run one network for real, and check every prediction against what is measured.

    Builds it with random weights, runs forward, loss, backward and, with --optimizer, a step; reads the
    allocator, FlopCounterMode, fvcore and the clock. Exit code 0 if all checks hold, 3 if one fails.

    \b
    vgg-profile measure D
    vgg-profile measure D-BN --batch 4 --input 64 --optimizer adam
    vgg-profile measure D -o record.json       keeps the record; then: vgg-profile check D record.json
    """
    from vgg_profile.budget import check_setup, out_of_memory
    from vgg_profile.crosscheck import crosscheck, profile_for
    from vgg_profile.measure.record import dumps

    profile = walk_on("cuda" if device == "cuda" else "cpu")
    check_setup(profile, mode, optimizer)

    with _undivided():
        from vgg_profile.measure import OutOfMemoryError, measure

    try:
        measurement = measure(
            profile.config,
            input=profile.input,
            batch=profile.batch,
            dtype=profile.dtype,
            device=device,
            mode=mode,
            optimizer=optimizer,
            repeats=repeats,
            progress=lambda stage: click.echo(f"{profile.config.label}: {stage} …", err=True),
        )
    except OutOfMemoryError as error:
        if out.format == "json":
            out.write(dumps(error.partial), ", as far as it came")
        lack = out_of_memory(profile, mode, optimizer, str(error), error.phase, error.layer)
        raise Failure(lack) from None
    checks = crosscheck(profile_for(profile.config, measurement), measurement)
    if out.format == "json":
        out.write(dumps(measurement))
    else:
        out.deliver(checks, all_layers=all_layers)
    if out.path is not None:
        STDOUT.deliver(checks, all_layers=all_layers)
    elif repeats and out.format == "table":
        click.echo()
        out.deliver(measurement)
    _exit_with(checks)


@main.command("check")
@takes_config
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--all-layers", is_flag=True, help="Every layer's checks, not only their sum.")
@gives_output
def check_command(net: Config, record: Path, all_layers: bool, out: Output) -> None:
    """The verdicts of a saved record, without torch, on any machine.

    RECORD is what `vgg-profile measure CONFIG -o record.json` wrote. A record of another network or
    another setting, a damaged or altered one is refused. Exit code 0 if all checks hold, 3 if one fails.
    """
    from vgg_profile.crosscheck import crosscheck, profile_for
    from vgg_profile.measure.record import load

    measurement = load(record)
    checks = crosscheck(profile_for(net, measurement), measurement)
    out.deliver(checks, all_layers=all_layers)
    _exit_with(checks)


@contextmanager
def _undivided() -> Iterator[None]:
    """Let an import come to its end: half of torch cannot be imported again. Ctrl-C counts afterwards."""
    pressed: list[int] = []
    try:
        before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    except ValueError:  # not the main thread: nobody's Ctrl-C comes here
        yield
        return
    try:
        yield
    except ImportError as error:
        raise Failure(
            f"PyTorch cannot be loaded: {error}. `pip install -c constraints.txt .` installs it."
        ) from None
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def _exit_with(checks: Checks) -> None:
    if checks.verdict != "PASS":
        click.get_current_context().exit(3)
