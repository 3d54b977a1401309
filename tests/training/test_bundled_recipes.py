"""The recipes that come with the package: documents, pinned bases, published numbers."""

import dataclasses
import json
import re
import subprocess
import sys
from importlib.resources import files

import pytest
import yaml

from astro_assets.errors import BadSettingError
from astro_assets.training.machine import Machine
from astro_assets.training.recipe import Recipe, load_recipe, parse_recipe, recipe_names
from astro_assets.training.shape import Shape
from tests.training.planning import a_cpu, a_gpu, plan
from tests.training.shapes import LLAMA_2_7B, LLAMA_2_70B, LLAMA_3_8B, STORIES_260K, TINY_LLAMA


def test_what_is_bundled() -> None:
    assert recipe_names() == [
        "astrollama2-70b",
        "astrollama3-8b",
        "llama2-70b-qlora",
        "paper",
        "smoke",
        "smoke-qlora",
        "tinyllama",
    ]


@pytest.mark.parametrize("name", recipe_names())
def test_every_bundled_recipe_loads(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.optimisation(n_blocks=1_000, block_length=512).n_steps >= 1
    plain = json.loads(json.dumps(recipe.as_dict(), allow_nan=False))
    assert list(plain) == [field.name for field in dataclasses.fields(Recipe)]
    assert parse_recipe(yaml.safe_dump(plain), where="again") == recipe


@pytest.mark.parametrize("name", recipe_names())
def test_every_bundled_recipe_is_a_document(name: str) -> None:
    """It says how to run it, and of every number whose it is."""
    text = files("astro_assets.training").joinpath("recipes", f"{name}.yaml").read_text()
    header, _, body = text.partition("\nname: ")
    assert "astro-assets" in header
    assert f"--recipe {name}" in header
    assert "reproduce" in header or "recipe smoke's" in header
    fields = re.split(r"\n+(?=[a-z_]+:)", body.strip())[1:]
    assert len(fields) >= 20
    for field in fields:
        assert re.search(r"#.*\b(paper|published|ours)\b", field), field


@pytest.mark.parametrize("name", recipe_names())
def test_bundled_bases_are_pinned_to_a_commit(name: str) -> None:
    base = load_recipe(name).base
    assert base is None or re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", base)


def test_the_papers_base_is_llama_2() -> None:
    assert (load_recipe("paper").base or "").startswith("meta-llama/Llama-2-7b-hf@")
    assert load_recipe("astrollama2-70b").base == load_recipe("llama2-70b-qlora").base


def test_the_papers_numbers() -> None:
    """arXiv:2309.06126, section 2.2; what the paper leaves open is not asserted here."""
    paper = load_recipe("paper")
    assert (paper.alpha, paper.dropout) == (32, 0.05)
    assert (paper.learning_rate, paper.min_lr_ratio, paper.warmup_share) == (3e-4, 0.1, 0.1)
    assert (paper.betas, paper.eps, paper.weight_decay, paper.clip) == ((0.9, 0.95), 1e-5, 0.1, 1.0)
    assert (paper.batch, paper.block_length) == (32, 512)
    assert paper.replay_fraction == 0
    assert (paper.method, paper.quantisation) == ("qlora", "nf4")
    # 77 M training tokens, nearly three epochs, about 230 M tokens, about 14,000 steps.
    plan = paper.optimisation(n_blocks=77_000_000 // 512, block_length=512)
    assert plan.n_steps == 230_000_000 // 512 // 32 == 14_038


def test_smoke_keeps_the_papers_rules_but_the_rate() -> None:
    paper, smoke = load_recipe("paper"), load_recipe("smoke")
    for field in (
        "alpha",
        "dropout",
        "min_lr_ratio",
        "warmup_share",
        "betas",
        "eps",
        "weight_decay",
        "clip",
        "target_modules",
    ):
        assert getattr(smoke, field) == getattr(paper, field), field
    assert smoke.learning_rate > paper.learning_rate


def test_the_4_bit_smoke_is_the_smoke_in_4_bits() -> None:
    changed = {"name": "smoke-qlora", "method": "qlora", "quantisation": "nf4"}
    assert load_recipe("smoke-qlora").as_dict() == load_recipe("smoke").as_dict() | changed


def test_astromlabs_published_numbers() -> None:
    """Model cards of AstroLLaMA-3-8B and AstroLLaMA-2-70B (arXiv:2409.19750)."""
    for name, batch, block_length in (("astrollama3-8b", 96, 512), ("astrollama2-70b", 160, 2048)):
        recipe = load_recipe(name)
        assert (recipe.method, recipe.rank, recipe.quantisation) == ("full", None, None)
        assert (recipe.learning_rate, recipe.warmup_share, recipe.epochs) == (2e-5, 0.03, 1)
        assert (recipe.batch, recipe.block_length, recipe.precision) == (
            batch,
            block_length,
            "bf16",
        )


_LEAN = """
import sys

from tests.lean import only_lean

only_lean()
from astro_assets.training.recipe import load_recipe, recipe_names
from astro_assets.training.runtime import Runtime, count_processes, make_plan, this_machine
from tests.training.shapes import STORIES_260K

assert len([load_recipe(name) for name in recipe_names()]) == 7
assert "pydantic" not in sys.modules
assert "torch" not in sys.modules, "plans are made before anything large is imported"
machine = this_machine("cpu")
plan = make_plan(
    load_recipe("smoke"), machine, Runtime(), STORIES_260K,
    block_length=512, n_processes=count_processes(Runtime(), machine),
)
print(plan.micro_batch)
"""


def test_recipes_and_plans_need_no_more_than_the_trainers_image() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LEAN], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2"


WORKS_ON: dict[str, list[tuple[Machine, Shape]]] = {
    "paper": [(a_gpu(16), LLAMA_2_7B), (a_gpu(42.4, n_devices=4), LLAMA_2_7B)],
    "smoke": [(a_cpu(4), STORIES_260K), (a_gpu(8), STORIES_260K)],
    "smoke-qlora": [(a_cpu(4), STORIES_260K)],
    "tinyllama": [(a_gpu(8), TINY_LLAMA), (a_gpu(16, has_bf16=False), TINY_LLAMA)],
    "astrollama3-8b": [
        (a_gpu(141, n_devices=2), LLAMA_3_8B),
        (a_gpu(80, n_devices=4), LLAMA_3_8B),
        (a_gpu(40, n_devices=8), LLAMA_3_8B),
    ],
    "astrollama2-70b": [
        (a_gpu(141, n_devices=16), LLAMA_2_70B),
        (a_gpu(80, n_devices=20), LLAMA_2_70B),
    ],
    "llama2-70b-qlora": [
        (a_gpu(48, n_devices=2), LLAMA_2_70B),
        (a_gpu(24, n_devices=4), LLAMA_2_70B),
    ],
}
FAILS_ON: dict[str, list[tuple[Machine, Shape, str]]] = {
    "paper": [
        (a_gpu(5), LLAMA_2_7B, "does not fit Test GPU: one block of 512 tokens needs about 5"),
        (a_gpu(80, n_devices=3), LLAMA_2_7B, "32 blocks a step, which 3 processes"),
        (a_gpu(80, has_bf16=False), LLAMA_2_7B, "Test GPU does not have"),
    ],
    "smoke": [(a_cpu(1.1), STORIES_260K, "does not fit Test CPU")],
    "smoke-qlora": [(a_cpu(8), LLAMA_2_7B, "does not fit Test CPU")],
    "tinyllama": [(a_gpu(4), TINY_LLAMA, "does not fit Test GPU")],
    "astrollama3-8b": [
        (a_gpu(141), LLAMA_3_8B, "needs 2 GPUs, here 1"),
        (a_gpu(24, n_devices=4), LLAMA_3_8B, "does not fit"),
        (a_cpu(512), LLAMA_3_8B, "shards with fsdp, and this is a CPU"),
    ],
    "astrollama2-70b": [
        (a_gpu(141, n_devices=8), LLAMA_2_70B, "needs 16 GPUs, here 8"),
        (a_gpu(80, n_devices=16), LLAMA_2_70B, "does not fit"),
    ],
    "llama2-70b-qlora": [
        (a_gpu(141), LLAMA_2_70B, "needs 2 GPUs, here 1"),
        (a_gpu(24, n_devices=2), LLAMA_2_70B, "does not fit"),
        (a_cpu(512), LLAMA_2_70B, "accelerate leaves the sharding out"),
    ],
}


def test_every_bundled_recipe_is_planned_below() -> None:
    assert set(WORKS_ON) == set(FAILS_ON) == set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_planned_where_it_says_it_runs(name: str) -> None:
    recipe = load_recipe(name)
    for machine, shape in WORKS_ON[name]:
        made = plan(name, machine, shape)
        assert made.n_processes * made.micro_batch * made.n_accumulated == recipe.batch
        assert made.sharding == recipe.sharding
        assert made.n_processes >= recipe.min_devices


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_refused_where_it_cannot_run(name: str) -> None:
    for machine, shape, found in FAILS_ON[name]:
        with pytest.raises(BadSettingError) as error:
            plan(name, machine, shape)
        assert found in str(error.value)
