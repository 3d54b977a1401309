"""Atomic writes: a reader sees the old bytes or the new ones, whenever the writer is killed."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` to write to; rename it over ``path`` on success.

    ``durable`` syncs to the disk first. Only what *names* other files (manifests, the ledger) needs
    that: a shard lost to a power cut is found by its checksum and made again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    temporary.chmod(0o644)
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write a whole file atomically."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a whole UTF-8 file atomically."""
    write_bytes(path, text.encode(), durable=durable)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; move it to ``folder`` on success, replacing what was there.

    The folder is complete or absent; between removal of an old one and the rename it is absent.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name[:40]}.", dir=folder.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        if folder.is_symlink():
            folder.unlink()  # what it leads to is not ours to remove
        elif folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_folder(folder: Path) -> None:
    """Remove a folder that is seen whole or not at all; a killed removal leaves a hidden rest."""
    aside = folder.with_name(f".{folder.name[:40]}.{secrets.token_hex(4)}")
    folder.rename(aside)
    shutil.rmtree(aside)
