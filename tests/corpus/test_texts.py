import re
import unicodedata
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_assets.corpus.texts import clean_abstract, read_texts


def test_old_and_new_layout_give_one_text():
    old = "  We study $\\Omega_{\\rm m}$\nin the field\nof NGC 1.\n"
    new = "We study $\\Omega_{\\rm m}$ in the field of NGC 1."
    assert clean_abstract(old) == clean_abstract(new) == new


def test_control_characters_part_words():
    assert clean_abstract("dark\x00matter\x1fhalo\x85") == "dark matter halo"


def test_accents_typed_two_ways_are_one_text():
    assert clean_abstract("Poincare\u0301") == clean_abstract("Poincar\u00e9") == "Poincar\u00e9"


def test_tex_is_left_alone():
    text = r"an unbalanced $ and {\it brace, \"o and a 5\,\AA line, 10^{-3}~yr"
    assert clean_abstract(text) == text


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a control space at the end, e.g.\\\n  here", "a control space at the end, e.g.\\ here"),
        ("two lines\\\\\n  of TeX", "two lines\\\\ of TeX"),
        ("50%\n  of stars", "50% of stars"),
        ("high-\nand low-mass", "high- and low-mass"),
        ("page\x0cbreak, line\u2028and\u2029paragraph", "page break, line and paragraph"),
        ("no\u00a0break\u202fat\u3000all", "no break at all"),
        ("zero\u200bwidth, soft\u00adhyphen", "zero\u200bwidth, soft\u00adhyphen"),
        ("\u212b and \u2126", "\u00c5 and \u03a9"),
        ("\ud7a3 \U0001d6fc \u2260 =\u0338", "\ud7a3 \U0001d6fc \u2260 \u2260"),
        ("  \n\r\n ", ""),
    ],
)
def test_what_becomes_of(raw: str, clean: str) -> None:
    assert clean_abstract(raw) == clean


def test_no_character_becomes_a_mark_of_tex() -> None:
    """NFC maps some characters to ASCII (Kelvin's sign to K), but none to these."""
    points = (chr(point) for point in range(0x80, 0x110000) if not 0xD800 <= point <= 0xDFFF)
    changed = [c for c in points if set(unicodedata.normalize("NFC", c)) & set("\\${}%~^_&#")]
    assert changed == []


WORDS = st.one_of(
    st.sampled_from(
        [
            "$\\alpha$",
            "\\",
            "e.g.\\",
            "\\,",
            "{\\it",
            "x}",
            "50%",
            "$z\\sim0.5$",
            "high-",
            "\\\\",
            "10^{-3}~yr",
            "Poincare\u0301",
            "\u00c5",
            "\u661f",
            "\u200b",
            "a",
            "$",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1).filter(
        lambda word: word == word.strip() and not set(word) & {"\ufffe", "\uffff"}
    ),
)
BREAKS = st.sampled_from(
    ["\n", "\n  ", " \n", "\r\n", "\r\n  ", "\x0c", "\t", "\u00a0", "\u2028", "  ", " ", "\n\n"]
)
ENDS = st.sampled_from(["", "  ", "\n", "\r\n", " \n", "\x0c", "\u00a0"])


@given(st.data(), st.lists(WORDS, min_size=1, max_size=40), ENDS, ENDS)
def test_however_lines_are_broken_it_is_one_text(
    data: st.DataObject, words: list[str], before: str, after: str
) -> None:
    new = " ".join(words)
    breaks = data.draw(st.lists(BREAKS, min_size=len(words), max_size=len(words)))
    old = before + "".join(word + br for word, br in zip(words, breaks, strict=True)) + after
    assert clean_abstract(old) == clean_abstract(new)
    kept = [unicodedata.normalize("NFC", word) for word in words]
    assert clean_abstract(new).split(" ") == kept


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")


@given(st.text())
def test_nothing_but_blanks_and_control_characters_is_lost(raw: str) -> None:
    def marks(text: str) -> str:
        return "".join(CONTROL.sub(" ", unicodedata.normalize("NFC", text)).split())

    assert marks(clean_abstract(raw)) == marks(raw)


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_plain_texts_take_the_same_rules(raw: str) -> None:
    """Most texts are done in one step; those steps must say what the rules say."""
    assert clean_abstract(raw) == " ".join(CONTROL.sub(" ", raw).split())


@given(st.text())
def test_cleaning_is_idempotent_and_one_line(raw: str):
    once = clean_abstract(raw)
    assert clean_abstract(once) == once
    assert once == once.strip()
    assert "\n" not in once and "\x00" not in once


def shard(path: Path, rows: list[tuple[str, str, str, str | None]]) -> Path:
    pl.DataFrame(
        {
            "id": [r[0] for r in rows],
            "title": ["T"] * len(rows),
            "categories": ["astro-ph gr-qc"] * len(rows),
            "primary_category": ["astro-ph"] * len(rows),
            "submission_month": ["2020-01"] * len(rows),
            "comments": ["12 pages"] * len(rows),
            "abstract": [r[1] for r in rows],
            "side": [r[2] for r in rows],
            "excluded_because": pl.Series([r[3] for r in rows], dtype=pl.String),
        }
    ).write_parquet(path)
    return path


def test_only_the_asked_side_and_no_excluded_paper(tmp_path: Path):
    path = shard(
        tmp_path / "a.parquet",
        [
            ("2", " second\n", "train", None),
            ("1", "first", "train", None),
            ("3", "withdrawn", "train", "withdrawn"),
            ("4", "held out", "test", None),
        ],
    )
    assert read_texts([path], side="train")["text"].to_list() == ["first", "second"]
    assert read_texts([path], side="test")["id"].to_list() == ["4"]
    assert read_texts([path], side=None)["id"].to_list() == ["1", "2", "4"]


def test_no_shards_is_an_empty_frame_with_the_same_columns(tmp_path: Path):
    path = shard(tmp_path / "a.parquet", [("1", "x", "train", None)])
    assert read_texts([], side="train").columns == read_texts([path], side="train").columns
