"""What the marts say, on papers that can be counted by hand; and that contracts hold of them."""

from pathlib import Path

import pytest

from astro_assets.warehouse.contracts import CONTRACTS
from astro_assets.warehouse.mart_contracts import MART_CONTRACTS
from astro_assets.warehouse.rules import row_rules
from tests.builders import record
from tests.warehouse.marts import Kept

WITHDRAWN = "This paper has been withdrawn by the author"
BEFORE = [
    record("2305.00001", abstract="stays", categories="astro-ph.GA astro-ph.CO"),
    record("2305.00002", abstract="is revised", title="old"),
    record("2305.00003", abstract="third"),
    record("2305.00004", abstract="leaves astro-ph"),
    record("2305.00005", abstract="was withdrawn before", comments=WITHDRAWN),
    record("2305.00006", abstract="is gone"),
    record("2305.00007", abstract="general", categories="math.CO math.CO  cs.LG"),
    record("2305.00008", abstract="metadata only"),
]
AFTER = [
    BEFORE[0],
    record(
        "2305.00002",
        abstract="is revised now",
        title="new",
        versions=[{"version": f"v{n}", "created": "Mon, 3 Jul 2023 19:18:42 GMT"} for n in (1, 2)],
    ),
    record("2305.00003", abstract="third", comments=WITHDRAWN),
    record("2305.00004", abstract="leaves astro-ph", categories="math.CO"),
    BEFORE[4],
    BEFORE[6],
    record("2305.00008", abstract="metadata only", journal_ref="Nature 1"),
    record("2306.00009", abstract="new", categories="hep-th astro-ph"),
    record("2306.00010", abstract="  "),
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    home = Kept(Path(tmp_path_factory.mktemp("home")))
    home.add("2023-07", BEFORE)
    home.add("2023-08", AFTER)
    return home


def test_changed_papers_say_what_became_of_each(kept: Kept) -> None:
    columns = ("table_name", "change", "is_text_changed", "earlier_version", "latest_version")
    rows = kept.rows(f"select id, {', '.join(columns)} from changed_papers_latest order by all")
    assert [tuple(row.values()) for row in rows] == [
        ("2305.00002", "astro", "revised", True, 1, 2),
        ("2305.00003", "astro", "withdrawn", False, 1, 1),
        ("2305.00004", "astro", "lost", None, 1, None),
        ("2305.00004", "general", "added", None, None, 1),
        ("2305.00006", "astro", "lost", None, 1, None),
        ("2305.00008", "astro", "revised", False, 1, 1),
        ("2306.00009", "astro", "added", None, None, 1),
        ("2306.00010", "astro", "added", None, None, 1),
    ]
    assert kept.by_id("changed_papers_latest", "title")["2305.00002"] == "new"


def test_papers_by_month_counts_every_paper_once(kept: Kept) -> None:
    rows = kept.rows("from papers_by_month_latest order by table_name, submission_month")
    # every record's v1 is of July 2023, whatever its id says
    astro, general = rows
    assert (astro["table_name"], astro["submission_month"]) == ("astro", "2023-07")
    assert (astro["n_rows"], astro["papers"], astro["n_excluded"]) == (7, 4, 3)
    assert (astro["excluded_withdrawn"], astro["excluded_empty_abstract"]) == (2, 1)
    assert astro["n_train"] + astro["n_test"] == 4
    assert (general["n_rows"], general["papers"]) == (2, 2)


def test_a_paper_counts_in_each_of_its_categories_and_once_as_first(kept: Kept) -> None:
    rows = kept.rows(
        "select table_name, category, n_rows, papers, papers_first from papers_by_subfield_latest "
        "order by table_name, category"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("astro", "astro-ph", 1, 1, 0),
        ("astro", "astro-ph.CO", 1, 1, 0),
        ("astro", "astro-ph.GA", 6, 3, 3),
        ("astro", "hep-th", 1, 1, 1),
        ("general", "cs.LG", 1, 1, 0),
        ("general", "math.CO", 2, 2, 2),
    ]


def test_categories_are_numbered_by_their_first_place(kept: Kept) -> None:
    rows = kept.rows(
        "select category, position from paper_categories_latest where id = '2305.00007' order by 2"
    )
    assert rows == [{"category": "math.CO", "position": 1}, {"category": "cs.LG", "position": 3}]


def test_withdrawn_papers_are_listed_with_what_was_said(kept: Kept) -> None:
    assert kept.by_id("withdrawn_papers_latest", "comments") == {
        "2305.00003": WITHDRAWN,
        "2305.00005": WITHDRAWN,
    }


@pytest.mark.parametrize("name", [contract.name for contract in MART_CONTRACTS])
def test_a_mart_keeps_its_contract(kept: Kept, name: str) -> None:
    contract, view = CONTRACTS[name], f"{name}_latest"
    assert kept.rows(f"from {view}")
    for rule in row_rules(contract):
        assert kept.rows(f"from {view} where {rule.broken}") == [], rule.name
    again = f"from {view} select count(*) as n group by {', '.join(contract.key)} having n > 1"
    assert kept.rows(again) == []


@pytest.mark.parametrize("month", ["2023_07", "2023_08"])
def test_the_changes_lead_from_one_release_to_the_next(kept: Kept, month: str) -> None:
    """In = out: what was there, plus added, minus lost, is what is there."""
    if month == "2023_07":
        assert kept.rows("from duckdb_views() where view_name = 'changed_papers_2023_07'") == []
        return
    for table, name in (("astro_ph_papers", "astro"), ("general_papers", "general")):
        before, after = (set(kept.by_id(f"{table}_{m}", "id")) for m in ("2023_07", "2023_08"))
        changed = kept.rows(
            f"select id, change from changed_papers_{month} where table_name = '{name}'"
        )
        added = {row["id"] for row in changed if row["change"] == "added"}
        lost = {row["id"] for row in changed if row["change"] == "lost"}
        assert (before | added) - lost == after and not added & before
