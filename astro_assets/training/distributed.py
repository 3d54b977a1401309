"""The processes of one training: which one this is, and how all agree on a step's end.

Starting the process group is accelerate's business. Nothing here is needed where there is one
process; everything then answers at once.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed


def n_processes() -> int:
    """Return how many processes torchrun started for this training; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return this process's number among them, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_first() -> bool:
    """Tell whether this is the process that writes files."""
    return rank() == 0


def agree(*flags: bool) -> tuple[bool, ...]:
    """Return each flag as true if it is true in any process; every process must ask.

    A process that stops by itself leaves the others waiting for its gradients for ever.
    """
    if n_processes() == 1:
        return flags
    shared = torch.tensor([int(flag) for flag in flags], device=_device())
    distributed.all_reduce(shared, op=distributed.ReduceOp.MAX)
    return tuple(bool(flag) for flag in shared.tolist())


def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the element-wise sum of the array over all processes; every process must ask."""
    if n_processes() == 1:
        return values
    shared = torch.from_numpy(values.copy()).to(_device())
    distributed.all_reduce(shared)
    summed: NDArray[np.float64] = shared.cpu().numpy()
    return summed


def wait_for_all() -> None:
    """Return when every process has come here."""
    if n_processes() > 1:
        distributed.barrier()


def _device() -> torch.device:
    """Return where the process group's backend wants its tensors."""
    if distributed.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
