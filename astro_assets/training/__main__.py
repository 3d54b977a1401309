"""The trainer as a process: ``python -m astro_assets.training``.

Dagster starts it with a job; a person starts the same by hand, with a job or with flags. It needs
torch, transformers, peft, accelerate, bitsandbytes, safetensors, numpy and PyYAML, and neither
Dagster nor MLflow. Several processes: ``python -m torch.distributed.run --nproc-per-node 4 -m
astro_assets.training …``.

Exit status: 0 the result is there; 75 stopped on request, a checkpoint is kept; 1 a named error,
in ``error.json`` too.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

# Before torch: dagster's process may have set other defaults, and a fork of tokenizers warns.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from astro_assets.artifacts import lock
from astro_assets.artifacts.disk import full_disk_named
from astro_assets.errors import AstroError, BadModelError, BadSettingError, TrainingStoppedError
from astro_assets.progress import LineProgress
from astro_assets.training import distributed
from astro_assets.training.checkpoints import remove_unsealed
from astro_assets.training.endings import ERROR, EXIT_DONE, EXIT_STOPPED, write_error
from astro_assets.training.job import JOB, RESULT, TrainingJob, name_of, read_job, write_job
from astro_assets.training.stopping import StopRequest, stop_request_of_this_process

if TYPE_CHECKING:
    from astro_assets.training.trainer import Inputs

EXIT_FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Train what the command line says and return the exit status."""
    flags = _parser().parse_args(arguments)
    stop = stop_request_of_this_process()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    warnings.filterwarnings("ignore", category=FutureWarning)
    work = (flags.job.parent if flags.job else flags.work or Path()).absolute()
    try:
        return _trained(_job_file(flags), work, stop)
    except TrainingStoppedError as error:
        _say(str(error))
        return EXIT_STOPPED
    except AstroError as error:
        _say(str(error))
        return EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m astro_assets.training",
        description="Train what a job says. SIGINT and SIGTERM save a checkpoint and stop; the "
        "same command goes on from there.",
    )
    parser.add_argument(
        "--job",
        type=Path,
        help="job.json of a work folder, as lora_checkpoint writes it (trainings/<key>/job.json "
        "in the home); checkpoints and the result lie beside it",
    )
    by_hand = parser.add_argument_group("without a job")
    by_hand.add_argument("--work", type=Path, help="folder for checkpoints and the result")
    by_hand.add_argument("--recipe", help="a bundled recipe's name, or the path of a YAML file")
    by_hand.add_argument("--base", type=Path, help="folder of the base model")
    by_hand.add_argument(
        "--tokens", type=Path, nargs="+", help="token streams to train on, .npy of whole numbers"
    )
    by_hand.add_argument("--replay", type=Path, nargs="+", help="token streams to replay")
    by_hand.add_argument("--parent", type=Path, help="adapter or model folder to start from")
    by_hand.add_argument("--block-length", type=int, default=512, help="tokens per block")
    by_hand.add_argument("--threads", type=int, default=0, help="CPU threads; 0: one per core")
    by_hand.add_argument("--device", default="auto", help="auto, cpu or cuda")
    by_hand.add_argument("--micro-batch", type=int, default=0, help="0: as the recipe says")
    for name in ("recompute", "dequantise"):
        by_hand.add_argument(f"--{name}", default="auto", choices=("auto", "on", "off"))
    by_hand.add_argument("--checkpoint-minutes", type=float, default=10.0)
    return parser


def _job_file(flags: argparse.Namespace) -> Path:
    """Return the job's file; what was given by flags is written as a job first.

    Raises:
        BadSettingError: neither a job nor all of what one is made of was given.
    """
    parts = (flags.work, flags.recipe, flags.base, flags.tokens)
    if flags.job is not None:
        if any(parts):
            raise BadSettingError("A job was given, and flags beside it.", expected="one of them.")
        return Path(flags.job)
    if not all(parts):
        raise BadSettingError(
            "There is nothing to train.",
            expected="--job, or all of --work, --recipe, --base and --tokens.",
        )
    job_file: Path = flags.work / JOB
    if distributed.is_first():
        from astro_assets.training.by_hand import job_by_hand

        flags.work.mkdir(parents=True, exist_ok=True)
        _keep_job(job_by_hand(flags), job_file)
    return job_file


def _keep_job(job: TrainingJob, path: Path) -> None:
    """Write the job, unless it is there; a folder belongs to one training for good.

    Raises:
        BadSettingError: the folder holds another training.
    """
    if not path.exists():
        write_job(job, path.parent)
    elif read_job(path) != job:
        raise BadSettingError(
            f"{path.parent} holds another training ({read_job(path).name}).",
            expected="the flags it was begun with, or a folder of its own.",
            do="Give another --work, or go on with that one by --job.",
        )


def _trained(job_file: Path, work: Path, stop: StopRequest) -> int:
    if not distributed.is_first():
        with _told(work):
            job = read_job(job_file)
            _train(_inputs(job), job, work, stop)
        return EXIT_DONE
    # Only who holds the lock may say why it failed: one that is refused says so on its own output.
    holder = f"trainer of {name_of(job_file)}"
    with lock.exclusive(work / "lock", holder=holder, guarded=lock.TRAINING), _told(work):
        (work / ERROR).unlink(missing_ok=True)
        job = read_job(job_file)
        if (work / RESULT).is_dir():
            _say(f"{work / RESULT} is there already; nothing to do.")
            return EXIT_DONE
        with full_disk_named(job.home or work):
            inputs = _inputs(job)
            _refuse_before_reading(inputs, job)
            _train(inputs, job, work, stop)
    return EXIT_DONE


@contextmanager
def _told(work: Path) -> Iterator[None]:
    """Write a named error down; the first process to fail is the one that is heard."""
    try:
        yield
    except TrainingStoppedError:
        raise
    except AstroError as error:
        if distributed.is_first():
            remove_unsealed(work)  # makes room, should there be none
        if distributed.is_first() or not (work / ERROR).exists():
            write_error(work / ERROR, error)
        raise


def _inputs(job: TrainingJob) -> Inputs:
    from astro_assets.training.heldout import read_heldout
    from astro_assets.training.trainer import Inputs

    return Inputs(
        base=job.base,
        blocks=job.blocks.open(),
        recipe=job.recipe,
        replay=job.replay.open() if job.replay else None,
        heldout=read_heldout(job.heldout) if job.heldout else None,
        parent=job.parent,
        parent_fingerprint=job.parent_fingerprint,
    )


def _train(inputs: Inputs, job: TrainingJob, work: Path, stop: StopRequest) -> None:
    from astro_assets.training.trainer import train_model

    say = _say if distributed.is_first() else _keep_quiet
    built = train_model(
        inputs,
        work / RESULT,
        progress=LineProgress(say),
        runtime=job.runtime,
        work=work,
        stop=stop,
        say=say,
    )
    say(f"Done: {built.path}")


def _refuse_before_reading(inputs: Inputs, job: TrainingJob) -> None:
    """Raise on what cannot be met, then on a base whose files are not those recorded."""
    from astro_assets.models.base import base_digest
    from astro_assets.training.trainer import planned

    if not job.base.folder.is_dir():
        raise BadModelError(
            f"The base is not at {job.base.folder}.",
            expected="the folder that was there when the job was written.",
            do="Let the trainer see the same folders, or materialise base_model again.",
        )
    planned(inputs, job.runtime)  # before gigabytes are read
    found = base_digest(job.base.folder)
    if found != job.base.digest:
        raise BadModelError(
            f"The files of base {job.base.name} in {job.base.folder} have digest {found[:12]}…, "
            f"recorded is {job.base.digest[:12]}….",
            expected="the files that were there when the base was recorded.",
            do="Put them back, or materialise base_model again and train anew.",
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _keep_quiet(line: str) -> None:
    del line


if __name__ == "__main__":
    sys.exit(main())
