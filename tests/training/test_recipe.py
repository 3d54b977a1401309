import dataclasses
from pathlib import Path

import pytest
import yaml

from astro_assets.errors import BadSettingError, UnknownNameError
from astro_assets.training.recipe import Recipe, load_recipe, parse_recipe
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


FULL = {"method": "full", "rank": None, "target_modules": None}


@pytest.mark.parametrize(
    ("epochs", "max_tokens", "n_steps"),
    [
        (1, None, 2),  # 10 blocks = two steps of 4, two blocks left over
        (3, None, 7),  # 30 blocks
        (0.5, None, 1),  # 5 blocks
        (3, 64 * 12, 3),  # 12 blocks of 64 tokens
        (1, 64 * 12, 2),  # the bound does not stretch an epoch
    ],
)
def test_steps_counted_by_hand(epochs: float, max_tokens: int | None, n_steps: int) -> None:
    recipe = a_recipe(epochs=epochs, max_tokens=max_tokens, batch=4, micro_batch=2)
    assert recipe.optimisation(n_blocks=10, block_length=64).n_steps == n_steps


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"epochs": 0.3}, "asks for 3 blocks of 64 tokens (max_tokens: null, epochs: 0.3 over 10"),
        ({"max_tokens": 4 * 64 - 1}, "asks for 3 blocks of 64 tokens (max_tokens: 255, epochs: 2"),
        ({"batch": 21, "micro_batch": 1}, "asks for 20 blocks"),
    ],
)
def test_less_than_one_step_is_not_made_into_one(fields: dict[str, object], found: str) -> None:
    with pytest.raises(BadSettingError) as error:
        a_recipe(**fields).optimisation(n_blocks=10, block_length=64)
    assert found in error.value.found
    assert error.value.found.endswith("less than one step.")
    assert error.value.do
    assert a_recipe(max_tokens=4 * 64).optimisation(n_blocks=10, block_length=64).n_steps == 1


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
        ("method", "dora"),
        ("method", None),
        ("base", ""),
        ("base", 7),
        ("init_from", "parent"),
        ("early_stopping", 0),
        ("evaluations", -1),
        ("evaluations", 2.0),
        ("min_devices", 0),
        ("sharding", "ddp"),
        ("learning_rate", True),
        ("learning_rate", float("inf")),
        ("learning_rate", [1e-3]),
        ("max_tokens", "2e6"),
        ("target_modules", ["q_proj", "q_proj"]),
        ("target_modules", [1]),
        ("betas", [0.9, "x"]),
        ("betas", [0.9, 1.5]),
        ("betas", [0.9, 1.0]),
        ("betas", [1, 0.95]),
        ("batch", 1_000_001),
        ("micro_batch", 1_000_001),
        ("rank", [[1] * 50_000]),
        ("cross_document_attention", 1),
        ("seed", 2**31),
        ("block_length", 8),
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
    with pytest.raises(BadSettingError, match=r"min_devices.*\n.*at least 2 with sharding"):
        parse(sharding="fsdp")


def test_a_whole_model_has_nothing_of_an_adapter() -> None:
    recipe = parse(**FULL)
    assert (recipe.rank, recipe.alpha, recipe.dropout, recipe.target_modules) == (None,) * 4
    assert parse(**FULL, init_from="champion").init_from == "champion"
    for field, value in (("rank", 8), ("alpha", 32), ("dropout", 0), ("target_modules", ["a"])):
        with pytest.raises(BadSettingError, match=rf"'{field}'.*\n.*null with method full"):
            parse(**(FULL | {field: value}))
    with pytest.raises(BadSettingError, match="null with lora and full"):
        parse(**FULL, quantisation="nf4")


def test_an_adapter_takes_the_papers_numbers_where_nothing_is_said() -> None:
    assert (parse().alpha, parse().dropout) == (32, 0.05)
    assert (parse(alpha=None).alpha, parse(dropout=0).dropout) == (32, 0)


def test_an_error_says_field_found_and_allowed() -> None:
    with pytest.raises(BadSettingError) as error:
        parse(warmup_share=1.5)
    assert error.value.found == "here: field 'warmup_share' = '1.5' cannot be used."
    assert error.value.expected == "a finite number at least 0 and at most 1."
    with pytest.raises(BadSettingError) as error:
        parse(init_from="x")
    assert error.value.expected == "one of base, champion."


def test_a_recipe_made_in_code_is_checked_too() -> None:
    with pytest.raises(BadSettingError, match="'rank' = '0'"):
        a_recipe(rank=0)


@pytest.mark.parametrize(
    "text", ["", "just words", "- a\n- b", "{", "1: 2", "!!python/object/apply:os.system [ls]"]
)
def test_text_that_is_no_recipe(text: str) -> None:
    with pytest.raises(BadSettingError, match="here is no"):
        parse_recipe(text, where="here")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[" * 20_000, "nested too deeply"),
        ("{a: " * 20_000, "nested too deeply"),
        ("name: &a mine\nbase: *a\n", "references"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "references"),
        ("a: &a [*a]\n", "references"),
        ("name: mine\nrank: 8\nrank: 16\n", "field 'rank' is given twice"),
        ("rank: " + "9" * 5_000, "no YAML that can be used"),
        ("rank: 2026-13-41", "no YAML that can be used"),
    ],
)
def test_yaml_that_is_more_than_a_document(text: str, found: str) -> None:
    with pytest.raises(BadSettingError, match=found) as error:
        parse_recipe(text, where="here")
    assert str(error.value).startswith("here")
    assert len(str(error.value)) < 500


def test_a_number_too_long_to_be_written_out_is_refused_by_name() -> None:
    text = f"{yaml.safe_dump(MINIMAL)}seed: 0x{'f' * 5_000}\n"
    with pytest.raises(BadSettingError, match="'seed' = a number of thousands of digits"):
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


def test_sharded_weights_are_not_stopped_early() -> None:
    with pytest.raises(BadSettingError, match="early_stopping"):
        a_recipe(sharding="fsdp", min_devices=2, early_stopping=3)
