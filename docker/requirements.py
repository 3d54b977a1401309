"""Print a pyproject.toml's dependencies and those of the extras named, one per line.

So that an image installs them in a layer of their own, before the code is copied. Needs only the
standard library; extras that name the project itself are not followed.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """Return the requirement lines, those of the extras last.

    Raises:
        KeyError: there is no such extra.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    return project["dependencies"] + [line for name in extras for line in optional[name]]


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(Path(sys.argv[1]), sys.argv[2:])) + "\n")
