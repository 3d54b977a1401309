"""Held-out documents a training is measured on while it runs, and the measure itself.

Token-weighted, per document with a fresh [BOS], on text tokens: the measure of the perplexity
report, on the same first documents. What does not belong here: which documents are held out
(``evaluation``), and when to measure (``measuring``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from astro_assets.errors import DamagedArtifactError
from astro_assets.models.scoring import score_sequences
from astro_assets.training import distributed

_ARRAYS = ("tokens", "offsets", "field", "subfield")


@dataclass(frozen=True)
class Heldout:
    """Documents as token ids, each with the groups it counts for."""

    documents: tuple[NDArray[np.int64], ...]
    """Each (n,): [BOS] and the text's tokens."""
    field: tuple[str, ...]
    """``astro`` or ``general``, per document."""
    subfield: tuple[str, ...]
    """Such as ``astro-ph.GA``; empty where a document has none."""

    def __len__(self) -> int:
        return len(self.documents)

    def groups(self) -> dict[str, NDArray[np.bool_]]:
        """Return group -> which documents count for it: fields first, then subfields by name."""
        fields, subfields = np.array(self.field), np.array(self.subfield)
        named = [(name, fields == name) for name in ("astro", "general")]
        named += [(str(name), subfields == name) for name in sorted(set(self.subfield) - {""})]
        return {name: chosen for name, chosen in named if chosen.any()}


@dataclass(frozen=True)
class Measurement:
    """What a model under training finds held-out documents worth."""

    step: int
    n_tokens: int
    """Training tokens seen so far."""
    epoch: float
    """Passes over the astro training blocks so far."""
    nll_nats_per_token: dict[str, float]
    """Group -> mean over its tokens: ``astro``, ``general``, and subfields."""
    n_tokens_measured: dict[str, int]
    """Group -> tokens the mean is over."""


def read_heldout(path: Path) -> Heldout:
    """Read documents from an npz: flat ``tokens``, ``offsets`` (n + 1), ``field``, ``subfield``.

    Raises:
        DamagedArtifactError: the file is not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            tokens, offsets, fields, subfields = (arrays[name] for name in _ARRAYS)
        cuts = [int(cut) for cut in offsets[1:-1]]
        documents = tuple(part.astype(np.int64) for part in np.split(tokens, cuts))
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise DamagedArtifactError(
            f"{path} holds no held-out documents ({error}).",
            do="Remove that file and materialise lora_checkpoint of the release again.",
        ) from error
    if not len(documents) == len(fields) == len(subfields):
        raise DamagedArtifactError(
            f"{path} holds {len(documents)} documents, {len(fields)} fields and "
            f"{len(subfields)} subfields.",
            expected="one field and one subfield for each document.",
            do="Remove that file and materialise lora_checkpoint of the release again.",
        )
    return Heldout(
        documents, tuple(str(name) for name in fields), tuple(str(name) for name in subfields)
    )


def score(model: Any, heldout: Heldout, *, sharded: bool = False) -> NDArray[np.float64]:
    """Return each document's negative log-likelihood in nats, summed over its text tokens, (n,).

    Several processes share the documents out. Where each holds only a shard of the weights
    (``sharded``), all go through the same ones together, because every forward needs them all.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            if sharded:
                return np.array([_through_the_root(model, ids) for ids in heldout.documents])
            nll = np.zeros(len(heldout))
            mine = range(distributed.rank(), len(heldout), distributed.n_processes())
            if mine:
                documents = [heldout.documents[i].tolist() for i in mine]
                nll[list(mine)] = score_sequences(model, documents, [1] * len(documents))
            return distributed.total(nll)
    finally:
        model.train(was_training)


def _through_the_root(model: Any, ids: NDArray[np.int64]) -> float:
    """Return one document's summed nll by the model's own loss, a mean over its targets."""
    row = torch.from_numpy(ids)[None].to(next(model.parameters()).device)
    return float(model(input_ids=row, labels=row).loss) * (len(ids) - 1)


def measured(nll: NDArray[np.float64], heldout: Heldout) -> tuple[dict[str, float], dict[str, int]]:
    """Return group -> nats per token, and group -> tokens, from each document's summed nll (n,)."""
    n_tokens = np.array([len(ids) - 1 for ids in heldout.documents])
    groups = heldout.groups()
    counts = {name: int(n_tokens[chosen].sum()) for name, chosen in groups.items()}
    means = {
        name: float(nll[chosen].sum() / counts[name])
        for name, chosen in groups.items()
        if counts[name]
    }
    return means, {name: counts[name] for name in means}
