"""The champion that a training starts from is chosen once, and has to fit."""

from pathlib import Path
from typing import Any

import pytest

from astro_assets.errors import BadSettingError, DamagedArtifactError, RegistryError
from astro_assets.registry.base_facts import BaseFacts, ParentFacts
from astro_assets.registry.parent import Nursery, chosen_parent, folder_of
from astro_assets.registry.tracking import Tracking
from astro_assets.registry.versions import set_alias
from tests.registry.conftest import NAME, make_whole_model, register
from tests.training.builders import a_recipe

# A digest that the tests can name; nothing here reads the base.
BASE = BaseFacts("scratch", "scratch-ab12", None, "d" * 64, None, None)
FIRST, SECOND = ParentFacts(1, "a" * 64), ParentFacts(2, "b" * 64)
# As conftest's adapter has it.
FITTING = {"rank": 4, "alpha": 8, "target_modules": ("v_proj", "q_proj")}


@pytest.fixture
def nursery(tracking: Tracking, tmp_path: Path) -> Nursery:
    return Nursery(tracking, NAME, tmp_path / "downloaded", tmp_path / "trainings")


def choose(nursery: Nursery, *, afresh: bool = False, of: str = "x" * 64, **changes: Any):
    recipe = a_recipe(init_from="champion", **FITTING | changes.pop("recipe", {}))
    given = {"base_digest": BASE.digest, "identity": of, "afresh": afresh, **changes}
    return chosen_parent(nursery, recipe, **given)


def crown(nursery: Nursery, adapter: Path, base: Path, parent: ParentFacts) -> None:
    made = register(nursery.tracking, adapter, base, fingerprint=parent.fingerprint, base=BASE)
    assert set_alias(nursery.tracking, made, "champion").version == parent.version


def test_a_choice_stands_until_it_is_forced(nursery: Nursery, adapter: Path, tiny_base: Path):
    crown(nursery, adapter, tiny_base, FIRST)
    assert choose(nursery) == FIRST
    crown(nursery, adapter, tiny_base, SECOND)
    assert choose(nursery) == FIRST
    assert choose(nursery, of="y" * 64) == SECOND, "another training chooses for itself"
    assert choose(nursery, afresh=True) == SECOND
    assert choose(nursery) == SECOND


def test_that_there_was_none_is_remembered_too(nursery: Nursery, adapter: Path, tiny_base: Path):
    assert choose(nursery) is None
    crown(nursery, adapter, tiny_base, FIRST)
    assert choose(nursery) is None
    assert choose(nursery, afresh=True) == FIRST


def test_a_choice_is_known_while_mlflow_is_down(nursery: Nursery, adapter: Path, tiny_base: Path):
    crown(nursery, adapter, tiny_base, FIRST)
    choose(nursery)
    away = Nursery(Tracking("sqlite:////nowhere/at/all.db"), NAME, nursery.notes, nursery.notes)
    assert choose(away) == FIRST


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_digest": "e" * 64}, "base is d{16}; the recipe's is e{16}"),
        ({"recipe": {"rank": 8}}, "rank is 4; the recipe's is 8"),
        ({"recipe": {"alpha": 32}}, "alpha is 8; the recipe's is 32"),
        ({"recipe": {"target_modules": ("q_proj",)}}, "target_modules is .*v_proj"),
        ({"recipe": {"method": "qlora", "quantisation": "nf4"}}, "method is lora"),
    ],
)
def test_a_champion_that_does_not_fit_is_refused(
    nursery: Nursery, adapter: Path, tiny_base: Path, changes: dict, said: str
):
    crown(nursery, adapter, tiny_base, FIRST)
    with pytest.raises(BadSettingError, match=said):
        choose(nursery, **changes)
    assert not nursery.notes.exists(), "what was refused is not remembered"


def test_a_whole_model_needs_no_shape(nursery: Nursery, tiny_base: Path, tmp_path: Path):
    whole = make_whole_model(tmp_path / "whole")
    made = register(nursery.tracking, whole, tiny_base, method="full", base=BASE)
    set_alias(nursery.tracking, made, "champion")
    recipe = a_recipe(
        init_from="champion",
        method="full",
        rank=None,
        alpha=None,
        dropout=None,
        target_modules=None,
    )
    given = {"base_digest": BASE.digest, "identity": "x", "afresh": False}
    assert chosen_parent(nursery, recipe, **given) == FIRST


def test_the_files_of_a_chosen_parent_are_found_after_another_was_crowned(
    nursery: Nursery, adapter: Path, tiny_base: Path
):
    for parent in (FIRST, SECOND):
        crown(nursery, adapter, tiny_base, parent)
    folder = folder_of(nursery, FIRST)
    name = "adapter_model.safetensors"
    assert (folder / name).read_bytes() == (adapter / name).read_bytes()
    with pytest.raises(RegistryError, match="was begun"):
        folder_of(nursery, ParentFacts(1, "c" * 64))


def test_a_note_that_cannot_be_read_is_named(nursery: Nursery):
    assert choose(nursery) is None
    (note,) = nursery.notes.iterdir()
    note.write_text("{}")
    with pytest.raises(DamagedArtifactError, match="does not say which champion"):
        choose(nursery)
