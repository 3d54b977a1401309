"""A training as Dagster shows it: its learning curve, how it was run and why, how fast it was.

What does not belong here: drawing (``evaluation.learning_curve``).
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import dagster as dg

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.defs import markdown

_PERPLEXITIES = {
    "first_training_perplexity": "training, first",
    "last_training_perplexity": "training, last",
}


def shown(store: Store, checkpoint: Manifest) -> dict[str, Any]:
    """Return a trained checkpoint's figures as metadata."""
    from astro_assets.registry.checkpoint import learning_curve_of

    facts = checkpoint.facts
    picture = b64encode(learning_curve_of(store.path_of(checkpoint), facts)).decode()
    reasons = "\n".join(
        f"- {markdown.cell(reason, max_characters=300)}" for reason in facts["plan"]["reasons"]
    )
    return {
        "learning_curve": dg.MetadataValue.md(
            f"![learning curve](data:image/png;base64,{picture})"
        ),
        "how_it_was_run": dg.MetadataValue.md(reasons or "Nothing had to be chosen."),
        "perplexities": dg.MetadataValue.md(
            markdown.table(_perplexities(facts), ["perplexity", "value"])
        ),
        "tokens_per_second": float(facts["tokens_per_second"]),
        "peak_memory_bytes": int(facts["peak_memory_bytes"]),
        "device": str(facts["device"]),
        "starts_from": starting_point(checkpoint),
    }


def starting_point(checkpoint: Manifest) -> str:
    """Return what a training started from, as a person would say it."""
    version = checkpoint.facts["parent_version"]
    if version is not None:
        return f"the champion, version {version}"
    if checkpoint.parameters["recipe"]["init_from"] == "champion":
        return "the base: there was no champion yet"
    return "the base"


def _perplexities(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return training perplexity at both ends and, apart from it, held-out perplexity."""
    from astro_assets.registry.training_metrics import perplexity

    told = {name: facts[fact] for fact, name in _PERPLEXITIES.items() if fact in facts}
    for end in ("first", "last"):
        measured = facts.get(f"heldout_{end}") or {}
        told |= {f"held-out {group}, {end}": perplexity(nll) for group, nll in measured.items()}
    return [{"perplexity": name, "value": f"{value:,.4g}"} for name, value in told.items()]
