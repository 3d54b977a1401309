import pytest

from astro_assets.evaluation.completions.sentences import split_sentences


@pytest.mark.parametrize(
    "text",
    [
        "As shown by Smith et al. Dust forms early, cf. Fig. 1 and Figs. 2 and 3.",
        "Some stars, e.g. Vega, i.e. A stars, rotate fast.",
        "The mass is 0.5 solar masses at z = 1.2 in Eq. 3 of Sect. 4.",
        "H. E. S. S. and J. Smith observed it vs. Time.",
        "No stop at the end",
        "See (e.g. Jones 1999) and [cf. Brown].",
    ],
)
def test_one_sentence_stays_one(text):
    assert split_sentences(text) == [text]


@pytest.mark.parametrize(
    ("text", "n_sentences"),
    [
        ("We observe. We conclude.", 2),
        ("Is it dust? It is! $\\alpha$ agrees. \\textit{So} it is.", 4),
        ("The redshift is 2. The mass is low.", 2),
        ("It is seen (see below.) We go on.", 2),
        ("A mass of 3 M$_\\odot$. 12 stars are found.", 2),
        ("", 0),
    ],
)
def test_several_sentences_are_told_apart(text, n_sentences):
    sentences = split_sentences(text)
    assert len(sentences) == n_sentences
    assert " ".join(sentences) == text


def test_a_long_text_without_end_takes_no_time():
    assert len(split_sentences("A. " * 50_000 + "x." * 50_000)) == 1
