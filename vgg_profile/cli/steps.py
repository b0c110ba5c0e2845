"""The commands about a whole training step: predicted, measured, and checked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from vgg_profile.cli.options import probe_if_asked, rules_option, takes_network, takes_setup
from vgg_profile.cli.output import STDOUT, Output, gives_drawing, gives_step
from vgg_profile.cli.program import lend_a_folder, undivided
from vgg_profile.cli.speech import Failure, say, show
from vgg_profile.cli.spelling import Word
from vgg_profile.core.collecting import collecting
from vgg_profile.core.errors import InputError, excerpt, kind, message
from vgg_profile.core.inputs import Input
from vgg_profile.core.network import TracedNetwork
from vgg_profile.core.printable import command_line
from vgg_profile.core.setting import DEVICES, Setup
from vgg_profile.core.tree import Profile

if TYPE_CHECKING:
    from vgg_profile.check.results import Checks
    from vgg_profile.measure.record import Measurement


@click.command()
@click.option(
    "--measured",
    "record",
    type=click.Path(path_type=Path),
    metavar="RECORD",
    help="Lay the curve of a record over it, at the setting that was measured.",
)
@click.option("--measure", "run", is_flag=True, help="The same with a real step, run now.")
@takes_network
@rules_option
@takes_setup
@gives_step
def timeline(
    walk_on: Callable[[str], Profile],
    device: str,
    setup: Setup,
    record: Path | None,
    run: bool,
    out: Output,
) -> None:
    """What is live when in a training step, layer by layer.

    Each line is what is allocated when that part is over, split by what it is for, and the most that was
    allocated within it. With a measurement: both curves and their difference, which is 0 bytes everywhere
    or the exit code is 3.

    \b
    vgg-profile timeline D --batch 8 --optimizer adam
    vgg-profile timeline D --batch 8 --optimizer adam --measure
    vgg-profile timeline D --measured reports/measured/D-cpu.json
    vgg-profile timeline D --device cuda -o step.pickle
    """
    from vgg_profile.check.crosscheck import lay_over
    from vgg_profile.check.results import Verdict
    from vgg_profile.check.subject import check_network, check_setting, profile_of, setup_of
    from vgg_profile.predict.steps import ledger

    profile = walk_on(device)
    measurement = one_measurement(record, run, lambda: run_now(profile, setup, device))
    if measurement is None:
        out.deliver(ledger(profile, *probe_if_asked(setup)))
        return
    check_network(measurement)
    check_setting(measurement, asked(profile, setup))
    curve = lay_over(ledger(profile_of(profile, measurement), setup_of(measurement)), measurement)
    out.deliver(curve)
    if curve.verdict is not Verdict.PASS:
        click.get_current_context().exit(3)


def asked(profile: Profile, setup: Setup) -> dict[str, object]:
    """The setting, as far as it was asked for on the command line."""
    context = click.get_current_context()
    setting = {
        "input": list(profile.input),
        "batch": profile.batch,
        "dtype": profile.dtype,
        "device": profile.device,
        **setup.to_dict(),
    }
    names = {"input": "inputs"}
    return {
        key: value
        for key, value in setting.items()
        if context.get_parameter_source(names.get(key, key)) is ParameterSource.COMMANDLINE
    }


def one_measurement(
    record: Path | None, run: bool, measure_now: Callable[[], Measurement]
) -> Measurement | None:
    """What ``--measured`` and ``--measure`` ask for: a record, a real step, or neither."""
    if record is not None and run:
        raise InputError("--measured and --measure are two sources of one measurement.", "Give one of them.")
    if record is None:
        return measure_now() if run else None
    from vgg_profile.measure.reading import load

    return load(record)


def stage_said(profile: Profile, stage: str) -> None:
    """What a measurement is at, in a line on stderr."""
    say(f"{profile.config.label}: {stage} …")


@collecting(is_on=True)  # as it is while a network trains
def run_now(
    profile: Profile,
    setup: Setup,
    device: str,
    *,
    repeats: int = 0,
    keep: Callable[[Measurement], None] = lambda partial: None,
    say: Callable[[Profile, str], None] = stage_said,
) -> Measurement:
    """One real step. If memory runs out, ``keep`` gets what was measured so far, and the user is told."""
    from vgg_profile.predict.steps import ledger
    from vgg_profile.predict.vgg.step import out_of_memory

    step = ledger(profile, setup)  # refuses what PyTorch would refuse
    if profile.run is not None and profile.build is None:
        assert isinstance(profile.config, TracedNetwork)
        typed = command_line(["vgg-profile", "measure", *profile.config.words(step.setting)])
        raise InputError(
            f"{profile.config.label} is a trace, and a trace has no weights to run.",
            f"Measure the network itself: `{typed}`.",
        )
    lend_a_folder()
    with undivided():
        from vgg_profile.measure.run import OutOfMemoryError, measure
    network: Any = profile.config
    inputs: tuple[Input, ...] = ()
    loss, about = None, None
    try:
        if profile.build is not None:
            network, inputs, loss = profile.build()
            network.to(profile.device)  # for which it was traced
            about = profile.config.to_dict()
        return measure(
            network,
            input=profile.input,
            inputs=inputs,
            loss=loss,
            about=about,
            batch=profile.batch,
            dtype=profile.dtype,
            device=device,
            setup=setup,
            repeats=repeats,
            progress=partial(say, profile),
        )
    except OutOfMemoryError as error:
        keep(error.partial)
        lack = out_of_memory(step, str(error), error.phase, error.layer)
        raise Failure(lack) from None
    except (InputError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if profile.build is None:
            raise
        raise InputError(
            f"The network raises {kind(error)} in a real pass: {excerpt(message(error), 300)}.",
            "Its forward does something else when tensors have values: fix it there.",
        ) from None


@click.command("measure")
@click.option("--all-layers", is_flag=True, help="Every layer's checks, not only their sum.")
@click.option("--repeats", type=click.IntRange(0, 1000), default=3, show_default=True, help="Timed passes.")
@takes_network
@click.option(
    "--device",
    type=Word(("auto", *DEVICES)),
    default="auto",
    show_default=True,
    help="Where to run it; auto: on a card if there is one.",
)
@takes_setup
@gives_drawing
def measure_command(
    walk_on: Callable[[str], Profile],
    device: str,
    setup: Setup,
    repeats: int,
    all_layers: bool,
    out: Output,
) -> None:
    """Run a network for real, and check every prediction to the byte.

    Builds it with random weights, runs forward, loss, backward and, with --optimizer, a step; reads the
    allocator, FlopCounterMode, fvcore and the clock. Exit code 0 if all checks hold, 3 if one fails.

    \b
    vgg-profile measure D
    vgg-profile measure D-BN --batch 4 --input 64 --optimizer adam
    vgg-profile measure D -o record.json   keeps it, for `check`
    """
    from vgg_profile.check.crosscheck import crosscheck
    from vgg_profile.check.subject import profile_of
    from vgg_profile.measure.record import dumps

    def keep(partial: Measurement) -> None:
        if out.format == "json":
            out.write(dumps(partial), ", as far as it came")

    if device == "auto":
        with undivided():
            from vgg_profile.measure.run import device_named
        device = device_named("auto").type
    profile = walk_on(device)
    measurement = run_now(profile, setup, device, repeats=repeats, keep=keep)
    if measurement.setting.device == "cpu" and measurement.setting.setup.processor is None:
        from vgg_profile.measure.processor import why_unknown

        say(f"No rule knows all that kernels take here: {why_unknown()}. Such checks are no PASS.")
    _, probe = probe_if_asked(measurement.setting.setup)
    checks = crosscheck(profile_of(profile, measurement), measurement, probe)
    if out.format == "json":
        out.write(dumps(measurement))
    else:
        out.deliver(checks, all_layers=all_layers)
    if out.path is not None:
        STDOUT.deliver(checks, all_layers=all_layers)
    elif repeats and out.format == "table":
        show("\n")
        out.deliver(measurement)
    _exit_with(checks)


@click.command("check")
@click.option("--all-layers", is_flag=True, help="Every layer's checks, not only their sum.")
@takes_network
@click.argument("record", type=click.Path(path_type=Path))
@gives_drawing
def check_command(walk_on: Callable[[str], Profile], record: Path, all_layers: bool, out: Output) -> None:
    """The verdicts of a saved record, without torch, on any machine.

    RECORD is what `vgg-profile measure NET -o record.json` wrote. A record of another network or
    another setting, a damaged one, or one that says what no measurement writes is refused; its digest
    guards against accidents, not against forgery. Exit code 0 if all checks hold, 3 if one fails.

    \b
    vgg-profile check D reports/measured/D-cpu.json
    """
    from vgg_profile.check.crosscheck import crosscheck
    from vgg_profile.check.subject import check_network, profile_of
    from vgg_profile.measure.reading import load

    measurement = load(record)
    check_network(measurement)
    checks = crosscheck(profile_of(walk_on(measurement.setting.device), measurement), measurement)
    out.deliver(checks, all_layers=all_layers)
    _exit_with(checks)


def _exit_with(checks: Checks) -> None:
    if checks.verdict != "PASS":
        click.get_current_context().exit(3)
