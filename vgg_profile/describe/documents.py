"""The document of a result that is told as one, in headings, sentences, code, tables and figures."""

from __future__ import annotations

from vgg_profile.core.documents import Document
from vgg_profile.describe.kinds import compose_kind


def compose(result: object) -> Document:
    """The document of a report, a diagnosis or a lesson; raises ``TypeError`` for anything else."""
    match type(result).__name__:
        case "Report":
            import vgg_profile.describe.report
        case "Diagnosis":
            import vgg_profile.describe.diagnosis
        case "Lesson":
            import vgg_profile.describe.teach  # noqa: F401 - each registers its descriptions
    return compose_kind(result)
