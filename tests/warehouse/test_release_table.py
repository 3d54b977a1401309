from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from astro_assets.errors import BadSettingError, EmptyCorpusError
from astro_assets.warehouse.papers import Rules
from tests.builders import record
from tests.warehouse.tables import ids_on, release, rows, shard_paths, snapshot


def submitted(paper_id: str, created: str, **fields: Any) -> dict[str, Any]:
    return record(paper_id, versions=[{"version": "v1", "created": created}], **fields)


def reasons(out: Path, records: list[dict[str, Any]], **how: Any) -> dict[str, str | None]:
    return {i: r["excluded_because"] for i, r in rows(release(out, records, **how)).items()}


def test_a_release_ends_with_its_month(tmp_path: Path) -> None:
    built = release(
        tmp_path,
        [
            submitted("2307.00001", "Mon, 31 Jul 2023 23:59:59 GMT", abstract="in"),
            submitted("2307.00002", "Tue, 1 Aug 2023 00:00:00 GMT", abstract="out"),
            record("2307.00003", versions=None, abstract="in by its id"),
            record("2308.00001", versions=None, abstract="out by its id"),
        ],
    )
    assert rows(built).keys() == {"2307.00001", "2307.00003"}
    assert built.counts["dropped_after_release"] == 2
    assert built.counts["papers"] == built.counts["n_rows"] == 2


def test_both_tables_and_the_drops_account_for_every_record(tmp_path: Path) -> None:
    records = [
        record("2307.00001"),
        record("2307.00002", categories="hep-th astro-ph.CO", abstract="two"),
        record("2307.00003", categories="math.CO", abstract="three"),
        record("2309.00001", versions=None),
    ]
    for table, in_table, other in (("astro_ph_papers", 2, 1), ("general_papers", 1, 2)):
        counts = release(tmp_path, records, table=table).counts  # type: ignore[arg-type]
        assert counts["n_rows"] == in_table and counts["n_other_table"] == other
        dropped = sum(n for name, n in counts.items() if name.startswith("dropped_"))
        assert counts["n_snapshot_rows"] == 4 == in_table + other + dropped


def test_the_primary_rule_leaves_out_cross_lists_and_counts_them(tmp_path: Path) -> None:
    records = [
        record("2307.00001"),
        record("2307.00002", categories="hep-th astro-ph.CO", abstract="two"),
        record("2307.00003", categories="math.CO", abstract="three"),
    ]
    any_place = release(tmp_path, records, rule="any")
    first_only = release(tmp_path, records, rule="primary")
    assert rows(any_place).keys() == {"2307.00001", "2307.00002"}
    assert rows(first_only).keys() == {"2307.00001"}
    assert first_only.counts["not_primary"] == 1
    for built in (any_place, first_only):
        assert (built.counts["papers_any"], built.counts["papers_primary"]) == (2, 1)
    general = release(tmp_path, records, rule="primary", table="general_papers")
    assert rows(general).keys() == {"2307.00003"}, "a cross-list is astro, in no table"


def test_reasons_in_their_order(tmp_path: Path) -> None:
    train, test = ids_on("train", 4), ids_on("test", 2)
    assert reasons(
        tmp_path,
        [
            record(train[0], abstract="same text", comments="withdrawn"),
            record(train[1], abstract=" same\n text "),
            record(test[0], abstract="same text"),
            record(test[1], abstract="same  text"),
            record(train[2], abstract=" \n"),
            record(train[3], abstract="its own text"),
        ],
    ) == {
        train[0]: "withdrawn",
        train[1]: "copy_of_test",
        test[0]: None,
        test[1]: "duplicate_text",
        train[2]: "empty_abstract",
        train[3]: None,
    }


def test_a_text_on_both_sides_keeps_its_test_copy_even_if_that_came_last(tmp_path: Path) -> None:
    (early,), (late,) = ids_on("train", 1, "2301"), ids_on("test", 1, "2307")
    records = [record(i, abstract="same", versions=None) for i in (early, late)]
    assert reasons(tmp_path, records) == {early: "copy_of_test", late: None}


def test_a_copy_that_comes_later_changes_an_old_month(tmp_path: Path) -> None:
    (early,), (late,) = ids_on("train", 1, "2306"), ids_on("test", 1, "2307")
    records = [record(i, abstract="same", versions=None) for i in (early, late)]
    before = release(tmp_path / "a", records, month="2023-06")
    after = release(tmp_path / "b", records, month="2023-07")
    assert rows(before)[early]["excluded_because"] is None
    assert rows(after)[early]["excluded_because"] == "copy_of_test"
    assert before.facts["shards"][0]["content"] != after.facts["shards"][0]["content"]


def test_of_duplicates_the_earliest_stays(tmp_path: Path) -> None:
    second, first, undated = ids_on("train", 3)
    assert reasons(
        tmp_path,
        [
            submitted(second, "Mon, 3 Jul 2023 12:00:00 GMT", abstract="same"),
            submitted(first, "Mon, 3 Jul 2023 11:59:59 GMT", abstract="same"),
        ],
    ) == {second: "duplicate_text", first: None}
    assert reasons(
        tmp_path,
        [
            submitted(first, "Mon, 3 Jul 2023 11:59:59 GMT", abstract="same"),
            record(undated, abstract="same", versions=None),
        ],
    ) == {first: "duplicate_text", undated: None}, "only the month known: taken as its start"


def test_a_withdrawn_text_is_nobodys_copy(tmp_path: Path) -> None:
    (train,), (test,) = ids_on("train", 1), ids_on("test", 1)
    records = [
        record(train, abstract="same"),
        record(test, abstract="same", comments="withdrawn"),
    ]
    assert reasons(tmp_path, records) == {train: None, test: "withdrawn"}


def test_copies_are_found_across_the_tables(tmp_path: Path) -> None:
    train, test = ids_on("train", 2), ids_on("test", 2)
    records = [
        record(train[0], abstract="one"),
        record(test[0], abstract="one", categories="math.CO"),
        record(train[1], abstract="two"),
        record(test[1], abstract="three", categories="math.CO", versions=None),
        record(ids_on("test", 3)[2], abstract="three"),
    ]
    assert reasons(tmp_path, records) == {
        train[0]: "copy_of_test",
        train[1]: None,
        ids_on("test", 3)[2]: None,
    }
    assert reasons(tmp_path, records, table="general_papers") == {
        test[0]: None,
        test[1]: "duplicate_text",
    }, "between the tables the astro copy stays, though it is later here"


def test_the_window_wins_by_day_then_version(tmp_path: Path) -> None:
    versions = [{"version": f"v{n}", "created": "Mon, 3 Jul 2023 19:18:42 GMT"} for n in (1, 2)]
    old = [
        record("2307.00001", title="snapshot", update_date="2023-07-04", abstract="one"),
        record("2307.00002", title="snapshot", update_date="2023-07-20", abstract="two"),
        record(
            "2307.00003",
            title="snapshot",
            update_date="2023-07-20",
            abstract="three",
            versions=versions,
        ),
        record("2307.00004", title="snapshot", update_date=None, abstract="four"),
        record("2307.00005", title="snapshot", update_date="2023-07-20", abstract="five"),
    ]
    window = [{**r, "title": "window", "update_date": None, "datestamp": "2023-07-20"} for r in old]
    window[1]["datestamp"] = "2023-07-19"
    window[2]["versions"] = versions[:1]
    built = release(tmp_path, old, windows=[window])
    assert {i: r["title"] for i, r in rows(built).items()} == {
        "2307.00001": "window",
        "2307.00002": "snapshot",
        "2307.00003": "snapshot",
        "2307.00004": "window",
        "2307.00005": "window",
    }
    assert built.counts["dropped_superseded"] == 5
    assert built.counts["n_window_records"] == 5 and built.facts["n_windows"] == 1


def test_of_two_windows_that_overlap_the_later_harvest_wins(tmp_path: Path) -> None:
    seen = record("2307.00002", abstract="two") | {"datestamp": "2023-07-30"}
    windows = [[{**seen, "title": "first"}], [{**seen, "title": "second"}]]
    built = release(tmp_path, [record("2307.00001")], windows=windows)
    assert rows(built)["2307.00002"]["title"] == "second"


def test_a_paper_that_leaves_astro_ph_leaves_the_table(tmp_path: Path) -> None:
    moved = {**record("2307.00002", categories="hep-th"), "datestamp": "2023-07-30"}
    arrived = {**record("2307.00003", abstract="three"), "datestamp": "2023-07-30"}
    old = [
        record("2307.00001", abstract="one"),
        record("2307.00002"),
        record("2307.00003", categories="math.CO", abstract="three"),
    ]
    assert rows(release(tmp_path, old, windows=[[moved, arrived]])).keys() == {
        "2307.00001",
        "2307.00003",
    }
    general = release(tmp_path, old, windows=[[moved, arrived]], table="general_papers")
    assert rows(general).keys() == {"2307.00002"}


def test_releases_share_the_months_that_did_not_change(tmp_path: Path) -> None:
    records = [
        record(f"23{month:02d}.{n:05d}", versions=None, abstract=f"{month} {n}")
        for month in range(1, 8)
        for n in (1, 2)
    ]
    june = release(tmp_path, records, month="2023-06")
    stamps = {p: p.stat().st_mtime_ns for p in shard_paths(june)}
    july = release(tmp_path, records, month="2023-07")
    assert july.facts["shards"][:6] == june.facts["shards"]
    assert len(july.facts["shards"]) == 7
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps, "not written again"
    assert june.fingerprint != july.fingerprint


def test_a_damaged_shard_is_written_again(tmp_path: Path) -> None:
    records = [record("2307.00001", abstract="long " * 200), record("2307.00002")]
    built = release(tmp_path, records)
    (path,) = shard_paths(built)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)
    assert release(tmp_path, records).files == built.files


def test_windows_merged_into_an_old_snapshot_equal_a_new_snapshot(tmp_path: Path) -> None:
    old = [record(f"2306.{n:05d}", versions=None, abstract=f"old {n}") for n in range(1, 9)]
    changes = [
        record("2306.00003", versions=None, abstract="edited", update_date="2023-07-09"),
        record("2307.00001", versions=None, abstract="added", update_date="2023-07-10"),
    ]
    windows = [[{**r, "datestamp": r["update_date"]} for r in changes]]
    merged = release(tmp_path / "a", old, windows=windows)
    fresh = [r for r in old if r["id"] != "2306.00003"] + changes
    full = release(tmp_path / "b", fresh)
    assert merged.fingerprint == full.fingerprint
    assert merged.files == full.files


def test_a_release_before_the_first_paper_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyCorpusError, match=r"2023-06 .*dropped_after_release 1"):
        release(tmp_path, [record("2307.00001")], month="2023-06")


def test_a_rule_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyCorpusError, match="not_primary 1"):
        release(tmp_path, [record(categories="hep-th astro-ph.CO")], rule="primary")


def test_a_general_table_may_be_empty(tmp_path: Path) -> None:
    built = release(tmp_path, [record()], table="general_papers")
    assert built.counts["papers"] == 0 and built.facts["shards"] == []


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(BadSettingError, match="category_rule"):
        Rules("salt", 1.0, "second")


def test_a_paper_keeps_its_side_whatever_happens_to_it(tmp_path: Path) -> None:
    ids = ids_on("test", 3) + ids_on("train", 3)
    changes: list[dict[str, Any]] = [
        {},
        {"abstract": "rewritten", "title": "renamed"},
        {"categories": "hep-th astro-ph.CO", "update_date": "2023-09-01"},
    ]
    seen = [
        {
            i: r["side"]
            for i, r in rows(
                snapshot(
                    tmp_path / str(n),
                    [record(i, **{"abstract": f"about {i}", **change}) for i in ids],
                )
            ).items()
        }
        for n, change in enumerate(changes)
    ]
    assert all(before == after for before, after in pairwise(seen))
