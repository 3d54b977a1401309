"""A report as Dagster shows it: its figures, and the numbers one looks for first.

What does not belong here: drawing (``evaluation.figures``).
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import dagster as dg

from astro_assets.artifacts.manifest import Manifest
from astro_assets.defs import markdown
from astro_assets.settings import load_settings

_NUMBERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "perplexity_report": {
        **{
            f"bits_per_byte_{label}": ("models", label, "astro", "per_document", "bits_per_byte")
            for label in ("base", "tuned", "champion")
        },
        **{
            f"perplexity_{label}": ("models", label, "astro", "per_document", "perplexity")
            for label in ("base", "tuned", "champion")
        },
        "rise_general": ("rise_general",),
        "rise_far": ("forgetting", "rise_far"),
        "drift_nats_per_token": ("forgetting", "drift_nats_per_token"),
    },
    "embedding_report": {
        **{f"spearman_{label}": ("spearman", label) for label in ("base", "tuned", "champion")},
        **{
            f"title_masked_mrr_{space}": ("retrieval", "title_masked", space, "mrr")
            for space in ("base", "tuned", "champion", "baseline")
        },
        **{
            f"title_mrr_{space}": ("retrieval", "title", space, "mrr")
            for space in ("base", "tuned", "champion", "baseline", "bm25")
        },
    },
    "completion_report": {
        f"{measure}_{writer}": ("measures", writer, measure)
        for measure in ("repeated_4grams", "loops", "rouge_l", "new_numbers")
        for writer in ("base", "tuned", "champion", "truth")
    },
    "knowledge_report": {
        "chance": ("chance",),
        **{
            f"accuracy_{label}": ("models", label, "accuracy")
            for label in ("base", "tuned", "champion")
        },
        "accuracy_difference": ("difference", "accuracy"),
        "accuracy_over_champion": ("tuned_minus_champion", "accuracy"),
    },
}
"""Asset -> name of a number in the metadata -> where it stands in the report."""
_MAX_SAID = 400


def shown(manifest: Manifest) -> dict[str, Any]:
    """Return a report's figures and first numbers as metadata; what was not measured is absent.

    Forgetting is drawn with the bounds a promotion would go by now, as its check is judged.
    """
    from astro_assets.evaluation.figures.gallery import drawings_of
    from astro_assets.evaluation.pages.values import number_at

    report = manifest.facts.get("report") or {}
    found: dict[str, Any] = {}
    for name, path in _NUMBERS.get(manifest.asset, {}).items():
        value = number_at(report, *path)
        if value is not None:
            found[name] = value
    verdict = report.get("verdict")
    if isinstance(verdict, str):
        found["verdict"] = verdict[:_MAX_SAID]
    settings = load_settings()
    for drawing in drawings_of(
        manifest.asset,
        report,
        allowed_rise=settings.max_forgetting,
        allowed_drift=settings.max_drift,
    ):
        picture = b64encode(drawing.png()).decode()
        said = markdown.cell(drawing.said, max_characters=_MAX_SAID)
        found[f"figure_{drawing.name}"] = dg.MetadataValue.md(
            f"![{said}](data:image/png;base64,{picture})"
        )
    return found
