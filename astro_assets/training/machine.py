"""The machine that trains: its devices, memory, cores and the kernels installed on it.

What is done with them is decided in ``runtime``. Where a model is loaded to belongs to
``models.device``.
"""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from astro_assets.errors import BadSettingError

Device = Literal["cpu", "cuda"]

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_CPU_FACTS = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a training can use here."""

    device: Device
    device_name: str
    n_devices: int
    """GPUs that are seen; a CPU counts as one."""
    memory_bytes: int
    """Of one device (the smallest of them); of a CPU: RAM that this process may use."""
    n_cores: int
    """CPU cores that this process may run on."""
    has_bf16: bool
    """Whether the GPU multiplies bfloat16 itself; False on a CPU, where it would not be faster."""
    has_liger: bool
    """Whether Liger's kernels (arXiv:2410.10989) are installed."""
    has_flash_attention: bool
    """Whether the package flash_attn is installed; torch has a flash kernel of its own."""
    ram_bytes: int = 0
    """RAM that this process may use, whatever the device; 0: not known."""

    def as_dict(self) -> dict[str, Any]:
        """Return every field as plain JSON values."""
        return asdict(self)


def this_machine(device: str = "auto") -> Machine:
    """Describe the machine this runs on.

    Args:
        device: ``auto`` (CUDA where there is some), ``cpu`` or ``cuda``.

    Raises:
        BadSettingError: CUDA was asked for and torch sees none.
    """
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise BadSettingError(f"There is no device {device!r}.", expected="auto, cpu or cuda.")
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise BadSettingError(
            "Device cuda was asked for, and torch sees no CUDA device.",
            expected="a GPU, its driver, and a torch built for CUDA.",
            do="Set device to auto or cpu, or train where a GPU is.",
        )
    if device == "cpu" or not has_cuda:
        return _described("cpu", _cpu_name(), 1, _ram_bytes(), has_bf16=False)
    n_devices = torch.cuda.device_count()
    devices = [torch.cuda.get_device_properties(index) for index in range(n_devices)]
    return _described(
        "cuda",
        devices[0].name,
        n_devices,
        min(one.total_memory for one in devices),
        has_bf16=all(one.major >= 8 for one in devices),  # from Ampere on
    )


def _described(
    device: Device, name: str, n_devices: int, memory_bytes: int, *, has_bf16: bool
) -> Machine:
    return Machine(
        device=device,
        device_name=name,
        n_devices=n_devices,
        memory_bytes=memory_bytes,
        n_cores=len(os.sched_getaffinity(0)),
        has_bf16=has_bf16,
        has_liger=find_spec("liger_kernel") is not None,
        has_flash_attention=find_spec("flash_attn") is not None,
        ram_bytes=_ram_bytes(),
    )


def _ram_bytes() -> int:
    """Return this machine's RAM, or the container's share of it where that is less."""
    ram = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _CGROUP_LIMIT.read_text().strip() if _CGROUP_LIMIT.is_file() else "max"
    return min(ram, int(limit)) if limit.isdecimal() else ram


def _cpu_name() -> str:
    """Return the processor's name as the kernel knows it, else its architecture."""
    lines = _CPU_FACTS.read_text().splitlines() if _CPU_FACTS.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names and names[0] else platform.machine()
