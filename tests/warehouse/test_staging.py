"""What raw text becomes: one small table of inputs and outputs per rule."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from astro_assets.ingest.records import RECORD_SCHEMA
from astro_assets.warehouse.runner import open_runner
from astro_assets.warehouse.sides import threshold
from astro_assets.warehouse.sql import load_project
from tests.builders import record
from tests.warehouse.tables import SALT, batch


def staged(*records: dict[str, Any], share: float = 1.0) -> list[dict[str, Any]]:
    table = pa.Table.from_batches([batch(records)], schema=RECORD_SCHEMA)
    table = table.append_column("ordinal", pa.array(range(len(records)), pa.int64()))
    parameters = {"salt": SALT, "general_below": threshold(share)}
    with open_runner(load_project(), parameters=parameters) as runner:
        runner.add_source("records", table)
        runner.build("stg_records")
        return runner.rows("select * from stg_records order by ordinal")


def v1(created: str) -> list[dict[str, str]]:
    return [{"version": "v1", "created": created}]


@pytest.mark.parametrize(
    ("categories", "is_astro", "is_primary"),
    [
        ("astro-ph", True, True),
        ("astro-ph.GA", True, True),
        (" astro-ph.CO  hep-th", True, True),
        ("hep-th astro-ph", True, False),
        ("gr-qc astro-ph.HE math-ph", True, False),
        ("physics.plasm-ph", False, False),
        ("physics.atom-ph nlin.AO", False, False),
        ("astro-physics", False, False),
        ("xastro-ph", False, False),
        ("math.astro-ph", False, False),
    ],
)
def test_categories_are_whole_tokens(categories: str, is_astro: bool, is_primary: bool) -> None:
    (row,) = staged(record(categories=categories))
    assert (row["is_astro"], row["is_primary"]) == (is_astro, is_primary)
    assert row["primary_category"] == categories.split()[0]


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("Mon, 2 Apr 2007 19:18:42 GMT", datetime(2007, 4, 2, 19, 18, 42, tzinfo=UTC)),
        ("Wed, 30 Apr 2008 23:59:59 GMT", datetime(2008, 4, 30, 23, 59, 59, tzinfo=UTC)),
        ("Wed, 02 Apr 2008 00:00:00 GMT", datetime(2008, 4, 2, tzinfo=UTC)),
    ],
)
def test_submission_is_read_from_version_1(created: str, expected: datetime) -> None:
    versions = [{"version": "v2", "created": "Fri, 1 Jan 2021 00:00:00 GMT"}, *v1(created)]
    (row,) = staged(record("2307.00001", versions=versions))
    assert row["submitted_at"] == expected
    assert row["submission_month"] == f"{expected:%Y-%m}"
    assert (row["n_versions"], row["latest_version"]) == (2, 2)


@pytest.mark.parametrize(
    ("paper_id", "month"),
    [
        ("astro-ph/9204001", "1992-04"),
        ("astro-ph/0703999", "2007-03"),
        ("math.GT/0309136", "2003-09"),
        ("0704.0001", "2007-04"),
        ("1501.00001", "2015-01"),
        ("2606.12345", "2026-06"),
        ("2613.12345", None),
        ("2600.12345", None),
        ("123.4567", None),
        ("no-number", None),
    ],
)
@pytest.mark.parametrize("versions", [None, [], v1("yesterday"), [{"version": "v3"}]])
def test_without_a_dated_version_1_the_id_tells_the_month(
    paper_id: str, month: str | None, versions: Any
) -> None:
    (row,) = staged(record(paper_id, versions=versions))
    assert row["submitted_at"] is None
    assert row["submission_month"] == month


def test_the_modification_day_is_the_datestamp_else_the_update_date() -> None:
    plain, stamped, bad, none = staged(
        record(update_date="2023-07-04"),
        record(update_date="2023-07-04") | {"datestamp": "2023-08-01"},
        record(update_date="4 July"),
        record(update_date=None),
    )
    assert [r["update_date"] for r in (plain, stamped)] == [date(2023, 7, 4), date(2023, 8, 1)]
    assert bad["update_date"] is None and none["update_date"] is None


def test_texts_equal_but_for_blanks_have_one_hash() -> None:
    first, *same = staged(
        *(
            record(abstract=t)
            for t in ("a bright star", "  a\nbright  star\n", "a\u00a0bright\tstar")
        )
    )
    assert [r["text_sha256"] for r in same] == [first["text_sha256"]] * 2
    other, empty, nothing = staged(
        *(record(abstract=t) for t in ("a bright Star", " \n\u2003\x00 ", None))
    )
    assert other["text_sha256"] != first["text_sha256"]
    assert empty["text_sha256"] is None and nothing["text_sha256"] is None


@pytest.mark.parametrize(
    "abstract",
    [
        "  This paper has been withdrawn.\n",
        "This paper has been\nwithdrawn by the authors due to an error in Eq. 3.",
        "Withdrawn",
        "This article was temporarily withdrawn for corrections.",
        "The paper in its present form has been withdrawn.",
        "We prove a theorem. This submission is withdrawn, as the proof has a gap.",
    ],
)
def test_an_abstract_that_says_so_is_withdrawn(abstract: str) -> None:
    assert staged(record(abstract=abstract))[0]["is_withdrawn"]


@pytest.mark.parametrize(
    "comments",
    [
        "withdrawn",
        "Withdrawn, will be resubmitted",
        "12 pages. This paper has been withdrawn by the author",
        "Paper withdrawn",
        "5 pages; withdrawn due to an error",
        "This submission has been withdrawn by arXiv administrators",
        "I would like to withdraw this paper",
    ],
)
def test_comments_that_say_so_make_it_withdrawn(comments: str) -> None:
    assert staged(record(comments=comments))[0]["is_withdrawn"]


@pytest.mark.parametrize(
    "fields",
    [
        {"abstract": "Gas is withdrawn from the disk by a magnetised wind."},
        {"abstract": "When a solid plate is withdrawn from a liquid bath, a line forms."},
        {"abstract": "In this work the energy withdrawn from the jet heats the cluster."},
        {"comments": "Theorems 2.13 and 2.14 have been withdrawn"},
        {"comments": "accepted in ApJ; then withdrawn; now 19 pages"},
        {"comments": "a revised version of arXiv:1801.00539 (now withdrawn)"},
        {"comments": None, "abstract": None},
    ],
)
def test_what_is_withdrawn_in_other_senses_stays(fields: dict[str, Any]) -> None:
    assert not staged(record(**fields))[0]["is_withdrawn"]


def test_general_papers_outside_the_share_keep_their_keys_only() -> None:
    (row,) = staged(record(categories="math.CO"), share=1e-9)
    assert row["id"] == "2307.00001" and row["submission_month"] == "2023-07"
    assert not row["is_kept"]
    assert row["abstract"] is None and row["title"] is None and row["row_sha256"] is None


def changed_rows() -> Iterator[dict[str, Any]]:
    yield record(title=None)
    yield record(title="")
    yield record(title="A", authors="BC")
    yield record(title="AB", authors="C")
    yield record(comments="x", journal_ref=None)
    yield record(comments=None, journal_ref="x")
    yield record(doi="10.1/x")
    yield record(license=None)
    yield record(abstract="other")
    yield record(categories="astro-ph.CO")
    yield record(update_date="2023-07-05")
    yield record(versions=None)
    yield record(versions=v1("Mon, 3 Jul 2023 19:18:43 GMT"))
    yield record("2307.00002", abstract=record()["abstract"])


def test_row_hash_tells_rows_apart_in_every_column() -> None:
    hashes = [r["row_sha256"] for r in staged(record(), *changed_rows())]
    assert len(set(hashes)) == len(hashes)
    again = staged(record(), record(submitter="somebody else", report_no="not in the table"))
    assert {r["row_sha256"] for r in again} == {hashes[0]}
