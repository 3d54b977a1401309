"""Two writings of one text are one text to the copies rules as they are to the tokenizer."""

import unicodedata

import pytest

from astro_assets.corpus.texts import clean_abstract
from tests.builders import record
from tests.warehouse.tables import ids_on, release, rows

TEXT = "The Poincaré map of a dusty disk is computed."
WRITINGS = (
    unicodedata.normalize("NFD", TEXT),
    TEXT.replace(" disk", "\n  disk"),
    TEXT.replace(" map", "\u00a0map"),
    TEXT.replace(" map", "\x07map"),
    f"\uffff{TEXT}\ufffe",
    f"  {TEXT}\r\n",
)


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_copy_in_another_writing_is_not_trained_on(writing: str, tmp_path) -> None:
    assert clean_abstract(writing) == TEXT
    (test,), (train,) = ids_on("test", 1), ids_on("train", 1)
    records = [record(test, abstract=TEXT), record(train, abstract=writing)]
    found = rows(release(tmp_path, records))
    assert found[test]["excluded_because"] is None
    assert found[train]["excluded_because"] == "copy_of_test"
