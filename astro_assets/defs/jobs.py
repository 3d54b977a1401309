"""The jobs: everything for one release, and the monthly refresh up to the blocks."""

import dagster as dg

from astro_assets.defs.partitions import RELEASES

RELEASE = "release"
REFRESH = "refresh"

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
JOBS = [release, refresh]
