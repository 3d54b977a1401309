"""Models and papers planted for the tests of this folder."""

from pathlib import Path
from typing import Any

import polars as pl
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from astro_assets.models.handle import ModelHandle


def load(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()


def ignorant_model(n_vocab: int = 50) -> Any:
    """A model whose logits are all zero: every token has probability 1 / n_vocab."""
    config = LlamaConfig(
        vocab_size=n_vocab,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=16,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config).eval()
    torch.nn.init.zeros_(model.lm_head.weight)
    return model


def with_adapter(folder: Path, *, seed: int = 1) -> Any:
    """The base with a LoRA adapter that does something (peft begins with B = 0)."""
    torch.manual_seed(seed)
    adapted = get_peft_model(load(folder), LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    return adapted.eval()


def handles(base: Path, adapter_folder: Path) -> dict[str, ModelHandle]:
    """Base and tuned, the adapter saved into ``adapter_folder``."""
    with_adapter(base).save_pretrained(adapter_folder)
    return {
        "base": ModelHandle("base", base, None, "b" * 64, None),
        "tuned": ModelHandle("tuned", base, adapter_folder, "t" * 64, None),
    }


def plain_nll(model: Any, ids: list[int], first_scored: int = 1) -> float:
    """What transformers itself says: one sequence, full logits, float64 log-softmax."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    log_p = torch.log_softmax(logits, dim=-1)
    return -sum(float(log_p[t - 1, ids[t]]) for t in range(first_scored, len(ids)))


def papers(
    n: int, *, word: str = "galaxies", categories: str = "physics.optics quant-ph"
) -> pl.DataFrame:
    """Papers of three sentences, all different, with unlike lengths; of a measured field."""
    return pl.DataFrame(
        {
            "id": [f"{word}-{i:03d}" for i in range(n)],
            "title": [f"On {word} number {i}" for i in range(n)],
            "categories": [categories] * n,
            "text": [
                f"We present a survey of {word} of kind {i} at high redshift with the telescope. "
                + f"The rate is {i}.5 per year. " * (1 + i % 4)
                + "The model explains it."
                for i in range(n)
            ],
        }
    )
