"""All figures of a report, for where they are wanted together: Dagster's metadata and MLflow.

What does not belong here: drawing, and where the page shows them (``pages.sections``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from astro_assets.evaluation.figures import (
    forgetting,
    forward,
    knowledge,
    perplexity,
    similarity,
    strata,
)
from astro_assets.evaluation.figures.style import Drawing

Report = Mapping[str, Any]


def drawings_of(
    asset: str,
    report: Report,
    *,
    allowed_rise: float | None = None,
    allowed_drift: float | None = None,
) -> list[Drawing]:
    """Return the figures of an asset's report, those left out that it has no numbers for.

    Args:
        asset: perplexity_report, embedding_report, knowledge_report; others have no figures.
        report: the asset's report.
        allowed_rise: promotion's bound on far fields; None draws none.
        allowed_drift: promotion's bound on the base's own text, nats per token.
    """
    if asset == "perplexity_report":
        found = [
            *_made(report, perplexity.bits_per_byte, perplexity.reductions),
            *_made(report, strata.by_year, strata.by_subfield, forward.by_months),
            forgetting.rises(report, allowed_rise=allowed_rise, allowed_drift=allowed_drift),
        ]
    elif asset == "embedding_report":
        found = _made(report, similarity.bins, similarity.bins_by_model, similarity.spread)
    elif asset == "knowledge_report":
        found = _made(report, knowledge.accuracies)
        if report.get("other_questions"):
            found += [knowledge.accuracies(report["other_questions"], "other_questions")]
    else:
        found = []
    return [drawing for drawing in found if drawing is not None]


def _made(report: Report, *makers: Callable[[Report], Drawing | None]) -> list[Drawing | None]:
    return [make(report) for make in makers]
