"""What a person sets, and what this machine is found to be; plans are in ``test_plan``."""

import json
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from astro_assets.errors import BadSettingError
from astro_assets.training.runtime import Runtime, count_processes, this_machine
from tests.training.planning import a_cpu, a_gpu


def test_processes() -> None:
    assert count_processes(Runtime(), a_gpu(80, n_devices=4)) == 4
    assert count_processes(Runtime(n_processes=2), a_gpu(80, n_devices=4)) == 2
    assert count_processes(Runtime(), a_cpu()) == 1
    assert count_processes(Runtime(n_processes=2), a_cpu()) == 2
    with pytest.raises(BadSettingError, match="5 processes were asked for"):
        count_processes(Runtime(n_processes=5), a_gpu(80, n_devices=4))


def test_a_runtime_goes_through_json() -> None:
    runtime = Runtime(n_processes=2, loss="chunked", checkpoint_minutes=0.5)
    assert Runtime.of_dict(json.loads(json.dumps(runtime.as_dict()))) == runtime
    assert Runtime.of_dict({}) == Runtime()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("device", "tpu"),
        ("n_processes", -1),
        ("n_processes", True),
        ("threads", 1.5),
        ("attention", "fast"),
        ("loss", None),
        ("recompute", True),
        ("checkpoint_minutes", 0),
        ("colour", "blue"),
    ],
)
def test_a_wrong_runtime_is_named(field: str, value: object) -> None:
    with pytest.raises(BadSettingError, match=field):
        Runtime.of_dict({field: value})


def test_a_runtime_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Runtime().loss = "full"  # type: ignore[misc]


def test_this_machine_without_a_gpu() -> None:
    machine = this_machine("cpu")
    assert (machine.device, machine.n_devices, machine.has_bf16) == ("cpu", 1, False)
    assert machine.n_cores >= 1
    assert machine.memory_bytes > 1e8
    assert machine.device_name
    assert json.loads(json.dumps(machine.as_dict()))["device"] == "cpu"


def test_a_containers_limit_is_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr("astro_assets.training.machine._CGROUP_LIMIT", limit)
    whole = this_machine("cpu").memory_bytes
    limit.write_text("50000000\n")
    assert this_machine("cpu").memory_bytes == 50_000_000
    limit.write_text("max\n")
    assert this_machine("cpu").memory_bytes == whole


def test_cuda_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert this_machine("auto").device == "cpu"
    with pytest.raises(BadSettingError, match="torch sees no CUDA device"):
        this_machine("cuda")
    with pytest.raises(BadSettingError, match="There is no device 'tpu'"):
        this_machine("tpu")
