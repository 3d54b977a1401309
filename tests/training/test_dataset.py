from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.corpus.epochs import number_at
from astro_assets.corpus.reader import BlockReader
from astro_assets.training.dataset import PlannedBlocks

BLOCKS = np.arange(7 * 4).reshape(7, 4)  # block k holds 4k … 4k+3
REPLAY = -np.arange(1, 3 * 4 + 1).reshape(3, 4)  # all below zero


def numbers(plan: PlannedBlocks) -> list[int]:
    return [plan.block_at(place)[1] for place in range(len(plan))]


def test_one_epoch_holds_every_block_once() -> None:
    assert sorted(numbers(PlannedBlocks(BLOCKS, n_examples=7, seed=1))) == list(range(7))


def test_each_epoch_has_its_own_order_and_training_may_stop_inside() -> None:
    order = numbers(PlannedBlocks(BLOCKS, n_examples=17, seed=1))
    assert sorted(order[:7]) == sorted(order[7:14]) == list(range(7))
    assert order[:7] != order[7:14]
    assert len(order) == 17


def test_the_order_is_the_seeds() -> None:
    def order(seed: int) -> list[int]:
        return numbers(PlannedBlocks(BLOCKS, n_examples=7, seed=seed))

    assert order(3) == order(3)
    assert order(3) != order(4)


def test_labels_are_the_tokens_themselves() -> None:
    plan = PlannedBlocks(BLOCKS, n_examples=7, seed=0)
    example = plan[2]
    first = 4 * plan.block_at(2)[1]
    assert example["input_ids"].tolist() == [first, first + 1, first + 2, first + 3]
    assert example["labels"].tolist() == example["input_ids"].tolist()


def test_places_can_be_asked_in_any_order() -> None:
    plan = PlannedBlocks(BLOCKS, n_examples=21, seed=5)
    backwards = [plan.block_at(place)[1] for place in reversed(range(21))]
    assert numbers(plan) == backwards[::-1]


def test_a_plan_ends() -> None:
    plan = PlannedBlocks(BLOCKS, n_examples=3, seed=0)
    assert len([plan[place] for place in range(3)]) == 3
    with pytest.raises(IndexError, match="place 3 of 3"):
        plan[3]


def test_a_quarter_is_replayed_evenly() -> None:
    plan = PlannedBlocks(BLOCKS, n_examples=28, seed=0, replay=REPLAY, replay_fraction=0.25)
    replayed = [bool((plan[place]["input_ids"] < 0).all()) for place in range(28)]
    assert replayed == [False, False, False, True] * 7
    # Three epochs of the other 21 places, and 7 of the replayed ones: both in whole permutations.
    order = [number for number, again in zip(numbers(plan), replayed, strict=True) if not again]
    again = [number for number, again in zip(numbers(plan), replayed, strict=True) if again]
    assert [sorted(order[k : k + 7]) for k in (0, 7, 14)] == [list(range(7))] * 3
    assert [sorted(again[k : k + 3]) for k in (0, 3)] == [[0, 1, 2]] * 2


def test_nothing_to_replay_changes_nothing() -> None:
    plain = PlannedBlocks(BLOCKS, n_examples=14, seed=3)
    given = PlannedBlocks(BLOCKS, n_examples=14, seed=3, replay=REPLAY, replay_fraction=0.0)
    assert numbers(plain) == numbers(given)


def test_a_share_needs_something_to_replay() -> None:
    with pytest.raises(ValueError, match="needs blocks to replay"):
        PlannedBlocks(BLOCKS, n_examples=8, seed=0, replay_fraction=0.25)
    with pytest.raises(ValueError, match="needs blocks to replay"):
        PlannedBlocks(BLOCKS, n_examples=8, seed=0, replay=REPLAY[:0], replay_fraction=0.25)


def test_the_order_is_the_same_on_every_machine() -> None:
    """The corpus package pins it; here only that it is that one, from seeds s and ~s."""
    plan = PlannedBlocks(BLOCKS, n_examples=21, seed=3)
    assert numbers(plan) == [number_at(place, 7, seed=3) for place in range(21)]
    both = PlannedBlocks(BLOCKS, n_examples=28, seed=3, replay=REPLAY, replay_fraction=0.25)
    again = [both.block_at(place)[1] for place in range(3, 28, 4)]
    assert again == [number_at(place, 3, seed=~3) for place in range(7)]


@pytest.mark.parametrize("stopped_at", [0, 5, 20, 27])
def test_a_resumed_plan_goes_on_as_the_uninterrupted_one(stopped_at: int) -> None:
    def plan() -> PlannedBlocks:
        return PlannedBlocks(BLOCKS, n_examples=28, seed=3, replay=REPLAY, replay_fraction=0.25)

    whole = [plan()[place]["input_ids"].tolist() for place in range(28)]
    resumed = plan()
    rest = [resumed[place]["input_ids"].tolist() for place in range(stopped_at, 28)]
    assert rest == whole[stopped_at:]


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_a_training_sees_what_a_reader_with_its_seed_reads(tmp_path: Path, seed: int) -> None:
    np.save(tmp_path / "tokens.npy", BLOCKS.ravel().astype(np.uint16))
    blocks = TokenBlocks([Stream(tmp_path / "tokens.npy", BLOCKS.size)], block_length=4)
    read = [block.tolist() for block in islice(BlockReader(blocks, seed=seed), 21)]
    plain = PlannedBlocks(blocks, n_examples=21, seed=seed)
    assert [plain[place]["input_ids"].tolist() for place in range(21)] == read
    mixed = PlannedBlocks(blocks, n_examples=28, seed=seed, replay=REPLAY, replay_fraction=0.25)
    seen = [mixed[place]["input_ids"].tolist() for place in range(28)]
    assert [block for block in seen if block[0] >= 0] == read


@pytest.mark.parametrize("seed", [-1, 0, 1, 2**31 - 1, 2**63])
def test_as_many_blocks_to_replay_do_not_follow_the_order_of_the_others(seed: int) -> None:
    many, n = np.arange(200)[:, None], 200
    plan = PlannedBlocks(many, n_examples=2 * n, seed=seed, replay=-many, replay_fraction=0.5)
    order = numbers(plan)
    assert sorted(order[::2]) == sorted(order[1::2]) == list(range(n))
    assert sum(a == b for a, b in zip(order[::2], order[1::2], strict=True)) < 10
