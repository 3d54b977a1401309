"""The same training on CUDA; tests skip themselves where there is no device, or too few."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.models.base import BaseModel
from astro_assets.models.handle import ModelHandle
from astro_assets.models.loading import load_model
from astro_assets.models.quantisation import dequantise
from astro_assets.progress import NO_PROGRESS
from astro_assets.training.job import BlockFiles, TrainingJob, write_job
from astro_assets.training.loss import sum_of_nll
from astro_assets.training.recipe import load_recipe
from astro_assets.training.runtime import Runtime
from astro_assets.training.trainer import Inputs, train_model
from tests.training.builders import a_base, a_recipe

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

GIGABYTE = 10**9
QLORA = a_recipe(
    name="gpu",
    method="qlora",
    quantisation="nf4",
    learning_rate=1e-2,
    rank=8,
    target_modules=("q_proj", "v_proj", "up_proj", "down_proj"),
    batch=2,
    micro_batch=2,
    epochs=60,
    precision="bf16",
)


def one_block(folder: Path) -> TokenBlocks:
    """64 ids, twice: to be learned by heart."""
    path = folder / "stream.npy"
    ids = [1, *range(259, 290), *range(300, 331), 2] * 2
    np.save(path, np.array(ids, dtype=np.uint16))
    return TokenBlocks([Stream(path, len(ids))], block_length=64)


@pytest.mark.parametrize("switch", ["on", "off"])
def test_qlora_learns_one_block(tiny_base: Path, tmp_path: Path, switch: Any) -> None:
    inputs = Inputs(base=a_base(tiny_base), blocks=one_block(tmp_path), recipe=QLORA)
    runtime = Runtime(device="cuda", dequantise=switch, n_processes=1)
    built = train_model(inputs, tmp_path / "result", progress=NO_PROGRESS, runtime=runtime)
    facts = built.facts
    assert facts["device"] != "cpu"
    assert facts["plan"]["dequantise"] is (switch == "on")
    assert facts["last_training_perplexity"] < facts["first_training_perplexity"] / 2
    tuned = ModelHandle("tuned", tiny_base, built.path, built.fingerprint, "nf4").load()
    assert next(tuned.parameters()).is_cuda


def test_dequantised_layers_compute_what_the_packed_ones_do(tiny_base: Path) -> None:
    """To the rounding of bfloat16: for few rows bitsandbytes has a kernel with sums of its own."""
    packed, plain = (
        load_model(tiny_base, quantisation="nf4", dtype=torch.bfloat16) for _ in range(2)
    )
    assert dequantise(plain, torch.bfloat16) == 14
    ids = torch.arange(200, device="cuda")[None]
    with torch.no_grad():
        one, other = (model(input_ids=ids).logits.float() for model in (packed, plain))
    assert (one - other).norm() < 2e-2 * other.norm()


@pytest.mark.parametrize("kind", ["chunked", "liger"])
def test_losses_without_logits_are_the_full_one(kind: str) -> None:
    """In bfloat16 the gradients differ by its rounding (2^-8)."""
    fused = sum_of_nll
    if kind == "liger":
        pytest.importorskip("liger_kernel")
        from astro_assets.training.loss import _liger

        fused = _liger()
    torch.manual_seed(0)
    hidden = torch.randn(1000, 256, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    weight = (torch.randn(32_000, 256, device="cuda") / 16).bfloat16()
    targets = torch.randint(0, 32_000, (1000,), device="cuda")
    targets[::7] = -100
    full = torch.nn.functional.cross_entropy(
        (hidden @ weight.t()).float(), targets, reduction="sum"
    )
    (expected,) = torch.autograd.grad(full, hidden)
    total = fused(hidden, weight, None, targets)
    (found,) = torch.autograd.grad(total, hidden)
    assert total.item() == pytest.approx(full.item(), rel=1e-3)
    assert (found.float() - expected.float()).norm() < 2e-2 * expected.float().norm()


@pytest.fixture
def seven_billion(tmp_path: Path) -> BaseModel:
    """Llama-2-7B's shape with random weights, made on the device."""
    from bench.training import make_base

    if torch.cuda.get_device_properties(0).total_memory < 20 * GIGABYTE:
        pytest.skip("a 7 B base needs a GPU of 20 GB")
    base = make_base(tmp_path, "random-7b", {}, on_cuda=True)
    torch.cuda.empty_cache()
    return base


@pytest.mark.parametrize("switch", ["auto", "off"])
def test_the_papers_recipe_trains_seven_billion_weights(
    seven_billion: BaseModel, tmp_path: Path, switch: Any
) -> None:
    recipe = replace(load_recipe("paper"), max_tokens=3 * 32 * 512)
    path = tmp_path / "stream.npy"
    np.save(path, np.random.default_rng(0).integers(3, 32_000, 3 * 32 * 512).astype(np.uint16))
    inputs = Inputs(
        base=seven_billion,
        blocks=TokenBlocks([Stream(path, 3 * 32 * 512)], block_length=512),
        recipe=recipe,
    )
    torch.cuda.reset_peak_memory_stats()
    runtime = Runtime(device="cuda", dequantise=switch, n_processes=1)
    built = train_model(inputs, tmp_path / "result", progress=NO_PROGRESS, runtime=runtime)
    facts = built.facts
    assert built.counts["n_steps"] == 3
    assert math.log(facts["first_training_perplexity"]) == pytest.approx(math.log(32_000), abs=2)
    assert facts["peak_memory_bytes"] < facts["machine"]["memory_bytes"]
    assert facts["peak_memory_bytes"] == pytest.approx(facts["plan"]["estimated_bytes"], rel=0.4)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="FSDP shards over at least two GPUs")
def test_fsdp_learns_what_one_gpu_learns(tiny_base: Path, tmp_path: Path) -> None:
    """On a CPU accelerate leaves the sharding out without a word, so it is shown nowhere else."""
    curves = {}
    for name, sharding, n_processes in (("one", None, 1), ("two", "fsdp", 2)):
        work = tmp_path / name
        work.mkdir()
        recipe = replace(QLORA, sharding=sharding, min_devices=n_processes, dropout=0.0)
        job = TrainingJob(
            name=name,
            base=a_base(tiny_base),
            blocks=BlockFiles.of(one_block(tmp_path)),
            recipe=recipe,
            runtime=Runtime(device="cuda", n_processes=n_processes),
        )
        started = subprocess.run(
            [sys.executable, *_starting(n_processes), "--job", str(write_job(job, work))],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "0,1"[: 2 * n_processes - 1]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert started.returncode == 0, started.stdout + started.stderr
        lines = (work / "result" / "learning_curve.jsonl").read_text().splitlines()
        curves[name] = [json.loads(line)["nll_nats_per_token"] for line in lines]
    assert curves["two"][-1] < curves["two"][0] / 2
    assert curves["two"][:10] == pytest.approx(curves["one"][:10], rel=0.05)


def _starting(n_processes: int) -> list[str]:
    if n_processes == 1:
        return ["-m", "astro_assets.training"]
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes)]
    return [*several, "-m", "astro_assets.training"]
