"""What Dagster loads."""

from astro_assets.defs.build import build_defs

defs = build_defs()
