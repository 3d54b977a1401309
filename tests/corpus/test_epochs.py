"""Orders are pinned against the definition of SplitMix64, written once more in plain integers."""

from itertools import pairwise

import numpy as np
import pytest

from astro_assets.corpus.epochs import epoch_order, number_at

BITS = (1 << 64) - 1


def mixed(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & BITS
    return z ^ (z >> 31)


def order_in_plain_integers(n_blocks: int, seed: int, epoch: int) -> list[int]:
    state = mixed((mixed(seed & BITS) + epoch) & BITS)
    keys = []
    for _ in range(n_blocks):
        state = (state + 0x9E3779B97F4A7C15) & BITS
        keys.append(mixed(state))
    return sorted(range(n_blocks), key=keys.__getitem__)


def test_the_generator_is_splitmix64() -> None:
    """The first numbers from 1234567, as the reference program in C prints them."""
    state, found = 1234567, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) & BITS
        found.append(mixed(state))
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("seed", [0, 1, 42, 2**63, 2**64 - 1, -1])
@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_the_order_is_the_definitions(seed: int, epoch: int) -> None:
    found = epoch_order(257, seed=seed, epoch=epoch).tolist()
    assert found == order_in_plain_integers(257, seed, epoch)


def test_the_order_of_eight_blocks_for_ever() -> None:
    """Made with ``order_in_plain_integers``; if this moves, resumed trainings see blocks twice."""
    assert [epoch_order(8, seed=0, epoch=e).tolist() for e in range(3)] == [
        [2, 4, 6, 5, 1, 7, 0, 3],
        [7, 4, 1, 2, 6, 5, 0, 3],
        [0, 2, 4, 7, 3, 6, 1, 5],
    ]


@pytest.mark.parametrize("n_blocks", [1, 2, 512, 100_003])
def test_an_order_is_complete(n_blocks: int) -> None:
    found = epoch_order(n_blocks, seed=3, epoch=2)
    assert np.array_equal(np.sort(found), np.arange(n_blocks))


def test_places_go_through_epoch_after_epoch() -> None:
    found = [number_at(place, 5, seed=9) for place in range(15)]
    assert found == [n for e in range(3) for n in epoch_order(5, seed=9, epoch=e).tolist()]


def test_every_block_comes_everywhere_equally_often() -> None:
    """Chi-squared over 16 x 16 (place, block) pairs in 8,000 orders: 225 degrees of freedom."""
    counts = np.zeros((16, 16))
    for seed in range(400):
        for epoch in range(20):
            counts[np.arange(16), epoch_order(16, seed=seed, epoch=epoch)] += 1
    expected = 8_000 / 16
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    assert 225 - 5 * 21.2 < chi_squared < 225 + 5 * 21.2  # standard deviation: sqrt(450)


def test_neighbours_of_one_epoch_are_none_of_the_next() -> None:
    """Two epochs, and two seeds, have no more pairs of neighbours in common than chance gives."""

    def pairs(seed: int, epoch: int) -> set[tuple[int, int]]:
        order = epoch_order(5_000, seed=seed, epoch=epoch).tolist()
        return set(pairwise(order))

    assert len(pairs(1, 0) & pairs(1, 1)) < 10
    assert len(pairs(1, 0) & pairs(2, 0)) < 10


def test_an_order_that_is_handed_out_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        epoch_order(4, seed=0, epoch=0)[0] = 1
