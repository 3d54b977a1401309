from astro_assets.evaluation.figures.corpus import papers_and_tokens_per_year

YEARS = {str(year): {"papers": 10 * year, "tokens": 2_500 * year} for year in range(1992, 2027)}


def test_it_is_a_picture_and_the_same_each_time() -> None:
    picture = papers_and_tokens_per_year(YEARS)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture == papers_and_tokens_per_year(YEARS)
    assert len(picture) < 60_000, "it is kept in the metadata of every materialisation"


def test_other_figures_are_another_picture() -> None:
    assert papers_and_tokens_per_year(YEARS) != papers_and_tokens_per_year({"2000": YEARS["2000"]})
