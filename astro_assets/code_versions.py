"""Code versions per asset, bumped by hand when a stage's *output* changes for the same input.

Kept apart from the stages so that Dagster can show them without importing torch. A code version is
part of the key an asset's work is re-used by, so bumping one re-makes that stage and what follows.
"""

CODE_VERSIONS = {
    "arxiv_snapshot": "1",
    "arxiv_updates": "1",
    "snapshot_papers": "2",
    "astro_ph_papers": "2",
    "general_papers": "2",
    "token_blocks": "2",
    "base_model": "1",
    "lora_checkpoint": "1",
    "perplexity_report": "1",
    "embeddings": "1",
    "embedding_report": "1",
    "completion_report": "1",
    "knowledge_report": "1",
    "champion_model": "1",
    "release_report": "1",
}
