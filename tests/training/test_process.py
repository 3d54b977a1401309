"""The trainer as a process: what it answers to signals, to the death of its parent, to bad jobs."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from astro_assets.artifacts import fingerprint
from astro_assets.errors import DiskFullError
from astro_assets.training.endings import EXIT_STOPPED
from astro_assets.training.endings import error_of as error_of_ending
from astro_assets.training.job import BlockFiles, TrainingJob, read_job, write_job
from astro_assets.training.recipe import Recipe
from astro_assets.training.result import read_result
from astro_assets.training.runtime import Runtime
from astro_assets.training.stopping import LIFELINE
from tests.e2e.test_full_disk import resize, small_disk
from tests.training.builders import a_base, a_recipe, some_blocks, some_heldout

ROOT = Path(__file__).parents[2]
SHORT = a_recipe(dropout=0.1)
LONG = a_recipe(dropout=0.1, epochs=100)
"""Some seconds of training, so that it is met at work."""
WEIGHTS = "adapter_model.safetensors"


def a_job(base: Path, folder: Path, recipe: Recipe = SHORT, **runtime) -> Path:
    """Write a work folder and return its job file."""
    work = folder / "work"
    work.mkdir(parents=True)
    heldout = some_heldout()
    np.savez(
        work / "heldout.npz",
        tokens=np.concatenate(heldout.documents).astype(np.int32),
        offsets=np.cumsum([0, *(len(ids) for ids in heldout.documents)]),
        field=np.array(heldout.field),
        subfield=np.array(heldout.subfield),
    )
    job = TrainingJob(
        name="a test",
        base=a_base(base),
        blocks=BlockFiles.of(some_blocks(folder, 11)),
        recipe=recipe,
        runtime=Runtime(threads=1, **runtime),
        heldout=work / "heldout.npz",
    )
    return write_job(job, work)


def start(*arguments: str | Path, n_processes: int = 1, **environment: str) -> subprocess.Popen:
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n_processes}"]
    return subprocess.Popen(
        [
            sys.executable,
            *(torchrun if n_processes > 1 else []),
            *("-m", "astro_assets.training", *map(str, arguments)),
        ],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen) -> tuple[int, str]:
    """Wait for a process, its standard input left open, and return its status and what it said."""
    assert process.stderr is not None
    said = process.stderr.read()
    return process.wait(60), said


def at_work(process: subprocess.Popen, work: Path) -> None:
    """Wait until a trainer has made its third step."""
    curve = work / "curve.jsonl"
    while process.poll() is None:
        if curve.is_file() and curve.read_bytes().count(b"\n") >= 3:
            return
        time.sleep(0.01)
    raise AssertionError(f"ended before its third step: {ended(process)}")


def weights_of(job: Path) -> str:
    return fingerprint.of_file(job.parent / "result" / WEIGHTS)


def error_of(job: Path) -> dict[str, str]:
    return json.loads((job.parent / "error.json").read_text())


def test_a_job_comes_back_from_its_file(tiny_base: Path, tmp_path: Path) -> None:
    job = read_job(a_job(tiny_base, tmp_path))
    assert job.recipe == SHORT
    assert job.runtime == Runtime(threads=1)
    assert job.base == a_base(tiny_base)
    assert len(job.blocks.open()) == 11
    (tmp_path / "again").mkdir()
    assert read_job(write_job(job, tmp_path / "again")) == job


@pytest.fixture(scope="module")
def whole(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job of a training that nothing ended."""
    job = a_job(tiny_base, tmp_path_factory.mktemp("whole"), LONG)
    assert ended(start("--job", job))[0] == 0
    return job


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL", "lifeline"])
def test_whatever_ends_it_the_next_one_goes_on(
    tiny_base: Path, whole: Path, tmp_path: Path, how: str
) -> None:
    job = a_job(tiny_base, tmp_path / "ended", LONG, checkpoint_minutes=1e-3)
    process = start("--job", job, **{LIFELINE: "stdin"})
    at_work(process, job.parent)
    if how == "lifeline":
        assert process.stdin is not None
        process.stdin.close()
    else:
        process.send_signal(signal.Signals[how])
    code, said = ended(process)
    assert code == (-signal.SIGKILL if how == "SIGKILL" else EXIT_STOPPED), said
    assert not (job.parent / "result").exists()
    assert not (job.parent / "error.json").exists()
    code, said = ended(start("--job", job))
    assert code == 0, said
    assert weights_of(job) == weights_of(whole)
    first, second = read_result(whole.parent / "result"), read_result(job.parent / "result")
    assert first.fingerprint == second.fingerprint
    for name in ("learning_curve.jsonl", "heldout_curve.jsonl"):
        assert first.files[name] == second.files[name]


@pytest.mark.slow
def test_a_second_trainer_refuses_and_names_the_first(tiny_base: Path, tmp_path: Path) -> None:
    job = a_job(tiny_base, tmp_path, LONG)
    first = start("--job", job)
    at_work(first, job.parent)
    code, said = ended(start("--job", job))
    assert code == 1
    assert f"trainer of a test (process {first.pid})" in said
    assert not (job.parent / "error.json").exists(), "the refused one spoke for the first"
    first.send_signal(signal.SIGTERM)
    assert ended(first)[0] == EXIT_STOPPED


@pytest.mark.slow
def test_bad_jobs_are_refused_by_name(tiny_base: Path, tmp_path: Path) -> None:
    job = a_job(tiny_base, tmp_path / "another base")
    document = json.loads(job.read_text())
    document["base"]["digest"] = "0" * 64
    job.write_text(json.dumps(document))
    assert ended(start("--job", job))[0] == 1
    assert error_of(job)["type"] == "BadModelError"
    assert "recorded is 000000000000…" in error_of(job)["found"]

    job = a_job(tiny_base, tmp_path / "no job")
    job.write_text("{}")
    assert ended(start("--job", job))[0] == 1
    assert error_of(job)["type"] == "DamagedArtifactError"

    wild = a_recipe(learning_rate=1.0, eps=1e-12, epochs=100, clip=1e6, target_modules=("lm_head",))
    job = a_job(tiny_base, tmp_path / "a layer that may not", wild)
    code, said = ended(start("--job", job))
    assert code == 1
    assert error_of(job)["do"]
    assert "Traceback" not in said


@pytest.mark.slow
def test_two_processes_make_the_steps_of_one(tiny_base: Path, tmp_path: Path) -> None:
    """Gloo on the CPU: the same blocks in every step, so the same curve but for rounding.

    Without dropout, whose masks each process draws for its own blocks.
    """
    recipe = a_recipe(batch=4, micro_batch=1, epochs=8, dropout=0.0)
    one = a_job(tiny_base, tmp_path / "one", recipe)
    two = a_job(tiny_base, tmp_path / "two", recipe, n_processes=2)
    assert ended(start("--job", one))[0] == 0
    code, said = ended(start("--job", two, n_processes=2))
    assert code == 0, said
    alone, shared = read_result(one.parent / "result"), read_result(two.parent / "result")
    assert shared.facts["plan"]["n_processes"] == 2
    assert shared.facts["plan"]["n_accumulated"] == 2
    assert alone.facts["plan"]["n_accumulated"] == 4
    assert alone.counts == shared.counts
    for name, key in (("learning_curve.jsonl", None), ("heldout_curve.jsonl", "astro")):
        curves = [nll_of(folder.path / name, key) for folder in (alone, shared)]
        np.testing.assert_allclose(curves[0], curves[1], rtol=2e-4)
    from safetensors.numpy import load_file

    adapters = [load_file(folder.path / WEIGHTS) for folder in (alone, shared)]
    for weight, other in zip(adapters[0].values(), adapters[1].values(), strict=True):
        np.testing.assert_allclose(weight, other, atol=2e-3)
    # Something was learned, so the equality is not that of two untouched models.
    assert alone.facts["last_training_perplexity"] < 0.97 * alone.facts["first_training_perplexity"]


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on(tiny_base: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(LONG, micro_batch=1, dropout=0.0)
    whole = a_job(tiny_base, tmp_path / "whole", recipe, n_processes=2)
    assert ended(start("--job", whole, n_processes=2))[0] == 0
    job = a_job(tiny_base, tmp_path / "ended", recipe, n_processes=2)
    process = start("--job", job, n_processes=2, **{LIFELINE: "stdin"})
    at_work(process, job.parent)
    assert process.stdin is not None
    process.stdin.close()
    code, said = ended(process)
    assert code != 0
    assert not (job.parent / "error.json").exists(), said
    assert ended(start("--job", job, n_processes=2))[0] == 0
    assert weights_of(job) == weights_of(whole)


@pytest.mark.slow
def test_what_fails_in_another_process_is_told(tiny_base: Path, tmp_path: Path) -> None:
    """The second of two runs out of memory; the first only sees that it is gone."""
    job = a_job(tiny_base, tmp_path, a_recipe(micro_batch=1), n_processes=2)
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "if os.environ.get('RANK') == '1':\n"
        "    import astro_assets.training.trainer as trainer, torch\n"
        "    def fit(*a, **k): raise torch.OutOfMemoryError('CUDA out of memory, says a test')\n"
        "    trainer.fit = fit\n"
    )
    paths = f"{tmp_path}:{ROOT}"
    code, _ = ended(start("--job", job, n_processes=2, PYTHONPATH=paths))
    assert code != 0
    assert error_of(job)["type"] == "TrainingError"
    assert "Memory ran out with micro-batches of 1" in error_of(job)["found"]


@pytest.mark.slow
@pytest.mark.parametrize("room_kb", [150, 400])
def test_a_full_disk_is_named(tiny_base: Path, tmp_path: Path, room_kb: int) -> None:
    """Checkpoints of each step fill a small disk; with room the training goes on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk):
        job = a_job(tiny_base, disk / "home" / "trainings", LONG, checkpoint_minutes=1e-9)
        used = sum(path.stat().st_size for path in disk.rglob("*") if path.is_file()) // 1024
        resize(disk, used + room_kb)
        code, said = ended(start("--job", job))
        assert code == 1
        assert "The disk is full" in said
        told = error_of_ending(code, job.parent, log_begin=0)
        assert isinstance(told, DiskFullError)
        resize(disk, 64_000)
        sparse = json.loads(job.read_text())
        sparse["runtime"]["checkpoint_minutes"] = 10
        job.write_text(json.dumps(sparse))
        code, said = ended(start("--job", job))
        assert code == 0, said


@pytest.mark.slow
def test_a_person_starts_it_with_flags(tiny_base: Path, tmp_path: Path) -> None:
    some_blocks(tmp_path, 11)
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(json.dumps(SHORT.as_dict()))  # JSON is YAML
    work = tmp_path / "by hand"
    flags = ("--work", work, "--recipe", recipe, "--base", tiny_base, "--block-length", 32)
    code, said = ended(start(*flags, "--tokens", tmp_path / "stream.npy", "--threads", 1))
    assert code == 0, said
    assert read_result(work / "result").counts["n_blocks"] == 11
    stream = ("--tokens", tmp_path / "stream.npy")
    code, said = ended(start(*flags[:4], "--base", tiny_base, "--block-length", 16, *stream))
    assert code == 1
    assert "holds another training" in said
    code, said = ended(start("--work", work))
    assert code == 1
    assert "--recipe, --base and --tokens" in said


def nll_of(path: Path, group: str | None) -> list[float]:
    nll = [json.loads(line)["nll_nats_per_token"] for line in path.read_text().splitlines()]
    return nll if group is None else [one[group] for one in nll]
