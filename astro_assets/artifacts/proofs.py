"""What the files of a folder are known to be without reading them again: sha256 by name.

A file whose size, inode and times are those it had when its bytes were last hashed is taken to have
them still; any other is read and compared with what is on record. So a refresh does not read a
whole corpus to learn that nothing happened to it. Cut, replaced or edited files show at once; bytes
that rot on the disk do not, and are told by the blocking ``checksums`` check, which always reads.
Whoever finds damage calls ``doubt``.

The record lies apart from the files: two homes with the same content hold the same bytes, and when
each was read is no content.

What does not belong here: whether a file is the right one (its maker knows), and manifests.
"""

from __future__ import annotations

import json
from pathlib import Path

from astro_assets.artifacts import atomic, fingerprint

_Stamp = list[int]


class Proofs:
    """What is on record of one folder's files; written back by ``save``."""

    def __init__(self, folder: Path, note: Path | None = None) -> None:
        """Read what was proven before; a note that cannot be read proves nothing.

        Args:
            folder: Where the files lie.
            note: Where the record is kept; None keeps it only as long as this object lives.
        """
        self._folder, self._note_path = folder, note
        self._proven = _read(note) if note else {}
        self._changed = False

    def __contains__(self, name: str) -> bool:
        """Tell whether anything is on record of a file."""
        return name in self._proven

    def sha256(self, name: str) -> str | None:
        """Return the sha256 on record of a file, if the file has it still, else None."""
        if name not in self._proven:
            return None
        digest, stamp = self._proven[name]
        present = _stamp(self._folder / name)
        if present == stamp:
            return digest
        if present is None or fingerprint.of_file(self._folder / name) != digest:
            return None
        self._note(name, digest, present)
        return digest

    def prove(self, name: str) -> str:
        """Read a file that is there; put its sha256 on record and return it."""
        # Stamped first: what changes while it is read must not pass for read.
        stamp = _stamp(self._folder / name)
        digest = fingerprint.of_file(self._folder / name)
        self._note(name, digest, stamp)
        return digest

    def _note(self, name: str, digest: str, stamp: _Stamp | None) -> None:
        self._proven[name] = (digest, stamp)
        self._changed = True

    def doubt(self) -> None:
        """Take no file as read; what is on record of it stays."""
        for name, (digest, _) in list(self._proven.items()):
            self._note(name, digest, None)

    def save(self) -> None:
        """Write the record if it changed, without the files that are gone."""
        if self._changed and self._note_path:
            there = {n: e for n, e in self._proven.items() if (self._folder / n).is_file()}
            atomic.write_text(self._note_path, json.dumps(there))
        self._changed = False


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    # ctime as well: it cannot be set back by whoever sets the other one back.
    return [found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]


def _read(path: Path) -> dict[str, tuple[str, _Stamp | None]]:
    try:
        noted = json.loads(path.read_bytes())
        return {str(name): (str(digest), stamp) for name, (digest, stamp) in noted.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
