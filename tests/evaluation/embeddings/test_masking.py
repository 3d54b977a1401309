import polars as pl
import pytest

from astro_assets.evaluation.embeddings.masking import STOP_WORDS, content_words, fold, mask_shared


@pytest.mark.parametrize(
    "one, other",
    [
        ("galaxy", "Galaxies"),
        ("star", "STARS"),
        ("mass", "masses"),
        ("phase", "phases"),
        ("flux", "fluxes"),
        ("lens", "lenses"),
        ("bias", "biases"),
        ("gas", "gases"),
        ("analysis", "analyses"),
        ("radius", "radii"),
        ("spectrum", "spectra"),
        ("supernova", "supernovae"),
        ("survey", "surveys"),
        ("branch", "branches"),
        ("Hubble", "Hubble's"),
        ("Poincaré", r"Poincar\'e"),
        ("Poincaré", r"Poincar\'{e}"),
        ("Poincaré", r"Poincar{\'e}"),
        ("alpha", r"$\alpha$"),
        ("phi", r"\varphi"),
    ],
)
def test_words_that_meet(one, other):
    assert fold(one) == fold(other) is not None


@pytest.mark.parametrize("one, other", [("star", "start"), ("plane", "plan"), ("nova", "novel")])
def test_words_that_do_not_meet(one, other):
    assert fold(one) != fold(other)


def test_stop_words_and_letters_are_no_words_of_a_subject():
    assert content_words("The x of a and the 5 in {M}") == []
    assert "galaxi" not in STOP_WORDS


@pytest.mark.parametrize(
    "title, abstract, masked",
    [
        ("Red giants", "Of red giants, one is a Giant (red).", "Of, one is a ()."),
        ("Mid-infrared halos", "A mid-infrared view; mid-plane halo.", "A view; -plane."),
        (r"{\it Spitzer} images", r"With {\it Spitzer} we see it.", r"With {\it } we see it."),
        (r"The $\alpha$ rate", r"H$\alpha$emission at $\alpha_2 < 3$.", r"H emission at $_2 < 3$."),
        ("NGC 1068 at z=0.5", r"NGC 1068 has $z=0.5$ and 0.55.", "has $z=$ and 0.55."),
        ("Nothing shared", "The galaxy rotates.", "The galaxy rotates."),
        ("", "All of it stays.", "All of it stays."),
        ("We are here", "We are here.", "We are here."),
        ("All of it goes: galaxies", "Galaxies", ""),
    ],
)
def test_masked_by_hand(title, abstract, masked):
    assert mask_shared(title, abstract) == masked


def test_only_shared_words_go_and_none_is_made(shared):
    """On texts in arXiv's own writing, TeX and all."""
    import json

    lines = (shared / "data" / "kaggle_shape_arxivraw_1000.jsonl").read_text().splitlines()
    records = pl.DataFrame([json.loads(line) for line in lines[:400]])
    n_masked = 0
    for title, abstract in records.select("title", "abstract").iter_rows():
        own, before = set(content_words(title)), content_words(abstract)
        after = content_words(mask_shared(title, abstract))
        assert after == [word for word in before if word not in own]
        n_masked += len(before) - len(after)
    assert n_masked > 1_000
