"""A report composed: headline, tables, pictures, checks, how to read it and how it was made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from vgg_profile.ask.compare import Compared
from vgg_profile.ask.report import Report
from vgg_profile.check.results import Checks, Verdict
from vgg_profile.core import units
from vgg_profile.core.documents import Code, Document, Heading, Items, Part, Picture
from vgg_profile.core.events import Phase
from vgg_profile.core.step import Step, in_words
from vgg_profile.core.tree import Profile
from vgg_profile.core.version import __version__
from vgg_profile.describe.figures import depict
from vgg_profile.describe.kinds import compose_kind
from vgg_profile.describe.tables import describe
from vgg_profile.describe.words import rules, sized, title


@compose_kind.register
def _report(report: Report) -> Document:
    """One network in full; of several, what sets them apart, and then each in short."""
    networks = report.comparison.networks
    labels = [network.label for network in networks]
    slugs = _slugs(networks)
    parts = _one(networks[0], *slugs) if len(networks) == 1 else _several(report, slugs)
    return Document(
        f"What {units.listed(labels)} {'costs' if len(labels) == 1 else 'cost'}",
        (*parts, *_how_to_read(networks[0]), *_how_it_was_made(report)),
    )


def _one(network: Compared, slug: str) -> Iterator[Part]:
    step, profile = network.step, network.step.profile
    yield f"{title(profile)}; {step.setup.label}."
    yield Items(tuple(_headline(network)))
    yield Heading("Where the cost sits")
    yield _picture(slug, "shares", profile)
    yield Heading("Layer by layer")
    yield describe(profile)
    yield from _by_layer(slug, profile)
    yield Heading("One training step" if step.setup.has_backward else "One step")
    yield _picture(slug, "timeline", step)
    yield from _by_batch(slug, step)
    yield from (f"~ {doubt}." for doubt in step.doubts)
    yield Heading("Predicted against measured")
    if network.checks is None:
        yield (
            "No record of this network at this setting was given, so nothing here is measured: every figure "
            f"is predicted, by the rules of device {rules(step.profile)}. The command below has it checked "
            "if --measure is added."
        )
    else:
        yield describe(network.checks)
        yield _picture(slug, "check", network.checks)
        if network.checks.measurement.layers("forward_time"):
            yield _picture(slug, "time", network.checks.measurement)


def _by_layer(slug: str, profile: Profile) -> Iterator[Part]:
    """A picture of each thing that there is any of."""
    yield _picture(slug, "memory", profile)
    if profile.totals.macs:
        yield _picture(slug, "macs", profile)
    if profile.totals.parameters:
        yield _picture(slug, "parameters", profile)


def _by_batch(slug: str, step: Step) -> Iterator[Part]:
    """The peak against the batch, where the step answers for others."""
    if not step.span[1]:
        yield _picture(slug, "batch", step)


def _several(report: Report, slugs: Sequence[str]) -> Iterator[Part]:
    comparison = report.comparison
    yield describe(comparison)
    yield Picture("compare", depict(comparison, "compare"))
    for network, slug in zip(comparison.networks, slugs, strict=True):
        yield Heading(network.label)
        yield f"{title(network.step.profile)}; {network.step.setup.label}."
        yield Items(tuple(_headline(network)))
        yield _picture(slug, "shares", network.step.profile)
        yield _picture(slug, "timeline", network.step)
        yield describe(network.step.profile)


def _picture(slug: str, kind: str, result: object) -> Picture:
    """A figure of a network, under a name that may be a file's."""
    return Picture(f"{slug}-{kind}", depict(result, kind))


def _slugs(networks: Sequence[Compared]) -> list[str]:
    """A name for each network's files: its label, as far as a file may bear it; numbered if two are alike."""
    slugs = [re.sub(r"[^A-Za-z0-9]+", "-", network.label).strip("-") or "network" for network in networks]
    if len(set(map(str.lower, slugs))) == len(slugs):
        return slugs
    return [f"{number}-{slug}" for number, slug in enumerate(slugs, start=1)]


def _headline(network: Compared) -> Iterator[str]:
    """What to remember of a network, a sentence each."""
    step, profile = network.step, network.step.profile
    totals, batch = profile.totals, profile.batch
    images = units.plural(batch, "image")
    yield f"{totals.parameters:,} parameters: {sized(totals.parameters * profile.itemsize)}."
    again = sum(step.recomputed_flops.values())
    yield (
        f"{totals.macs:,} MACs per image forward. With {images}, {sum(step.flops.values()) + again:,} FLOPs "
        f"{'forward and backward' if step.setup.has_backward else 'forward'}"
        f"{f', {again:,} of them to run the blocks again' if again else ''}; 1 MAC = 2 FLOPs."
    )
    how = "as the notes count" if not profile.is_traced else "each output that is new memory"
    yield f"{totals.values:,} values per image, {how}: {sized(totals.memory_bytes)} for {images}."
    kept = step.fixed_points[Phase.FORWARD] - step.fixed_points[Phase.INPUT]
    yield (
        f"{sized(kept)} are saved for the backward pass."
        if step.setup.has_backward
        else f"Nothing is saved for a backward pass: {sized(kept)} of logits are what is left."
    )
    yield f"{sized(step.peak.peak)} are live at the peak, {in_words(*step.place)}."
    if profile.receptive_field is not None:
        yield f"One value at the end sees {profile.receptive_field:,} pixels a side."
    if network.checks is not None:
        yield _proof(network.checks)


def _proof(checks: Checks) -> str:
    """What a real pass said to all that."""
    environment = checks.measurement.environment
    taken = sum(any(term.is_remainder for term in check.terms) for check in checks.checks)
    return (
        f"{checks.verdict}: {checks.count(Verdict.PASS)} of {len(checks.checks)} checks hold in a real "
        f"pass, to the byte and the FLOP, on {environment.get('device', '?')}, torch "
        f"{environment.get('torch', '?')}"
        + (f"; in {taken} of them scratch is measured, not predicted." if taken else ".")
    )


def _how_to_read(network: Compared) -> Iterator[Part]:
    setup = network.step.setup
    yield Heading("How to read this")
    yield Items(
        (
            "A value is one number of an activation; how many bytes it takes depends on the dtype. "
            "MiB are 2^20 bytes; exact bytes stand beside every rounded figure.",
            "A MAC is one multiply-accumulate, a FLOP one floating-point operation: 1 MAC = 2 FLOPs.",
            "Saved for backward is everything alive after a training forward pass above weights and input: "
            "activations, the max pools' indices, dropout's masks, batch norms' statistics."
            if setup.has_backward
            else "Inference has no backward pass: what is called saved for backward is what the forward pass "
            "leaves alive, above weights and input.",
            f"The peak is the most that is live at once in the step: {network.step.scope}. That of a library "
            "comes on top; where it was measured it is named by the operation that took it."
            if not network.profile.is_traced and setup.processor is None
            else f"The peak is the most that is live at once in the step: {network.step.scope}.",
            "Predicted and measured figures never mix: residual = measured - predicted - named terms, and "
            "there is no tolerance.",
        )
    )


def _how_it_was_made(report: Report) -> Iterator[Part]:
    yield Heading("How it was made")
    yield Code((report.command,), "sh")
    yield f"vgg-profile {__version__}. Predicted figures depend on nothing else."
    records = [network for network in report.comparison.networks if network.checks is not None]
    if records:
        yield Items(tuple(_origin(network) for network in records))


def _origin(network: Compared) -> str:
    has = network.checks.measurement.environment if network.checks else {}
    return (
        f"{network.label} was measured on {has.get('device', '?')} ({has.get('platform', '?')}), torch "
        f"{has.get('torch', '?')}, {has.get('threads', '?')} threads: {Path(network.record or '').name}."
    )
