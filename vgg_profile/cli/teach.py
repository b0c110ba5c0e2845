"""The commands that teach: the notes audited, a fact or a layer worked out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from click.core import ParameterSource

from vgg_profile.cli.completion import topics_or_networks
from vgg_profile.cli.hints import typed_network
from vgg_profile.cli.networks import is_python, is_trace_file
from vgg_profile.cli.options import input_option, names_network, rules_option, takes_walk
from vgg_profile.cli.output import Output, gives_output
from vgg_profile.cli.spelling import Whole, Word
from vgg_profile.cli.steps import one_measurement, run_now
from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.sizes import ITEMSIZE
from vgg_profile.core.tree import Profile
from vgg_profile.predict.vgg.walk import walk


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--net", metavar="NET", help="Which network FILE is of (default: as its lines tell).")
@names_network
@input_option
@click.option("--batch", type=Whole(), metavar="N", help="Images at a time, in FILE's bytes.  [default: 1]")
@click.option(
    "--dtype", type=Word(list(ITEMSIZE)), help="The values' dtype in FILE's bytes.  [default: float32]"
)
@click.option(
    "--measured",
    "record",
    type=click.Path(path_type=Path),
    metavar="RECORD",
    help="Hold the claim about the backward pass against a record of D, too.",
)
@click.option("--measure", "run", is_flag=True, help="The same against a real pass, run now.")
@click.option("--claims", is_flag=True, help="What the notes say of the whole network, as a table.")
@gives_output
def notes(
    file: Path | None,
    net: str | None,
    batch_norm: bool | None,
    classes: int | None,
    input_: str | None,
    batch: int | None,
    dtype: str | None,
    record: Path | None,
    run: bool,
    claims: bool,
    out: Output,
) -> None:
    """The course notes' VGG-16 table, or yours, audited line by line.

    Each figure as printed, as computed, and whether they agree; the biases that the notes leave out; their
    totals, and their factor for the backward pass, against a prediction and, if asked, a measurement of one
    image in float32. It is an audit and not a check: whatever it finds, the exit code is 0.

    FILE is a table of your own: CSV, its columns told by their headers (layer, output, values, memory (MB),
    saved (MB), weights, biases, parameters, MACs, FLOPs), a Markdown table, or lines as the notes print them.
    Each figure that differs is shown beside what it should be and the mistakes that give exactly it.

    \b
    vgg-profile notes
    vgg-profile notes examples/my_table.csv
    vgg-profile notes examples/my_table.csv --net D --format csv
    vgg-profile notes --claims --format csv
    vgg-profile notes --measured reports/measured/D-cpu.json
    """
    from vgg_profile.check.crosscheck import crosscheck
    from vgg_profile.check.subject import check_network, check_setting, profile_for
    from vgg_profile.core.setting import Setup
    from vgg_profile.teach.audit import SETTING, audit

    if file is not None:
        if record is not None or run or claims:
            raise InputError(
                "--measured, --measure and --claims are about the course notes, not about a table of yours.",
                "Leave them out, or leave FILE out.",
            )
        from vgg_profile.teach.own.audit import audit_sheet
        from vgg_profile.teach.own.sheet import read_sheet

        out.deliver(
            audit_sheet(
                read_sheet(file),
                str(file),
                net=net,
                input=input_,
                batch=batch,
                dtype=dtype,
                classes=classes,
                batch_norm=batch_norm,
            )
        )
        return
    _refuse_options("Without a FILE, notes", "A table of your own takes it: `vgg-profile notes mine.csv`.")
    measurement = one_measurement(record, run, lambda: run_now(walk("D"), Setup(), "auto"))
    if measurement is not None:
        check_network(measurement)
        check_setting(measurement, SETTING)
    checks = None if measurement is None else crosscheck(profile_for("D", measurement), measurement)
    out.deliver(audit(checks), claims=claims)


@click.command()
@click.argument("what", metavar="[TOPIC | NET]", required=False, shell_complete=topics_or_networks)
@click.argument("layer", metavar="[LAYER]", required=False)
@takes_walk
@rules_option
@gives_output
def explain(
    what: str | None, layer: str | None, walk_one: Callable[[str, str], Profile], device: str, out: Output
) -> None:
    """One fact, or one layer, worked out with the numbers in place.

    TOPIC is one of those that `vgg-profile explain` lists. NET is what `table` takes: with a LAYER,
    such as conv3_2 or features.12, that layer is worked out; without, its layers are listed.

    \b
    vgg-profile explain pool-indices
    vgg-profile explain D conv3_2 --batch 8
    vgg-profile explain "64,64,M,128,M,GAP" pool1 --input 3x192x256
    vgg-profile explain my/net.py:UNet down.0 --input 3x64x64
    """
    from vgg_profile.teach import any_layer, topics
    from vgg_profile.teach import layer as layers

    if what is None:
        _refuse_options("The list of topics")
        out.deliver(topics.contents())
        return
    lesson = topics.lesson(what)
    if lesson is not None:
        if layer is not None:
            raise InputError(
                f"A topic has no layers, and {excerpt(layer)} was asked for.",
                f"Try `vgg-profile explain {lesson.name}`.",
            )
        _refuse_options(f"The topic {lesson.name}")
        out.deliver(lesson)
        return
    if not is_python(what) and not is_trace_file(what):
        topics.check_known(what)
    profile = walk_one(what, device)
    of = any_layer if profile.is_traced else layers
    out.deliver(of.contents(profile, typed_network()) if layer is None else of.lesson(profile, layer))


def _refuse_options(
    who: str, otherwise: str = "A layer takes it: `vgg-profile explain D conv3_2 --batch 8`."
) -> None:
    """A setting that would change nothing is a misunderstanding."""
    context = click.get_current_context()
    for option in context.command.params:
        is_setting = option.name in _OF_A_SETTING
        if is_setting and context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE:
            raise InputError(
                f"{who} takes no {option.opts[0]}: it speaks of the notes' setting, D at 224×224, one image, "
                "float32.",
                otherwise,
            )


_OF_A_SETTING = ("net", "batch_norm", "classes", "inputs", "input_", "batch", "dtype", "device")
