"""A snapshot's text as files that DuckDB can read: the file itself, or parts of what is inflated.

::

    plain ────────────────────────────────> one part
    zip, gzip, zstd ──> a thread inflates ──> 32 MiB of whole lines each, in memory, two in turn

DuckDB reads JSON from files only, several threads at once, and holds all that comes through a pipe.
So what is inflated goes into two anonymous files in memory: while one is read the other is filled.
What does not belong here: the forms of a snapshot (``lines``) and its records (``snapshot``).
"""

from __future__ import annotations

import os
import queue
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from astro_assets.ingest.lines import MAX_LINE_BYTES, is_plain, line_too_long, open_text

PART_BYTES = 32 << 20
_CHUNK_BYTES = 1 << 20
_N_BUFFERS = 2


class Part(NamedTuple):
    """Some of a snapshot's text: whole lines."""

    path: Path
    """A file that this process can open until the next part is asked for."""
    n_bytes: int


def text_parts(path: Path) -> Iterator[Part]:
    """Yield the text of a snapshot in parts, in order; at most two are held in memory.

    Closing the iterator ends the thread and closes the files.

    Raises:
        BadSnapshotError: as ``lines.open_text``, or a line of more than 16 MiB.
    """
    if is_plain(path):
        with path.open("rb") as handle:
            yield Part(_path_of(handle.fileno()), os.fstat(handle.fileno()).st_size)
        return
    inflating = _Inflating(path)
    try:
        yield from inflating.parts()
    finally:
        inflating.stop()


def _path_of(descriptor: int) -> Path:
    """Return a name for an open file; it has no characters DuckDB would take for a pattern."""
    return Path(f"/dev/fd/{descriptor}")


@dataclass
class _Buffer:
    """An anonymous file whose pages are used again and again."""

    descriptor: int
    n_bytes: int = 0

    def append(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            n = os.pwrite(self.descriptor, rest, self.n_bytes)
            self.n_bytes += n
            rest = rest[n:]

    def finish(self) -> _Buffer:
        """Cut off what an earlier, longer part left behind."""
        os.ftruncate(self.descriptor, self.n_bytes)
        return self


class _Inflating:
    """A thread that fills buffers, and the two queues between it and whoever reads them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._buffers = [_Buffer(_anonymous_file()) for _ in range(_N_BUFFERS)]
        self._empty: queue.Queue[_Buffer | None] = queue.Queue()
        self._full: queue.Queue[_Buffer | BaseException | None] = queue.Queue()
        for buffer in self._buffers:
            self._empty.put(buffer)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inflate", daemon=True)
        self._thread.start()

    def parts(self) -> Iterator[Part]:
        """Yield each buffer when it is full; raise here what the thread met with."""
        while (found := self._full.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield Part(_path_of(found.descriptor), found.n_bytes)
            self._empty.put(found)

    def stop(self) -> None:
        """End the thread, wherever it is, and give the memory back."""
        self._stopped.set()
        self._empty.put(None)
        self._thread.join()
        for buffer in self._buffers:
            os.close(buffer.descriptor)

    def _run(self) -> None:
        try:
            self._fill()
            self._full.put(None)
        except BaseException as error:  # shown by whoever reads
            self._full.put(error)

    def _fill(self) -> None:
        """Cut the text at the last newline before a part would be too large."""
        rest: bytes | memoryview = b""
        buffer: _Buffer | None = None
        with open_text(self._path) as text:
            while not self._stopped.is_set() and (chunk := text.read(_CHUNK_BYTES)):
                if buffer is None:
                    buffer = self._empty.get()
                    if buffer is None:
                        return
                    buffer.n_bytes = 0
                    buffer.append(rest)
                end = chunk.rfind(b"\n") + 1
                if end and buffer.n_bytes + len(chunk) >= PART_BYTES:
                    buffer.append(memoryview(chunk)[:end])
                    rest = memoryview(chunk)[end:]
                    self._full.put(buffer.finish())
                    buffer = None
                elif buffer.n_bytes >= PART_BYTES + MAX_LINE_BYTES:
                    raise line_too_long(self._path)
                else:
                    buffer.append(chunk)
        self._fill_rest(buffer, rest)

    def _fill_rest(self, buffer: _Buffer | None, rest: bytes | memoryview) -> None:
        if buffer is None and len(rest):
            buffer = self._empty.get()
            if buffer is not None:
                buffer.n_bytes = 0
                buffer.append(rest)
        if buffer is not None and not self._stopped.is_set():
            self._full.put(buffer.finish())


def _anonymous_file() -> int:
    """Return a file in memory where the system has such; else one on disk that has no name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("snapshot part")
    with tempfile.TemporaryFile() as handle:
        return os.dup(handle.fileno())
