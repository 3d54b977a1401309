import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.errors import BadSettingError, EmptyCorpusError, TrainingStoppedError
from astro_assets.models.loading import load_model
from astro_assets.progress import NO_PROGRESS
from astro_assets.training.recipe import Recipe
from astro_assets.training.runtime import Runtime
from astro_assets.training.stopping import StopRequest
from astro_assets.training.trainer import Inputs, train_model
from tests.training.builders import a_base, a_recipe, some_blocks

CPU = torch.device("cpu")
RECIPE = a_recipe()


def train(base: Path, folder: Path, recipe: Recipe = RECIPE, *, n_blocks: int = 12) -> Built:
    folder.mkdir(exist_ok=True)
    blocks = some_blocks(folder, n_blocks)
    inputs = Inputs(a_base(base), blocks, recipe)
    return train_model(inputs, folder / "adapter", progress=NO_PROGRESS, runtime=Runtime(threads=1))


@pytest.fixture(scope="module")
def trained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return train(tiny_base, tmp_path_factory.mktemp("trained"))


def test_the_folder_is_whole(trained: Built) -> None:
    assert set(trained.files) == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "learning_curve.jsonl",
        "recipe.json",
        "training.json",
    }
    assert fingerprint.of_folder(trained.path) == trained.files
    assert trained.counts["n_steps"] == 2 * 12 // 4
    assert trained.counts["n_tokens_seen"] == 2 * 12 * 32
    curve = [
        json.loads(s) for s in (trained.path / "learning_curve.jsonl").read_text().split("\n") if s
    ]
    assert [point["step"] for point in curve] == [1, 2, 3, 4, 5, 6]
    assert curve[-1]["n_tokens"] == 2 * 12 * 32
    assert json.loads((trained.path / "recipe.json").read_text()) == RECIPE.as_dict()
    facts = json.loads((trained.path / "training.json").read_text())
    assert facts["tokens_per_second"] > 0
    assert facts["versions"]["torch"] == torch.__version__


def test_trainable_numbers_counted_by_hand(trained: Built) -> None:
    """rank * (n_in + n_out) per layer; hidden 32, key/value width 16, intermediate 64, 2 blocks."""
    assert trained.counts["n_trainable"] == 2 * 4 * ((32 + 32) + (32 + 16) + (64 + 32))


def test_training_moves_the_adapter_and_not_the_base(tiny_base: Path, trained: Built) -> None:
    base = load_model(tiny_base, device=CPU).state_dict()
    tuned = load_model(tiny_base, trained.path, device=CPU)
    inside = tuned.get_base_model().state_dict()
    for name, weight in base.items():
        found = inside.get(name)
        if found is None:  # a layer with an update keeps its weight under another name
            found = inside[name.replace(".weight", ".base_layer.weight")]
        assert torch.equal(weight, found), name
    ups = [
        t
        for name, t in load_file(trained.path / "adapter_model.safetensors").items()
        if "lora_B" in name
    ]
    assert len(ups) == 6
    assert all(tensor.abs().sum() > 0 for tensor in ups)


def test_merged_weights_are_w_plus_alpha_over_r_b_a(tiny_base: Path, trained: Built) -> None:
    adapter = load_file(trained.path / "adapter_model.safetensors")
    base = load_model(tiny_base, device=CPU).state_dict()
    merged = load_model(tiny_base, trained.path, device=CPU).merge_and_unload().state_dict()
    n_changed = 0
    for name, weight in base.items():
        stem = "base_model.model." + name.removesuffix(".weight")
        expected = weight
        if f"{stem}.lora_A.weight" in adapter:
            down, up = adapter[f"{stem}.lora_A.weight"], adapter[f"{stem}.lora_B.weight"]
            expected = weight + (RECIPE.alpha / RECIPE.rank) * up @ down
            n_changed += 1
        torch.testing.assert_close(merged[name], expected, rtol=1e-5, atol=1e-6)
    assert n_changed == 2 * len(RECIPE.target_modules)


def test_equal_runs_give_equal_bytes(tiny_base: Path, trained: Built, tmp_path: Path) -> None:
    again = train(tiny_base, tmp_path / "another place")
    same = ("adapter_config.json", "adapter_model.safetensors", "learning_curve.jsonl")
    assert {name: again.files[name] for name in same} == {
        name: trained.files[name] for name in same
    }
    assert again.fingerprint == trained.fingerprint


def test_another_seed_gives_another_adapter(tiny_base: Path, trained: Built, tmp_path: Path):
    assert train(tiny_base, tmp_path, a_recipe(seed=1)).fingerprint != trained.fingerprint


@pytest.mark.slow
def test_equal_bytes_in_fresh_processes(tiny_base: Path, trained: Built, tmp_path: Path) -> None:
    """Another process has other hash seeds, so a set's order would show."""
    program = (
        "import sys; from pathlib import Path; from tests.training.test_trainer import train\n"
        "print(train(Path(sys.argv[1]), Path(sys.argv[2])).fingerprint)"
    )
    for seed in ("1", "2"):
        ended = subprocess.run(
            [sys.executable, "-c", program, str(tiny_base), str(tmp_path / seed)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ended.stdout.strip() == trained.fingerprint


def test_no_path_of_this_machine_gets_into_the_adapter(tiny_base: Path, trained: Built) -> None:
    text = (trained.path / "adapter_config.json").read_text()
    assert str(tiny_base) not in text
    assert str(trained.path) not in text
    config = json.loads(text)
    assert config["base_model_name_or_path"] == f"tiny@{a_base(tiny_base).digest[:16]}"
    assert config["target_modules"] == ["down_proj", "q_proj", "v_proj"]


def test_qlora_learns_about_as_well_as_lora(tiny_base: Path, tmp_path: Path) -> None:
    """Had a forward in eval mode cut the gradients, hardly anything would be learned."""
    recipe = a_recipe(epochs=40, learning_rate=2e-2)
    in_4_bits = dataclasses.replace(recipe, method="qlora", quantisation="nf4")
    lora = train(tiny_base, tmp_path / "lora", recipe, n_blocks=4).facts
    built = train(tiny_base, tmp_path / "qlora", in_4_bits, n_blocks=4)
    qlora = built.facts
    assert qlora["last_training_perplexity"] < 0.85 * qlora["first_training_perplexity"]
    assert qlora["last_training_perplexity"] == pytest.approx(
        lora["last_training_perplexity"], rel=0.1
    )
    tuned = load_model(tiny_base, built.path, quantisation="nf4", device=CPU)
    assert torch.isfinite(tuned(input_ids=torch.arange(20)[None]).logits).all()


def test_an_interrupted_training_leaves_the_old_adapter(tiny_base: Path, tmp_path: Path) -> None:
    before = train(tiny_base, tmp_path)
    stop = StopRequest()
    stop.ask("by a test")
    with pytest.raises(TrainingStoppedError, match="by a test after step 1; nothing of it is kept"):
        train_model(
            Inputs(a_base(tiny_base), some_blocks(tmp_path, 12), RECIPE),
            tmp_path / "adapter",
            progress=NO_PROGRESS,
            runtime=Runtime(threads=1),
            stop=stop,
        )
    assert fingerprint.of_folder(tmp_path / "adapter") == before.files
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "stream.npy"]


def test_too_little_for_one_block(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(EmptyCorpusError, match="make no block of 32"):
        train(tiny_base, tmp_path, n_blocks=0)


def test_blocks_of_another_length(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSettingError, match="asks for blocks of 64 tokens, these have 32"):
        train(tiny_base, tmp_path, a_recipe(block_length=64))


def test_blocks_longer_than_the_base_can_see(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSettingError, match="longer than the 256 positions"):
        train_model(
            Inputs(a_base(tiny_base), some_blocks(tmp_path, 2, block_length=512), RECIPE),
            tmp_path / "adapter",
            progress=NO_PROGRESS,
        )


def test_layers_the_base_does_not_have(tiny_base: Path, tmp_path: Path) -> None:
    """Also beside one that it has: an update left out in silence is another training."""
    for names in (("c_attn",), ("q_proj", "c_attn"), ("proj", "c_attn")):
        with pytest.raises(
            BadSettingError, match=r"target_modules .*c_attn .*not in the base"
        ) as e:
            train(tiny_base, tmp_path, a_recipe(target_modules=names))
        assert "q_proj" not in e.value.found
        assert "down_proj, gate_proj, k_proj" in e.value.expected
        assert "lm_head" in e.value.expected
        assert e.value.do


def test_a_layer_may_be_named_with_its_parents(tiny_base: Path, tmp_path: Path) -> None:
    counts = [
        train(tiny_base, tmp_path, a_recipe(target_modules=(name,))).counts["n_trainable"]
        for name in ("self_attn.q_proj", "q_proj")
    ]
    assert counts[0] == counts[1] > 0


def test_general_papers_are_replayed(tiny_base: Path, trained: Built, tmp_path: Path) -> None:
    recipe = a_recipe(replay_fraction=0.25)
    with pytest.raises(EmptyCorpusError, match="replays general papers"):
        train(tiny_base, tmp_path, recipe)
    (tmp_path / "general").mkdir()
    general = some_blocks(tmp_path / "general", 3, seed=9)
    built = train_model(
        Inputs(a_base(tiny_base), some_blocks(tmp_path, 12), recipe, replay=general),
        tmp_path / "adapter",
        progress=NO_PROGRESS,
        runtime=Runtime(threads=1),
    )
    # Two epochs of 12 blocks are three quarters of 32 blocks: 8 steps of 4, where 6 were without.
    assert built.counts["n_steps"] == 8
    assert built.fingerprint != trained.fingerprint
