"""What a person sets, and what this machine is found to be; plans are in ``test_plan``."""

import json
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from astro_assets.errors import BadSettingError, TrainingError
from astro_assets.training.machine import Machine
from astro_assets.training.out_of_memory import lack_of_memory_named
from astro_assets.training.recipe import Recipe, load_recipe
from astro_assets.training.runtime import (
    Runtime,
    count_processes,
    refuse_unmeetable,
    this_machine,
)
from tests.training.builders import a_recipe
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
        ("micro_batch", -1),
        ("micro_batch", 1.0),
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
    assert machine.ram_bytes == machine.memory_bytes
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


SHARDED = a_recipe(sharding="fsdp", min_devices=2)


@pytest.mark.parametrize(
    ("recipe", "machine", "runtime", "found"),
    [
        (a_recipe(), a_cpu(), Runtime(device="cuda"), "Device cuda was asked for"),
        (a_recipe(), a_gpu(80), Runtime(n_processes=2), "2 processes were asked for"),
        (a_recipe(min_devices=4), a_gpu(80, n_devices=2), Runtime(), "needs 4 GPUs, here 2"),
        (a_recipe(batch=6), a_gpu(80, n_devices=4), Runtime(), "takes 6 blocks a step"),
        (a_recipe(precision="bf16"), a_gpu(80, has_bf16=False), Runtime(), "computes in bf16"),
        (SHARDED, a_cpu(), Runtime(), "shards with fsdp, and this is a CPU"),
        (a_recipe(block_length=64), a_cpu(), Runtime(), "blocks of 64 tokens, block_length is 32"),
    ],
)
def test_what_is_refused_before_there_is_a_base(
    recipe: Recipe, machine: Machine, runtime: Runtime, found: str
) -> None:
    with pytest.raises(BadSettingError, match=found):
        refuse_unmeetable(recipe, machine, runtime, block_length=32)


def test_what_can_be_met_is_not_refused() -> None:
    refuse_unmeetable(a_recipe(block_length=32), a_cpu(), Runtime(), block_length=32)
    refuse_unmeetable(SHARDED, a_gpu(80, n_devices=2), Runtime(), block_length=32)
    refuse_unmeetable(load_recipe("paper"), a_gpu(80), Runtime(), block_length=512)


@pytest.mark.parametrize(
    ("micro_batch", "recompute", "told", "not_told"),
    [
        (8, False, ["ASTRO_MICRO_BATCH=4", "ASTRO_RECOMPUTE=on", "last checkpoint"], []),
        (3, True, ["ASTRO_MICRO_BATCH=1 "], ["ASTRO_RECOMPUTE"]),
        (1, False, ["ASTRO_RECOMPUTE=on"], ["ASTRO_MICRO_BATCH"]),
        (1, True, ["a larger device"], ["ASTRO_"]),
    ],
)
def test_a_lack_of_memory_says_what_leaves_the_training_the_same(
    micro_batch: int, recompute: bool, told: list[str], not_told: list[str]
) -> None:
    with (
        pytest.raises(TrainingError) as error,
        lack_of_memory_named(micro_batch=micro_batch, recompute=recompute),
    ):
        raise MemoryError
    assert all(words in error.value.do for words in told)
    assert not any(words in error.value.do for words in not_told)
