"""Lineage: what the release was made from, and where its runs are.

What does not belong here: fingerprints' making (``artifacts``).
"""

from __future__ import annotations

from astro_assets.evaluation.pages.blocks import Block, Cell, Words, notes, row, table
from astro_assets.evaluation.pages.content import ReleasePage
from astro_assets.evaluation.pages.text import cleaned


def lineage_blocks(page: ReleasePage) -> list[Block]:
    """Return the section's blocks; none where nothing is known."""
    if not page.lineage:
        return []
    rows = [
        row(
            cleaned(item.asset, 60),
            Cell(cleaned(item.fingerprint[:12], 12), kind="code"),
            cleaned(item.code_version, 20),
        )
        for item in page.lineage
    ]
    return [
        Words("What this release was made from. Equal fingerprints mean equal content."),
        *table("", ("Asset", "Fingerprint", "Code"), rows),
        *notes(
            *(f"{cleaned(name, 40)} run {cleaned(run, 80)}" for name, run in page.run_ids.items())
        ),
    ]
