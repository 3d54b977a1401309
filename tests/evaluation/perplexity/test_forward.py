import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.perplexity.forward import (
    Later,
    LaterPapers,
    contemporaries_among,
    forward_figures,
    forward_notes,
    later_papers,
    take_later,
)
from astro_assets.evaluation.perplexity.scores import DocumentScores
from astro_assets.evaluation.samples import Sample
from astro_assets.evaluation.selection import take_papers
from astro_assets.months import Month
from tests.evaluation.planted import papers

CUT = Month(2025, 11)


def later_than(n_months: int, per_month: int) -> pl.DataFrame:
    """Papers of the months after the cut, and one of the cut itself and of long before."""
    months = [str(CUT.plus(i)) for i in range(1, n_months + 1) for _ in range(per_month)]
    table = papers(len(months) + 2)
    return table.with_columns(pl.Series("submission_month", ["2004-05", str(CUT), *months]))


@pytest.fixture(scope="module")
def tokenizer(tiny_base) -> Tokenizer:
    return Tokenizer.load(tiny_base)


def test_only_what_was_submitted_after_the_cut_is_later() -> None:
    texts = later_than(3, 2)
    nameless = texts[:1].with_columns(pl.lit(None, dtype=pl.String).alias("submission_month"))
    found = later_papers(pl.concat([texts, nameless]), CUT)
    assert found["submission_month"].unique().sort().to_list() == ["2025-12", "2026-01", "2026-02"]
    assert len(found) == 6
    assert later_papers(texts, Month(2026, 2)).is_empty()


def test_the_cap_is_split_evenly_over_the_months(tokenizer) -> None:
    texts = later_than(4, 12)
    later = take_later(LaterPapers(CUT, "champion", texts), tokenizer, max_tokens=1_600)
    assert (later.cut, later.label, later.n_later_papers) == (CUT, "champion", 48)
    assert list(dict.fromkeys(later.month_of)) == [str(CUT.plus(i)) for i in range(1, 5)]
    n_tokens = [len(ids) for ids in tokenizer.encode_batch(later.sample.texts)]
    for month in set(later.month_of):
        rows = [i for i, own in enumerate(later.month_of) if own == month]
        of_month = texts.filter(pl.col("submission_month") == month)
        ids = take_papers(of_month, what="papers").ids
        assert [later.sample.ids[i] for i in rows] == list(ids[: len(rows)])
        assert 1 < len(rows) < 12 and sum(n_tokens[i] for i in rows) <= 400
    assert later.sample.months == later.month_of
    assert len(later.sample.categories) == len(later.sample)


def test_at_most_24_months_are_read_the_last_three_among_them(tokenizer) -> None:
    later = take_later(LaterPapers(CUT, "model", later_than(60, 2)), tokenizer, max_tokens=10**6)
    months = [Month.parse(month) for month in dict.fromkeys(later.month_of)]
    since = [(m.year - CUT.year) * 12 + m.number - CUT.number for m in months]
    assert len(since) == 24 and since[0] == 1 and since[-3:] == [58, 59, 60]
    assert set(np.diff(since)) <= {1, 2, 3} and since == sorted(set(since))
    assert later.n_later_papers == 120 and len(later.sample) == 48
    for n in (1, 3, 23, 24, 25):
        few = take_later(LaterPapers(CUT, "m", later_than(n, 1)), tokenizer, max_tokens=1)
        assert len(set(few.month_of)) == min(n, 24) and few.month_of[-1] == str(CUT.plus(n))
        assert len(few.sample) == min(n, 24)  # one paper of each month, whatever the cap


def test_no_later_paper_is_no_figure(tokenizer) -> None:
    later = take_later(LaterPapers(CUT, "model", later_than(0, 0)), tokenizer, max_tokens=100)
    assert len(later.sample) == 0 and later.n_later_papers == 0
    assert forward_figures(later, {}, {}) is None


def later_of(month_of: list[str]) -> Later:
    names = tuple(f"p{i}" for i in range(len(month_of)))
    return Later(Sample(names, names, names), tuple(month_of), 99, CUT, "champion")


def scores(nll_nats, n_bytes=None) -> DocumentScores:
    nll_nats = np.asarray(nll_nats, dtype=np.float64)
    n = len(nll_nats)
    n_bytes = np.full(n, 100) if n_bytes is None else np.asarray(n_bytes)
    return DocumentScores(nll_nats, np.full(n, 25), n_bytes, np.ones(n, dtype=np.int64))


def test_a_gain_that_fades_with_the_months() -> None:
    """The champion saves 40 nats on its contemporaries, then 30, 20, 10 and nothing."""
    months = [str(CUT.plus(i)) for i in (1, 2, 3, 5) for _ in range(8)]
    saved = np.repeat([30.0, 20.0, 10.0, 0.0], 8)
    later = later_of(months)
    told = {
        "base": scores(np.full(32, 150.0)),
        "champion": scores(150.0 - saved),
        "tuned": scores(np.full(32, 1.0)),
    }
    then = {label: scores(np.full(8, nll)) for label, nll in (("base", 150.0), ("champion", 110.0))}
    then["tuned"] = scores(np.ones(8))
    found = forward_figures(later, told, then)
    assert found is not None
    bits = 100 * math.log(2)  # bytes of a document, in nats per bit
    assert (found["cut"], found["label"], found["n_later_papers"]) == ("2025-11", "champion", 99)
    assert found["n_tokens"] == 32 * 25
    assert [one["months_since"] for one in found["months"]] == [1, 2, 3, 5]
    assert [one["n_documents"] for one in found["months"]] == [8] * 4
    assert [one["month"] for one in found["months"]] == ["2025-12", "2026-01", "2026-02", "2026-04"]
    for one, gain in zip(found["months"], (30, 20, 10, 0), strict=True):
        assert one["gain"]["bits_per_byte"] == pytest.approx(gain / bits)
        assert one["bits_per_byte"]["champion"] == pytest.approx((150 - gain) / bits)
        assert set(one["bits_per_byte"]) == {"base", "champion"}  # tuned has read some of these
        # All documents of a month gain alike: the pairing leaves no width.
        assert one["gain"]["low"] == pytest.approx(one["gain"]["high"])
    now = found["contemporaries"]
    assert (now["month"], now["months_since"], now["n_documents"]) == (None, 0, 8)
    assert now["gain"]["bits_per_byte"] == pytest.approx(40 / bits)
    fade = found["fade"]
    assert fade["bits_per_byte"] == pytest.approx((40 - (20 + 10 + 0) / 3) / bits)
    assert (fade["since"], fade["n_documents"]) == ("2026-01", 24)
    assert (40 - 20) / bits < fade["low"] < fade["bits_per_byte"] < fade["high"] < 40 / bits
    assert found == forward_figures(later, told, then)


def forward_of(per_month: list[int], n_contemporaries: int) -> dict[str, Any]:
    """Champions that save 40 nats of their time, and 10 less with each month, all alike."""
    months = [i for i, n in enumerate(per_month, start=1) for _ in range(n)]
    base = scores(np.full(len(months), 150.0))
    own = scores(np.full(n_contemporaries, 150.0))
    found = forward_figures(
        later_of([str(CUT.plus(i)) for i in months]),
        {"base": base, "champion": scores(110.0 + 10.0 * np.array(months))},
        {"base": own, "champion": scores(np.full(n_contemporaries, 110.0))},
    )
    assert found is not None
    return found


def test_a_month_of_few_papers_has_figures_but_no_interval() -> None:
    found = forward_of([1, 7, 8], 7)
    gains = [one["gain"] for one in (*found["months"], found["contemporaries"])]
    assert all(gain["bits_per_byte"] > 0 for gain in gains)
    has_ends = [(gain["low"] is not None, gain["high"] is not None) for gain in gains]
    assert has_ends == [(False, False), (False, False), (True, True), (False, False)]


@pytest.mark.parametrize(
    ("per_month", "n_contemporaries", "newest"),
    [
        ([1], 99, None),  # one paper says nothing of staleness
        ([2, 2, 3], 99, None),
        ([2, 2, 4], 99, ("2025-12", 8)),
        ([9, 3, 3, 2], 99, ("2026-01", 8)),  # three months are enough
        ([9, 2, 3, 1, 2], 99, ("2026-01", 8)),  # the fourth last month is needed too
        ([9, 1, 1, 1], 99, ("2025-12", 12)),
        ([9, 9, 9], 7, None),
        ([9, 9, 9], 8, ("2025-12", 27)),
    ],
)
def test_the_fade_is_read_off_enough_of_the_newest_papers(
    per_month: list[int], n_contemporaries: int, newest: tuple[str, int] | None
) -> None:
    fade = forward_of(per_month, n_contemporaries)["fade"]
    assert (fade and (fade["since"], fade["n_documents"])) == newest
    if newest:
        read = per_month[Month.parse(newest[0]).number % 12 :]
        first = len(per_month) - len(read) + 1
        lost = sum(10 * (first + i) * n for i, n in enumerate(read)) / sum(read)
        assert fade["bits_per_byte"] == pytest.approx(lost / 100 / math.log(2))
        assert fade["low"] <= fade["bits_per_byte"] <= fade["high"]


def test_the_interval_of_the_fade_is_that_of_two_independent_sets() -> None:
    draw = np.random.default_rng(1)
    n = 400
    noise = draw.normal(0, 20, (2, n))
    later = later_of([str(CUT.plus(1))] * n)
    base = scores(np.full(n, 150.0))
    found = forward_figures(
        later,
        {"base": base, "champion": scores(140 + noise[0])},
        {"base": base, "champion": scores(110 + noise[1])},
    )
    assert found is not None
    fade, bits = found["fade"], 100 * math.log(2)
    exact = 1.96 * math.sqrt(noise[0].var() / n + noise[1].var() / n) / bits
    assert (fade["high"] - fade["low"]) / 2 == pytest.approx(exact, rel=0.05)


def test_without_a_base_there_is_no_gain() -> None:
    alone = {"champion": scores([100.0, 50.0], [100, 50])}
    found = forward_figures(later_of(["2025-12", "2026-01"]), alone, alone)
    assert found is not None and found["fade"] is None
    assert all(one["gain"] is None for one in found["months"])
    assert found["contemporaries"]["bits_per_byte"]["champion"] == pytest.approx(1 / math.log(2))


def test_without_contemporaries_there_is_a_gain_but_no_fade() -> None:
    told = {"base": scores([150.0]), "champion": scores([100.0])}
    for then in ({}, {"base": scores([]), "champion": scores([])}):
        found = forward_figures(later_of(["2025-12"]), told, then)
        assert found is not None and found["fade"] is None
        assert found["months"][0]["gain"]["bits_per_byte"] > 0
        assert found["contemporaries"] == {
            "month": None,
            "months_since": 0,
            "since": None,
            "n_documents": 0,
            "bits_per_byte": {},
            "gain": None,
        }


@pytest.mark.parametrize(("n_recent", "since"), [(99, None), (100, "2023-12")])
def test_contemporaries_are_of_the_last_two_years_where_there_are_enough(n_recent, since) -> None:
    """Else the newest papers would be held against those of all decades."""
    first, last = "2023-12", "2025-11"  # 24 months
    recent = [first, last] * (n_recent // 2) + [last] * (n_recent % 2)
    months = ["2023-11", "", "1994-02", *recent, "2025-12"]
    rows, begins = contemporaries_among(months, CUT)
    assert begins == since
    assert {months[row] for row in rows} == {first, last} | (
        set() if since else {"2023-11", "1994-02"}
    )
    assert len(rows) == n_recent + (0 if since else 2)


def test_the_report_says_what_month_the_contemporaries_begin_with() -> None:
    told = {"base": scores([150.0]), "champion": scores([100.0])}
    found = forward_figures(later_of(["2025-12"]), told, told, since="2023-12")
    assert found is not None and found["contemporaries"]["since"] == "2023-12"


def test_what_is_not_told_has_a_reason() -> None:
    later, figures = LaterPapers(CUT, "champion", later_than(0, 0)), {"label": "champion"}
    assert forward_notes(["base", "tuned"], None, None) == []
    assert forward_notes(["base", "champion"], later, figures) == []
    for told, words in (
        (forward_notes(["base", "champion"], None, None), "no release tag"),
        (forward_notes(["base", "champion"], later, None), "no paper here is newer than 2025-11"),
        (forward_notes(["champion"], later, figures), "no base stands beside the champion"),
        (
            forward_notes(["base", "champion"], later, figures, foreign=["champion"]),
            "the champion was tuned from another base",
        ),
    ):
        (note,) = told
        assert note.startswith("forward in time: ") and words in note
