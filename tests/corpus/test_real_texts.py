"""What cleaning does to 75,000 real abstracts: their layout goes, their TeX stays."""

import re
import unicodedata
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import msgspec
import pytest

from astro_assets.corpus.texts import clean_abstract
from tests.builders import record
from tests.warehouse.test_staging import staged

pytestmark = pytest.mark.slow

COMMAND = re.compile(r"\\(?:[A-Za-z]+|\S|(?=\s|$))")
"""A command of letters, one of a sign, or a control space."""
MARKS = "$\\{}%^_~&#"


@pytest.fixture(scope="module")
def abstracts(shared: Path) -> list[str]:
    with zipfile.ZipFile(shared / "data" / "arxiv-sample.zip") as archive:
        (name,) = archive.namelist()
        return [msgspec.json.decode(line)["abstract"] for line in archive.open(name)]


def in_old_layout(text: str, width: int = 78) -> str:
    """Return one line as arXiv used to break it: two blanks first, at most 78 columns."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "  " + "\n".join([*lines, line]) + "\n"


def test_tex_is_neither_lost_nor_added(abstracts: list[str]) -> None:
    for raw in abstracts:
        clean = clean_abstract(raw)
        assert clean_abstract(clean) == clean
        assert COMMAND.findall(clean) == COMMAND.findall(raw), raw
        assert [clean.count(mark) for mark in MARKS] == [raw.count(mark) for mark in MARKS]
        wanted = re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", unicodedata.normalize("NFC", raw))
        assert clean.split(" ") == wanted.split() or not clean


def test_both_layouts_of_a_text_are_one(abstracts: list[str]) -> None:
    n_broken = 0
    for raw in abstracts:
        clean = clean_abstract(raw)
        old = in_old_layout(clean)
        n_broken += old.count("\n") > 1
        assert clean_abstract(old) == clean
        assert clean_abstract(old.replace("\n", "\r\n  ")) == clean
    assert n_broken > 70_000


def test_equal_hashes_mean_equal_clean_texts(abstracts: list[str]) -> None:
    """Copies among real texts, and every fourth one in another layout."""
    chosen = abstracts[::4]
    texts = [*chosen, *(in_old_layout(clean_abstract(raw)) for raw in chosen)]
    rows = staged(*(record(f"23{n // 90_000 + 1:02d}.{n % 90_000:05d}", abstract=raw)
                    for n, raw in enumerate(texts)))  # fmt: skip
    clean: dict[str | None, set[str]] = defaultdict(set)
    n_texts: Counter[str | None] = Counter()
    for row in rows:
        clean[row["text_sha256"]].add(clean_abstract(row["abstract"]))
        n_texts[row["text_sha256"]] += 1
    assert all(len(found) == 1 for found in clean.values())
    assert sum(n > 1 for n in n_texts.values()) == len(n_texts)
