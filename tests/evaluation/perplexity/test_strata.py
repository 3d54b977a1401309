import math

import numpy as np
import pytest

from astro_assets.evaluation.perplexity import strata
from astro_assets.evaluation.perplexity.scores import DocumentScores
from astro_assets.evaluation.perplexity.strata import names_of, strata_figures
from astro_assets.evaluation.samples import Sample
from astro_assets.evaluation.statistics import paired_ratio_difference

N = 12
SAMPLE = Sample(
    ids=tuple(map(str, range(N))),
    titles=("",) * N,
    texts=("x",) * N,
    months=("2001-05",) * 5 + ("2002-01",) * 4 + ("2003-12",) * 2 + ("",),
    categories=("gr-qc astro-ph.HE",) * 3 + ("astro-ph.GA astro-ph.HE",) * 8 + ("astro-ph.ZZ",),
    primary_categories=("gr-qc",) * 3 + ("astro-ph.GA",) * 8 + ("astro-ph.ZZ",),
)


def scores_of(nats_per_byte):
    n_bytes = np.arange(100, 100 + N)
    return DocumentScores(
        n_bytes * np.asarray(nats_per_byte), np.full(N, 30), n_bytes, np.ones(N, dtype=np.int64)
    )


BASE = scores_of([1.0] * N)
TUNED = scores_of([0.5] * 5 + [0.9] * 4 + [1.5] * 3)


def test_strata_are_of_year_first_subfield_and_first_place():
    names = names_of(SAMPLE)
    assert names["year"] == ["2001"] * 5 + ["2002"] * 4 + ["2003"] * 2 + [""]
    assert names["subfield"] == ["astro-ph.HE"] * 3 + ["astro-ph.GA"] * 8 + ["astro-ph.other"]
    assert names["place"] == ["cross-listed"] * 3 + ["astro-ph first"] * 9


def test_each_stratum_is_its_own_bits_per_byte():
    found, _ = strata_figures(SAMPLE, {"base": BASE, "tuned": TUNED}, min_documents=4)
    first, second = found["year"]
    assert [one["name"] for one in found["year"]] == ["2001", "2002–2003"]
    assert second["n_documents"] == 6
    assert (first["n_documents"], first["n_bytes"]) == (5, 100 + 101 + 102 + 103 + 104)
    bits = {"base": 1 / math.log(2), "tuned": 0.5 / math.log(2)}
    assert first["models"] == pytest.approx(bits, rel=1e-12)
    gap = {name: -0.5 / math.log(2) for name in ("bits_per_byte", "low", "high")}
    assert first["tuned_minus_base"] == pytest.approx(gap, rel=1e-12)
    n_bytes = np.arange(105, 111)
    gap = (n_bytes * ([-0.1] * 4 + [0.5] * 2)).sum() / n_bytes.sum() / math.log(2)
    assert second["tuned_minus_base"]["bits_per_byte"] == pytest.approx(gap)


def test_the_interval_is_paired_over_the_stratums_documents():
    drawn = np.random.default_rng(4)
    tuned = scores_of(drawn.normal(0.8, 0.1, N))
    found, _ = strata_figures(SAMPLE, {"base": BASE, "tuned": tuned}, min_documents=9)
    (place,) = found["place"]
    expected = paired_ratio_difference(
        tuned.nll_nats[3:], BASE.nll_nats[3:], BASE.n_bytes[3:], seed=20230912
    )
    gap = place["tuned_minus_base"]
    bits = np.array([expected.estimate, expected.low, expected.high]) / math.log(2)
    assert list(gap.values()) == pytest.approx(bits.tolist(), rel=1e-9)
    assert gap["low"] < gap["bits_per_byte"] < gap["high"]


def test_small_strata_are_not_shown_but_counted():
    scores = {"base": BASE, "tuned": TUNED}
    found, left_out = strata_figures(SAMPLE, scores, min_documents=5)
    assert [one["name"] for one in found["year"]] == ["2001", "2002–2003"]
    assert left_out == {"year": 0, "subfield": 2, "place": 1}
    none, all_out = strata_figures(SAMPLE, scores)
    assert strata.MIN_DOCUMENTS == 200
    assert none == {"year": [], "subfield": [], "place": []}
    assert all_out == {"year": 3, "subfield": 3, "place": 2}


@pytest.mark.parametrize(
    ("papers", "least", "together"),
    [
        ({1992: 1, 1993: 1, 1995: 2, 1996: 4}, 4, {"1992–1995": 4, "1996": 4}),
        ({1992: 3, 1993: 3, 1994: 1}, 3, {"1992": 3, "1993–1994": 4}),
        ({1992: 3, 1993: 3, 1994: 2, 1995: 2}, 3, {"1992": 3, "1993": 3, "1994–1995": 4}),
        ({1992: 3, 1993: 2}, 5, {"1992–1993": 5}),
        ({1992: 3, 1993: 2}, 6, {}),
    ],
)
def test_neighbouring_years_are_put_together_until_they_are_enough(papers, least, together):
    months = tuple(f"{year}-01" for year, n in papers.items() for _ in range(n))
    mixed = months[::-1]  # papers come in no order of years
    n, ones = len(months), np.ones(len(months), dtype=np.int64)
    sample = Sample(("1",) * n, ("",) * n, ("x",) * n, months=mixed)
    scores = {"base": DocumentScores(ones * 2.0, ones, ones, ones)}
    found, left_out = strata_figures(sample, scores, min_documents=least)
    assert {one["name"]: one["n_documents"] for one in found["year"]} == together
    assert left_out["year"] == (0 if together else len(papers))


@pytest.mark.parametrize(("n", "shown"), [(199, 0), (200, 1)])
def test_two_hundred_documents_are_enough(n, shown):
    sample = Sample(("1",) * n, ("",) * n, ("x",) * n, months=("1999-01",) * n)
    ones = np.ones(n, dtype=np.int64)
    found, _ = strata_figures(sample, {"base": DocumentScores(ones * 2.0, ones, ones, ones)})
    assert len(found["year"]) == shown


def test_one_model_alone_has_strata_without_a_difference():
    found, _ = strata_figures(SAMPLE, {"model": BASE}, min_documents=5)
    assert found["year"][0]["models"].keys() == {"model"}
    assert found["year"][0]["tuned_minus_base"] is None
