"""The command line: options to calls, results to files. Nothing is computed here.

What only one command needs is imported within it, so that ``table`` starts at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vgg_profile import __version__
from vgg_profile.compare import Comparison
from vgg_profile.configs import PAPER, config
from vgg_profile.errors import InputError
from vgg_profile.files import check_writable, write_whole
from vgg_profile.render import FORMATS, format_of, render
from vgg_profile.walker import DEVICES, ITEMSIZE, MODES, OPTIMIZERS, walk

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


network_options = _together(
    click.option("--batch-norm/--no-batch-norm", default=None, help="A batch norm after each convolution."),
    click.option("--classes", type=int, metavar="N", help="Classes (default: the config's)."),
    click.option(
        "--input", "input_", metavar="SIZE", help="Image size: 224, 192x256 or 3x192x256.  [default: 224]"
    ),
    click.option("--batch", type=int, default=1, show_default=True, metavar="N", help="Images at a time."),
    click.option("--dtype", type=click.Choice(list(ITEMSIZE)), default="float32", show_default=True),
)

output_options = _together(
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


def deliver(result: Any, format_: str | None, output: Path | None, force: bool, **options: bool) -> None:
    """Print a result, or write it whole to a file."""
    to_file = output is not None and str(output) != "-"
    if to_file:
        assert output is not None
        check_writable(output, force=force)
        format_ = format_ or format_of(output)
    format_ = format_ or "table"
    if format_ == "table" and not to_file and _is_colourful():
        format_ = "colour"
    text = render(result, "page" if format_ == "html" else format_, **options)
    if to_file:
        assert output is not None
        write_whole(output, text, force=force)
        click.echo(f"Wrote {output}", err=True)
    else:
        _show(text)


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
@output_options
def list_command(format_: str | None, output: Path | None, force: bool) -> None:
    """Every config of the paper: depth, parameters, MACs, memory."""
    labels = [*PAPER, *(f"{name}-BN" for name in ("A", "B", "D", "E"))]
    deliver(Comparison(tuple(walk(label) for label in labels)), format_, output, force)


@main.command()
@click.argument("config_", metavar="CONFIG")
@network_options
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="cpu",
    show_default=True,
    help="Whose rules.",
)
@click.option("--all-layers", is_flag=True, help="Every module: also ReLU, norms, dropout, average pool.")
@click.option("--notes", is_flag=True, help="The notes' conventions: their labels and rounding, no biases.")
@click.option("--saved", is_flag=True, help="What each layer keeps for the backward pass, and why.")
@output_options
def table(
    config_: str,
    batch_norm: bool | None,
    classes: int | None,
    input_: str | None,
    batch: int,
    dtype: str,
    device: str,
    all_layers: bool,
    notes: bool,
    saved: bool,
    format_: str | None,
    output: Path | None,
    force: bool,
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
    profile = walk(
        config(config_, batch_norm=batch_norm, classes=classes),
        input=input_,
        batch=batch,
        dtype=dtype,
        device=device,
    )
    deliver(profile, format_, output, force, all_layers=all_layers, notes=notes, saved=saved)


@main.command()
@click.argument("config_", metavar="CONFIG")
@network_options
@click.option("--device", type=click.Choice(DEVICES), default="cpu", show_default=True, help="Whose rules.")
@click.option("--mode", type=click.Choice(MODES), default="train", show_default=True)
@click.option("--optimizer", type=click.Choice(OPTIMIZERS), default="none", show_default=True)
@output_options
def timeline(
    config_: str,
    batch_norm: bool | None,
    classes: int | None,
    input_: str | None,
    batch: int,
    dtype: str,
    device: str,
    mode: str,
    optimizer: str,
    format_: str | None,
    output: Path | None,
    force: bool,
) -> None:
    """What is live when: one training step, predicted, layer by layer, forward, backward and step.

    Each line is what is allocated when that part is over, split by what it is for, and the most that was
    allocated within it. `measure` checks every one of these lines against a real pass.
    """
    from vgg_profile.budget import ledger

    profile = walk(
        config(config_, batch_norm=batch_norm, classes=classes),
        input=input_,
        batch=batch,
        dtype=dtype,
        device=device,
    )
    deliver(ledger(profile, mode=mode, optimizer=optimizer), format_, output, force)


@main.command("measure")
@click.argument("config_", metavar="CONFIG")
@network_options
@click.option("--device", type=click.Choice(("auto", *DEVICES)), default="auto", show_default=True)
@click.option("--mode", type=click.Choice(MODES), default="train", show_default=True)
@click.option("--optimizer", type=click.Choice(OPTIMIZERS), default="none", show_default=True)
@click.option("--repeats", type=click.IntRange(0, 1000), default=3, show_default=True, help="Timed passes.")
@click.option("--all-layers", is_flag=True, help="Every layer's checks, not only their sum.")
@output_options
def measure_command(
    config_: str,
    batch_norm: bool | None,
    classes: int | None,
    input_: str | None,
    batch: int,
    dtype: str,
    device: str,
    mode: str,
    optimizer: str,
    repeats: int,
    all_layers: bool,
    format_: str | None,
    output: Path | None,
    force: bool,
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

    if output is not None and str(output) != "-":
        check_writable(output, force=force)
        format_ = format_ or format_of(output)
    net = config(config_, batch_norm=batch_norm, classes=classes)
    rules = "cuda" if device == "cuda" else "cpu"
    profile = walk(net, input=input_, batch=batch, dtype=dtype, device=rules)
    check_setup(profile, mode, optimizer)

    with _undivided():
        from vgg_profile.measure import OutOfMemoryError, measure

    try:
        measurement = measure(
            net,
            input=profile.input,
            batch=batch,
            dtype=dtype,
            device=device,
            mode=mode,
            optimizer=optimizer,
            repeats=repeats,
            progress=lambda stage: click.echo(f"{net.label}: {stage} …", err=True),
        )
    except OutOfMemoryError as error:
        if format_ == "json" and output is not None:
            write_whole(output, dumps(error.partial), force=force)
            click.echo(f"Wrote {output}, as far as it came", err=True)
        raise Failure(out_of_memory(profile, mode, optimizer, str(error))) from None
    checks = crosscheck(profile_for(net, measurement), measurement)
    if format_ == "json" and output is not None and str(output) != "-":
        write_whole(output, dumps(measurement), force=force)
        click.echo(f"Wrote {output}", err=True)
        deliver(checks, "table", None, force, all_layers=all_layers)
    elif format_ == "json":
        click.echo(dumps(measurement))
    else:
        deliver(checks, format_, output, force, all_layers=all_layers)
    if repeats and format_ in (None, "table") and (output is None or str(output) == "-"):
        click.echo()
        deliver(measurement, "table", None, force)
    _exit_with(checks)


@main.command("check")
@click.argument("config_", metavar="CONFIG")
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--batch-norm/--no-batch-norm", default=None, help="A batch norm after each convolution.")
@click.option("--classes", type=int, metavar="N", help="Classes (default: the config's).")
@click.option("--all-layers", is_flag=True, help="Every layer's checks, not only their sum.")
@output_options
def check_command(
    config_: str,
    record: Path,
    batch_norm: bool | None,
    classes: int | None,
    all_layers: bool,
    format_: str | None,
    output: Path | None,
    force: bool,
) -> None:
    """The verdicts of a saved record, without torch, on any machine.

    RECORD is what `vgg-profile measure CONFIG -o record.json` wrote. A record of another network or
    another setting, a damaged or altered one is refused. Exit code 0 if all checks hold, 3 if one fails.
    """
    from vgg_profile.crosscheck import crosscheck, profile_for
    from vgg_profile.measure.record import load

    measurement = load(record)
    net = config(config_, batch_norm=batch_norm, classes=classes)
    checks = crosscheck(profile_for(net, measurement), measurement)
    deliver(checks, format_, output, force, all_layers=all_layers)
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
