"""The command that holds networks against their limits."""

from __future__ import annotations

from pathlib import Path

import click

from vgg_profile.ask.budget import Budget, Entry, limits
from vgg_profile.cli.networks import Asked, open_any
from vgg_profile.cli.output import Output, bar, gives_output
from vgg_profile.cli.program import exit_unless
from vgg_profile.core.tree import Profile


@click.command("budget")
@click.argument("file", type=click.Path(path_type=Path))
@gives_output
def budget_command(file: Path, out: Output) -> None:
    """Hold networks against the limits in a file, as for a CI job.

    FILE is TOML: for each network its setting, with the names of the options of `fit`, and its limits. Files
    that it names stand beside it. Exit code 0 if every limit holds, 4 if one is exceeded, 2 for a bad file.

    \b
    vgg-profile budget budget.toml

    \b
    budget.toml: [[network]]
                 name = "my/net.py:Net"
                 input = "3x224x224"
                 batch = 32
                 optimizer = "adam"
                 [network.limits]
                 peak = "4GiB"
                 parameters = 26_000_000
                 macs = 4_200_000_000
                 batch = { rtx4090 = 256, "8GiB" = 64 }
    """
    from vgg_profile.ask.budget_form import read_budget  # and with it msgspec, which no prediction needs

    entries = read_budget(file)
    asking = bar(entries, len(entries), "Asking")
    budget = Budget(f"The budget {file}", tuple(limit for each in asking for limit in limits(each, _open)))
    out.deliver(budget)
    exit_unless(budget.holds)


def _open(entry: Entry, device: str) -> Profile:
    asked = Asked(
        entry.inputs,
        entry.loss,
        entry.given,
        entry.batch_dim,
        entry.dtype,
        entry.probe,
        is_about_setup=entry.says_setup,
    )
    return open_any(
        entry.network,
        asked,
        entry.setup,
        entry.batch,
        device,
        batch_norm=entry.batch_norm,
        classes=entry.classes,
    )
