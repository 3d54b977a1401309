"""Searching the vectors of a folder: the abstracts nearest to a text or to another paper.

Nearness is the cosine after the mean of train abstracts is taken off: without that every paper lies
within a few degrees of every query, and long or odd texts, far from the mean, come out near to
all. What does not belong here: measuring whether what is found is right (quality).
"""

from __future__ import annotations

import gc
from dataclasses import dataclass

import numpy as np

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError, BadSettingError
from astro_assets.evaluation.embeddings.cosines import CENTRED, RAW, cosine_blocks, mean_of
from astro_assets.evaluation.embeddings.folder import EmbeddingsFolder, Vectors
from astro_assets.evaluation.embeddings.vectors import embed
from astro_assets.models.handle import ModelHandle

MAX_FOUND = 1_000
MAX_CHARACTERS = 20_000
"""Of a query: several abstracts long; what the model's context does not hold is cut as well."""


@dataclass(frozen=True)
class Found:
    """One paper that a search found."""

    rank: int
    """1 is the nearest."""
    id: str
    """arXiv id."""
    title: str
    """As arXiv has it, TeX and all; from outside."""
    submission_month: str | None
    """YYYY-MM of its first version."""
    similarity: float
    """Cosine with the query after the train mean is off, -1 to 1."""


def search(
    folder: EmbeddingsFolder,
    query: Vectors,
    *,
    space: str,
    k: int,
    without: str | None = None,
) -> list[Found]:
    """Return the k papers nearest to a query, near to far; equally near ones in the folder's order.

    Args:
        folder: What is searched, all its papers.
        query: (d,) vector of the same space.
        space: One of the folder's.
        k: How many at most, 1 to 1,000.
        without: Id of a paper that is not to be found: the query itself.

    Raises:
        BadSettingError: k is out of bounds.
        BadModelError: the query is of another width than the vectors.
        DamagedArtifactError: an array is not what the folder says.
    """
    if not 1 <= k <= MAX_FOUND:
        raise BadSettingError(
            f"{k} papers cannot be asked for.", expected=f"a number from 1 to {MAX_FOUND:,}."
        )
    abstracts = folder.vectors(space, "abstracts")
    if abstracts is None or query.shape != abstracts.shape[1:]:
        raise BadModelError(
            f"The query has {query.shape} numbers.",
            expected=f"as many as the vectors of {space}: {folder.path}.",
            do="Materialise embeddings of this release again.",
        )
    mean = mean_of(folder.vectors(space, "train"))
    # The abstracts take the queries' side: it is read in blocks, the other is copied whole.
    view = RAW if mean is None else CENTRED
    blocks = cosine_blocks(abstracts, query[None], mean)
    near = np.concatenate([block.views[view] for block in blocks])[:, 0]
    ids = folder.papers["id"].to_list()
    order = [int(row) for row in np.argsort(-near, kind="stable") if ids[row] != without][:k]
    papers = folder.papers[order].select("id", "title", "submission_month").rows()
    return [
        Found(rank, paper, title, month, similarity=float(near[row]))
        for rank, (row, (paper, title, month)) in enumerate(
            zip(order, papers, strict=True), start=1
        )
    ]


def embed_query(handle: ModelHandle, text: str) -> Vectors:
    """Load a model and return the (d,) vector of one text, made as the abstracts' are.

    Args:
        handle: The model whose space is searched.
        text: Clean text; what lies behind 20,000 characters, or the model's context, is cut.

    Raises:
        BadSettingError: the text has no token.
        BadModelError: the model cannot be loaded, or its hidden states are not finite.
    """
    tokenizer = Tokenizer.load(handle.base_folder)
    ids = tokenizer.encode_batch([text[:MAX_CHARACTERS]])
    if not ids[0]:
        raise BadSettingError("There is nothing to search for.", expected="a text or an arXiv id.")
    model = handle.load()
    vector: Vectors = embed(model, ids, bos_id=tokenizer.bos_id)[0]
    del model
    gc.collect()
    return vector
