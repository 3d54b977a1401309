"""A training as a document: everything a trainer's process needs, as one JSON file.

Whoever orchestrates writes it beside the held-out documents; the trainer reads it and nothing else
of the home. Paths in it are absolute, so trainer and orchestrator must see the same folders.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from astro_assets.artifacts import atomic
from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.errors import AstroError, DamagedArtifactError
from astro_assets.models.base import BaseModel
from astro_assets.training.recipe import Recipe
from astro_assets.training.runtime import Runtime

JOB = "job.json"
RESULT = "result"
_VERSION = 1
_DO = "Remove that folder and materialise lora_checkpoint of the release again."


@dataclass(frozen=True)
class BlockFiles:
    """Token streams, and how long the blocks are that they are cut to."""

    streams: tuple[Stream, ...]
    block_length: int

    @classmethod
    def of(cls, blocks: TokenBlocks) -> BlockFiles:
        """Return the files that blocks lie in."""
        return cls(tuple(blocks.streams), blocks.block_length)

    def open(self) -> TokenBlocks:
        """Return the blocks; nothing is read yet."""
        return TokenBlocks(self.streams, block_length=self.block_length)


@dataclass(frozen=True)
class TrainingJob:
    """What is trained on what, from what, and how."""

    name: str
    """What people are told: ``smoke, release 2026-06``."""
    base: BaseModel
    blocks: BlockFiles
    """The train side of astro."""
    recipe: Recipe
    runtime: Runtime
    replay: BlockFiles | None = None
    """Of the general train side; for recipes with a replay_fraction."""
    heldout: Path | None = None
    """npz of held-out documents (``training.heldout``), or None: none are measured."""
    parent: Path | None = None
    """Folder of the adapter, or of the whole model, that training starts from; None: the base."""
    parent_fingerprint: str | None = None
    home: Path | None = None
    """Where room is to be made should the disk be full."""


def write_job(job: TrainingJob, work: Path) -> Path:
    """Write the job into its work folder and return the file's path."""
    document: dict[str, Any] = {
        "version": _VERSION,
        "name": job.name,
        "base": _plain(asdict(job.base)),
        "blocks": _plain(asdict(job.blocks)),
        "replay": _plain(asdict(job.replay)) if job.replay else None,
        "recipe": job.recipe.as_dict(),
        "runtime": job.runtime.as_dict(),
        "heldout": _text(job.heldout),
        "parent": _text(job.parent),
        "parent_fingerprint": job.parent_fingerprint,
        "home": _text(job.home),
    }
    path = work / JOB
    atomic.write_text(path, json.dumps(document, indent=1, sort_keys=True) + "\n", durable=True)
    return path


def read_job(path: Path) -> TrainingJob:
    """Read a job back.

    Raises:
        DamagedArtifactError: the file is no job of this version.
        BadSettingError: its recipe or runtime cannot be used.
    """
    try:
        document = json.loads(path.read_bytes())
        if document["version"] != _VERSION:
            raise ValueError(f"version {document['version']!r}")
        base = document["base"]
        names = {field.name for field in fields(BaseModel)}
        return TrainingJob(
            name=str(document["name"])[:200],
            base=BaseModel(
                **{name: base[name] for name in names - {"folder"}}, folder=Path(base["folder"])
            ),
            blocks=_blocks(document["blocks"]),
            replay=_blocks(document["replay"]) if document["replay"] else None,
            recipe=Recipe(**document["recipe"]),
            runtime=Runtime.of_dict(document["runtime"]),
            heldout=_path(document["heldout"]),
            parent=_path(document["parent"]),
            parent_fingerprint=document["parent_fingerprint"],
            home=_path(document["home"]),
        )
    except AstroError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedArtifactError(
            f"{path} is no training job ({type(error).__name__}: {error}).",
            expected=f"a job of version {_VERSION}, as lora_checkpoint writes it.",
            do=_DO,
        ) from error


def name_of(path: Path) -> str:
    """Return what people are told of a job, also of one that cannot be read."""
    try:
        return str(json.loads(path.read_bytes())["name"])[:200]
    except (OSError, ValueError, KeyError, TypeError):
        return "an unreadable job"


def _blocks(document: Mapping[str, Any]) -> BlockFiles:
    streams = tuple(
        Stream(Path(one["path"]), int(one["n_tokens"]), str(one["sha256"]))
        for one in document["streams"]
    )
    return BlockFiles(streams, int(document["block_length"]))


def _plain(value: Any) -> Any:
    """Return nested values with paths as text."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
