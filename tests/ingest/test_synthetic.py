import re
from collections import Counter
from datetime import date, timedelta
from itertools import islice

import pytest

from astro_assets.errors import BadSettingError
from astro_assets.ingest.synthetic import check_size, generate
from astro_assets.ingest.vintage import day_of_version, month_of_id
from astro_assets.months import Month
from tests.builders import decoded

UNTIL = Month(2026, 6)
FIELDS = [
    "id", "submitter", "authors", "title", "comments", "journal-ref", "doi", "report-no",
    "categories", "license", "abstract", "versions", "update_date", "authors_parsed",
]  # fmt: skip


@pytest.fixture(scope="module")
def records():
    return list(generate(6_000, until=UNTIL))


def _is_astro(record):
    return any(c == "astro-ph" or c.startswith("astro-ph.") for c in record["categories"].split())


def _by_month(records):
    return Counter(str(month_of_id(r["id"])) for r in records)


def test_every_record_has_the_fourteen_fields_in_order_and_decodes(records):
    for record in records:
        assert list(record) == FIELDS
        assert decoded(record).id


def test_months_are_filled_evenly_and_the_newest_take_the_rest():
    months = _by_month(generate(130, until=UNTIL))
    assert len(months) == 60
    assert Counter(months.values()) == {2: 50, 3: 10}
    assert next(m for m in sorted(months) if months[m] == 3) == "2025-09"
    assert max(months) == "2026-06"


def test_a_few_records_fall_into_the_newest_months():
    assert _by_month(generate(2, until=UNTIL)) == {"2026-05": 1, "2026-06": 1}


def test_no_month_lies_before_arxiv():
    assert list(_by_month(generate(10, until=Month(1992, 8)))) == [
        "1992-04", "1992-05", "1992-06", "1992-07", "1992-08",
    ]  # fmt: skip


def test_ids_are_unique(records):
    assert len({r["id"] for r in records}) == 6_000


@pytest.mark.parametrize(
    ("until", "form"),
    [
        (Month(2026, 6), r"\d{4}\.\d{5}"),
        (Month(2014, 12), r"\d{4}\.\d{4}"),
        (Month(2007, 3), r"[a-z-]+/\d{7}"),
    ],
)
def test_ids_have_the_form_of_their_time(until, form):
    assert all(re.fullmatch(form, r["id"]) for r in generate(60, until=until))


def test_a_later_month_leaves_the_shared_months_as_they_were():
    now = {r["id"]: r for r in generate(600, until=UNTIL)}
    later = {r["id"]: r for r in generate(600, until=UNTIL.next())}
    shared = now.keys() & later.keys()
    assert len(shared) == 590
    assert all(now[i] == later[i] for i in shared)


def test_more_records_leave_the_first_ones_of_a_month_as_they_were():
    few = {r["id"]: r for r in generate(60, until=UNTIL)}
    more = {r["id"]: r for r in generate(180, until=UNTIL)}
    assert all(more[i] == few[i] for i in few)


def test_another_seed_gives_other_records():
    one, two = (next(generate(1, until=UNTIL, seed=seed)) for seed in (0, 1))
    assert one["abstract"] != two["abstract"]


def test_it_streams():
    assert len(list(islice(generate(5_000_000, until=UNTIL), 3))) == 3


def test_nothing_lies_in_the_future(records):
    for record in records:
        month = month_of_id(record["id"])
        for version in record["versions"] or ():
            assert Month.of(day_of_version(version["created"])) == month
        if record["update_date"]:
            updated = date.fromisoformat(record["update_date"])
            assert month.start.date() <= updated <= month.end.date()


def test_versions_come_in_order_and_days_are_not_padded(records):
    created = [v["created"] for r in records for v in r["versions"] or ()]
    assert any(re.match(r"\w{3}, \d \w{3} \d{4} \d\d:\d\d:\d\d GMT$", c) for c in created)
    assert not any(re.match(r"\w{3}, 0", c) for c in created)
    for record in records:
        versions = record["versions"] or []
        assert [v["version"] for v in versions] == [f"v{i + 1}" for i in range(len(versions))]
        days = [day_of_version(v["created"]) for v in versions]
        assert days == sorted(days)


def test_weekdays_are_right(records):
    names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    for record in records[:200]:
        for version in record["versions"] or ():
            day = day_of_version(version["created"])
            assert version["created"][:3] == names[(day - date(2024, 1, 1)) // timedelta(1) % 7]


def test_shares_are_those_of_arxiv(records):
    astro = [r for r in records if _is_astro(r)]
    primary = [r for r in astro if r["categories"].startswith("astro-ph")]
    assert 0.42 < len(astro) / len(records) < 0.48
    assert 0.70 < len(primary) / len(astro) < 0.80


def test_categories_hold_every_trap(records):
    all_of_them = [r["categories"] for r in records]
    assert "astro-ph" in all_of_them
    assert any(re.search(r"\bastro-ph(?!\.).*astro-ph\.|astro-ph\..*\bastro-ph(?!\.)", c)
               for c in all_of_them)  # fmt: skip
    assert any("physics.plasm-ph" in c for c in all_of_them)
    assert any("physics.atom-ph" in c for c in all_of_them)
    assert all(len(set(c.split())) == len(c.split()) for c in all_of_them)


def test_old_months_have_old_archives():
    old = [r["categories"] for r in generate(3_000, until=Month(1996, 12))]
    tokens = {token for categories in old for token in categories.split()}
    assert {"astro-ph", "plasm-ph", "atom-ph"} <= tokens
    assert not any(token.startswith("astro-ph.") for token in tokens)


def test_abstracts_have_sixty_to_a_hundred_and_eighty_words_unless_withdrawn(records):
    n_words = [len(r["abstract"].split()) for r in records if "withdrawn" not in r["abstract"]]
    assert len(n_words) > 5_900
    assert min(n_words) >= 60
    assert max(n_words) <= 180


def test_abstracts_look_as_they_do_in_the_snapshot(records):
    for record in records:
        assert record["abstract"].startswith("  ")
        assert record["abstract"].endswith("\n")
    lines = [line for r in records for line in r["abstract"].splitlines()]
    assert max(map(len, lines)) <= 85  # hard breaks; mojibake makes a line longer
    assert any("\n  " in r["title"] for r in records)


def test_blemishes_copies_and_withdrawals_turn_up(records):
    abstracts = [r["abstract"] for r in records]
    assert any(a.count("$") % 2 for a in abstracts)
    assert any("\x0b" in a for a in abstracts)
    assert any("\u00e2\u0080" in a for a in abstracts)
    assert any(re.match(r"\s*(This|The) paper has been withdrawn", a) for a in abstracts)
    assert any("withdrawn" in (r["comments"] or "").lower() for r in records)
    n_copies = len(abstracts) - len(set(abstracts))
    assert 30 < n_copies < 150


def test_only_withdrawn_papers_say_withdrawn(records):
    for record in records:
        if "withdrawn" in record["abstract"]:
            assert "paper has been withdrawn" in record["abstract"]


def test_fields_are_null_now_and_then(records):
    missing = {name for r in records for name in FIELDS if r[name] is None}
    assert missing == {
        "submitter", "comments", "journal-ref", "doi", "report-no", "license", "versions",
        "update_date", "authors_parsed",
    }  # fmt: skip


def _sentences(records):
    return [s for r in records for s in re.split(r"(?<=\.)\s+", " ".join(r["abstract"].split()))]


def test_most_sentences_are_new_ones(records):
    known = set(_sentences(records[:5_000]))
    new = _sentences(records[5_000:])
    assert sum(s in known for s in new) / len(new) < 0.3


def test_each_side_has_words_of_its_own_borrows_some_and_shares_the_register(records):
    def abstracts_by_word(wanted):
        texts = [set(re.findall(r"[a-z]{4,}", r["abstract"])) for r in records
                 if _is_astro(r) is wanted]  # fmt: skip
        return Counter(word for words in texts for word in words), len(texts)

    (astro, n_astro), (rest, n_rest) = abstracts_by_word(True), abstracts_by_word(False)

    def how_much_more_astro(word):
        return (astro[word] + 1) / n_astro / ((rest[word] + 1) / n_rest)

    often = [word for word in {*astro, *rest} if astro[word] + rest[word] >= 5]
    assert sum(how_much_more_astro(word) > 3 for word in often) > 300
    assert sum(how_much_more_astro(word) < 1 / 1.5 for word in often) > 300
    assert sum(1 / 1.5 < how_much_more_astro(word) < 1.5 for word in often) > 150
    assert sum(word in rest for word in astro if how_much_more_astro(word) > 3) > 100


@pytest.mark.parametrize(
    ("n", "until", "message"),
    [
        (0, UNTIL, "1 to 5,999,940"),
        (600_000, Month(2014, 12), "1 to 599,940"),
        (60_000, Month(2007, 3), "1 to 59,940"),
        (1, Month(1992, 3), "a month from 1992-04 on"),
    ],
)
def test_a_size_it_cannot_give_is_refused(n, until, message):
    with pytest.raises(BadSettingError, match=message):
        check_size(n, until=until)


def test_one_record_is_pinned():
    """If this changes, GENERATOR_VERSION must: other Pythons give the same record."""
    record = next(generate(1, until=UNTIL))
    assert record["id"] == "2606.00001"
    assert record["categories"] == "physics.plasm-ph"
    assert record["update_date"] == "2026-06-18"
    assert record["abstract"].startswith(
        "  Real devices are never isolated from their environment. Motivated"
    )
