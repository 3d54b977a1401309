"""The trainer's image in small: a Python in which only its packages can be found.

``LEAN`` is the list that ``docker/trainer-requirements.txt`` installs. A test runs its code in a
process that begins with ``only_lean()``: what these packages do not bring cannot be imported there,
whatever else is installed here.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions

LEAN = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "bitsandbytes",
    "safetensors",
    "numpy",
    "PyYAML",
)


def brought_by(names: tuple[str, ...] = LEAN) -> set[str]:
    """Return the installed distributions that these need, themselves included, in one spelling."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    waiting = [(name, frozenset[str]()) for name in names]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (spelled(name), extras) in seen:
            continue
        seen.add((spelled(name), extras))
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # of another platform, or of the CUDA build
        found.add(spelled(name))
        for need in map(Requirement, lines):
            asked = [{"extra": extra} for extra in extras] or [{"extra": ""}]
            if need.marker is None or any(need.marker.evaluate(one) for one in asked):
                waiting.append((need.name, frozenset(need.extras)))
    return found


def spelled(name: str) -> str:
    """Return a distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def only_lean() -> None:
    """Keep this process from finding what the trainer's image does not hold.

    Raises:
        AssertionError: something of that is loaded already.
    """
    bring = brought_by()
    absent = {
        module
        for module, owners in packages_distributions().items()
        if not bring & {spelled(owner) for owner in owners}
    } - {"astro_assets", "tests"}
    loaded = absent & {name.partition(".")[0] for name in sys.modules}
    # Tools of the environment itself, started by .pth files before any of our code.
    assert not loaded - {"_distutils_hack", "distutils-precedence"}, loaded
    sys.meta_path[:] = [_Without(finder, absent) for finder in sys.meta_path]


class _Without:
    """A finder that does not know some packages."""

    def __init__(self, finder: object, absent: set[str]) -> None:
        self._finder, self._absent = finder, absent

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self._absent:
            return None
        return self._finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self._finder, name)
