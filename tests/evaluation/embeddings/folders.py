"""Small folders of vectors, as ``build_embeddings`` leaves them, with chosen vectors."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from astro_assets.evaluation.embeddings.folder import IDS, PAPERS, EmbeddingsFolder, file_name

Arrays = Mapping[str, Any]


def paper(id: str, **fields: Any) -> dict[str, Any]:
    """One row of papers.parquet, any of it overridden."""
    return {
        "id": id,
        "title": f"On {id}",
        "submission_month": "2023-07",
        "categories": "astro-ph.GA",
        "subfield": "astro-ph.GA",
        "comments": None,
        "text": f"We study {id}.",
        "masked": "We study.",
    } | fields


def write_folder(
    path: Path, papers: Sequence[dict[str, Any]], spaces: Mapping[str, Arrays], *, n_extra: int = 0
) -> EmbeddingsFolder:
    """Write papers and, per space, arrays by kind; labels first, ``vectors``, ``baseline`` last."""
    path.mkdir(parents=True)
    columns = dict.fromkeys(paper("any"), pl.String)
    pl.DataFrame(list(papers), schema=columns).write_parquet(path / PAPERS)
    n_train = 0
    for space, arrays in spaces.items():
        for kind, vectors in arrays.items():
            array = np.asarray(vectors, dtype=np.float32)
            np.save(path / file_name(space, kind), array, allow_pickle=False)
            n_train = len(array) if kind == "train" else n_train
    about = {
        "labels": [space for space in spaces if space not in ("vectors", "baseline")],
        "baseline": "planted",
        **({"vectors": "ada-002"} if "vectors" in spaces else {}),
        "n_figure": len(papers) - n_extra,
        "n_extra": n_extra,
        "n_train": n_train,
    }
    (path / IDS).write_text(json.dumps(about))
    return EmbeddingsFolder.open(path)
