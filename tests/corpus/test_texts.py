from pathlib import Path

import polars as pl
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
            "primary_category": ["astro-ph"] * len(rows),
            "submission_month": ["2020-01"] * len(rows),
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


def test_no_shards_is_an_empty_frame_with_the_same_columns(tmp_path: Path):
    path = shard(tmp_path / "a.parquet", [("1", "x", "train", None)])
    assert read_texts([], side="train").columns == read_texts([path], side="train").columns
