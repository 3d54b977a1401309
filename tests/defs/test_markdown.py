"""Text from outside stays inside its cell."""

import re

import pytest

from astro_assets.defs import markdown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (3, "3"),
        (True, "True"),
        ("plain text", "plain text"),
        ("a|b", r"a\|b"),
        ("one\r\ntwo\n\n| x |", r"one two \| x \|"),
        ("`rm`", r"\`rm\`"),
        ("<script>alert(1)</script>", r"&lt;script&gt;alert\(1\)&lt;/script&gt;"),
        ("&lt;", "&amp;lt;"),
        ("[x](javascript:1)", r"\[x\]\(javascript\:1\)"),
        ("https://x.y", r"https\://x\.y"),
        (r"$\alpha_1^{2}$", r"\$\\alpha\_1\^\{2\}\$"),
        ("a\x00b\x1b[31m", r"a b \[31m"),
        ("\u202eevil\u2066", "evil"),
        ("  spaced   out  ", "spaced out"),
    ],
)
def test_a_cell_shows_and_never_obeys(value, shown):
    assert markdown.cell(value) == shown


@pytest.mark.parametrize("text", ["x" * 500, "word " * 100, "\n" * 5000 + "late", "|" * 500])
def test_a_cell_is_bounded(text):
    cell = markdown.cell(text, max_characters=40)
    assert len(re.sub(r"\\(.)", r"\1", cell)) <= 40
    assert "\n" not in cell


def test_a_table_has_one_line_per_row_whatever_is_in_it():
    rows = [{"id": "a|b", "title": "one\ntwo"}, {"id": "c"}]
    assert markdown.table(rows, ["id", "title"]).splitlines() == [
        "| id | title |",
        "| --- | --- |",
        r"| a\|b | one two |",
        "| c |  |",
    ]
    assert len(markdown.table([], ["id"]).splitlines()) == 2
