"""A whole step described as tables: the ledger, its measurement, and the checks between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from vgg_profile.check.results import Check, Checks, Verdict
from vgg_profile.check.subject import setup_of
from vgg_profile.core import units
from vgg_profile.core.forms import Cell, Column, Table
from vgg_profile.describe.kinds import describe_kind
from vgg_profile.describe.words import pool_words

_QUANTITIES = {
    "live_before_step": "live before the step",
    "live_with_input": "live, input given",
    "live_after_forward": "live after forward",
    "live_after_loss": "live after the loss",
    "live_after_backward": "live after backward",
    "live_after_step": "live after the optimizer step",
    "most_within_load": "most within loading the network",
    "most_within_input": "most within giving the input",
    "most_within_loss": "most within the loss",
    "most_within_step": "most within the optimizer step",
    "parameters": "parameters",
    "buffers": "buffers",
    "output_shape": "output shape",
    "forward_flops": "FLOPs forward",
    "forward_backward_flops": "FLOPs forward + backward",
    "checkpointed_flops": "FLOPs with the blocks run again",
    "fvcore_flops": "fvcore's count (MACs)",
    "fvcore_activations": "fvcore's activations",
    "live_bytes_forward": "live after the layer, forward",
    "live_bytes_backward": "live after the layer, backward",
    "live_bytes_recompute": "live after the layer, run again",
    "peak_bytes_forward": "most within, forward",
    "peak_bytes_backward": "most within, backward",
    "peak_bytes_recompute": "most within, run again",
    "lasting_workspace_bytes": "lasting workspace",
    "allocator_rounding_bytes": "allocator rounding, at most",
    "peak": "peak",
    "unpredicted_readings": "readings of what the network does not have",
    "unpredicted_parts": "parts of the step that are not predicted",
}
"""What each quantity of a check is called in a table."""


@describe_kind.register
def _checks(checks: Checks, *, all_layers: bool = False) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for quantity, group in groupby(checks.checks, key=lambda check: (check.quantity, bool(check.layer))):
        members = list(group)
        failed = [check for check in members if check.verdict is Verdict.FAIL]
        if quantity[1] and not all_layers:
            rows.append(_group_row(members))
            rows += [_row(check) for check in failed]
        else:
            rows += [_row(check) for check in members]
    subject, environment = checks.measurement.subject, checks.measurement.environment
    return Table(
        title=(
            f"Predicted against measured: {checks.profile.config.label}, input "
            f"{units.shape(checks.profile.input)}, batch {checks.profile.batch:,}, {subject['dtype']}, "
            f"{setup_of(checks.measurement).label}, {subject['device']}{pool_words(checks.profile)}"
        ),
        columns=(
            Column("quantity", "quantity", is_text=True),
            Column("layer", "layer", is_text=True),
            Column("unit", "unit", is_text=True, rank=3),
            Column("predicted", "predicted"),
            Column("measured", "measured", rank=1),
            Column("residual", "residual", rank=2),
            Column("verdict", "verdict", is_text=True),
            Column("terms", "named terms", is_text=True, rank=4),
        ),
        rows=tuple(rows),
        footer=(
            f"{checks.verdict.value}: {checks.count(Verdict.PASS)} of {len(checks.checks)} checks hold, "
            f"{checks.count(Verdict.FAIL)} fail, {checks.count(Verdict.SKIP)} could not be made.",
            "residual = measured - predicted - named terms. No tolerance: one byte or FLOP too many fails.",
            "Memory is what is live in the allocator, from loaded weights to the end of the step. "
            + (
                "Scratch is measured, not predicted: what a library takes and gives back in one operation. "
                "Where none computes, a byte beyond the prediction fails."
                if subject["device"] == "cuda"
                else "What a kernel takes in passing is predicted, or a most of it: a byte beyond fails."
            ),
            f"Measured on {environment.get('device', '?')} ({environment.get('platform', '?')}), "
            f"torch {environment.get('torch', '?')}, {environment.get('threads', '?')} threads.",
        ),
        answer=_in_one_line(checks),
    )


def _in_one_line(checks: Checks) -> str:
    """The verdict in a sentence; what fails and what could not be checked is counted."""
    held, made = checks.count(Verdict.PASS), len(checks.checks)
    failed, skipped = checks.count(Verdict.FAIL), checks.count(Verdict.SKIP)
    said = f"Every figure holds: {held:,} of {made:,}"
    if failed or skipped:
        said = f"{held:,} of {made:,} figures hold"
        said += f", {failed:,} fail" * bool(failed) + f", {skipped:,} could not be checked" * bool(skipped)
    elif not any(check.residual for check in checks.checks):
        said += ", 0 bytes and 0 FLOPs off"
    environment = checks.measurement.environment
    where = f"{environment.get('device', '?')}, torch {environment.get('torch', '?')}"
    return f"{said} ({where}){pool_words(checks.profile)}."


def _row(check: Check) -> tuple[Cell, ...]:
    terms = "; ".join(
        f"{term.name}: {term.value:+,}" + ("" if term.most is None else f", at most {term.most:,}")
        for term in check.terms
    )
    return (
        _QUANTITIES[check.quantity],
        check.layer,
        check.unit,
        _value(check.predicted),
        None if check.measured is None else _value(check.measured),
        check.residual,
        _words(check),
        terms,
    )


def _value(value: int | list[int]) -> Cell:
    return tuple(value) if isinstance(value, list) else value


def _words(check: Check) -> str:
    if check.verdict is Verdict.SKIP:
        return f"SKIP: {check.reason}"
    if check.measured is None:
        return "FAIL: was not measured"
    if check.verdict is Verdict.FAIL:
        return "FAIL: differs" if check.residual is None else f"FAIL: off by {check.residual:+,} {check.unit}"
    if any(term.most is not None for term in check.terms):
        return "PASS: within what is known at most"
    if any(term.is_remainder for term in check.terms):
        return "PASS: the rest is measured, not predicted: any would pass"
    return "PASS: exact after named terms" if check.terms else "PASS: exact"


def _group_row(members: Sequence[Check]) -> tuple[Cell, ...]:
    """All layers of one quantity in one line."""
    counts = Counter(check.verdict for check in members)
    held, skipped = counts[Verdict.PASS], counts[Verdict.SKIP]
    residuals = [abs(residual) for check in members if (residual := check.residual) is not None]
    named = sorted({term.name for check in members for term in check.terms})
    rest = sum(any(term.is_remainder for term in check.terms) for check in members)
    is_bounded = all(term.most is not None for check in members for term in check.terms)
    verdict = (
        f"PASS: exact at {len(members) - rest}, {rest} within what is known at most"
        if held == len(members) and rest and is_bounded
        else f"PASS: exact at {len(members) - rest}, at {rest} the rest is measured: any would pass"
        if held == len(members) and rest
        else f"PASS: exact at all {len(members)}"
        if held == len(members)
        else f"SKIP: {skipped} not measured"
        if held + skipped == len(members)
        else f"FAIL: {len(members) - held - skipped} of {len(members)} differ"
    )
    return (
        _QUANTITIES[members[0].quantity],
        f"each of {len(members)}",
        members[0].unit,
        f"{len(members)} figures",
        f"{held - rest} equal",
        max(residuals, default=None),
        verdict,
        "; ".join(named),
    )
