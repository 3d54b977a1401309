import numpy as np
import pytest

from astro_assets.evaluation.embeddings.cosines import RAW, Block, cosine_blocks
from astro_assets.evaluation.embeddings.knn import (
    K,
    Neighbours,
    neighbour_gain,
    neighbour_quality,
    neighbours_of,
)
from astro_assets.evaluation.statistics import paired_share_difference, wilson_interval


def quality(blocks, labels):
    """What is said of the labels in the raw view."""
    return neighbour_quality(neighbours_of(blocks, labels)[RAW], labels)


def on_a_line(places):
    """Nearness is minus the distance between places."""
    x = np.asarray(places, dtype=np.float32)
    return [Block(0, {RAW: -np.abs(x[:, None] - x)})]


def test_five_points_by_hand():
    # a a b b a at 0, 1, 3, 4, 9; from near to far:
    # 0: 1a 3b 4b 9a   AP = (1/1 + 2/4) / 2
    # 1: 0a 3b 4b 9a   AP = (1/1 + 2/4) / 2
    # 3: 4b 1a 0a 9a   AP = 1
    # 4: 3b 1a 0a 9a   AP = 1 (1 and 0 lie 3 and 4 away)
    # 9: 4b 3b 1a 0a   AP = (1/3 + 2/4) / 2
    found = quality(on_a_line([0, 1, 3, 4, 9]), np.array([0, 0, 1, 1, 0]))
    assert found.map == pytest.approx((0.75 + 0.75 + 1 + 1 + 5 / 12) / 5)
    # All four others vote: a b b a is a draw, the nearest decides (a, a); b a a a loses b and b,
    # and b b a a is a draw that the nearest, b, takes from a.
    assert found.knn_accuracy == pytest.approx(2 / 5)
    assert (found.n, found.k, found.majority) == (5, 4, 0.6)
    assert found.interval is None and found.map_interval is None, "five papers are too few"


def test_ten_vote_where_there_are_more():
    # 12 a's around 0 and 12 b's around 100: the ten nearest are of one's own kind.
    places = [*range(12), *range(100, 112)]
    found = quality(on_a_line(places), np.repeat([0, 1], 12))
    assert (found.knn_accuracy, found.map, found.k) == (1, 1, K)


def test_one_point_finds_nothing():
    same = np.full((40, 6), 0.3, dtype=np.float32)
    labels = np.array([0] * 25 + [1] * 15)
    found = quality(cosine_blocks(same, same), labels)
    # Of 39 equally near papers those of the other label come first: all ten voters are of it.
    assert found.knn_accuracy == 0
    worst = [np.mean([(i + 1) / (40 - n + i + 1) for i in range(n - 1)]) for n in (25, 15)]
    assert found.map == pytest.approx((25 * worst[0] + 15 * worst[1]) / 40)


def test_plain_code_says_the_same_whatever_the_block():
    random = np.random.default_rng(3)
    labels = random.integers(0, 5, 530)
    rows = random.normal(size=(530, 20)).astype(np.float32)
    rows[np.arange(530), labels] += 1.5
    found = quality(cosine_blocks(rows, rows), labels)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    precisions, n_right = [], 0
    for i in range(530):
        order = [j for j in np.argsort(-(unit @ unit[i]), kind="stable") if j != i]
        hits = [labels[j] == labels[i] for j in order]
        at = [sum(hits[: r + 1]) / (r + 1) for r in range(len(hits)) if hits[r]]
        precisions.append(np.mean(at))
        near = [int(labels[j]) for j in order[:10]]
        n_right += max(near, key=lambda name: (near.count(name), -near.index(name))) == labels[i]
    assert found.map == pytest.approx(np.mean(precisions), abs=1e-4)
    assert found.knn_accuracy == pytest.approx(n_right / 530, abs=2 / 530)
    each = neighbours_of(cosine_blocks(rows, rows), labels)[RAW]
    np.testing.assert_allclose(each.precision, precisions, atol=1e-3)
    assert found.knn_accuracy == each.right.mean()
    assert found.interval == wilson_interval(int(each.right.sum()), 530)
    low, high = found.map_interval
    # The mean of 530 papers, by the normal approximation.
    half = 1.96 * np.std(precisions) / 530**0.5
    assert (low, high) == pytest.approx((found.map - half, found.map + half), abs=0.1 * half)


def test_what_is_kept_of_a_paper_is_two_numbers():
    same = np.full((40, 6), 0.3, dtype=np.float32)
    each = neighbours_of(cosine_blocks(same, same), np.arange(40) % 2)[RAW]
    assert (each.right.shape, each.precision.shape) == ((40,), (40,))
    assert each.right.nbytes + each.precision.nbytes == 40 * 9


def test_a_gain_is_paired_by_paper():
    random = np.random.default_rng(1)
    before = Neighbours(random.random(300) < 0.5, random.random(300))
    more = Neighbours(before.right | (np.arange(300) < 30), before.precision + 0.1)
    gain = neighbour_gain(more, before)
    assert gain.knn_accuracy == paired_share_difference(more.right, before.right)
    assert 0 < gain.knn_accuracy.low < gain.knn_accuracy.estimate < gain.knn_accuracy.high
    # Every paper gains as much, so there is nothing that draws could change.
    ends = (gain.map.low, gain.map.estimate, gain.map.high)
    assert ends == pytest.approx((0.1, 0.1, 0.1))
    none = neighbour_gain(before, before)
    assert (none.knn_accuracy.estimate, none.map.low, none.map.high) == (0, 0, 0)
    assert none.knn_accuracy.low < 0 < none.knn_accuracy.high
