"""Reading JSON Lines while another process appends to them.

What does not belong here: what the lines mean (``callbacks``, ``heldout``), and who is told of them
(``launcher``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Tail:
    """The whole lines of one growing file, each step handed out once.

    A resumed trainer cuts its file back to where its checkpoint stood and goes on from there. What
    follows are steps that were handed out already, until it has caught up.
    """

    def __init__(self, path: Path) -> None:
        """Begin before the first line; the file need not be there yet."""
        self._path = path
        self._position, self._before = 0, b""
        self._last_step = -1

    def new(self) -> list[dict[str, Any]]:
        """Return the lines of steps that were not handed out before, in the file's order."""
        found = []
        for line in self._new_lines():
            document = json.loads(line)
            if document["step"] > self._last_step:
                self._last_step = document["step"]
                found.append(document)
        return found

    def _new_lines(self) -> list[bytes]:
        """Return the whole lines behind the position; from the beginning if the file was cut."""
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, self._position - len(self._before)))
                if file.read(len(self._before)) != self._before:
                    self._position = 0
                file.seek(self._position)
                text = file.read()
        except FileNotFoundError:
            return []
        whole, newline, _ = text.rpartition(b"\n")
        if not newline:
            return []
        lines = whole.split(b"\n")
        self._position += len(whole) + 1
        # The last line read tells whether the file is still the one it was read from.
        self._before = lines[-1] + b"\n"
        return lines
