"""Code versions per asset, bumped by hand when a stage's *output* changes for the same input.

Kept apart from the stages so that Dagster can show them without importing torch. A code version is
part of the key an asset's work is re-used by, so bumping one re-makes that stage and what follows.
"""

CODE_VERSIONS = {
    "arxiv_snapshot": "2",
    "arxiv_updates": "1",
    "snapshot_papers": "3",
    "astro_ph_papers": "3",
    "general_papers": "3",
    "token_blocks": "4",
    "near_copies": "1",
    "base_model": "1",
    "lora_checkpoint": "3",
    "perplexity_report": "6",
    "embeddings": "5",
    "embedding_report": "5",
    "completion_report": "5",
    "knowledge_report": "4",
    "champion_model": "2",
    "release_report": "6",
}
"""The assets in the order of the flow."""

ASIDE = {"model_evaluation": "1"}
"""What is kept by manifests as well and is no asset: no run makes it, a command of its own does."""


def code_version_of(name: str) -> str:
    """Return the code version of an asset, or of what is kept beside the assets."""
    return CODE_VERSIONS[name] if name in CODE_VERSIONS else ASIDE[name]
