"""The command that writes what people keep: a report as Markdown with its pictures, or as one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vgg_profile.ask.compare import Comparison, read_records
from vgg_profile.ask.report import Report
from vgg_profile.cli.hints import as_typed
from vgg_profile.cli.options import rules_option, takes_networks, takes_setup
from vgg_profile.cli.output import bar, check_can_draw, size_options, together
from vgg_profile.cli.speech import say
from vgg_profile.cli.steps import run_now, stage_said
from vgg_profile.core.documents import Picture
from vgg_profile.core.errors import InputError
from vgg_profile.core.files import check_writable, write_all
from vgg_profile.core.setting import Setup
from vgg_profile.core.tree import Profile
from vgg_profile.describe.documents import compose
from vgg_profile.render import live_page
from vgg_profile.write.documents import to_markdown

if TYPE_CHECKING:
    from vgg_profile.measure.record import Measurement

WRITTEN_AS = (".md", ".markdown", ".html", ".htm")


@click.command("report")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The report: .md or .html.",
)
@click.option(
    "--measured",
    "records",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A record, or a folder of them: checks and times of their networks.",
)
@click.option("--measure", "run", is_flag=True, help="The same with real steps, run now.")
@takes_networks
@rules_option
@takes_setup
@click.option("--force", is_flag=True, help="Replace files that exist.")
@together(*size_options)
def report_command(
    configs: tuple[str, ...],
    walk_one: Callable[[str, str], Profile],
    device: str,
    setup: Setup,
    records: Path | None,
    run: bool,
    output: Path,
    force: bool,
    size: str,
    dark: bool,
) -> None:
    """A report to keep: one network in full, or several side by side.

    As Markdown (FILE.md), with its pictures in a folder FILE beside it; or as one page that needs nothing
    else (FILE.html), to change the network and its setting, look inside a layer, and walk through the step.

    \b
    vgg-profile report D -o vgg16.md
    vgg-profile report A B D E --measured reports/measured -o comparison.md
    vgg-profile report D --batch 8 --optimizer adam --measure -o vgg16.html
    """
    if output.suffix.lower() not in WRITTEN_AS:
        raise InputError(
            f"A report is written as Markdown or as a page, and {output.name!r} ends with neither.",
            "Name it FILE.md or FILE.html.",
        )
    is_page = output.suffix.lower().startswith(".htm")
    if is_page and (size, dark) != ("page", False):
        raise InputError(
            "--size and --dark are of pictures in files; a page's follow its reader's light and dark.",
            "Name the report FILE.md, or leave them out.",
        )
    check_writable(output, force=force)
    if records is not None and run:
        raise InputError("--measured and --measure are two sources of one measurement.", "Give one of them.")
    check_can_draw()
    profiles = tuple(walk_one(each, device) for each in configs)
    measured = dict(_measured(profiles, setup, device)) if run else read_records(records) if records else {}
    report = Report(Comparison(profiles, setup, measured=measured), as_typed())
    files = {output: live_page(report, bar)} if is_page else _files(report, output, size, dark=dark)
    folder = output.with_suffix("") if len(files) > 1 else None
    write_all(files, folder=folder, force=force)
    say(f"Wrote {output}")


def _measured(profiles: tuple[Profile, ...], setup: Setup, device: str) -> Iterator[tuple[str, Measurement]]:
    """A real step of each network, named by what it is of."""
    say = stage_said if len(profiles) == 1 else lambda profile, stage: None
    for number, profile in enumerate(bar(profiles, len(profiles), "Measuring"), start=1):
        yield f"this run, {number}", run_now(profile, setup, device, repeats=3, say=say)


def _files(report: Report, output: Path, size: str, *, dark: bool) -> dict[Path, str | bytes]:
    """Every file of a report in Markdown with its content, the text last."""
    from vgg_profile.write.plots import to_bytes

    document = compose(report)
    folder = output.with_suffix("")
    pictures = {part.name: part.figure for part in document.parts if isinstance(part, Picture)}
    return {
        **{
            folder / f"{name}.svg": to_bytes(figure, "svg", size, dark=dark)
            for name, figure in bar(pictures.items(), len(pictures), "Drawing")
        },
        output: to_markdown(document, folder.name),
    }
