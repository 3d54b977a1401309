import polars as pl
import pytest

from astro_assets.corpus.categories import SUBFIELDS
from astro_assets.corpus.fields import FORMER, MEASURED, REPLAYED, role_of
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.forgetting.rings import (
    FAR,
    NEAR,
    REHEARSED,
    RING_WORDS,
    ring_of,
    take_rings,
)
from astro_assets.evaluation.selection import take_papers
from tests.evaluation.planted import papers


@pytest.mark.parametrize(
    ("categories", "ring"),
    [
        ("cs.LG stat.ML", "far"),
        ("q-bio.NC", "far"),
        ("eess.SP cs.IT", "far"),
        ("gr-qc", "near"),
        ("hep-ph hep-ex nucl-th", "near"),
        ("physics.space-ph physics.plasm-ph", "near"),
        ("math.AG math-ph", "rehearsed"),
        ("econ.EM q-fin.ST nlin.CD", "rehearsed"),
        # One category of elsewhere is enough to belong nowhere.
        ("cs.IT math.IT", None),
        ("gr-qc math-ph", None),
        ("gr-qc astro-ph.CO", None),
        ("cs.LG physics.data-an", None),
        ("physics.optics", None),
        ("physics", None),
        ("quant-ph", None),
        ("cond-mat.str-el", None),
        ("hep.ph", None),
        ("space-ph", None),
        ("", None),
    ],
)
def test_all_categories_of_a_paper_must_be_of_one_ring(categories: str, ring: str | None) -> None:
    assert ring_of(categories) == ring


@pytest.mark.parametrize(
    ("former", "ring"),
    [("cmp-lg", "far"), ("alg-geom dg-ga", "rehearsed"), ("chao-dyn", "rehearsed"),
     ("plasm-ph", "near"), ("plasm-ph physics.plasm-ph hep-ph", "near"), ("ao-sci", None),
     ("supr-con", None), ("bayes-an", None)],
)  # fmt: skip
def test_closed_archives_count_as_those_that_took_them_in(former: str, ring: str | None) -> None:
    assert ring_of(former) == ring


def test_no_recipe_can_replay_what_promotion_reads() -> None:
    assert set(FAR) <= set(MEASURED)
    assert set(REHEARSED) <= set(REPLAYED)
    assert not set(FAR) & set(REHEARSED) and not set(NEAR) & set((*FAR, *REHEARSED))
    for archive in (*MEASURED, *REPLAYED, *FORMER):
        if ring_of(archive) == "far":
            assert role_of(archive) == "measured"


def test_astronomy_is_in_no_ring() -> None:
    assert {ring_of(subfield) for subfield in SUBFIELDS} == {None}


@pytest.fixture
def general() -> pl.DataFrame:
    return pl.concat(
        [
            papers(9, word="compilers", categories="cs.PL"),
            papers(6, word="horizons", categories="gr-qc hep-th"),
            papers(5, word="groups", categories="math.GR"),
            papers(4, word="lasers", categories="physics.optics"),
            papers(3, word="codes", categories="cs.IT math.IT"),
        ]
    )


def test_every_ring_holds_its_papers_in_sampling_order(general, tiny_base) -> None:
    rings = take_rings(general, Tokenizer.load(tiny_base), max_tokens=10**6, near_copies=None)
    assert {name: len(sample) for name, sample in rings.items()} == {
        "far": 9,
        "near": 6,
        "rehearsed": 5,
    }
    assert list(rings) == [name for name in RING_WORDS if name in rings]
    far = general.filter(pl.col("id").str.starts_with("compilers"))
    assert rings["far"].ids == take_papers(far, what="papers").ids


def test_the_cap_and_near_copies_hold_for_each_ring(general, tiny_base) -> None:
    tokenizer = Tokenizer.load(tiny_base)
    whole = take_rings(general, tokenizer, max_tokens=10**6, near_copies=None)
    some = take_rings(general, tokenizer, max_tokens=200, near_copies=None)
    for name, sample in some.items():
        assert 1 <= len(sample) < len(whole[name])
        assert sample.ids == whole[name].ids[: len(sample)]
        assert sum(map(len, tokenizer.encode_batch(sample.texts))) <= 200
    copies = {*whole["far"].ids[:2], *whole["near"].ids}
    left = take_rings(general, tokenizer, max_tokens=10**6, near_copies=copies)
    assert left["far"].ids == whole["far"].ids[2:]
    assert "near" not in left  # a ring without papers is absent
    assert left["rehearsed"] == whole["rehearsed"]


def test_papers_without_categories_and_no_papers_at_all_give_no_ring(tiny_base) -> None:
    tokenizer = Tokenizer.load(tiny_base)
    nameless = papers(2).with_columns(pl.lit(None, dtype=pl.String).alias("categories"))
    for table in (nameless, papers(2).clear()):
        assert take_rings(table, tokenizer, max_tokens=1_000, near_copies=None) == {}
