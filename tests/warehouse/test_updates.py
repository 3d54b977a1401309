"""What harvested records do to the tables: revise, withdraw, delete, move; in whatever order."""

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from astro_assets.ingest.records import Record
from tests.builders import record
from tests.warehouse.tables import release, rows, shard_paths

OLD = [record(f"2306.{n:05d}", abstract=f"old {n}", versions=None) for n in range(1, 7)]


def seen(day: str, paper_id: str = "2306.00001", **fields: Any) -> dict[str, Any]:
    fields = {"abstract": f"as of {day}", "versions": None, **fields}
    return record(paper_id, **fields) | {"datestamp": day}


def deleted(day: str | None, paper_id: str = "2306.00001") -> Record:
    return Record(id=paper_id, datestamp=day, is_deleted=True)


def versions(*source_types: str | None) -> list[dict[str, Any]]:
    created = "Mon, 5 Jun 2023 10:00:00 GMT"
    return [
        {"version": f"v{n}", "created": created, "source_type": kind}
        for n, kind in enumerate(source_types, 1)
    ]


def in_is_out(counts: dict[str, int]) -> bool:
    came_in = counts["n_snapshot_rows"] + counts["n_window_records"]
    left = ("n_rows", "n_other_table", "not_primary", "n_general_left_out")
    dropped = sum(n for name, n in counts.items() if name.startswith("dropped_"))
    return came_in == sum(counts[name] for name in left) + dropped


def test_a_deleted_paper_leaves_the_table_and_is_counted(tmp_path: Path) -> None:
    built = release(tmp_path, OLD, windows=[[deleted("2023-07-20")]])
    assert "2306.00001" not in rows(built) and len(rows(built)) == 5
    assert built.counts["dropped_deleted"] == 1
    assert built.counts["dropped_superseded"] == 1, "the record the deletion is about"
    assert in_is_out(built.counts)


@pytest.mark.parametrize(
    ("day", "stays"), [("2023-07-03", True), ("2023-07-04", False), (None, True)]
)
def test_a_deletion_counts_from_its_day_on(tmp_path: Path, day: str | None, stays: bool) -> None:
    built = release(tmp_path, OLD, windows=[[deleted(day)]])
    assert ("2306.00001" in rows(built)) == stays, "OLD was changed on 2023-07-04"
    assert built.counts["dropped_deleted"] == (not stays)
    assert in_is_out(built.counts)


def test_a_paper_that_comes_back_after_its_deletion_is_a_paper(tmp_path: Path) -> None:
    built = release(tmp_path, OLD, windows=[[deleted("2023-07-20")], [seen("2023-07-25")]])
    assert rows(built)["2306.00001"]["abstract"] == "as of 2023-07-25"
    assert built.counts["dropped_deleted"] == 0 and built.counts["dropped_superseded"] == 2


def test_the_deletion_of_an_unknown_paper_is_only_counted(tmp_path: Path) -> None:
    built = release(tmp_path, OLD, windows=[[deleted("2023-07-20", "2306.99999")]])
    assert len(rows(built)) == 6 and built.counts["dropped_deleted"] == 1
    assert in_is_out(built.counts)


@pytest.mark.parametrize(
    ("source_types", "reason"),
    [
        (("D", "I"), "withdrawn"),
        (("I", "D"), None),
        (("D", None), None),
        (("I",), "withdrawn"),
        (("D", "DI"), None),
    ],
)
def test_a_latest_version_of_source_type_i_is_a_withdrawal(
    tmp_path: Path, source_types: tuple[str | None, ...], reason: str | None
) -> None:
    window = [seen("2023-07-20", versions=versions(*source_types))]
    built = release(tmp_path, OLD, windows=[window])
    assert rows(built)["2306.00001"]["excluded_because"] == reason
    assert built.counts["excluded_withdrawn"] == (reason is not None)


def test_the_latest_version_is_the_highest_number_not_the_last_listed(tmp_path: Path) -> None:
    turned = versions("D", "I")[::-1]
    built = release(tmp_path, OLD, windows=[[seen("2023-07-20", versions=turned)]])
    assert rows(built)["2306.00001"]["excluded_because"] == "withdrawn"


def test_a_withdrawal_seen_in_the_snapshot_holds_in_later_releases(tmp_path: Path) -> None:
    old = [*OLD, record("2306.00009", abstract="gone", versions=versions("D", "I"))]
    built = release(tmp_path, old, windows=[[seen("2023-07-20")]])
    assert rows(built)["2306.00009"]["excluded_because"] == "withdrawn"


def test_a_revised_abstract_replaces_the_old_one_in_its_submission_month(tmp_path: Path) -> None:
    before = release(tmp_path, OLD)
    built = release(tmp_path, OLD, windows=[[seen("2023-07-20"), seen("2023-07-21", "2307.00001")]])
    assert rows(built)["2306.00001"]["abstract"] == "as of 2023-07-20"
    assert rows(built)["2306.00001"]["submission_month"] == "2023-06"
    assert [s["month"] for s in built.facts["shards"]] == ["2023-06", "2023-07"]
    assert built.facts["shards"][0]["content"] != before.facts["shards"][0]["content"]


def test_a_paper_that_gains_an_astro_ph_category_enters(tmp_path: Path) -> None:
    old = [*OLD, record("2306.00008", categories="hep-th", abstract="eight", versions=None)]
    gained = seen("2023-07-20", "2306.00008", categories="hep-th astro-ph.CO")
    assert "2306.00008" not in rows(release(tmp_path, old))
    built = release(tmp_path, old, windows=[[gained]])
    assert "2306.00008" in rows(built)
    general = release(tmp_path, old, windows=[[gained]], table="general_papers")
    assert rows(general) == {} and in_is_out(general.counts)


def test_a_paper_outside_the_general_sample_enters_once_it_is_astro(tmp_path: Path) -> None:
    old = [*OLD, record("2306.00008", categories="hep-th", abstract="eight", versions=None)]
    gained = seen("2023-07-20", "2306.00008", categories="astro-ph.CO")
    built = release(tmp_path, old, windows=[[gained]], share=1e-9)
    assert "2306.00008" in rows(built) and in_is_out(built.counts)


def test_a_paper_that_leaves_astro_ph_is_general_only_within_the_share(tmp_path: Path) -> None:
    left = seen("2023-07-20", categories="hep-th")
    for share, expected in ((1.0, {"2306.00001"}), (1e-9, set())):
        built = release(
            tmp_path / str(share), OLD, windows=[[left]], share=share, table="general_papers"
        )
        assert rows(built).keys() == expected
        assert built.counts["n_general_left_out"] == 1 - len(expected)
        assert in_is_out(built.counts)


def test_the_same_records_twice_change_nothing(tmp_path: Path) -> None:
    window = [seen("2023-07-20"), seen("2023-07-21", "2307.00001"), deleted("2023-07-22", "2306.2")]
    once = release(tmp_path, OLD, windows=[window])
    stamps = {p: p.stat().st_mtime_ns for p in shard_paths(once)}
    twice = release(tmp_path, OLD, windows=[window, window])
    assert twice.fingerprint == once.fingerprint and twice.files == once.files
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps, "not written again"
    assert in_is_out(twice.counts)


def test_the_order_of_windows_does_not_matter(tmp_path: Path) -> None:
    windows = [
        [seen("2023-07-20"), seen("2023-07-20", "2306.00002", versions=versions(None, None))],
        [seen("2023-07-22"), seen("2023-07-20", "2306.00002", versions=versions(None))],
        [deleted("2023-07-21"), deleted("2023-07-23", "2306.00003"), seen("2023-07-22", "2306.4")],
    ]
    made = [
        release(tmp_path / str(n), OLD, windows=order)
        for n, order in enumerate(permutations(windows))
    ]
    assert len({built.fingerprint for built in made}) == 1
    assert rows(made[0])["2306.00002"]["n_versions"] == 2
