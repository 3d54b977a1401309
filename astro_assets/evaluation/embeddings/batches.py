"""Batches of texts of like length: how many tokens a model computes that are none.

What does not belong here: batches for likelihoods (models.scoring), where a padded position costs
no logits.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST_PADDED = 1.05
"""Computed over real tokens, in any batch."""


def even_batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Group sequences so that a padded batch keeps to the budget and is hardly padded.

    The longest come first: if memory is short, that shows at once. A sequence longer than the
    budget is a batch of its own.

    Args:
        lengths: Tokens of each sequence, at least 1.
        token_budget: Most tokens of a batch, padding included.

    Returns:
        Indices into ``lengths``, each once; in every batch ``n * longest`` is at most
        ``MOST_PADDED`` times the real tokens.

    >>> even_batches([3, 20, 2, 19, 2], 40)
    [[1, 3], [0], [2, 4]]
    """
    batches: list[list[int]] = []
    longest = n_real = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        n_real += lengths[index]
        computed = (len(batches[-1]) + 1) * longest if batches else 0
        if batches and computed <= min(token_budget, MOST_PADDED * n_real):
            batches[-1].append(index)
        else:
            batches.append([index])
            longest = n_real = lengths[index]
    return batches
