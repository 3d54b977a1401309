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
    "perplexity_report": "3",
    "embeddings": "2",
    "embedding_report": "2",
    "completion_report": "2",
    "knowledge_report": "1",
    "champion_model": "1",
    "release_report": "3",
}
