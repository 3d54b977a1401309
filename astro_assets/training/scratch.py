"""The base of our own: a tiny Llama, pretrained for about a minute on texts without astronomy.

It needs no account, no network and no GPU, and stands where a real base stands. Its tokenizer is
made in ``scratch_tokenizer``; training an adapter on it belongs to ``trainer``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.atomic import new_folder
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
from astro_assets.models.base import base_digest
from astro_assets.models.device import choose_device, use_threads
from astro_assets.models.libraries import quiet_libraries
from astro_assets.progress import Progress
from astro_assets.training.loop import fit, seed_everything
from astro_assets.training.optimisation import Optimisation
from astro_assets.training.scratch_tokenizer import train_tokenizer


@dataclass(frozen=True)
class ScratchConfig:
    """Shape and training of the scratch base: our choices, made for two CPU cores."""

    n_vocab: int = 2048
    """Pieces: small, because on a CPU the output layer is a third of the work already."""
    hidden_size: int = 128
    intermediate_size: int = 352
    n_layers: int = 4
    n_heads: int = 4
    n_kv_heads: int = 2
    """Grouped-query attention, as in larger Llamas."""
    max_positions: int = 1024
    block_length: int = 256
    """Tokens per pretraining block."""
    n_tokens: int = 450_000
    """Tokens of the whole pretraining: a budget and no clock, so that equal runs are equal. About
    a minute on two cores."""
    max_epochs: float = 0.2
    """Passes over all texts at most: a small corpus must not be learned by heart, or tuning could
    only spoil what the base knows of it."""
    batch: int = 4
    """Blocks per step: many small steps teach more than few large ones at this budget."""
    learning_rate: float = 4e-3
    tokenizer_characters: int = 20_000_000
    """The tokenizer is trained on an even sample of at most so many characters."""
    seed: int = 0

    def optimisation(self, *, n_corpus_tokens: int) -> Optimisation:
        """Return the paper's optimiser and schedule with this base's own rate and batch."""
        n_tokens = min(self.n_tokens, int(self.max_epochs * n_corpus_tokens))
        return Optimisation(
            n_steps=max(1, n_tokens // (self.batch * self.block_length)),
            batch=self.batch,
            micro_batch=self.batch,
            learning_rate=self.learning_rate,
            min_lr_ratio=0.1,
            warmup_share=0.1,
            betas=(0.9, 0.95),
            eps=1e-5,
            weight_decay=0.1,
            clip=1.0,
            precision="fp32",
            seed=self.seed,
        )


def build_scratch_base(
    texts: Sequence[str],
    out: Path,
    *,
    config: ScratchConfig,
    progress: Progress,
    threads: int = 0,
) -> Built:
    """Train tokenizer and tiny Llama on ``texts`` and write a Hugging Face folder to ``out``.

    Args:
        texts: Clean abstracts of the general train side, in corpus order.
        out: The model's folder; an older one is replaced.
        config: Shape and budget.
        progress: Told of every step's tokens.
        threads: CPU threads; 0: as many as there are cores.

    Returns:
        Fingerprint = the base's digest; counts n_texts, n_parameters, n_vocab, n_tokens_seen.

    Raises:
        EmptyCorpusError: the texts do not fill one block.
        TrainingError: the loss was lost.
    """
    use_threads(threads)
    with new_folder(out) as folder:
        train_tokenizer(
            even_sample(texts, max_characters=config.tokenizer_characters),
            folder,
            n_vocab=config.n_vocab,
            max_positions=config.max_positions,
        )
        tokenizer = Tokenizer.load(folder)
        # A piece has about three characters, so this holds the budget about twice.
        sample = even_sample(texts, max_characters=6 * config.n_tokens)
        blocks = _blocks(sample, tokenizer, config)
        n_corpus_tokens = blocks.size * _n_characters(texts) // _n_characters(sample)
        optimisation = config.optimisation(n_corpus_tokens=n_corpus_tokens)
        model = _new_llama(tokenizer, config)
        trained = fit(model, blocks, optimisation, name="pretrain scratch base", progress=progress)
        model.config.use_cache = True  # the Trainer turns it off; generation wants it
        model.save_pretrained(folder)
        (folder / "model.safetensors").chmod(0o644)  # safetensors leaves it to the owner alone
        digest = base_digest(folder)
    return Built(
        fingerprint=digest,
        path=out,
        counts={
            "n_texts": len(texts),
            "n_parameters": sum(p.numel() for p in model.parameters()),
            "n_vocab": tokenizer.n_vocab,
            "n_tokens_seen": trained.n_tokens,
        },
        files=fingerprint.of_folder(out),
        facts={**trained.as_facts(), "config": asdict(config)},
    )


def even_sample(texts: Sequence[str], *, max_characters: int) -> Sequence[str]:
    """Return every k-th text, with the smallest k that keeps within ``max_characters``.

    >>> even_sample(["aa", "bb", "cc", "dd", "ee"], max_characters=6)
    ['aa', 'cc', 'ee']
    """
    return texts[:: max(1, -(-_n_characters(texts) // max_characters))]


def _n_characters(texts: Sequence[str]) -> int:
    return sum(len(text) for text in texts)


def _blocks(texts: Sequence[str], tokenizer: Tokenizer, config: ScratchConfig) -> NDArray[np.int64]:
    """Return blocks (n, block_length) of [BOS] text [EOS], concatenated and cut."""
    ids: list[int] = []
    for text_ids in tokenizer.encode_batch(texts):
        ids += [tokenizer.bos_id, *text_ids, tokenizer.eos_id]
    n_blocks = len(ids) // config.block_length
    if n_blocks == 0:
        raise EmptyCorpusError(
            f"{len(texts):,} texts give {len(ids):,} tokens, too few to pretrain a base on.",
            expected=f"at least one block of {config.block_length} tokens.",
            do="Take a larger snapshot, a larger general share, or another base model.",
        )
    return np.array(ids[: n_blocks * config.block_length], dtype=np.int64).reshape(
        n_blocks, config.block_length
    )


def _new_llama(tokenizer: Tokenizer, config: ScratchConfig) -> Any:
    """Return a Llama of the given shape with seeded random weights."""
    quiet_libraries()
    from transformers import LlamaConfig, LlamaForCausalLM

    seed_everything(config.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=tokenizer.n_vocab,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.n_layers,
            num_attention_heads=config.n_heads,
            num_key_value_heads=config.n_kv_heads,
            max_position_embeddings=config.max_positions,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_id,
            eos_token_id=tokenizer.eos_id,
        )
    )
    return model.to(choose_device())
