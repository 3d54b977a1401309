"""Vectors of texts from any encoder in Hugging Face form: masked mean, unit length.

What does not belong here: which encoder (baseline), and causal models (vectors).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from astro_assets.errors import BadModelError
from astro_assets.evaluation.embeddings.batches import even_batches
from astro_assets.evaluation.embeddings.folder import Kind, Vectors
from astro_assets.models.device import choose_device
from astro_assets.progress import Progress, Task

RULES = "1"
"""Version of how a text becomes a vector here."""
MAX_TOKENS = 256
"""What MiniLM was trained with, special tokens among them; longer texts are cut."""
_TOKEN_BUDGET = 8_192


def encode_texts(
    folder: Path, texts: Mapping[Kind, Sequence[str]], *, name: str, progress: Progress
) -> dict[Kind, Vectors]:
    """Return (n, d) unit vectors per kind of texts: the mean of last hidden states of real tokens.

    An empty text gets the zero vector.

    Args:
        folder: config.json, safetensors, a tokenizer; no code of its own is run.
        texts: Kind -> texts.
        name: What the progress display calls the encoder.
        progress: Told per text.

    Raises:
        BadModelError: the folder holds no encoder that can be loaded, or its vectors are not
            finite.
    """
    model, tokenizer = _load(folder)
    total = float(sum(map(len, texts.values())))
    with progress.task(f"embed with {name}", total=total, unit="texts") as task:
        return {kind: _encode(model, tokenizer, given, task) for kind, given in texts.items()}


def _encode(model: Any, tokenizer: Any, texts: Sequence[str], task: Task) -> Vectors:
    vectors = np.zeros((len(texts), int(model.config.hidden_size)), dtype=np.float32)
    said = [index for index, text in enumerate(texts) if text.strip()]
    if said:
        fed = tokenizer(
            [texts[index] for index in said], truncation=True, max_length=_room(model, tokenizer)
        )
        for batch in even_batches([max(len(ids), 1) for ids in fed["input_ids"]], _TOKEN_BUDGET):
            padded = tokenizer.pad(
                {part: [ids[i] for i in batch] for part, ids in fed.items()}, return_tensors="pt"
            ).to(model.device)
            vectors[[said[i] for i in batch]] = _unit_means(model, padded)
            task.advance(len(batch))
    if not np.isfinite(vectors).all():
        raise BadModelError(
            "The baseline encoder's hidden states are not finite.",
            expected="finite numbers.",
            do="Give another folder, or tf-idf.",
        )
    return vectors


def _unit_means(model: Any, fed: Any) -> Vectors:
    with torch.inference_mode():
        hidden = model(**fed).last_hidden_state.float()
        mask = fed["attention_mask"].unsqueeze(-1).float()
        means = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        unit: Vectors = torch.nn.functional.normalize(means, dim=-1).cpu().numpy()
    return unit


def _room(model: Any, tokenizer: Any) -> int:
    """Return how many tokens are read: 256, or fewer where the encoder holds fewer."""
    positions = getattr(model.config, "max_position_embeddings", MAX_TOKENS)
    return min(MAX_TOKENS, int(positions), int(tokenizer.model_max_length))


def _load(folder: Path) -> tuple[Any, Any]:
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer

    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        model = AutoModel.from_pretrained(
            folder, use_safetensors=True, dtype=torch.float32, **local
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise _unusable(folder, str(error)) from error
    if model.config.is_encoder_decoder or tokenizer.pad_token_id is None:
        raise _unusable(folder, "an encoder alone, with a padding token, is wanted")
    return model.eval().to(choose_device()), tokenizer


def _unusable(folder: Path, why: str) -> BadModelError:
    return BadModelError(
        f"No encoder could be loaded from {folder} ({why[:200]}).",
        expected="a Hugging Face folder with config.json, safetensors and a tokenizer.",
        do="Give another folder, or tf-idf.",
    )
