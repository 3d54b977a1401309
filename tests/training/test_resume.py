"""A training that is stopped and goes on ends as one that never was, byte for byte."""

import json
from pathlib import Path

import pytest

from astro_assets.artifacts.manifest import Built
from astro_assets.errors import BadSettingError, TrainingStoppedError
from astro_assets.progress import NO_PROGRESS
from astro_assets.training.checkpoints import Checkpoints
from astro_assets.training.recipe import Recipe
from astro_assets.training.runtime import Runtime
from astro_assets.training.stopping import StopRequest
from astro_assets.training.trainer import Inputs, train_model
from tests.training.builders import StopAfter, a_base, a_recipe, some_blocks, some_heldout

SAME = ("learning_curve.jsonl", "heldout_curve.jsonl", "recipe.json")
RECIPES = {
    "lora": a_recipe(dropout=0.1),
    "nf4": a_recipe(dropout=0.1, method="qlora", quantisation="nf4"),
    "full": a_recipe(
        method="full", rank=None, target_modules=None, alpha=None, dropout=None, learning_rate=1e-3
    ),
}
AS_FP32, IN_4_BITS = Runtime(threads=1), Runtime(threads=1, dequantise="off")


def inputs_of(base: Path, folder: Path, recipe: Recipe) -> Inputs:
    folder.mkdir(exist_ok=True)
    return Inputs(a_base(base), some_blocks(folder, 11), recipe, heldout=some_heldout())


def train(inputs: Inputs, folder: Path, runtime: Runtime = AS_FP32, **more) -> Built:
    return train_model(
        inputs, folder / "result", runtime=runtime, **({"progress": NO_PROGRESS} | more)
    )


def stopped(inputs: Inputs, folder: Path, after: int, runtime: Runtime = AS_FP32) -> None:
    """Train from where it stands; the step after the ``after``-th thing told is its last.

    The first thing told by a training that goes on is what was done before.
    """
    stop = StopRequest()
    with pytest.raises(TrainingStoppedError, match="its checkpoint is kept"):
        train(inputs, folder, runtime, work=folder, stop=stop, progress=StopAfter(stop, after))


def weights_of(built: Built) -> dict[str, str]:
    return {
        name: checksum
        for name, checksum in built.files.items()
        if name.endswith(".safetensors") or name in SAME
    }


@pytest.mark.parametrize(
    ("name", "runtime"),
    [("lora", AS_FP32), ("nf4", AS_FP32), ("nf4", IN_4_BITS), ("full", AS_FP32)],
    ids=["lora", "nf4-as-fp32", "nf4", "full"],
)
def test_stopped_twice_ends_like_never_stopped(
    tiny_base: Path, tmp_path: Path, name: str, runtime: Runtime
) -> None:
    inputs = inputs_of(tiny_base, tmp_path, RECIPES[name])
    whole = train(inputs, tmp_path / "whole", runtime)
    assert whole.counts["n_steps"] == 5
    work = tmp_path / "work"
    work.mkdir()
    stopped(inputs, work, 1, runtime)  # after step 2
    stopped(inputs, work, 2, runtime)  # after step 4
    resumed = train(inputs, work, runtime, work=work)
    assert weights_of(resumed) == weights_of(whole)
    assert resumed.fingerprint == whole.fingerprint


def test_a_damaged_checkpoint_is_passed_over(tiny_base: Path, tmp_path: Path) -> None:
    inputs = inputs_of(tiny_base, tmp_path, RECIPES["lora"])
    whole = train(inputs, tmp_path / "whole")
    work = tmp_path / "work"
    work.mkdir()
    stopped(inputs, work, 1)
    stopped(inputs, work, 1)
    kept = Checkpoints(work, inputs.identity)
    newest = kept.newest()
    assert newest is not None
    assert newest.step == 3
    optimiser = newest.folder / "optimizer.pt"
    data = bytearray(optimiser.read_bytes())
    data[len(data) // 2] ^= 1
    optimiser.write_bytes(data)
    older = kept.newest()
    assert older is not None
    assert older.step == 2
    assert weights_of(train(inputs, work, work=work)) == weights_of(whole)


def test_a_checkpoint_of_another_training_is_left_alone(tiny_base: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    other = inputs_of(tiny_base, tmp_path, a_recipe(seed=3))
    stopped(other, work, 2)
    inputs = inputs_of(tiny_base, tmp_path, RECIPES["lora"])
    assert Checkpoints(work, inputs.identity).newest() is None
    with pytest.raises(BadSettingError, match="a checkpoint of another training"):
        train(inputs, work, work=work)
    assert Checkpoints(work, other.identity).newest() is not None


def test_half_a_checkpoint_is_not_used(tiny_base: Path, tmp_path: Path) -> None:
    inputs = inputs_of(tiny_base, tmp_path, RECIPES["lora"])
    whole = train(inputs, tmp_path / "whole")
    work = tmp_path / "work"
    work.mkdir()
    stopped(inputs, work, 1)
    newest = Checkpoints(work, inputs.identity).newest()
    assert newest is not None
    (newest.folder / "seal.json").unlink()
    assert Checkpoints(work, inputs.identity).newest() is None
    assert weights_of(train(inputs, work, work=work)) == weights_of(whole)


def test_checkpoints_are_few_and_hold_no_pickled_arguments(tiny_base: Path, tmp_path: Path) -> None:
    inputs = inputs_of(tiny_base, tmp_path, RECIPES["lora"])
    every_step = Runtime(threads=1, checkpoint_minutes=1e-9)
    work = tmp_path / "work"
    work.mkdir()
    stopped(inputs, work, 3, every_step)
    kept = sorted(path.name for path in (work / "checkpoints").iterdir())
    assert kept == ["checkpoint-3", "checkpoint-4"]
    names = {path.name for path in (work / "checkpoints" / "checkpoint-4").iterdir()}
    assert "training_args.bin" not in names
    assert {"seal.json", "curve.jsonl", "heldout.jsonl", "adapter_model.safetensors"} <= names


def test_the_live_curves_are_whole_after_a_resume(tiny_base: Path, tmp_path: Path) -> None:
    inputs = inputs_of(tiny_base, tmp_path, RECIPES["lora"])
    work = tmp_path / "work"
    work.mkdir()
    stopped(inputs, work, 2)
    with (work / "curve.jsonl").open("a") as curve:
        curve.write('{"step": 3, "half a li')  # what a killed trainer leaves
    train(inputs, work, work=work)
    live = [json.loads(line) for line in (work / "curve.jsonl").read_text().splitlines()]
    assert [point["step"] for point in live] == [1, 2, 3, 4, 5]
    assert live[-1]["tokens_per_second"] > 0
    assert live[-1]["memory_bytes"] > 1e6
    measured = [json.loads(line) for line in (work / "heldout.jsonl").read_text().splitlines()]
    # The start, the end of the first epoch (11 blocks are 2.75 steps), what is spread, the end.
    assert [point["step"] for point in measured] == [0, 1, 2, 3, 4, 5]
