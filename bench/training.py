"""Training, ours beside plain Hugging Face ``Trainer`` (and Unsloth), in one run.

Run ``python -m bench.training [--rounds N] [--steps N] [--threads N] [--profile]``. Bases are made
here with random weights, so nothing is fetched; blocks are random ids. Every run is a process of
its own and the ways take turns; a way's figures are those of its fastest run. What is compared:

- on a CPU: LoRA on small Llamas in fp32 and bf16. ``ours`` is ``train_model`` as a release runs
  it; ``Trainer`` is the library's own example with the same numbers;
- on CUDA: recipe ``paper`` on a Llama-2-7B of random weights. ``ours`` is what the plan chooses,
  ``ours, 4 bits kept`` unpacks them at every use; ``Trainer + bitsandbytes``; Unsloth where it is
  installed. The roofline is 4 N operations a token, N weights: forward and backward through a
  frozen base (no gradient of its own weights), at the device's peak in bfloat16.

All ways train the same blocks in the same order; the last column shows that they learn the same.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from astro_assets.models.base import BaseModel
from astro_assets.training.recipe import Recipe, load_recipe
from bench.cost import cost_of, table
from bench.training_ways import N_WARM, Result, Work, ours, plain, unsloth

BLOCK_LENGTH = 512
PEAK_FLOPS = (("H200", 989e12), ("H100 PCIe", 756e12), ("H100", 989e12), ("A100", 312e12))
"""Of dense bfloat16 products, from the makers' data sheets."""

SMALL: dict[str, dict[str, int]] = {
    "scratch (2,048 pieces)": {"vocab_size": 2048, "hidden_size": 128, "intermediate_size": 352},
    "small, 8,192 pieces": {"vocab_size": 8192, "hidden_size": 256, "intermediate_size": 704},
    "small, 32,000 pieces": {"vocab_size": 32_000, "hidden_size": 256, "intermediate_size": 704},
}
"""Shapes for a CPU; four layers of four heads, two of them keys' and values'."""
_LAYERS = {"num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2}


@dataclass(frozen=True)
class Way:
    """One row of the table."""

    name: str
    run: Callable[[Work], Result]
    """Can be sent to another process."""
    precision: str = ""
    """Of the recipe, where it is not the recipe's own."""


def make_base(folder: Path, name: str, shape: dict[str, int], *, on_cuda: bool) -> BaseModel:
    """Write a Llama of random weights; on CUDA it is made there, in bfloat16."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**shape)  # without sizes: Llama-2-7B
    torch.manual_seed(0)
    dtype = torch.bfloat16 if on_cuda else torch.float32
    with torch.device("cuda" if on_cuda else "cpu"):
        model = LlamaForCausalLM._from_config(config, dtype=dtype)
    model.save_pretrained(folder)
    n_parameters = sum(p.numel() for p in model.parameters())
    return BaseModel(
        name=name,
        kind="path",
        folder=folder,
        digest="0" * 64,
        revision=None,
        n_parameters=n_parameters,
        n_vocab=config.vocab_size,
        max_positions=config.max_position_embeddings,
    )


def make_work(base: BaseModel, recipe: Recipe, given: argparse.Namespace) -> Work:
    """Write blocks of random ids, frequent ones more often, as in a text."""
    n_tokens = given.steps * recipe.batch * BLOCK_LENGTH
    weights = 1 / np.arange(10, base.n_vocab + 10)
    ids = np.random.default_rng(0).choice(base.n_vocab, n_tokens, p=weights / weights.sum())
    stream = base.folder / "stream.npy"
    np.save(stream, ids.astype(np.uint16))
    return Work(
        base=base,
        stream=stream,
        n_tokens=n_tokens,
        block_length=BLOCK_LENGTH,
        recipe=recipe,
        n_steps=given.steps,
        threads=given.threads,
        profile=given.profile,
    )


def measure(work: Work, ways: list[Way], rounds: int) -> dict[str, Result]:
    """Run every way in turn and keep each one's fastest run."""
    best: dict[str, Result] = {}
    for turn in range(rounds):
        for way in ways if turn % 2 == 0 else reversed(ways):
            precision = way.precision or work.recipe.precision
            own = replace(work, recipe=replace(work.recipe, precision=precision))
            result: Result = cost_of(run_way, way.run, own).value
            found = best.get(way.name)
            if found is None or _cost(result) < _cost(found):
                best[way.name] = result
            print(f"  {work.base.name}, {way.name}: {result.tokens_per_second:,.0f} tokens/s")
    return best


def run_way(run: Callable[[Work], Result], work: Work) -> Result:
    """Run a way; a function with a name, for the process it is sent to."""
    return run(work)


def _cost(result: Result) -> float:
    """Return what runs are compared by: seconds of the GPU, or of the cores that worked."""
    import torch

    return result.seconds if torch.cuda.is_available() else result.cpu_seconds


def report(work: Work, ways: list[Way], best: dict[str, Result], device: str | None) -> None:
    """Print the table, and what was chosen for the machine."""
    head = ["way", "tokens/s", "CPU s per 10k tokens", "speed", "peak memory", "of it"]
    peak = next((flops for name, flops in PEAK_FLOPS if device and name in device), None)
    rows = [(*head, "roofline", "last loss")]
    reference = {way.precision: best[way.name] for way in ways if way.name.startswith("Trainer")}
    first = next(iter(reference.values()))
    for way in ways:
        result = best[way.name]
        beside = reference.get(way.precision, first)
        share = result.tokens_per_second * 4 * work.base.n_parameters / peak if peak else None
        rows.append(
            (
                way.name,
                f"{result.tokens_per_second:,.0f}",
                f"{1e4 * result.cpu_seconds / result.n_tokens:.2f}",
                f"{_cost(beside) / _cost(result):.2f}",
                f"{result.peak_bytes / 1e6:,.0f} MB",
                f"{result.peak_bytes / beside.peak_bytes:.2f}",
                "–" if share is None else f"{share:.0%}",
                f"{result.last_nll:.4f}",
            )
        )
    recipe = work.recipe
    print(
        f"\n{work.base.name}: {work.base.n_parameters:,} weights, {recipe.batch} blocks of "
        f"{work.block_length} a step, {recipe.micro_batch} at a time, "
        f"{work.n_steps - N_WARM} steps counted\n"
    )
    print(table(rows))
    for sentence in best[ways[0].name].said:
        print(f"- {sentence}")


def cpu_ways() -> list[Way]:
    """Ours and the Trainer's, in both precisions."""
    return [
        way
        for precision in ("fp32", "bf16")
        for way in (
            Way(f"ours, {precision}", partial(ours, settings={}), precision),
            Way(f"Trainer, {precision}", partial(plain, quantisation=None), precision),
        )
    ]


def cuda_ways() -> list[Way]:
    """Ours with the plan's choice and with 4 bits kept, the Trainer's, and Unsloth's if it is."""
    ways = [
        Way("ours", partial(ours, settings={})),
        Way("ours, 4 bits kept", partial(ours, settings={"dequantise": "off"})),
        Way("Trainer + bitsandbytes", partial(plain, quantisation="nf4")),
    ]
    if find_spec("unsloth"):
        ways.append(Way("Unsloth", unsloth))
    else:
        print("not measured: Unsloth (it is not installed)")
    return ways


def main() -> None:
    """Measure what this machine can and print the tables."""
    parser = argparse.ArgumentParser(description="Training, ours beside plain Trainer.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12, help=f"the first {N_WARM} do not count")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all cores")
    parser.add_argument("--only", default="", help="bases whose name holds this")
    parser.add_argument("--profile", action="store_true", help="print where ours spends its time")
    given = parser.parse_args()
    if given.steps < N_WARM + 4:
        parser.error(f"--steps must be at least {N_WARM + 4}")
    import torch

    on_cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if on_cuda else None
    ways = cuda_ways() if on_cuda else cpu_ways()
    shapes: dict[str, dict[str, int]] = {"Llama-2-7B": {}} if on_cuda else SMALL
    recipe = (
        load_recipe("paper") if on_cuda else replace(load_recipe("smoke"), batch=4, micro_batch=4)
    )
    if given.profile:
        ways = ways[:2] if on_cuda else ways[:1]
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {device or platform.machine()}, torch {torch.__version__}"
    )
    for name, shape in shapes.items():
        if given.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            sizes = {} if on_cuda else {**shape, **_LAYERS, "tie_word_embeddings": True}
            base = make_base(Path(folder), name, sizes, on_cuda=on_cuda)
            work = make_work(base, recipe, given)
            best = measure(work, ways, 1 if given.profile else given.rounds)
            if not given.profile:
                report(work, ways, best, device)


if __name__ == "__main__":
    main()
