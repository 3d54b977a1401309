"""Plans by numbers that can be added up by hand (GB are decimal).

Llama-2 7B under the recipe paper: 13.5 GB in bf16, 4.0 GB in NF4; adapter 0.7 GB; a block of 512
tokens keeps 238,560 bytes a token in each of 32 layers and one more: 4.03 GB; loss 0.1 to 0.25 GB.
A GPU leaves 95 % less 1.5 GB to plan with.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from astro_assets.errors import BadSettingError
from astro_assets.training.machine import Machine
from astro_assets.training.optimisation import Optimisation
from astro_assets.training.recipe import load_recipe
from tests.training.builders import a_recipe
from tests.training.planning import a_cpu, a_gpu, plan
from tests.training.shapes import (
    LLAMA_2_7B,
    LLAMA_2_70B,
    STORIES_260K,
    TINY_LLAMA,
)


@pytest.mark.parametrize(
    ("gigabytes", "micro_batch", "dequantise", "recompute"),
    [
        (8, 2, False, True),  # 6.1: 4.0 + 0.7 + not one block of 4.0; two with their inputs alone
        (16, 2, False, False),  # 13.7: 4.0 + 0.7 + 2 x 4.0
        (24, 4, False, False),  # 21.3: 4.0 + 0.7 + 4 x 4.0; in bf16 one block alone
        (40, 4, True, False),  # 36.5: 13.5 + 0.7 + 4 x 4.0, which keeps the GPU busy
        (80, 8, True, False),  # 74.5: 13.5 + 0.7 + 8 x 4.0
        (141, 8, True, False),  # no more than the recipe allows
    ],
)
def test_the_paper_on_one_gpu(
    gigabytes: float, micro_batch: int, dequantise: bool, recompute: bool
) -> None:
    made = plan("paper", a_gpu(gigabytes))
    assert made.micro_batch == micro_batch
    assert made.n_accumulated == 32 // micro_batch
    assert (made.dequantise, made.recompute) == (dequantise, recompute)
    assert made.precision == "bf16"
    assert made.estimated_bytes <= 0.95e9 * gigabytes - 1.5e9


def test_estimates_of_the_paper() -> None:
    blocks = 8 * 512 * 33 * 238_560
    loss = 12 * 4096 * 8 * 512 + 12 * 2**24
    made = plan("paper", a_gpu(80))
    assert made.estimated_bytes == 2 * 6_738_415_616 + 18 * 39_976_960 + blocks + loss


def test_the_papers_machine_shares_the_batch() -> None:
    made = plan("paper", a_gpu(42.4, n_devices=4))
    assert (made.n_processes, made.micro_batch, made.n_accumulated) == (4, 4, 2)
    assert made.sharding is None


@pytest.mark.parametrize("n_processes", [1, 2, 4, 8, 16, 32])
def test_the_batch_stays_whatever_the_number_of_processes(n_processes: int) -> None:
    made = plan("paper", a_gpu(80, n_devices=n_processes))
    assert made.n_processes * made.micro_batch * made.n_accumulated == 32


def test_micro_batches_that_divide_the_share_only() -> None:
    recipe = a_recipe(batch=12, micro_batch=4)
    made = plan(recipe, a_cpu(), STORIES_260K, n_processes=2)
    assert (made.micro_batch, made.n_accumulated) == (3, 2)  # 4 does not divide 6


def test_the_smoke_recipe_on_a_laptop() -> None:
    made = plan("smoke", a_cpu(8), STORIES_260K)
    assert made == replace(
        made,
        device="cpu",
        n_processes=1,
        micro_batch=2,
        n_accumulated=1,
        precision="fp32",
        attention="sdpa",
        loss="chunked",
        recompute=False,
        dequantise=False,
        sharding=None,
    )


def test_nf4_on_a_cpu_is_dequantised_where_there_is_room() -> None:
    assert plan("smoke-qlora", a_cpu(8), STORIES_260K).dequantise
    recipe = replace(load_recipe("smoke-qlora"), batch=1, micro_batch=1)
    # 7 B: fp32 26.95 and 33 layers of (8 h + 4 (4 h + 3 i) + 8 (6 h + i) + 7 r 4) x 512 tokens.
    assert plan(recipe, a_cpu(64), LLAMA_2_7B).dequantise  # 50.2 usable
    assert not plan(recipe, a_cpu(32), LLAMA_2_7B).dequantise  # 24.6 usable


def test_tokens_of_a_pass_are_not_sold_for_dequantised_weights() -> None:
    """On 24 GB bf16 weights leave room for one block of 512, NF4 for four."""
    kept, forced = plan("paper", a_gpu(24)), plan("paper", a_gpu(24), dequantise="on")
    assert (kept.dequantise, kept.micro_batch) == (False, 4)
    assert (forced.dequantise, forced.micro_batch) == (True, 1)


def test_auto_precision_is_the_machines() -> None:
    assert plan("tinyllama", a_gpu(16), TINY_LLAMA).precision == "bf16"
    assert plan("tinyllama", a_gpu(16, has_bf16=False), TINY_LLAMA).precision == "fp32"
    assert plan("tinyllama", a_cpu(32), TINY_LLAMA).precision == "fp32"


@pytest.mark.parametrize(
    ("machine", "asked", "loss"),
    [
        (a_gpu(80), "auto", "chunked"),
        (a_gpu(80, has_kernels=True), "auto", "liger"),
        (a_gpu(80, has_kernels=True), "chunked", "chunked"),
        (a_gpu(80), "full", "full"),
        (a_cpu(64, has_kernels=True), "auto", "chunked"),
    ],
)
def test_the_loss(machine: Machine, asked: str, loss: str) -> None:
    made = plan("paper", machine, loss=asked)
    assert made.loss == loss
    assert any(f"Loss {loss}" in reason for reason in made.reasons)


def test_flash_attention_only_when_asked() -> None:
    machine = a_gpu(80, has_kernels=True)
    assert plan("paper", machine).attention == "sdpa"
    assert plan("paper", machine, attention="flash_attention_2").attention == "flash_attention_2"
    assert plan("paper", machine, attention="eager").attention == "eager"


@pytest.mark.parametrize(
    ("recipe", "machine", "runtime", "found"),
    [
        ("paper", a_gpu(80), {"loss": "liger"}, "Loss liger was asked for, and it is not inst"),
        ("smoke", a_cpu(has_kernels=True), {"loss": "liger"}, "it runs on CUDA only"),
        ("paper", a_gpu(80), {"attention": "flash_attention_2"}, "flash_attn is not installed"),
        (
            "smoke",
            a_cpu(has_kernels=True),
            {"attention": "flash_attention_2"},
            "it runs on CUDA only",
        ),
        (
            "smoke",
            a_gpu(8, has_kernels=True),
            {"attention": "flash_attention_2"},
            "does not compute in fp32",
        ),
        ("smoke", a_cpu(), {"device": "cuda"}, "Device cuda was asked for, and this is a CPU"),
        ("paper", a_gpu(80), {"device": "cpu"}, "Device cpu was asked for"),
    ],
)
def test_what_is_asked_for_in_vain(
    recipe: str, machine: Machine, runtime: dict[str, Any], found: str
) -> None:
    with pytest.raises(BadSettingError, match=found):
        plan(recipe, machine, STORIES_260K, **runtime)


def test_overrides_win_and_are_named() -> None:
    made = plan("paper", a_gpu(80), recompute="on", dequantise="off", loss="full")
    assert (made.recompute, made.dequantise, made.loss) == (True, False, "full")
    told = " ".join(made.reasons)
    for words in ("Recomputation on, as set", "Dequantise off, as set", "Loss full, as set"):
        assert words in told


def test_overrides_that_do_not_fit_are_named() -> None:
    with pytest.raises(BadSettingError, match="with recompute = off: one block of 512") as error:
        plan("paper", a_gpu(8), recompute="off")
    assert "set these to auto" in error.value.do
    with pytest.raises(BadSettingError, match="with dequantise = on"):
        plan("paper", a_gpu(12), dequantise="on")


@pytest.mark.parametrize(
    ("as_set", "micro_batch"),
    [(0, 8), (4, 4), (5, 4), (1, 1), (16, 16), (64, 32)],  # what divides the batch of 32
)
def test_a_micro_batch_that_is_set_wins_over_the_recipes(as_set: int, micro_batch: int) -> None:
    made = plan("paper", a_gpu(300), micro_batch=as_set)
    assert (made.micro_batch, made.n_accumulated) == (micro_batch, 32 // micro_batch)
    assert any(f"at most {as_set} as set" in reason for reason in made.reasons) is bool(as_set)
    # It is an upper bound: memory still decides below it.
    assert plan("paper", a_gpu(24), micro_batch=64).micro_batch == 4


def test_a_cpus_time_is_told_for_a_large_base() -> None:
    """4 operations for each of 6.7e9 weights on two cores of 5e10 a second: 3.7 tokens."""
    told = " ".join(plan("paper", a_cpu(64)).reasons)
    assert "300,000 tokens a day on 2 cores, 700 days for all 230,000,000." in told
    assert "a day" not in " ".join(plan("smoke", a_cpu(), STORIES_260K).reasons)
    assert "a day" not in " ".join(plan("paper", a_gpu(80)).reasons)


def test_shards_are_read_into_ram_first() -> None:
    """68.98 billion weights: 276 GB in fp32, 36.4 GB in 4 bits with tables in bf16."""
    for recipe, n_devices, needs in (("astrollama2-70b", 16, 276), ("llama2-70b-qlora", 2, 36.4)):
        little = a_gpu(141, n_devices=n_devices, ram_gigabytes=needs - 1)
        with pytest.raises(BadSettingError, match=f"reads about {needs} GB of weights into RAM"):
            plan(recipe, little, LLAMA_2_70B)
        assert plan(recipe, replace(little, ram_bytes=round((needs + 1) * 1e9)), LLAMA_2_70B)
        assert plan(recipe, replace(little, ram_bytes=0), LLAMA_2_70B), "not known"
    assert plan("paper", a_gpu(80, ram_gigabytes=1)), "loaded to the GPU itself"


def test_dequantise_has_nothing_to_do_without_4_bits() -> None:
    made = plan("smoke", a_cpu(), STORIES_260K, dequantise="on")
    assert not made.dequantise
    assert any("nothing to do" in reason for reason in made.reasons)


def test_shards_stay_in_4_bits() -> None:
    machine = a_gpu(141, n_devices=2)
    made = plan("llama2-70b-qlora", machine, LLAMA_2_70B)
    assert not made.dequantise
    assert any("shards" in reason for reason in made.reasons)
    with pytest.raises(BadSettingError, match="shards a 4-bit base"):
        plan("llama2-70b-qlora", machine, LLAMA_2_70B, dequantise="on")


def test_processes_on_a_cpu_share_its_memory() -> None:
    recipe = a_recipe(batch=4, micro_batch=2)
    # 1.9 GB usable for one process; for each of four, 0.8 x 3.6 / 4 - 1 < 0.
    assert plan(recipe, a_cpu(3.6), STORIES_260K).n_processes == 1
    with pytest.raises(BadSettingError, match="does not fit"):
        plan(recipe, a_cpu(3.6), STORIES_260K, n_processes=4)


def test_several_machines_count_together() -> None:
    """Sixteen processes over two machines of eight GPUs each, as torchrun counts them."""
    made = plan("astrollama2-70b", a_gpu(141, n_devices=8), LLAMA_2_70B, n_processes=16)
    assert made.n_processes == 16


def test_every_choice_has_a_sentence() -> None:
    made = plan("paper", a_gpu(40))
    assert all(reason[0].isupper() or reason[0].isdigit() for reason in made.reasons)
    assert all(reason.endswith(".") for reason in made.reasons)
    told = " ".join(made.reasons)
    for words in ("1 process", "bf16", "sdpa", "chunked", "13.5 GB", "No recomputation", "36.5 GB"):
        assert words in told, words


def test_a_plan_is_plain_json() -> None:
    made = plan("paper", a_gpu(40))
    document = json.loads(json.dumps(made.as_dict()))
    assert document["micro_batch"] == 4
    assert document["reasons"] == list(made.reasons)


def test_a_plan_sets_micro_batch_and_precision() -> None:
    recipe = load_recipe("tinyllama")
    wanted = recipe.optimisation(n_blocks=1000, block_length=512)
    applied = plan(recipe, a_gpu(8), TINY_LLAMA).applied_to(wanted)
    assert isinstance(applied, Optimisation)
    assert (wanted.precision, applied.precision) == ("auto", "bf16")
    assert applied == replace(wanted, precision="bf16", micro_batch=applied.micro_batch)
    assert applied.micro_batch < wanted.micro_batch
