"""The Trainer's arguments: the paper's schedule and our choices in Hugging Face's words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from astro_assets.training import distributed
from astro_assets.training.optimisation import Optimisation

if TYPE_CHECKING:
    from astro_assets.training.surroundings import Surroundings


def trainer_arguments(
    optimisation: Optimisation, model: Any, folder: Path, around: Surroundings
) -> Any:
    """Return the TrainingArguments of one pass.

    The batch is one over all processes: what micro-batches and processes do not make up at once is
    accumulated.
    """
    from transformers import TrainingArguments

    on_cpu = not around.is_on_gpu(model)
    n_at_once = optimisation.micro_batch * distributed.n_processes()
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and distributed.n_processes() > 1 else None,
        ddp_find_unused_parameters=False,
        max_steps=optimisation.n_steps,
        per_device_train_batch_size=optimisation.micro_batch,
        gradient_accumulation_steps=optimisation.batch // n_at_once,
        train_sampling_strategy="sequential",  # the plan is the order
        learning_rate=optimisation.learning_rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": optimisation.min_lr_ratio},
        warmup_steps=optimisation.n_warmup_steps,
        adam_beta1=optimisation.betas[0],
        adam_beta2=optimisation.betas[1],
        adam_epsilon=optimisation.eps,
        weight_decay=optimisation.weight_decay,
        max_grad_norm=optimisation.clip,
        bf16=optimisation.precision == "bf16",
        seed=optimisation.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,  # a lost loss must be seen
        save_strategy="no",  # ``saving`` says when
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=not on_cpu,
        remove_unused_columns=False,
        **_recomputation(around),
        **_sharding(around),
    )
    # A process has one device: without this the Trainer wraps the model in DataParallel where it
    # sees several, which a 4-bit base does not survive.
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
    return arguments


def _recomputation(around: Surroundings) -> dict[str, Any]:
    if not around.recompute or around.sharding:
        return {}
    # The non-reentrant kind keeps gradients where the embeddings, like all of a base, are frozen.
    return {
        "activation_checkpointing": True,
        "activation_checkpointing_kwargs": {"use_reentrant": False},
    }


def _sharding(around: Surroundings) -> dict[str, Any]:
    """Return what shards weights over the processes (FSDP2), layer by layer."""
    if around.sharding is None:
        return {}
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "activation_checkpointing": around.recompute,
            "cpu_ram_efficient_loading": True,
            "state_dict_type": "FULL_STATE_DICT",
        },
    }
