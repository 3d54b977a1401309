"""A training job from a command line: a base's folder and token streams, and nothing of a home."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from astro_assets.artifacts import fingerprint
from astro_assets.corpus.blocks import Stream
from astro_assets.errors import DamagedArtifactError
from astro_assets.models.base import describe_base
from astro_assets.training.job import BlockFiles, TrainingJob
from astro_assets.training.recipe import load_recipe
from astro_assets.training.runtime import Runtime


def job_by_hand(flags: argparse.Namespace) -> TrainingJob:
    """Return the job that flags describe; held-out documents are not measured.

    Raises:
        AstroError: recipe, base or a stream cannot be used.
    """
    folder: Path = flags.base.expanduser().absolute()
    recipe = load_recipe(flags.recipe)
    return TrainingJob(
        name=f"{recipe.name}, by hand",
        base=describe_base(folder, name=folder.name, kind="path"),
        blocks=_files(flags.tokens, flags.block_length),
        replay=_files(flags.replay, flags.block_length) if flags.replay else None,
        recipe=recipe,
        runtime=Runtime(device=flags.device, threads=flags.threads),
    )


def _files(paths: Sequence[Path], block_length: int) -> BlockFiles:
    return BlockFiles(tuple(_stream(path.absolute()) for path in paths), block_length)


def _stream(path: Path) -> Stream:
    try:
        tokens = np.load(path, mmap_mode="r", allow_pickle=False)
        if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
            raise ValueError(f"{tokens.dtype} of {tokens.ndim} dimensions")
    except (OSError, ValueError) as error:
        raise DamagedArtifactError(
            f"{path} is no token stream ({error}).",
            expected="a .npy file with one row of whole numbers.",
        ) from error
    return Stream(path, len(tokens), fingerprint.of_file(path))
