"""Which commit of this project is at work, where it runs from a git checkout.

What does not belong here: versions of libraries (a training's facts have them).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import astro_assets

_SECONDS = 10.0


def commit_tags(package: Path | None = None) -> dict[str, str]:
    """Return ``git_commit`` and ``git_dirty``; nothing outside a checkout or without git.

    Args:
        package: The package's folder; ours unless a test gives another.
    """
    folder = package or Path(astro_assets.__file__).parent
    # A virtual environment may lie in somebody else's checkout: the package must be tracked there.
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return {}
    commit, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain")
    if commit is None or changes is None:
        return {}
    return {"git_commit": commit.strip(), "git_dirty": "yes" if changes.strip() else "no"}


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git says; None where it refuses or is not there."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
