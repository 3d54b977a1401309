"""A training job from a command line: a base's folder and token streams, and nothing of a home."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from astro_assets.artifacts import fingerprint
from astro_assets.corpus.blocks import Stream
from astro_assets.errors import BadSettingError, DamagedArtifactError
from astro_assets.models.base import BaseModel, describe_base
from astro_assets.training.job import BlockFiles, TrainingJob
from astro_assets.training.recipe import Recipe, load_recipe
from astro_assets.training.runtime import Runtime


def job_by_hand(flags: argparse.Namespace) -> TrainingJob:
    """Return the job that flags describe; held-out documents are not measured.

    Raises:
        AstroError: recipe, base or a stream cannot be used.
    """
    folder: Path = flags.base.expanduser().absolute()
    recipe = load_recipe(flags.recipe)
    _refuse_contradictions(flags, recipe)
    base = describe_base(folder, name=folder.name, kind="path")
    for path in (*flags.tokens, *(flags.replay or ())):
        _refuse_unknown_ids(path, base)
    return TrainingJob(
        name=f"{recipe.name}, by hand",
        base=base,
        parent=flags.parent and flags.parent.absolute(),
        parent_fingerprint=flags.parent
        and fingerprint.of_value(fingerprint.of_folder(flags.parent)),
        blocks=_files(flags.tokens, flags.block_length),
        replay=_files(flags.replay, flags.block_length) if flags.replay else None,
        recipe=recipe,
        runtime=Runtime(
            device=flags.device,
            threads=flags.threads,
            micro_batch=flags.micro_batch,
            recompute=flags.recompute,
            dequantise=flags.dequantise,
            checkpoint_minutes=flags.checkpoint_minutes,
        ),
    )


def _refuse_contradictions(flags: argparse.Namespace, recipe: Recipe) -> None:
    if flags.block_length < 2:
        raise BadSettingError(
            f"A block of {flags.block_length} tokens predicts nothing.", expected="2 or more."
        )
    if (recipe.init_from == "champion") != (flags.parent is not None):
        raise BadSettingError(
            f"Recipe {recipe.name} starts from the {recipe.init_from}, and "
            f"{'no' if flags.parent is None else 'a'} --parent was given.",
            expected="--parent FOLDER with init_from: champion, and only then.",
        )


def _refuse_unknown_ids(path: Path, base: BaseModel) -> None:
    tokens = _opened(path)
    highest = int(tokens.max()) if len(tokens) else 0
    if highest >= base.n_vocab:
        raise BadSettingError(
            f"{path} holds token {highest}; {base.name} knows ids below {base.n_vocab}.",
            expected="tokens of the base's own tokenizer.",
        )


def _files(paths: Sequence[Path], block_length: int) -> BlockFiles:
    return BlockFiles(tuple(_stream(path.absolute()) for path in paths), block_length)


def _stream(path: Path) -> Stream:
    return Stream(path, len(_opened(path)), fingerprint.of_file(path))


def _opened(path: Path) -> NDArray[np.integer]:
    try:
        tokens: NDArray[np.integer] = np.load(path, mmap_mode="r", allow_pickle=False)
        if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
            raise ValueError(f"{tokens.dtype} of {tokens.ndim} dimensions")
    except (OSError, ValueError) as error:
        raise DamagedArtifactError(
            f"{path} is no token stream ({error}).",
            expected="a .npy file with one row of whole numbers.",
        ) from error
    return tokens
