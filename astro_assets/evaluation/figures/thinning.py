"""Which points of a long curve are drawn: some hundreds, ends and spikes among them.

What does not belong here: drawing (``learning_curve``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MAX_POINTS = 500


def evenly(n_points: int) -> NDArray[np.int64]:
    """Return at most 500 indices, first and last among them."""
    n_shown = min(n_points, _MAX_POINTS)
    return np.linspace(0, n_points - 1, n_shown).round().astype(np.int64)


def with_spikes(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return at most about 500 indices: the ends, and lowest and highest of every stretch.

    >>> values = np.zeros(5_000)
    >>> values[1_234] = 9.0
    >>> 1_234 in with_spikes(values), len(with_spikes(values)) <= 502
    (True, True)
    """
    if len(values) <= _MAX_POINTS:
        return np.arange(len(values))
    found = {0, len(values) - 1}
    for stretch in np.array_split(np.arange(len(values)), _MAX_POINTS // 2):
        found |= {int(stretch[values[stretch].argmin()]), int(stretch[values[stretch].argmax()])}
    return np.array(sorted(found))
