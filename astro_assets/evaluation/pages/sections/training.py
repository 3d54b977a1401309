"""Training: the learning curve.

What does not belong here: what was measured after training (``perplexity``).
"""

from __future__ import annotations

from astro_assets.evaluation.figures.learning_curve import learning_curve
from astro_assets.evaluation.pages.blocks import Block, Picture
from astro_assets.evaluation.pages.content import ReleasePage


def training_blocks(page: ReleasePage) -> list[Block]:
    """Return the section's blocks; none where there is no curve."""
    if not page.learning_curve:
        return []
    drawing = learning_curve(
        page.learning_curve, page.heldout_curve, page.model.base if page.model else ""
    )
    caption = (
        "Training perplexity is that of the blocks while they are being learned, as in the paper’s"
        " figure\u00a01; it is not a held-out number."
    )
    if page.heldout_curve:
        caption += (
            " Held out are the test abstracts reported below, or the first of them, one at a time."
            " Dotted lines end an epoch."
        )
    return [Picture(drawing, caption)]
