from typing import Any

from astro_assets.evaluation.pages.blocks import Block, Table, Words
from astro_assets.evaluation.pages.sections.retrieval import retrieval_blocks
from astro_assets.evaluation.pages.sections.similarity import similarity_blocks
from tests.evaluation.pages.embedding_content import embedding_report, with_vectors
from tests.evaluation.pages.reports import reports_from_before


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
    assert subfield.rows[0][2].small == "0.200 to 0.240"


def test_subfields_have_a_sentence_for_each_of_their_two_figures() -> None:
    said = words(retrieval_blocks(embedding_report()))
    assert said.count("tuned minus base over the same papers") == 2
    ends = [f"+{end}\u202f%" for end in ("19.0", "15.0", "23.0")]
    assert f"Nearest ten agree, tuned minus base over the same papers: {ends[0]} (95 %: " in said
    assert f"{ends[0]} (95 %: {ends[1]} to {ends[2]}) raw, +25.0" in said
    average = "Mean average precision, tuned minus base over the same papers: +0.190 (95 %: +0.150"
    assert average in said


def test_reports_from_before_have_no_interval_of_the_precision_and_no_such_sentence() -> None:
    report = embedding_report()
    for view in (report["retrieval"], report["retrieval"]["centred"]):
        del view["tuned_minus_base"]["subfield"]
        for figures in view["subfield"].values():
            del figures["map_interval"]
        for figures in view["comments"].values():
            del figures["n_queries"]
    subfield = tables(report)[4]
    assert [cells[2].small for cells in subfield.rows] == [""] * 3
    assert "over the same papers" not in words(retrieval_blocks(report))
    assert retrieval_blocks(reports_from_before()["embeddings"])


def comments(report: dict[str, Any]) -> Table:
    (raw,) = [one for one in tables(report) if "comments" in one.caption and not one.folded]
    return raw


def test_below_eight_queries_figures_stand_alone() -> None:
    """Seven queries; and a report from before, that has intervals over two pairs."""
    few = "Fewer than 8 queries: too few for an interval, a difference, or a best one."
    enough = embedding_report()
    assert few not in words(retrieval_blocks(enough))
    assert any(cell.kind == "best" for cells in comments(enough).rows for cell in cells)
    for counts in ({"n_queries": 7, "n_pairs": 12, "interval": None}, {"n_pairs": 2}):
        report = embedding_report()
        for view in (report["retrieval"], report["retrieval"]["centred"]):
            for figures in view["comments"].values():
                del figures["n_queries"]
                figures |= counts
        table = comments(report)
        cells = [cell for row in table.rows for cell in row]
        assert not any(cell.kind == "best" for cell in cells)
        assert not any(cell.small for row in table.rows for cell in row[1:])
        assert table.rows[0][1].text == "12.0\u202f%" and table.rows[0][2].text == "0.060"
        assert table.rows[0][-1].text == str(counts["n_pairs"])
        said = words(retrieval_blocks(report))
        assert said.count(few) == 1
        assert said.count("tuned minus base over the same queries") == 2, "of the titles' tasks"
        others = [one for one in tables(report) if "comments" not in one.caption]
        assert all(any(c.kind == "best" for r in one.rows for c in r) for one in others)


def test_a_file_of_vectors_is_a_space_where_abstracts_are_enough() -> None:
    for one in tables(with_vectors("a <b>file</b>")):
        names = [cells[0].text for cells in one.rows]
        is_asked = not one.folded and ("subfield" in one.caption or "comments" in one.caption)
        assert ("a <b>file</b>" in names) == is_asked
        assert not is_asked or names[2] == "a <b>file</b>", "behind the models"


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
