import polars as pl
import pytest

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.perplexity.forward import LaterPapers
from astro_assets.evaluation.perplexity.sets import take_sets
from astro_assets.evaluation.samples import Sample
from astro_assets.months import Month
from tests.evaluation.planted import papers

ASTRO = papers(6, categories="astro-ph.GA").with_columns(
    submission_month=pl.Series([f"2023-0{number}" for number in range(1, 7)])
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
    sets = take()
    assert list(sets.samples()) == ["astro", "general", "far"]
    assert sets.with_near_copies is sets.later is sets.near_copies_left_out is None
    assert sets.general["n_measured_papers"] == 8


def test_near_copies_go_from_fields_and_rings_and_stay_in_one_set(take):
    sets = take(near_copies={"astro": ["galaxies-002"], "general": ["codes-001"]})
    assert len(sets.fields["astro"]) == 5
    assert sets.with_near_copies is not None and len(sets.with_near_copies) == 6
    assert set(sets.rings["far"].ids) == {"codes-000", "codes-002"}
    assert sets.near_copies_left_out == {"astro": 1, "general": 1}


def test_near_copies_of_general_papers_alone_leave_astronomy_as_it_is(take):
    sets = take(near_copies={"astro": [], "general": ["codes-001"]})
    assert sets.with_near_copies is None


def test_later_papers_are_for_the_base_and_their_model(take):
    sets = take(later=LaterPapers(Month(2023, 4), "champion", ASTRO))
    assert set(sets.samples()["later"].ids) == {"galaxies-004", "galaxies-005"}
    for label, reads in (("base", True), ("champion", True), ("tuned", False)):
        assert ("later" in sets.samples_for(label)) == reads
        assert set(sets.samples_for(label)) >= {"astro", "general", "far"}


def test_no_paper_after_the_cut_is_no_set(take):
    sets = take(later=LaterPapers(Month(2023, 6), "champion", ASTRO))
    assert sets.later is None
    assert "later" not in sets.samples_for("base")


def test_the_bound_holds_for_every_set(take, tiny_base):
    tokenizer = Tokenizer.load(tiny_base)
    later = LaterPapers(Month(2023, 1), "champion", ASTRO)
    sets = take(max_tokens=120, near_copies={"astro": ["galaxies-002"]}, prose=PROSE)
    for sample in sets.samples().values():
        n_tokens = sum(map(len, tokenizer.encode_batch(sample.texts)))
        assert 0 < n_tokens <= 120
    assert take(max_tokens=10, prose=PROSE).rings["prose"].ids == ("prose-1",)
    assert len(take(max_tokens=1, later=later).samples()["later"]) == 5, "one of each month"
