"""The command line: options to calls, results to files. Nothing is computed here.

What only one command needs is imported within it, so that ``table`` starts at once.
"""

from __future__ import annotations

import click

from vgg_profile.cli import diagnose, doctor, pictures, plans, reports, steps, tables, teach
from vgg_profile.cli.program import Program
from vgg_profile.core.version import __version__


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="vgg-profile")
def main() -> None:
    """What does this network cost?

    The VGG table from first principles: shapes, memory, parameters and MACs, layer by layer, with the
    arithmetic beside each figure.

    \b
    vgg-profile table D                  the notes' VGG-16 table
    vgg-profile table "64,64,M,128,M"    a network of your own
    vgg-profile compare A B D E          networks side by side
    vgg-profile fit D --memory 8GiB      the batch that fits
    vgg-profile measure D                every prediction checked against a real pass
    """


for command in (
    tables.list_command,
    tables.table,
    tables.compare_command,
    steps.timeline,
    steps.measure_command,
    steps.check_command,
    plans.fit_command,
    plans.sweep_command,
    pictures.plot,
    teach.notes,
    teach.explain,
    diagnose.diagnose_command,
    reports.report_command,
    doctor.doctor,
):
    main.add_command(command)
