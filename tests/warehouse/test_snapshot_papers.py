from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from astro_assets.artifacts import fingerprint
from astro_assets.errors import BadSettingError, BadSnapshotError, EmptyCorpusError
from astro_assets.progress import NO_PROGRESS
from astro_assets.warehouse import table_writer
from astro_assets.warehouse.papers import build_snapshot_papers
from astro_assets.warehouse.snapshot_papers import KEYS_FILE
from tests.builders import record
from tests.warehouse.tables import SALT, batch, ids_on, rows, shard_paths, snapshot


def test_records_go_to_their_table_and_month(tmp_path: Path) -> None:
    built = snapshot(
        tmp_path,
        [
            record("2307.00001"),
            record("2307.00002", categories="math.CO astro-ph.HE", abstract="two"),
            record("astro-ph/9204001", categories="astro-ph", abstract="three", versions=None),
            record("2307.00003", categories="physics.plasm-ph", abstract="four"),
        ],
    )
    assert [(s["table"], s["month"], s["n_papers"]) for s in built.facts["shards"]] == [
        ("astro", "1992-04", 1),
        ("astro", "2023-07", 2),
        ("general", "2023-07", 1),
    ]
    assert built.facts["shards"][0]["file"].startswith("astro/1992-04-")
    assert built.counts == {
        "n_records_in": 4,
        "n_astro": 3,
        "n_astro_primary": 2,
        "n_general_kept": 1,
        "n_general_left_out": 0,
        "dropped_superseded": 0,
        "dropped_deleted": 0,
        "dropped_no_category": 0,
        "dropped_no_month": 0,
    }
    files = [s["file"] for s in built.facts["shards"]] + [KEYS_FILE]
    assert built.files == {file: fingerprint.of_file(built.path / file) for file in files}


def test_a_row_holds_what_arxiv_says(tmp_path: Path) -> None:
    built = snapshot(tmp_path, [record(journal_ref="ApJ 1, 2", doi="10.1/2")])
    (row,) = rows(built).values()
    assert row["abstract"] == record()["abstract"], "raw: cleaning is not done here"
    assert row["submitted_at"] == datetime(2023, 7, 3, 19, 18, 42, tzinfo=UTC)
    assert row["update_date"] == date(2023, 7, 4)
    assert (row["journal_ref"], row["doi"]) == ("ApJ 1, 2", "10.1/2")
    assert (row["is_astro"], row["is_primary"], row["n_versions"]) == (True, True, 1)


def test_of_an_id_that_stands_twice_the_latest_wins_and_the_rest_is_counted(tmp_path: Path) -> None:
    versions = [{"version": f"v{n}", "created": "Mon, 3 Jul 2023 19:18:42 GMT"} for n in (1, 2)]
    built = snapshot(
        tmp_path,
        [
            record("2307.00001", title="old", update_date="2023-07-04"),
            record("2307.00001", title="undated", update_date=None, versions=versions),
            record("2307.00001", title="two versions", update_date="2023-07-05", versions=versions),
            record("2307.00001", title="one version", update_date="2023-07-05"),
        ],
    )
    assert rows(built)["2307.00001"]["title"] == "two versions"
    assert built.counts["dropped_superseded"] == 3


def test_a_later_record_outside_the_sample_still_supersedes(tmp_path: Path) -> None:
    built = snapshot(
        tmp_path,
        [
            record("2307.00001", abstract="stays"),
            record("2307.00002", update_date="2023-07-04"),
            record("2307.00002", update_date="2023-07-05", categories="math.CO"),
        ],
        share=1e-9,
    )
    assert rows(built).keys() == {"2307.00001"}
    assert built.counts["n_general_left_out"] == 1
    assert built.counts["dropped_superseded"] == 1


def test_records_without_month_or_category_are_counted(tmp_path: Path) -> None:
    built = snapshot(
        tmp_path,
        [
            record(),
            record("x", versions=None),
            record("y", categories=None),
            record("z", categories=" "),
        ],
    )
    assert built.counts["dropped_no_month"] == 1
    assert built.counts["dropped_no_category"] == 2
    assert rows(built).keys() == {"2307.00001"}


def test_rows_within_a_shard_are_in_id_order_whatever_the_file_order(tmp_path: Path) -> None:
    records = [record(f"2307.{n:05d}", abstract=f"about {n}") for n in range(1, 40)]
    forward = snapshot(tmp_path / "a", records)
    backward = snapshot(tmp_path / "b", records[::-1])
    assert list(rows(forward)) == sorted(r["id"] for r in records)
    assert forward.fingerprint == backward.fingerprint
    assert forward.files == backward.files, "the same bytes in two fresh folders"


def test_batching_does_not_matter(tmp_path: Path) -> None:
    records = [record(f"2307.{n:05d}", abstract=f"about {n}") for n in range(1, 40)]
    whole = snapshot(tmp_path / "a", records)
    single = build_snapshot_papers(
        (batch([r]) for r in records),
        tmp_path / "b",
        general_share=1.0,
        salt=SALT,
        progress=NO_PROGRESS,
    )
    assert whole.files == single.files


def test_how_many_months_are_written_at_once_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"23{month:02d}.{n:05d}" for month in (1, 2, 3, 5) for n in range(1, 6)]
    records = [record(i, versions=None, abstract=f"about {i}") for i in ids]
    whole = snapshot(tmp_path / "a", records)
    for most in (1, 7, 10):
        monkeypatch.setattr(table_writer, "_ROWS_AT_ONCE", most)
        monkeypatch.setattr(table_writer, "_LINES_AT_ONCE", most)
        assert snapshot(tmp_path / str(most), records).files == whole.files


def test_the_snapshot_is_judged_as_a_release_without_end(tmp_path: Path) -> None:
    (train,), (test,) = ids_on("train", 1), ids_on("test", 1)
    built = snapshot(tmp_path, [record(train, abstract="same"), record(test, abstract="same")])
    assert {i: r["excluded_because"] for i, r in rows(built).items()} == {
        train: "copy_of_test",
        test: None,
    }


def test_a_snapshot_without_astro_papers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyCorpusError, match="None of the 1 records"):
        snapshot(tmp_path, [record(categories="physics.plasm-ph")])


def test_an_error_of_the_reader_arrives_as_itself(tmp_path: Path) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield batch([record()])
        raise BadSnapshotError("line 7 is no JSON")

    with pytest.raises(BadSnapshotError, match="line 7 is no JSON"):
        build_snapshot_papers(
            broken(), tmp_path, general_share=1.0, salt=SALT, progress=NO_PROGRESS
        )
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_outside_its_range_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(BadSettingError):
        snapshot(tmp_path, [record()], share)


def test_hostile_text_is_carried_and_nothing_else(tmp_path: Path) -> None:
    title = "'); drop table stg_records; -- {{ ref('x') }} $salt \x00 \x1f <script>"
    built = snapshot(tmp_path, [record(title=title)])
    assert rows(built)["2307.00001"]["title"] == title
    assert len(shard_paths(built)) == 1
