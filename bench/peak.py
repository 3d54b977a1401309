"""The most memory that a piece of work held, on a GPU or in this process."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Yield a list that afterwards holds the peak in bytes, above what was held before on a CPU.

    Import what the work imports before: its code is no part of the peak.
    """
    import torch

    peak: list[int] = []
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        yield peak
        peak.append(int(torch.cuda.max_memory_allocated()))
        return
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _of_status("VmRSS")
    yield peak
    peak.append(_of_status("VmHWM") - before)


def _of_status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
