from typing import Any

from astro_assets.evaluation.pages.blocks import Block, Table, Words
from astro_assets.evaluation.pages.sections.retrieval import retrieval_blocks
from astro_assets.evaluation.pages.sections.similarity import similarity_blocks
from tests.evaluation.pages.embedding_content import embedding_report


def words(blocks: list[Block]) -> str:
    return "\n".join(block.text for block in blocks if isinstance(block, Words))


def tables(report: dict[str, Any]) -> list[Table]:
    return [block for block in retrieval_blocks(report) if isinstance(block, Table)]


def test_every_raw_table_is_followed_by_its_centred_one_folded() -> None:
    shown = tables(embedding_report())
    assert [bool(one.folded) for one in shown] == [False, True] * 4
    for raw, centred in zip(shown[::2], shown[1::2], strict=True):
        assert raw.caption.split(";")[0] == centred.caption.split(";")[0]
        assert centred.folded.startswith("With the mean of train abstracts taken off: ")
    raw, centred = shown[:2]
    assert raw.rows[1][3].text == "0.360" and centred.rows[1][3].text == "0.460"


def test_a_report_without_centred_figures_has_the_raw_tables_alone() -> None:
    report = embedding_report()
    del report["retrieval"]["centred"], report["retrieval"]["tuned_minus_base"]
    assert [one.folded for one in tables(report)] == [""] * 4
    assert "tuned minus base" not in words(retrieval_blocks(report))


def test_by_meaning_says_among_how_many_and_what_chance_is() -> None:
    masked = tables(embedding_report())[0]
    assert "by meaning, among abstracts that share no word with it" in masked.caption
    assert masked.caption.endswith("a random order has a mean recip. rank of 0.018")
    assert masked.head[-1] == "Ranked, on average" and masked.rows[0][-1].text == "331"
    assert "BM25" not in [cells[0].text for cells in masked.rows]
    assert "BM25 is chance by design and left out" in words(retrieval_blocks(embedding_report()))


def test_tuned_minus_base_is_one_line_per_task() -> None:
    said = words(retrieval_blocks(embedding_report()))
    assert said.count("tuned minus base over the same queries") == 3
    assert "+0.190 (95 %: +0.150 to +0.230) raw, +0.250 (95 %: +0.210 to +0.290)" in said


def test_the_accuracy_of_subfields_has_its_interval() -> None:
    subfield = tables(embedding_report())[4]
    assert "subfield" in subfield.caption and subfield.rows[0][1].small == "38.0 to 46.0"


def test_cut_abstracts_are_told_where_there_are_any() -> None:
    report = embedding_report()
    assert "were cut" not in words(similarity_blocks(report))
    told = words(similarity_blocks(report | {"n_cut": {"tuned": 1_234, "base": 7, "champion": 0}}))
    assert "longer than a model’s context were cut to it: 7 by base, 1,234 by tuned." in told


def test_the_champion_is_a_space_and_has_its_own_difference() -> None:
    report = embedding_report()
    retrieval = report["retrieval"]
    for view in (retrieval, retrieval["centred"]):
        view["title"]["champion"] = dict(view["title"]["tuned"])
        view["tuned_minus_champion"] = {"title": {"mrr": 0.01, "low": -0.02, "high": 0.04, "n": 9}}
    said = words(retrieval_blocks(report))
    assert said.count("tuned minus champion over the same queries") == 1
    assert "+0.010 (95 %: −0.020 to +0.040) raw" in said
    (title,) = [one for one in tables(report) if "nothing masked" in one.caption and not one.folded]
    names = [cells[0].text for cells in title.rows]
    assert names[:3] == ["base", "tuned", "champion"] and names[-1] == "BM25"
