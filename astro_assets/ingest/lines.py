"""The text of a snapshot file, streamed: from a zip where it lies, from gzip, zstd, or plain.

Belongs here: opening, decompressing, splitting into lines, and naming what is wrong with the file.
Does not belong here: what a line says (``records``).
"""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import pyarrow as pa

from astro_assets.errors import BadSnapshotError
from astro_assets.ingest.inflate import Inflated, IsalError, open_gzip

MAX_LINE_BYTES = 16 << 20
"""Far above the longest record there is, and small enough to be held several times. A line up to
twice as long may pass, by how the reader's buffers fall."""

_CHUNK_BYTES = 1 << 20
_MEMBER_SUFFIXES = (".json", ".jsonl", ".ndjson")
_EXPECTED = (
    "arXiv metadata as JSON Lines, a record a line: plain, .gz, .zst, or a zip of one such file."
)
_ENCRYPTED = 1
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    IsalError,
    lzma.LZMAError,
    struct.error,  # a zip's directory that points outside the file
    EOFError,
    OSError,
    ValueError,  # names and offsets of a damaged zip's directory
    RuntimeError,  # an encrypted member, or (NotImplementedError) an unknown compression
)


class Text(Protocol):
    """Bytes that are read from first to last."""

    def read(self, n: int, /) -> bytes:
        """Return at most ``n`` bytes, none at the end."""
        ...


@dataclass(frozen=True)
class _Named:
    """Text whose damage is named; what goes wrong elsewhere meanwhile is not taken for damage."""

    path: Path
    text: Text

    def read(self, n: int, /) -> bytes:
        with naming_damage(self.path):
            return self.text.read(n)


@contextmanager
def open_text(path: Path) -> Iterator[Text]:
    """Open the text of a snapshot; nothing is unpacked to disk.

    The form is told by the first bytes, not by the name. A zip's checksum is compared when its
    member has been read to the end; gzip's and zstd's (where the file has one) likewise. Files
    joined end to end are read as one where their form allows it: gzip and zstd.

    Raises:
        BadSnapshotError: missing, a folder, empty, truncated or damaged (also while the text is
            read), a zip without exactly one ``.json``/``.jsonl`` member, zstd with a window of more
            than 128 MiB.
    """
    with ExitStack() as stack:
        with naming_damage(path):
            text = _open(path, stack)
        yield _Named(path, text)


def open_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a snapshot without their newline.

    Closing the iterator closes the file.

    Raises:
        BadSnapshotError: as ``open_text``, or a line of more than 16 MiB.
    """
    with open_text(path) as text:
        yield from _split(text, path)


def text_bytes(path: Path) -> int | None:
    """Return how many bytes of text a snapshot holds, or None where its form does not say.

    Gzip and zstd do not: each member tells its own size at best.

    Raises:
        BadSnapshotError: as ``open_lines``, for what shows without reading it all.
    """
    with naming_damage(path):
        form = _form(path)
        if form in {"gzip", "zstd"}:
            return None
        if form == "plain":
            return path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            return _member(archive, path).file_size


def is_plain(path: Path) -> bool:
    """Tell whether the file is the text itself.

    Raises:
        BadSnapshotError: missing, a folder, or empty.
    """
    with naming_damage(path):
        return _form(path) == "plain"


def _open(path: Path, stack: ExitStack) -> Text:
    form = _form(path)
    if form == "gzip":
        return cast(Text, stack.enter_context(open_gzip(path)))
    if form == "zstd":
        return cast(Text, stack.enter_context(pa.input_stream(str(path), compression="zstd")))
    handle = stack.enter_context(path.open("rb"))
    if form == "plain":
        return handle
    archive = stack.enter_context(zipfile.ZipFile(handle))
    member = _member(archive, path)
    if member.compress_type == zipfile.ZIP_DEFLATED and not member.flag_bits & _ENCRYPTED:
        return Inflated(handle, member)
    return stack.enter_context(archive.open(member))


def _form(path: Path) -> str:
    if path.is_dir():
        raise BadSnapshotError(f"{path} is a folder.", expected=_EXPECTED, do="Name its file.")
    if not path.exists():
        raise BadSnapshotError(
            f"There is no snapshot at {path}.",
            expected=_EXPECTED,
            do="Correct the path, or use synthetic:12000 for made-up records.",
        )
    with path.open("rb") as handle:
        magic = handle.read(4)
    if not magic:
        raise BadSnapshotError(f"{path} is empty.", expected=_EXPECTED, do="Fetch it again.")
    if magic[:2] == b"PK":
        return "zip"
    if magic == _ZSTD_MAGIC:
        return "zstd"
    return "gzip" if magic[:2] == b"\x1f\x8b" else "plain"


def _member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """Return the one member that can be a snapshot."""
    members = [
        member
        for member in archive.infolist()
        if member.filename.lower().endswith(_MEMBER_SUFFIXES)
        and not member.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        names = ", ".join(member.filename[:80] for member in members[:3])
        found = f"{len(members)} ({names}, …)" if members else "none"
        raise BadSnapshotError(
            f"{path} holds {found} files named .json or .jsonl.",
            expected="a zip with exactly one of them.",
            do="Give the zip as Kaggle ships it, or the JSON Lines file itself.",
        )
    return members[0]


def _split(text: Text, path: Path) -> Iterator[bytes]:
    rest = b""
    while chunk := text.read(_CHUNK_BYTES):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        if len(rest) > MAX_LINE_BYTES:
            raise line_too_long(path)
        yield from lines
    if rest:
        yield rest


def line_too_long(path: Path) -> BadSnapshotError:
    """Return the error for a line that no record can be."""
    return BadSnapshotError(
        f"A line of {path} is longer than {MAX_LINE_BYTES >> 20} MiB.",
        expected=_EXPECTED,
        do="Check that this is a snapshot: one JSON record a line, not one large array.",
    )


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Turn what the decompressors and the disk say into one named error."""
    try:
        yield
    except _DAMAGE as error:
        if "too much memory" in str(error):
            raise BadSnapshotError(
                f"{path} was compressed with a zstd window of more than 128 MiB.",
                expected="zstd as it is without --long, or with --long=27 at most.",
                do="Compress it again: zstd -d --long=31 -c OLD | zstd -o NEW.",
            ) from error
        raise BadSnapshotError(
            f"{path} cannot be read to its end: {str(error)[:200] or type(error).__name__}.",
            expected="a complete, undamaged file.",
            do="Fetch it again and compare its size with the source's.",
        ) from error
