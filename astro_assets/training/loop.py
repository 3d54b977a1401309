"""One pass of Hugging Face's Trainer over planned blocks: adapters, models, the scratch base.

The loop, accumulation, clipping, schedule and resuming are the Trainer's; one process or several
are the same code. What is trained, and where the result is written, belongs to ``trainer`` and
``scratch``.
"""

from __future__ import annotations

import math
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from astro_assets.errors import EmptyCorpusError, TrainingStoppedError
from astro_assets.models.libraries import quiet_libraries
from astro_assets.progress import Progress, Task
from astro_assets.training import distributed
from astro_assets.training.arguments import trainer_arguments
from astro_assets.training.best import BestWeights
from astro_assets.training.callbacks import CurvePoint, CurveRecorder
from astro_assets.training.checkpoints import Checkpoints, Sealed, read_lines, remove_unsealed
from astro_assets.training.dataset import Blocks, PlannedBlocks
from astro_assets.training.heldout import Measurement
from astro_assets.training.measuring import Cadence, HeldoutRecorder
from astro_assets.training.optimisation import Optimisation
from astro_assets.training.saving import Saver
from astro_assets.training.surroundings import Surroundings


@dataclass(frozen=True)
class Trained:
    """What a pass over the blocks gave, besides the moved weights."""

    curve: tuple[CurvePoint, ...]
    heldout: tuple[Measurement, ...]
    n_tokens: int
    """Tokens seen, repeats counted."""
    n_epochs: float
    """Passes over the blocks; those replayed are not counted."""
    seconds: float
    """Over all sessions, where the pass was stopped and went on."""
    peak_memory_bytes: int
    """Of the GPU if one was used, else of this process."""
    ended_early: bool
    kept: Measurement | None
    """The last measurement, or the best one where the best weights were kept."""

    @property
    def first_perplexity(self) -> float:
        """Training perplexity over the first twentieth of the run."""
        n_first = max(1, len(self.curve) // 20)
        first = [point.nll_nats_per_token for point in self.curve[:n_first]]
        return math.exp(sum(first) / n_first)

    @property
    def last_perplexity(self) -> float:
        """Training perplexity over the last twentieth of the run."""
        return math.exp(self.curve[-1].smoothed_nll_nats_per_token)

    def as_facts(self) -> dict[str, Any]:
        """Return its figures as plain JSON values."""
        return {
            "first_training_perplexity": self.first_perplexity,
            "last_training_perplexity": self.last_perplexity,
            "heldout_first": dict(self.heldout[0].nll_nats_per_token) if self.heldout else None,
            "heldout_last": dict(self.kept.nll_nats_per_token) if self.kept else None,
            "heldout_last_step": self.kept.step if self.kept else None,
            "n_steps": self.curve[-1].step,
            "n_tokens_seen": self.n_tokens,
            "n_epochs": round(self.n_epochs, 4),
            "ended_early": self.ended_early,
            "seconds": round(self.seconds, 3),
            "tokens_per_second": round(self.n_tokens / self.seconds, 1),
            "peak_memory_bytes": self.peak_memory_bytes,
        }


def seed_everything(seed: int) -> None:
    """Seed every generator that weights, dropout and order are drawn from."""
    from transformers import set_seed

    set_seed(seed)


def fit(
    model: Any,
    blocks: Blocks,
    optimisation: Optimisation,
    *,
    name: str,
    progress: Progress,
    replay: Blocks | None = None,
    around: Surroundings | None = None,
) -> Trained:
    """Train ``model``'s trainable weights on ``blocks`` where the model lies.

    A pass with checkpoints goes on from the newest one; on the CPU it ends with the same weights,
    bit for bit, as one that was never stopped.

    Args:
        model: A causal language model, in fp32 where weights are trainable.
        blocks: Token ids, each (block_length,).
        optimisation: Steps, batch, rates.
        name: What the progress display calls it.
        progress: Told of every step's tokens.
        replay: Blocks of which ``optimisation.replay_fraction`` of every batch is taken.
        around: Where it is kept, what it is measured on, who may stop it.

    Raises:
        EmptyCorpusError: there is no block.
        TrainingError: the loss is no longer a finite number, or diverges.
        TrainingStoppedError: it was asked to stop; what is done is kept if there are checkpoints.
    """
    if len(blocks) == 0:
        raise EmptyCorpusError("There is no block to train on.", expected="at least one block.")
    quiet_libraries()
    around = around or Surroundings()
    planned = PlannedBlocks(
        blocks,
        n_examples=optimisation.n_steps * optimisation.batch,
        seed=optimisation.seed,
        replay=replay,
        replay_fraction=optimisation.replay_fraction,
    )
    steps = _Steps(
        n_tokens=optimisation.batch * len(blocks[0]),
        per_epoch=len(blocks) / (1 - optimisation.replay_fraction) / optimisation.batch,
    )
    with (
        progress.task(name, total=optimisation.n_steps * steps.n_tokens, unit="tokens") as task,
        _folder_of(around.checkpoints) as folder,
    ):
        sealed = _resumed(around.checkpoints)
        watched = _watch(model, task, sealed, optimisation, around, steps)
        _run_trainer(model, planned, optimisation, watched, around, folder, sealed)
    if watched.saver.stopped:
        raise _stopped(watched, around)
    if around.patience is not None:
        watched.best.put_back(model)
    return _trained(watched, steps, is_on_gpu=around.is_on_gpu(model))


@dataclass(frozen=True)
class _Steps:
    """What one optimiser step is made of."""

    n_tokens: int
    per_epoch: float
    """Steps in one pass over the blocks; not whole where a batch straddles two."""


@dataclass(frozen=True)
class _Watched:
    """The callbacks of one pass."""

    recorder: CurveRecorder
    saver: Saver
    measurer: HeldoutRecorder | None
    best: BestWeights

    def all(self) -> list[Any]:
        """Return them in the order they act at a step's end: measure, log, then save."""
        measurers = [self.measurer] if self.measurer else []
        return [self.recorder, *measurers, self.saver]


@contextmanager
def _folder_of(checkpoints: Checkpoints | None) -> Iterator[Path]:
    """Yield where the Trainer writes: the checkpoints' folder, or one that is gone afterwards."""
    if checkpoints is not None:
        yield checkpoints.folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def _resumed(checkpoints: Checkpoints | None) -> Sealed | None:
    """Return the checkpoint to go on from; the curves stand where it stood, for all processes."""
    if checkpoints is None:
        return None
    checkpoints.refuse_others()
    sealed = checkpoints.newest()
    if distributed.is_first():
        checkpoints.folder.mkdir(parents=True, exist_ok=True)
        remove_unsealed(checkpoints.work)
        checkpoints.restore(sealed)
    return sealed


def _watch(
    model: Any,
    task: Task,
    sealed: Sealed | None,
    optimisation: Optimisation,
    around: Surroundings,
    steps: _Steps,
) -> _Watched:
    is_on_gpu = around.is_on_gpu(model)
    earlier = {
        name: read_lines(sealed.folder / name) if sealed else []
        for name in ("curve.jsonl", "heldout.jsonl")
    }
    recorder = CurveRecorder(
        task,
        n_steps=optimisation.n_steps,
        tokens_per_step=steps.n_tokens,
        on_metrics=around.on_metrics,
        earlier=earlier["curve.jsonl"],
        live=around.live("curve.jsonl"),
        memory_bytes=lambda: _peak_memory_bytes(is_on_gpu),
        clock=around.clock,
    )
    best = BestWeights(around.live("best.safetensors"))
    measurer = None
    if around.heldout is not None:
        measurer = HeldoutRecorder(
            around.heldout,
            Cadence(optimisation.n_steps, steps.per_epoch, around.n_spread, steps.n_tokens),
            patience=around.patience,
            sharded=around.sharding is not None,
            earlier=earlier["heldout.jsonl"],
            live=around.live("heldout.jsonl"),
            on_heldout=around.on_heldout,
            on_best=best.keep,
        )
    saver = Saver(
        around.checkpoints,
        around.stop,
        every_seconds=around.checkpoint_seconds,
        seconds_before=sealed.seconds if sealed else 0.0,
        is_astray=lambda: recorder.is_astray,
        clock=around.clock,
    )
    return _Watched(recorder, saver, measurer, best)


def _run_trainer(
    model: Any,
    planned: PlannedBlocks,
    optimisation: Optimisation,
    watched: _Watched,
    around: Surroundings,
    folder: Path,
    sealed: Sealed | None,
) -> None:
    from transformers import PrinterCallback, Trainer, default_data_collator

    trainer = Trainer(
        model=model,
        args=trainer_arguments(optimisation, model, folder, around),
        train_dataset=planned,
        data_collator=default_data_collator,
        callbacks=watched.all(),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(sealed.folder) if sealed else None)


def _stopped(watched: _Watched, around: Surroundings) -> TrainingStoppedError:
    step = watched.recorder.points[-1].step
    kept = "its checkpoint is kept" if around.checkpoints else "nothing of it is kept"
    return TrainingStoppedError(
        f"The training was stopped {around.stop.why or 'by another of its processes'} after step "
        f"{step:,}; {kept}.",
        do="Materialise again: it goes on from there." if around.checkpoints else "Train again.",
    )


def _trained(watched: _Watched, steps: _Steps, *, is_on_gpu: bool) -> Trained:
    n_steps = watched.recorder.points[-1].step
    measurer = watched.measurer
    return Trained(
        curve=tuple(watched.recorder.points),
        heldout=tuple(measurer.measurements) if measurer else (),
        n_tokens=n_steps * steps.n_tokens,
        n_epochs=n_steps / steps.per_epoch,
        seconds=watched.saver.seconds,
        peak_memory_bytes=_peak_memory_bytes(is_on_gpu),
        ended_early=measurer.ended_early if measurer else False,
        kept=measurer.kept if measurer else None,
    )


def _peak_memory_bytes(is_on_gpu: bool) -> int:
    if is_on_gpu:
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
