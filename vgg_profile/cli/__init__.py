"""The command line: options to calls, results to files. Nothing is computed here.

One file a command. A command is loaded when it is called, so that ``table`` starts at once; ``--help`` alone
loads them all.
"""

from __future__ import annotations

import click

from vgg_profile.cli.program import Commands, Program
from vgg_profile.core.version import __version__

COMMANDS = Commands(
    {
        "table": "vgg_profile.cli.table:table",
        "fit": "vgg_profile.cli.fit:fit_command",
        "compare": "vgg_profile.cli.compare:compare_command",
        "measure": "vgg_profile.cli.steps:measure_command",
        "check": "vgg_profile.cli.steps:check_command",
        "timeline": "vgg_profile.cli.steps:timeline",
        "sweep": "vgg_profile.cli.sweep:sweep_command",
        "plot": "vgg_profile.cli.plot:plot",
        "report": "vgg_profile.cli.report:report_command",
        "budget": "vgg_profile.cli.budget:budget_command",
        "explain": "vgg_profile.cli.teach:explain",
        "notes": "vgg_profile.cli.teach:notes",
        "diagnose": "vgg_profile.cli.diagnose:diagnose_command",
        "list": "vgg_profile.cli.list:list_command",
        "trace": "vgg_profile.cli.trace:trace_command",
        "doctor": "vgg_profile.cli.doctor:doctor",
    }
)
"""In the order in which `--help` shows them: those that are used most come first."""


@click.group(
    cls=Program,
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="vgg-profile")
def main() -> None:
    """What does this network cost?

    The VGG table from first principles: shapes, memory, parameters and MACs, layer by layer, with the
    arithmetic beside each figure.

    \b
    vgg-profile table D                  VGG-16, layer by layer
    vgg-profile table "64,M,128,M,GAP"   a network of your own
    vgg-profile compare A B D E          networks side by side
    vgg-profile fit D --memory 8GiB      the largest batch that fits
    vgg-profile measure D                every prediction checked, for real

    Completion by the Tab key, in bash, zsh or fish:

    \b
    eval "$(_VGG_PROFILE_COMPLETE=bash_source vgg-profile)"
    eval "$(_VGG_PROFILE_COMPLETE=zsh_source vgg-profile)"
    _VGG_PROFILE_COMPLETE=fish_source vgg-profile | source
    """
