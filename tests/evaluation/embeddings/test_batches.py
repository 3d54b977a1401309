import numpy as np
import pytest

from astro_assets.evaluation.embeddings.batches import MOST_PADDED, even_batches


@pytest.mark.parametrize("budget", [1, 500, 8_192])
def test_every_text_once_within_the_budget_and_hardly_padded(budget):
    lengths = np.random.default_rng(0).integers(1, 600, size=700).tolist()
    batches = even_batches(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        taken = [lengths[index] for index in batch]
        computed = len(batch) * max(taken)
        assert computed <= budget or len(batch) == 1
        assert computed <= MOST_PADDED * sum(taken)


def test_the_longest_come_first_and_equal_ones_fill_the_budget():
    assert even_batches([5, 9, 5, 5, 5], 15) == [[1], [0, 2, 3], [4]]
    assert even_batches([], 10) == []
