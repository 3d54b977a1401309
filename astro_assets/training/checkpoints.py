"""Checkpoints of a training under way: sealed when whole, checked before they are used.

Hugging Face's Trainer writes the folders (weights, optimiser, schedule, random states); a seal with
the digest of every file makes one count. A folder without a seal is what a killed trainer left.
What does not belong here: when a checkpoint is due (``saving``).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astro_assets.artifacts import atomic, fingerprint
from astro_assets.errors import BadSettingError

N_KEPT = 2
"""The newest, and one before it should the newest turn out damaged."""
BESIDE = ("curve.jsonl", "heldout.jsonl", "best.safetensors")
"""What lies beside the checkpoints while a training runs, and in each of them."""
FOLDER = "checkpoints"
_SEAL, _PREFIX = "seal.json", "checkpoint-"
_PICKLE = "training_args.bin"


@dataclass(frozen=True)
class Sealed:
    """A whole checkpoint."""

    folder: Path
    step: int
    """Optimiser steps done."""
    seconds: float
    """Of training, all sessions together."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints in one work folder."""

    work: Path
    identity: str
    """sha256 of what is trained on what, and how; checkpoints of another training are not used."""

    @property
    def folder(self) -> Path:
        """Return the folder the Trainer writes its checkpoint folders to."""
        return self.work / FOLDER

    def seal(self, step: int, *, seconds: float) -> None:
        """Make the folder of ``step`` count: curves copied in, digests written, old ones removed.

        The Trainer's pickled arguments are removed: nothing here would ever read them.
        """
        folder = self.folder / f"{_PREFIX}{step}"
        (folder / _PICKLE).unlink(missing_ok=True)
        for name in BESIDE:
            if (self.work / name).is_file():
                shutil.copyfile(self.work / name, folder / name)
        files = fingerprint.of_folder(folder)
        for name in files:
            _sync(folder / name)
        document = {"step": step, "seconds": seconds, "identity": self.identity, "files": files}
        atomic.write_text(folder / _SEAL, json.dumps(document, indent=1) + "\n", durable=True)
        remove_unsealed(self.work)
        for old in list(self._sealed())[N_KEPT:]:
            shutil.rmtree(old.folder)

    def refuse_others(self) -> None:
        """Raise if the folder holds whole checkpoints of another training.

        Raises:
            BadSettingError: it does; they are left alone.
        """
        for folder in _folders(self.work):
            seal = _read_seal(folder)
            if seal is not None and seal["identity"] != self.identity:
                raise BadSettingError(
                    f"{folder} is a checkpoint of another training.",
                    expected="a work folder of its own for each base, blocks and recipe.",
                    do="Give another folder, or remove that one if nobody needs it.",
                )

    def newest(self) -> Sealed | None:
        """Return the newest checkpoint whose bytes are those it was sealed with, or None."""
        return next((found for found in self._sealed() if self._is_intact(found)), None)

    def restore(self, sealed: Sealed | None) -> None:
        """Put what lies beside back to where a checkpoint stood; without one there is nothing."""
        for name in BESIDE:
            kept = None if sealed is None else sealed.folder / name
            if kept is not None and kept.is_file():
                with atomic.replacing(self.work / name) as temporary:
                    shutil.copyfile(kept, temporary)
            else:
                (self.work / name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all of them: the training has its result."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _sealed(self) -> Iterator[Sealed]:
        """Yield this training's sealed checkpoints, newest first."""
        found = []
        for folder in _folders(self.work):
            seal = _read_seal(folder)
            if seal is not None and seal["identity"] == self.identity:
                found.append(Sealed(folder, seal["step"], seal["seconds"]))
        yield from sorted(found, key=lambda sealed: -sealed.step)

    @staticmethod
    def _is_intact(sealed: Sealed) -> bool:
        seal = _read_seal(sealed.folder)
        actual = fingerprint.of_folder(sealed.folder)
        actual.pop(_SEAL, None)
        return seal is not None and actual == seal["files"]


def remove_unsealed(work: Path) -> None:
    """Remove what a killed trainer, or a full disk, left of a checkpoint."""
    for folder in _folders(work):
        if _read_seal(folder) is None:
            shutil.rmtree(folder, ignore_errors=True)


def _folders(work: Path) -> list[Path]:
    return [path for path in (work / FOLDER).glob(f"{_PREFIX}*") if path.is_dir()]


def _read_seal(folder: Path) -> dict[str, Any] | None:
    """Return a seal's content; None for a folder that has none that can be read."""
    try:
        seal = json.loads((folder / _SEAL).read_bytes())
        return {
            "step": int(seal["step"]),
            "seconds": float(seal["seconds"]),
            "identity": str(seal["identity"]),
            "files": dict(seal["files"]),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sync(path: Path) -> None:
    """Bring a file's bytes to the disk, so that a power cut cannot leave a seal on empty files."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_line(path: Path, document: Any) -> None:
    """Add one JSON line to a curve; what a killed writer left of a line is cut off at a resume."""
    with path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(document, sort_keys=True, allow_nan=False) + "\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a curve; none where there is no file."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
