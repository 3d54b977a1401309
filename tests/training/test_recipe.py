import dataclasses
from pathlib import Path

import pytest
import yaml

from astro_assets.errors import BadSettingError, UnknownNameError
from astro_assets.training.recipe import Recipe, load_recipe, parse_recipe, recipe_names
from tests.training.builders import a_recipe

MINIMAL = {
    "name": "mine",
    "method": "lora",
    "learning_rate": 1e-3,
    "rank": 8,
    "target_modules": ["q_proj"],
    "batch": 8,
    "micro_batch": 4,
    "epochs": 1,
}


def parse(**changes: object) -> Recipe:
    return parse_recipe(yaml.safe_dump({**MINIMAL, **changes}), where="here")


def test_the_pair_is_bundled() -> None:
    assert {"paper", "smoke"} <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_every_bundled_recipe_loads(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.optimisation(n_blocks=100, block_length=512).n_steps >= 1
    assert parse_recipe(yaml.safe_dump(recipe.as_dict()), where="again") == recipe


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


@pytest.mark.parametrize(
    ("epochs", "max_tokens", "n_steps"),
    [
        (1, None, 2),  # 10 blocks = two steps of 4, two blocks left over
        (3, None, 7),  # 30 blocks
        (0.5, None, 1),  # 5 blocks
        (0.1, None, 1),  # 1 block, but one step at least
        (3, 64 * 12, 3),  # 12 blocks of 64 tokens
        (1, 64 * 12, 2),  # the bound does not stretch an epoch
    ],
)
def test_steps_counted_by_hand(epochs: float, max_tokens: int | None, n_steps: int) -> None:
    recipe = a_recipe(epochs=epochs, max_tokens=max_tokens, batch=4, micro_batch=2)
    assert recipe.optimisation(n_blocks=10, block_length=64).n_steps == n_steps


def test_a_path_is_a_recipe_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    assert load_recipe(str(path)) == parse()


def test_yaml_1_1_numbers_are_numbers() -> None:
    text = yaml.safe_dump(MINIMAL).replace("learning_rate: 0.001", "learning_rate: 1e-3")
    assert "1e-3" in text
    assert parse_recipe(text, where="here").learning_rate == 1e-3


@pytest.mark.parametrize("name", ["nope", "nope.yaml", "", "../recipe.py", "/etc/passwd"])
def test_unknown_names_list_the_known(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"one of .*paper.*smoke"):
        load_recipe(name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", "fast"),
        ("learning_rate", float("nan")),
        ("rank", 0),
        ("rank", "8"),
        ("rank", 8.5),
        ("batch", True),
        ("method", "full"),
        ("quantisation", "int8"),
        ("target_modules", []),
        ("target_modules", "q_proj"),
        ("betas", [0.9]),
        ("dropout", 1.0),
        ("precision", "fp16"),
        ("cross_document_attention", False),
        ("max_tokens", -1),
        ("replay_fraction", 0.9),
        ("name", "../mine"),
        ("learning_rte", 1e-3),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(BadSettingError, match=field):
        parse(**{field: value})


@pytest.mark.parametrize("field", sorted(MINIMAL))
def test_a_missing_field_is_named(field: str) -> None:
    document = {name: value for name, value in MINIMAL.items() if name != field}
    with pytest.raises(BadSettingError, match=field):
        parse_recipe(yaml.safe_dump(document), where="here")


def test_fields_that_contradict_each_other() -> None:
    with pytest.raises(BadSettingError, match="multiple of micro_batch"):
        parse(batch=8, micro_batch=3)
    with pytest.raises(BadSettingError, match="nf4 with method qlora"):
        parse(method="qlora")
    with pytest.raises(BadSettingError, match="null with lora"):
        parse(quantisation="nf4")


@pytest.mark.parametrize(
    "text", ["", "just words", "- a\n- b", "{", "1: 2", "!!python/object/apply:os.system [ls]"]
)
def test_text_that_is_no_recipe(text: str) -> None:
    with pytest.raises(BadSettingError, match="here is no"):
        parse_recipe(text, where="here")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSettingError, match="no text"):
        load_recipe(str(path))
    path.write_bytes(b"#" * 200_000)
    with pytest.raises(BadSettingError, match="larger than a recipe"):
        load_recipe(str(path))


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse().rank = 4  # type: ignore[misc]
