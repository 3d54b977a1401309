import hashlib
import random
from pathlib import Path

import pytest

from astro_assets.warehouse.shards import read_table
from astro_assets.warehouse.sides import in_general_sample, side_of, threshold
from tests.builders import record
from tests.warehouse.tables import SALT, batch, rows, shard_paths, snapshot

RANDOM = random.Random(7)
NEW_IDS = [f"{RANDOM.randrange(704, 713):04d}.{n:04d}" for n in RANDOM.sample(range(9999), 300)]
OLD_IDS = [f"hep-th/9{n:06d}" for n in RANDOM.sample(range(204001, 204999), 100)]


def test_a_side_can_be_worked_out_by_hand() -> None:
    first_byte = hashlib.sha256(b"pepper\x1f2307.00001").digest()[0]
    assert side_of("2307.00001", "pepper") == ("test" if first_byte < 0.2 * 256 else "train")


def test_sql_and_python_put_every_paper_on_the_same_side(tmp_path: Path) -> None:
    built = snapshot(tmp_path, [record(i, abstract=f"about {i}") for i in NEW_IDS + OLD_IDS])
    frame = read_table(shard_paths(built))
    assert len(frame) == 400
    assert frame["side"].to_list() == [side_of(i, SALT) for i in frame["id"]]
    assert 50 <= (frame["side"] == "test").sum() <= 110


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_sql_and_python_sample_the_same_general_papers(tmp_path: Path, share: float) -> None:
    general = [record(i, categories="math.CO", abstract=f"about {i}") for i in NEW_IDS]
    built = snapshot(tmp_path, [record("0704.99999"), *general], share)
    sampled = {i for i in NEW_IDS if in_general_sample(i, SALT, share)}
    assert rows(built, "general").keys() == sampled
    assert built.counts["n_general_left_out"] == 300 - len(sampled)


def test_a_larger_share_holds_every_smaller_one() -> None:
    small, large = ({i for i in NEW_IDS if in_general_sample(i, SALT, s)} for s in (0.1, 0.4))
    assert small < large
    assert {i for i in NEW_IDS if in_general_sample(i, SALT, 1.0)} == set(NEW_IDS)


def test_sampling_is_independent_of_the_side() -> None:
    sampled = [i for i in NEW_IDS if in_general_sample(i, SALT, 0.2)]
    assert {side_of(i, SALT) for i in sampled} == {"train", "test"}


def test_thresholds_are_exact_at_the_ends() -> None:
    assert threshold(1.0) == 2**64
    assert threshold(0.5) == 2**63


def test_a_batch_of_the_helper_is_what_ingest_yields() -> None:
    assert batch([record("2307.00001")]).column("id").to_pylist() == ["2307.00001"]
