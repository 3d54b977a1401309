"""Adapters: LoRA on a frozen base (arXiv:2106.09685), on a 4-bit base QLoRA (arXiv:2305.14314).

W' = W + (alpha / r) B A, with A (r, n_in) and B (n_out, r); B begins at zero, so training begins at
the base itself. The loop is in ``loop``; loading is ``models``'; registering is ``registry``'s.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.atomic import new_folder
from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.blocks import TokenBlocks
from astro_assets.errors import BadSettingError, EmptyCorpusError
from astro_assets.models.base import BaseModel
from astro_assets.models.device import use_threads
from astro_assets.models.libraries import quiet_libraries
from astro_assets.models.loading import ADAPTER_FILES, load_model
from astro_assets.progress import Progress
from astro_assets.training.callbacks import OnMetrics
from astro_assets.training.loop import Trained, fit, seed_everything
from astro_assets.training.recipe import Recipe

_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "bitsandbytes")


def train_adapter(
    base: BaseModel,
    train_blocks: TokenBlocks,
    recipe: Recipe,
    out: Path,
    *,
    progress: Progress,
    replay_blocks: TokenBlocks | None = None,
    on_metrics: OnMetrics | None = None,
    threads: int = 0,
) -> Built:
    """Train an adapter on ``base`` and write its folder to ``out``, whole or not at all.

    The folder holds adapter_config.json and adapter_model.safetensors (peft's form; equal runs on
    the CPU give equal bytes), learning_curve.jsonl, recipe.json, and training.json (facts).

    Args:
        base: The base model; its weights are not changed.
        train_blocks: Token ids of the train side, cut to the base's tokenizer.
        recipe: How to train.
        out: The adapter's folder; an older one is replaced.
        progress: Told of every step's tokens.
        replay_blocks: Token ids of the general train side, for recipes with a replay_fraction.
        on_metrics: Called with every point of the learning curve.
        threads: CPU threads; 0: as many as there are cores.

    Returns:
        Fingerprint over the two adapter files; counts n_steps, n_blocks, n_tokens_seen,
        n_trainable; facts with training perplexity, speed, memory and versions.

    Raises:
        EmptyCorpusError: not one block to train on.
        BadSettingError: recipe, blocks and base do not fit each other.
        TrainingError: the loss was lost.
    """
    _refuse_misfit(base, train_blocks, recipe)
    _refuse_lack_of_replay(replay_blocks, recipe)
    use_threads(threads)
    seed_everything(recipe.seed)
    model = attach_adapter(_load_frozen(base, recipe), recipe)
    trained = fit(
        model,
        train_blocks,
        recipe.optimisation(n_blocks=len(train_blocks), block_length=train_blocks.block_length),
        name=f"train adapter ({recipe.name})",
        progress=progress,
        on_metrics=on_metrics,
        replay=replay_blocks,
    )
    facts = _facts(model, base, recipe, trained)
    with new_folder(out) as folder:
        _write_adapter(model, base, folder)
        _write_curve(folder / "learning_curve.jsonl", trained)
        _write_json(folder / "recipe.json", recipe.as_dict())
        _write_json(folder / "training.json", facts)
    checksums = fingerprint.of_folder(out)
    return Built(
        fingerprint=fingerprint.of_value([checksums[name] for name in ADAPTER_FILES]),
        path=out,
        counts={
            "n_blocks": len(train_blocks),
            "n_steps": trained.curve[-1].step,
            "n_tokens_seen": trained.n_tokens,
            "n_trainable": facts["n_trainable"],
        },
        files=checksums,
        facts=facts,
    )


def attach_adapter(model: Any, recipe: Recipe) -> Any:
    """Return the base with a fresh adapter on it, the base frozen, dropout not yet active.

    Raises:
        BadSettingError: no layer of the base has one of the recipe's names.
    """
    quiet_libraries()
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    if recipe.quantisation is not None:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(recipe.target_modules),
        bias="none",
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise BadSettingError(
            f"The recipe's target_modules {', '.join(recipe.target_modules)} are not in the base "
            f"({str(error).splitlines()[0][:160]}).",
            expected="names of linear layers of the base model.",
        ) from error


def _refuse_misfit(base: BaseModel, blocks: TokenBlocks, recipe: Recipe) -> None:
    if len(blocks) == 0:
        raise EmptyCorpusError(
            f"{blocks.n_tokens:,} training tokens make no block of {blocks.block_length}.",
            expected="at least one whole block.",
            do="Take more papers or a smaller block_length.",
        )
    if recipe.block_length not in (None, blocks.block_length):
        raise BadSettingError(
            f"Recipe {recipe.name} asks for blocks of {recipe.block_length} tokens, "
            f"these have {blocks.block_length}.",
            expected="token blocks made with the recipe's block_length.",
        )
    if blocks.block_length > base.max_positions:
        raise BadSettingError(
            f"Blocks of {blocks.block_length} tokens are longer than the {base.max_positions} "
            f"positions of {base.name}.",
            do=f"Set block_length to at most {base.max_positions}.",
        )


def _refuse_lack_of_replay(replay_blocks: TokenBlocks | None, recipe: Recipe) -> None:
    if recipe.replay_fraction and not replay_blocks:
        raise EmptyCorpusError(
            f"Recipe {recipe.name} replays general papers, and there is no block of them.",
            expected="at least one whole block of the general train side.",
            do="Take a larger snapshot or general share, or a recipe with replay_fraction: 0.",
        )


def _load_frozen(base: BaseModel, recipe: Recipe) -> Any:
    """Load the base in the recipe's precision; 4-bit weights compute in it."""
    on_gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if recipe.precision == "bf16" and on_gpu else torch.float32
    return load_model(base.folder, quantisation=recipe.quantisation, dtype=dtype)


def _write_adapter(model: Any, base: BaseModel, folder: Path) -> None:
    """Write peft's two files; no path of this machine and no order of a set gets into them."""
    from peft import get_peft_model_state_dict

    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: weights[name].detach().cpu().contiguous() for name in sorted(weights)}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    (folder / "adapter_model.safetensors").chmod(0o644)  # safetensors leaves it to the owner alone
    config = model.peft_config["default"]
    config.inference_mode = True
    config.save_pretrained(folder)
    path = folder / "adapter_config.json"
    written = json.loads(path.read_bytes())
    written["base_model_name_or_path"] = f"{base.name}@{base.revision or base.digest[:16]}"
    written["revision"] = base.revision
    written["target_modules"] = sorted(written["target_modules"])
    _write_json(path, written)


def _write_curve(path: Path, trained: Trained) -> None:
    lines = [json.dumps(asdict(point), sort_keys=True) for point in trained.curve]
    path.write_text("\n".join(lines) + "\n")


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n")


def _facts(model: Any, base: BaseModel, recipe: Recipe, trained: Trained) -> dict[str, Any]:
    return {
        **trained.as_facts(),
        "n_trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "base": {"name": base.name, "digest": base.digest, "revision": base.revision},
        "recipe": recipe.as_dict(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "versions": {name: version(name) for name in _LIBRARIES},
    }
