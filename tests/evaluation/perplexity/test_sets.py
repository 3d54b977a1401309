import polars as pl
import pytest

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.perplexity import sets
from astro_assets.evaluation.perplexity.forward import LaterPapers
from astro_assets.evaluation.perplexity.sets import take_sets
from astro_assets.evaluation.samples import Sample
from astro_assets.evaluation.selection import HeldOut, leave_out, take_papers
from astro_assets.months import Month
from tests.evaluation.planted import papers

ASTRO = papers(6, categories="astro-ph.GA").with_columns(
    submission_month=pl.Series([f"2023-0{number}" for number in range(1, 7)])
)
MANY = papers(20, word="quasars").with_columns(
    submission_month=pl.Series(["2023-05", "2023-06"] * 10)
)
GENERAL = pl.concat([papers(5, word="groups"), papers(3, word="codes", categories="cs.LG")])
PROSE = Sample(("prose-1", "prose-2"), ("", ""), ("The kettle sang.", "Rain fell on the harbour."))


@pytest.fixture(scope="module")
def take(tiny_base):
    def take(**changed):
        asked = {
            "max_tokens": 10**6, "near_copies": None, "later": None, "prose": None, **changed
        }  # fmt: skip
        return take_sets({"astro": ASTRO, "general": GENERAL}, Tokenizer.load(tiny_base), **asked)

    return take


def test_what_is_not_asked_for_is_absent(take):
    found = take()
    assert list(found.samples()) == ["astro", "general", "far"]
    assert found.near_copies is found.later is found.near_copies_left_out is None
    assert found.general["n_measured_papers"] == 8


def test_near_copies_go_from_fields_and_rings_and_are_a_set_of_their_own(take):
    found = take(near_copies={"astro": ["galaxies-002"], "general": ["codes-001"]})
    assert len(found.fields["astro"]) == 5
    assert found.near_copies is not None and found.near_copies.ids == ("galaxies-002",)
    assert set(found.rings["far"].ids) == {"codes-000", "codes-002"}
    assert found.near_copies_left_out == {"astro": 1, "general": 1}


ORDER = take_papers(ASTRO, what="papers").ids


def kept_in(take, places, **changed):
    """How many papers and near copies are kept in, where the copies have these places."""
    copies = {"astro": [ORDER[place] for place in places], "general": []}
    found = take(near_copies=copies, **changed)
    assert found.near_copies is not None and found.kept_in is not None
    n_papers, n_copies = found.kept_in.n_papers, found.kept_in.n_copies
    # What is kept in is the beginning of both.
    begun = {*found.fields["astro"].ids[:n_papers], *found.near_copies.ids[:n_copies]}
    assert begun == set(ORDER[: n_papers + n_copies])
    return len(found.fields["astro"]), n_papers, n_copies


def test_a_headline_that_reads_every_paper_keeps_every_copy_in(take):
    assert kept_in(take, [0, 5]) == (4, 4, 2)
    assert take().kept_in is None


@pytest.mark.parametrize(
    ("places", "n_copies"),
    [([0], 1), ([1], 1), ([0, 1], 2), ([2], 0), ([5], 0), ([1, 2], 2), ([0, 3], 1), ([1, 4], 1)],
)
def test_a_headline_under_a_bound_keeps_those_in_that_stand_before_its_last(
    take, monkeypatch, places, n_copies
):
    """Two papers are read: a copy behind the second would not be in a sample of so many."""
    monkeypatch.setattr(
        sets, "take_held_out", lambda texts, *_, near_copies, **__: held_out(texts, near_copies, 2)
    )
    assert kept_in(take, places) == (2, 2, n_copies)


def held_out(texts, near_copies, n):
    left, n_left_out = leave_out(texts["astro"], near_copies["astro"])
    general = take_papers(texts["general"], what="papers")
    fields = {"astro": take_papers(left, n, what="papers"), "general": general}
    return HeldOut(fields, {"astro": n_left_out, "general": 0}, {})


def test_where_the_bound_ends_the_copies_first_fewer_papers_are_held_beside_them(take, monkeypatch):
    monkeypatch.setattr(sets, "OTHER_TOKENS", 1)  # the first copy only
    assert kept_in(take, [1, 4]) == (4, 3, 1)
    assert kept_in(take, [0, 1]) == (4, 0, 0), "nothing is read of both without a gap"


def test_near_copies_of_general_papers_alone_leave_astronomy_as_it_is(take):
    found = take(near_copies={"astro": [], "general": ["codes-001"]})
    assert found.near_copies is None


def test_later_papers_are_for_the_base_and_their_model(take):
    found = take(later=LaterPapers(Month(2023, 4), "champion", ASTRO))
    assert set(found.samples()["later"].ids) == {"galaxies-004", "galaxies-005"}
    for label, reads in (("base", True), ("champion", True), ("tuned", False)):
        assert ("later" in found.samples_for(label)) == reads
        assert set(found.samples_for(label)) >= {"astro", "general", "far"}


def test_no_paper_after_the_cut_is_no_set(take):
    found = take(later=LaterPapers(Month(2023, 6), "champion", ASTRO))
    assert found.later is None
    assert "later" not in found.samples_for("base")


def test_the_bound_holds_for_every_set(take, tiny_base):
    tokenizer = Tokenizer.load(tiny_base)
    later = LaterPapers(Month(2023, 1), "champion", ASTRO)
    found = take(max_tokens=120, near_copies={"astro": ["galaxies-002"]}, prose=PROSE)
    for sample in found.samples().values():
        n_tokens = sum(map(len, tokenizer.encode_batch(sample.texts)))
        assert 0 < n_tokens <= 120
    assert take(max_tokens=10, prose=PROSE).rings["prose"].ids == ("prose-1",)
    assert len(take(max_tokens=1, later=later).samples()["later"]) == 5, "one of each month"


def test_later_papers_and_other_sets_have_bounds_of_their_own(take, tiny_base, monkeypatch):
    monkeypatch.setattr(sets, "OTHER_TOKENS", 120)
    monkeypatch.setattr(sets, "LATER_TOKENS", 400)
    later = LaterPapers(Month(2023, 4), "champion", MANY)
    copies = {"astro": ASTRO["id"].to_list()[1:], "general": []}
    found = take(later=later, near_copies=copies).samples()
    tokenizer = Tokenizer.load(tiny_base)
    n_tokens = {
        name: sum(map(len, tokenizer.encode_batch(sample.texts))) for name, sample in found.items()
    }
    assert 60 < n_tokens["near_copies"] <= 120 and 200 < n_tokens["later"] <= 400
    assert set(found["near_copies"].ids) <= set(copies["astro"])
    assert found["astro"].ids == ("galaxies-000",)
