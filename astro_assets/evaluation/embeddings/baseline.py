"""The baseline encoder that stands where the paper used ada-002: a local encoder, or TF-IDF.

Any encoder in Hugging Face form (MiniLM and the like) read from a local folder: masked mean of its
last hidden states, unit length. Without one, TF-IDF over the sample's own words: weaker, but always
there, and called by its name in every report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from astro_assets.errors import BadModelError
from astro_assets.evaluation.samples import Sample
from astro_assets.progress import Progress

MAX_ENCODER_TOKENS = 256
"""What MiniLM was trained with; longer texts are cut."""
MAX_WORDS = 4_096
_BATCH = 32


@dataclass(frozen=True)
class BaselineVectors:
    """Unit vectors of a baseline, one row per paper."""

    name: str
    """What reports call it."""
    abstracts: NDArray[np.float32]
    titles: NDArray[np.float32]


def encode_baseline(
    sample: Sample, encoder: str | Path | None, *, progress: Progress
) -> BaselineVectors:
    """Encode abstracts and titles with a local encoder folder, or with TF-IDF where None is given.

    Raises:
        BadModelError: the folder holds no encoder that can be loaded.
    """
    if encoder is None:
        return _tf_idf(sample)
    return _encode(sample, Path(encoder), progress)


def _tf_idf(sample: Sample) -> BaselineVectors:
    """Return (n, <= 4,096) vectors of words, weights learnt from the abstracts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectoriser = TfidfVectorizer(
        max_features=MAX_WORDS,
        stop_words="english",
        sublinear_tf=True,
        token_pattern=r"(?u)\b[^\W\d_]{2,40}\b",
        dtype=np.float32,
    )
    try:
        abstracts = vectoriser.fit_transform(sample.texts)
    except ValueError:
        # No word at all in the sample: nothing is similar to anything.
        nothing = np.zeros((len(sample), 1), dtype=np.float32)
        return BaselineVectors("TF-IDF of 0 words", nothing, nothing)
    return BaselineVectors(
        name=f"TF-IDF of {abstracts.shape[1]:,} words",
        abstracts=abstracts.toarray(),
        titles=vectoriser.transform(sample.titles).toarray(),
    )


def _encode(sample: Sample, folder: Path, progress: Progress) -> BaselineVectors:
    model, tokenizer = _load_encoder(folder)
    total = float(2 * len(sample))
    with progress.task(f"embed with {folder.name}", total=total, unit="texts") as task:
        vectors = []
        for texts in (sample.texts, sample.titles):
            parts = []
            for begin in range(0, len(texts), _BATCH):
                parts.append(_encode_batch(model, tokenizer, texts[begin : begin + _BATCH]))
                task.advance(len(parts[-1]))
            vectors.append(np.concatenate(parts))
    return BaselineVectors(folder.name[:80], *vectors)


def _load_encoder(folder: Path) -> tuple[Any, Any]:
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer

    try:
        model = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
        )
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise BadModelError(
            f"No encoder could be loaded from {folder} ({str(error)[:200]}).",
            expected="a Hugging Face folder with config.json, safetensors and a tokenizer.",
            do="Give another folder, or none for TF-IDF.",
        ) from error
    return model.eval(), tokenizer


def _encode_batch(model: Any, tokenizer: Any, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return (len(texts), d): mean of last hidden states over real tokens, unit length."""
    fed = tokenizer(
        list(texts),
        padding=True,
        truncation=True,
        max_length=MAX_ENCODER_TOKENS,
        return_tensors="pt",
    )
    with torch.inference_mode():
        hidden = model(**fed).last_hidden_state
        mask = fed["attention_mask"].unsqueeze(-1).float()
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        unit: NDArray[np.float32] = torch.nn.functional.normalize(mean, dim=-1).numpy()
    return unit
