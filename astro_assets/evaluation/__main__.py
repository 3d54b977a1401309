"""Base and tuned model on held-out papers where the GPU is: ``python -m astro_assets.evaluation``.

It reads a training's job, its result and its held-out documents, and needs what the trainer needs.
The figures are those of the report: per document, fresh [BOS], token-weighted. It writes arrays and
plain JSON; tables, figures and pages are made where the full installation is.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from astro_assets.artifacts.atomic import new_folder
from astro_assets.errors import AstroError, MissingArtifactError
from astro_assets.models.handle import ModelHandle
from astro_assets.training.heldout import Heldout, measured, read_heldout, score
from astro_assets.training.job import RESULT, TrainingJob, read_job
from astro_assets.training.result import read_result


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line says and return the exit status."""
    flags = _parser().parse_args(arguments)
    try:
        measure(flags.job, flags.out, heldout=flags.heldout)
    except AstroError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def measure(job_file: Path, out: Path, *, heldout: Path | None = None) -> None:
    """Measure base and result of a finished training and write ``out``, whole or not at all.

    Args:
        job_file: ``job.json``; the result lies beside it.
        out: Folder to make. ``documents.npz`` holds nll_nats_base, nll_nats_tuned, n_tokens, field,
            subfield, each (n,); ``perplexity.json`` per model and group nll_nats_per_token,
            perplexity and n_tokens.
        heldout: npz of other documents than the job's.

    Raises:
        MissingArtifactError: the training has no result, or no held-out documents are given.
        AstroError: a file is damaged, or a model cannot be used.
    """
    job = read_job(job_file)
    result, path = job_file.parent / RESULT, heldout or job.heldout
    if not result.is_dir() or path is None:
        raise MissingArtifactError(
            f"{job_file.parent} has {'no held-out documents' if result.is_dir() else 'no result'}.",
            expected="a finished training, and documents to measure it on.",
            do="Give --heldout." if result.is_dir() else "Train it first.",
        )
    documents = read_heldout(path)
    nll: dict[str, np.ndarray] = {}
    for handle in _handles(job, result):
        model = handle.load()
        nll[handle.label] = score(model, documents)
        del model
        gc.collect()  # the next one needs the room
        print(f"{handle.label}: {len(documents)} documents measured", file=sys.stderr)
    _write(out, documents, nll)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m astro_assets.evaluation",
        description="Measure base and result of a training on held-out papers.",
    )
    parser.add_argument("--job", type=Path, required=True, help="job.json of a finished training")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--heldout", type=Path, help="npz of documents; default: the job's")
    return parser


def _handles(job: TrainingJob, result: Path) -> list[ModelHandle]:
    base, quantisation = job.base, job.recipe.quantisation
    return [
        ModelHandle("base", base.folder, None, base.digest, quantisation),
        ModelHandle.trained(
            "tuned",
            result,
            base.folder,
            method=job.recipe.method,
            digest=read_result(result).fingerprint,
            quantisation=quantisation,
        ),
    ]


def _write(out: Path, documents: Heldout, nll: dict[str, np.ndarray]) -> None:
    figures = {}
    for label, sums in nll.items():
        means, counts = measured(sums, documents)
        figures[label] = {
            group: {
                "nll_nats_per_token": mean,
                "perplexity": math.exp(min(mean, 700.0)),
                "n_tokens": counts[group],
            }
            for group, mean in means.items()
        }
    with new_folder(out) as folder:
        arrays: dict[str, Any] = {f"nll_nats_{label}": sums for label, sums in nll.items()}
        np.savez(
            folder / "documents.npz",
            n_tokens=np.array([len(ids) - 1 for ids in documents.documents]),
            field=np.array(documents.field),
            subfield=np.array(documents.subfield),
            **arrays,
        )
        text = json.dumps(figures, indent=1, sort_keys=True, allow_nan=False)
        (folder / "perplexity.json").write_text(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
