"""Where a model computes: device, threads and number format. Nothing here loads a model."""

from __future__ import annotations

import os

import torch


def choose_device() -> torch.device:
    """Return this process's CUDA device if there is one, else the CPU.

    torchrun numbers the processes of a machine; each has the device of its number.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def choose_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 on CUDA and float32 on the CPU, where bfloat16 would not be faster."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def use_threads(n_threads: int) -> int:
    """Let torch use ``n_threads`` CPU threads (0: as many as this process may run on).

    Sums are split by threads, so runs are equal byte for byte only with equal thread counts.

    Returns:
        The number now in use.
    """
    wanted = n_threads or len(os.sched_getaffinity(0))
    if torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)
    return torch.get_num_threads()
