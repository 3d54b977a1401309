"""What the completions' section says of intervals, differences and counts."""

from astro_assets.evaluation.pages.blocks import Continuation, Table
from astro_assets.evaluation.pages.sections.completions import completion_blocks
from tests.evaluation.pages.reports import completion_report


def tables(report):
    return [block for block in completion_blocks(report) if isinstance(block, Table)]


def cells(table, name):
    """The cells of the row of that name, each with its small print."""
    (found,) = [row for row in table.rows if row[0].text == name]
    return [f"{cell.text} {cell.small}".strip().replace("\u202f", " ") for cell in found[1:]]


def full():
    report = completion_report()
    report["measures"]["gpt-x"] |= {"n": 3, "n_numbers": 9}
    for writer, found in report["measures"].items():
        found["interval"] = None if writer == "gpt-x" else {
            "repeated_4grams": [0.05, 0.45], "mean_words": [70.0, 90.0], "rouge_l": None,
        }  # fmt: skip
    one = {"value": -0.19, "low": -0.25, "high": -0.13}
    report["differences"] = {
        "tuned_minus_base": {"repeated_4grams": one, "new_numbers": None, "rouge_l": one},
        "tuned_minus_truth": {"repeated_4grams": one, "new_numbers": one, "rouge_l": None},
    }
    return report


def test_every_writer_has_its_own_counts():
    measures = tables(full())[0]
    assert measures.head == ("Measure", "base", "tuned", "gpt-x", "authors")
    assert cells(measures, "Texts") == ["32", "32", "3", "32"]
    assert cells(measures, "Numbers in them") == ["210", "210", "9", "210"]
    assert "32" not in measures.caption and "interval" not in {row[0].text for row in measures.rows}


def test_intervals_stand_below_the_measures_where_there_are_any():
    measures = tables(full())[0]
    assert cells(measures, "Word 4-grams that repeat")[0] == "31.0 % 5.0 to 45.0"
    assert cells(measures, "Word 4-grams that repeat")[2] == "2.0 %"
    assert cells(measures, "Words, mean")[1] == "81 70 to 90"
    assert cells(measures, "ROUGE-L with the authors")[0] == "0.11"


def test_differences_are_told_with_their_intervals():
    _, found = tables(full())
    assert found.head == ("Measure", "tuned − base", "tuned − authors")
    assert cells(found, "Word 4-grams that repeat")[0] == "−19.0 % −25.0 to −13.0"
    assert cells(found, "Numbers not in the prompt") == ["–", "−19.0 % −25.0 to −13.0"]
    assert cells(found, "ROUGE-L with the authors") == ["−0.190 −0.250 to −0.130", "–"]


def test_a_report_without_differences_has_no_such_table():
    report = full()
    for none in (None, {"tuned_minus_base": None, "tuned_minus_truth": None}):
        assert len(tables(report | {"differences": none})) == 1


def test_the_champion_is_a_writer_like_the_others():
    report = full()
    report["measures"]["champion"] = dict(report["measures"]["tuned"])
    one = {"value": 0.02, "low": -0.01, "high": 0.05}
    report["differences"]["tuned_minus_champion"] = {"repeated_4grams": one}
    for item in report["items"]:
        item["completions"]["champion"] = ["Of the champion."]
    measures, differences = tables(report)
    assert measures.head == ("Measure", "base", "tuned", "champion", "gpt-x", "authors")
    assert differences.head == ("Measure", "tuned − base", "tuned − champion", "tuned − authors")
    first = next(b for b in completion_blocks(report) if isinstance(b, Continuation))
    assert [one.kind for one in first.passages] == [
        "dot base", "dot tuned", "dot champion", "other", "truth",
    ]  # fmt: skip
