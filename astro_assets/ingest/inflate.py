"""Deflated text, inflated by ISA-L: gzip, and the member of a zip where it lies (Kaggle's form).

ISA-L inflates two to three times as fast as the standard library's zlib. What does not belong here:
which form a file has, and finding the member (``lines``).
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import isal.igzip
import isal.igzip_lib
import isal.isal_zlib

# its own annotations are partial
_igzip: Any = isal.igzip
_zlib: Any = isal.isal_zlib
IsalError: type[Exception] = cast(type[Exception], isal.igzip_lib.IsalError)
"""What it raises where data is not deflated."""

_HEADER_BYTES = 30
_COMPRESSED_BYTES = 1 << 18


def open_gzip(path: Path) -> BinaryIO:
    """Open a gzip file, of one member or several, to read its text."""
    return cast(BinaryIO, _igzip.open(path))


class Inflated:
    """The text of a member, from its first byte to its last; read it with ``read``."""

    def __init__(self, handle: BinaryIO, member: zipfile.ZipInfo) -> None:
        """Start at a member of the archive that ``handle`` is open on.

        Raises:
            BadZipFile: there is no member where the directory says so.
        """
        handle.seek(member.header_offset)
        header = handle.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or header[:4] != b"PK\x03\x04":
            raise zipfile.BadZipFile(f"{member.filename!r} is not where the directory says")
        n_name, n_extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        handle.seek(n_name + n_extra, 1)
        self._handle, self._member = handle, member
        self._inflate = _zlib.decompressobj(-15)  # deflate alone: no header, no checksum
        self._n_compressed_left = member.compress_size
        self._held = b""
        self._crc, self._n_bytes = 0, 0

    def read(self, n: int) -> bytes:
        """Return between 1 and ``n`` bytes, or none at the end, when size and CRC are compared.

        Raises:
            EOFError: the member ends too early.
            BadZipFile: it has another size or checksum than the directory says.
            IsalError: it is not deflated data.
        """
        text = b""
        while not text and not self._inflate.eof:
            text = self._inflate.decompress(self._held, n)
            self._held = self._inflate.unconsumed_tail
            # asked again first: what was not given for want of room is given without new data
            if not text and not self._held and not self._inflate.eof:
                self._held = self._compressed()
        self._crc = _zlib.crc32(text, self._crc)
        self._n_bytes += len(text)
        if not text:
            self._compare()
        return text

    def _compressed(self) -> bytes:
        data = self._handle.read(min(_COMPRESSED_BYTES, self._n_compressed_left))
        if not data:
            raise EOFError(f"{self._member.filename!r} ends too early")
        self._n_compressed_left -= len(data)
        return data

    def _compare(self) -> None:
        expected = self._member.file_size, self._member.CRC
        if (self._n_bytes, self._crc) != expected:
            raise zipfile.BadZipFile(f"Bad CRC-32 or size for {self._member.filename!r}")
