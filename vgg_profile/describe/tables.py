"""The table of a result, whatever its kind; each description is loaded when it is asked for."""

from __future__ import annotations

from vgg_profile.core.forms import Table
from vgg_profile.describe.kinds import describe_kind


def describe(result: object, **options: bool) -> Table:
    """The table of a result; ``options`` are those of its kind, such as ``all_layers`` of a profile.

    Raises ``TypeError`` for what has no table.
    """
    match type(result).__name__:
        case "Profile":
            import vgg_profile.describe.profile
        case "Comparison":
            import vgg_profile.describe.comparison
        case "Step" | "Overlay":
            import vgg_profile.describe.step
        case "Checks":
            import vgg_profile.describe.checks
        case "Measurement":
            import vgg_profile.describe.times
        case "Fit" | "Sweep":
            import vgg_profile.describe.plans
        case "WhatIf" | "Fits" | "Advised":
            import vgg_profile.describe.questions
        case "Difference" | "Budget":
            import vgg_profile.describe.difference
        case "Diagnosis":
            import vgg_profile.describe.diagnosis
        case "TableAudit":
            import vgg_profile.describe.own_table
        case "Lesson" | "Contents" | "Audit":
            import vgg_profile.describe.teach  # noqa: F401 - each registers its descriptions
    return describe_kind(result, **options)
