"""Release months as partitions: a month exists once it has ended (UTC)."""

import dagster as dg

from astro_assets.months import FIRST_RELEASE

RELEASES = dg.MonthlyPartitionsDefinition(str(FIRST_RELEASE), fmt="%Y-%m")
