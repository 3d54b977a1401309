import numpy as np
import pytest

from astro_assets.training.dataset import PlannedBlocks

BLOCKS = np.arange(7 * 4).reshape(7, 4)  # block k holds 4k … 4k+3


def test_one_epoch_holds_every_block_once() -> None:
    plan = PlannedBlocks(BLOCKS, n_examples=7, seed=1)
    assert sorted(plan.block_at(place) for place in range(7)) == list(range(7))


def test_each_epoch_has_its_own_order_and_training_may_stop_inside() -> None:
    plan = PlannedBlocks(BLOCKS, n_examples=17, seed=1)
    order = [plan.block_at(place) for place in range(len(plan))]
    assert sorted(order[:7]) == sorted(order[7:14]) == list(range(7))
    assert order[:7] != order[7:14]
    assert len(order) == 17


def test_the_order_is_the_seeds() -> None:
    def order(seed: int) -> list[int]:
        return [PlannedBlocks(BLOCKS, n_examples=7, seed=seed).block_at(i) for i in range(7)]

    assert order(3) == order(3)
    assert order(3) != order(4)


def test_labels_are_the_tokens_themselves() -> None:
    plan = PlannedBlocks(BLOCKS, n_examples=7, seed=0)
    example = plan[2]
    first = 4 * plan.block_at(2)
    assert example["input_ids"].tolist() == [first, first + 1, first + 2, first + 3]
    assert example["labels"].tolist() == example["input_ids"].tolist()


def test_places_can_be_asked_in_any_order() -> None:
    plan = PlannedBlocks(BLOCKS, n_examples=21, seed=5)
    forwards = [plan.block_at(place) for place in range(21)]
    backwards = [plan.block_at(place) for place in reversed(range(21))]
    assert forwards == backwards[::-1]


def test_a_plan_ends() -> None:
    plan = PlannedBlocks(BLOCKS, n_examples=3, seed=0)
    assert len([plan[place] for place in range(3)]) == 3
    with pytest.raises(IndexError, match="place 3 of 3"):
        plan[3]
