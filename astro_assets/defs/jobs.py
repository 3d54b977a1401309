"""The jobs: everything for one release, the refresh up to the blocks, and what follows them."""

import dagster as dg

from astro_assets.defs.partitions import RELEASES

RELEASE = "release"
REFRESH = "refresh"
RETRAIN = "retrain"

release = dg.define_asset_job(
    RELEASE,
    selection=dg.AssetSelection.all(),
    partitions_def=RELEASES,
    description="Everything for one release month, from the snapshot to the page.",
)
refresh = dg.define_asset_job(
    REFRESH,
    selection=dg.AssetSelection.assets(
        "arxiv_updates", "astro_ph_papers", "general_papers", "token_blocks"
    ),
    partitions_def=RELEASES,
    description="Harvest, tables and blocks of one release month; trains nothing.",
)
retrain = dg.define_asset_job(
    RETRAIN,
    selection=dg.AssetSelection.assets(
        "near_copies",
        "lora_checkpoint",
        "perplexity_report",
        "embeddings",
        "embedding_report",
        "completion_report",
        "knowledge_report",
        "champion_model",
        "release_report",
    ),
    partitions_def=RELEASES,
    description="Training, reports and promotion of one release month that has its token blocks; "
    "nothing before them is made again.",
)
JOBS = [release, refresh, retrain]
