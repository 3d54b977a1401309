from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.defs import judges


def _updates(**counts: int) -> Manifest:
    return Manifest(
        "arxiv_updates", "2026-06", "k", "f", ".", counts, {}, {"missing": []}, {}, {}, "1", ""
    )


def test_papers_that_arxiv_lists_and_cannot_give_are_a_warning(tmp_path):
    store = Store(Home(tmp_path))
    assert judges.all_readable(_updates(n_unreadable=0), store).passed
    verdict = judges.all_readable(_updates(n_unreadable=2), store)
    assert not verdict.passed and "2 papers" in verdict.said
    assert verdict.figures == {"n_unreadable": 2}


def test_pages_a_harvested_snapshot_lacks_are_a_warning(tmp_path):
    store = Store(Home(tmp_path))
    assert judges.all_readable(_updates(n_unreadable=0, n_left_out=0), store).passed
    verdict = judges.all_readable(_updates(n_unreadable=0, n_left_out=3), store)
    assert not verdict.passed and "lacks 3 pages" in verdict.said
    assert judges.all_readable(_updates(n_lines=5), store).passed  # a file: nothing was harvested
