"""The held-out documents of a training, in one file: the first that the perplexity report reads.

The report takes its papers the same way, but more of them: a training stops at its recipe's
``heldout_tokens``. So its held-out curve ends at the report's numbers only where that bound holds
all that the report reads; else at those of the report's first papers. What does not belong here:
which papers are taken (selection), and reading the file (training).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.corpus.categories import SUBFIELDS
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from astro_assets.evaluation.perplexity.scores import windows_of
from astro_assets.evaluation.selection import take_held_out

_OTHER = "astro-ph.other"
_NAMED = SUBFIELDS[:-1]


def write_heldout(
    out: Path,
    *,
    texts: Mapping[str, pl.DataFrame],
    tokenizer: Tokenizer,
    max_tokens: int,
    max_positions: int,
    near_copies: Mapping[str, Collection[str]] | None,
) -> dict[str, Any]:
    """Write the documents of the per-document measure as one ``.npz``, whole or not at all.

    Its arrays, none of them pickled: ``tokens`` int32, [BOS] and text of every document end to end;
    ``offsets`` int64 (n + 1,); ``field`` unicode (n,), ``astro`` or ``general``; ``subfield``
    unicode (n,), a paper's first astro-ph category, "" for general. A text longer than the model's
    context stands as several documents, as the report reads it, each with a fresh [BOS]. Equal
    arguments give equal bytes.

    Args:
        out: The file.
        texts: Per field (``astro``, ``general``) the test papers: columns id, title, text,
            categories.
        tokenizer: The base's.
        max_tokens: Text tokens of astronomy at most; of general papers ``OTHER_TOKENS`` of them.
        max_positions: The base's context.
        near_copies: Per field the ids of papers to leave out; None leaves none out.

    Returns:
        ``sha256`` of the file; ``fields``: per field its papers, documents, text tokens and UTF-8
        bytes; ``subfields``: papers of each; ``near_copies_left_out``; ``general_fields``.

    Raises:
        EmptyCorpusError: a field has no test paper.
        BadModelError: the tokenizer makes no tokens of them.
    """
    chosen = take_held_out(texts, tokenizer, max_tokens=max_tokens, near_copies=near_copies)
    windows: list[list[int]] = []
    field_of: list[str] = []
    subfield_of: list[str] = []
    facts: dict[str, Any] = {"fields": {}, "subfields": {}}
    for field, sample in chosen.samples.items():
        subfields = _subfields(texts[field], sample.ids) if field == "astro" else [""] * len(sample)
        n_before = len(windows)
        for ids, subfield in zip(tokenizer.encode_batch(sample.texts), subfields, strict=True):
            cut = windows_of(ids, bos_id=tokenizer.bos_id, max_positions=max_positions)
            windows += cut
            subfield_of += [subfield] * len(cut)
        own = windows[n_before:]
        if not own:
            raise BadModelError(f"The tokenizer makes no tokens of the {field} test papers.")
        field_of += [field] * len(own)
        facts["fields"][field] = {
            "n_papers": len(sample),
            "n_documents": len(own),
            "n_tokens": sum(map(len, own)) - len(own),
            "n_bytes": sum(sample.n_bytes),
        }
        if field == "astro":
            facts["subfields"] = dict(sorted(Counter(subfields).items()))
    _write(out, windows, field_of, subfield_of)
    return facts | {
        "sha256": fingerprint.of_file(out),
        "near_copies_left_out": chosen.near_copies_left_out,
        "general_fields": chosen.general,
    }


def first_subfield(categories: str) -> str:
    """Return the first astro-ph category of a blank-separated list; "" where there is none.

    A category that arXiv did not have when this was written is called ``astro-ph.other``: names
    become those of metrics.

    >>> first_subfield("gr-qc astro-ph.HE astro-ph.CO"), first_subfield("astro-ph.ZZ")
    ('astro-ph.HE', 'astro-ph.other')
    """
    for category in categories.split():
        if category in _NAMED:
            return category
        if category.startswith("astro-ph."):
            return _OTHER
    return ""


def _subfields(papers: pl.DataFrame, ids: Collection[str]) -> list[str]:
    listed = dict(zip(papers["id"], papers["categories"], strict=True))
    return [first_subfield(listed[paper] or "") for paper in ids]


def _write(
    out: Path, windows: list[list[int]], field_of: list[str], subfield_of: list[str]
) -> None:
    lengths = [len(window) for window in windows]
    with atomic.replacing(out) as temporary, temporary.open("wb") as handle:
        np.savez(
            handle,
            tokens=np.concatenate([np.asarray(window, dtype=np.int32) for window in windows]),
            offsets=np.cumsum([0, *lengths], dtype=np.int64),
            field=np.asarray(field_of),
            subfield=np.asarray(subfield_of),
        )
