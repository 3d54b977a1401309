"""What registered models and kept blocks stand on stays, whatever is forgotten."""

import shutil
from pathlib import Path

import pytest

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.artifacts.manifest import Built, Store, Work
from astro_assets.errors import BadSettingError
from astro_assets.releases.registered import Registered
from tests.e2e.world import World
from tests.releases.collecting import KEY, collect, garbage_of, is_clean, kinds
from tests.releases.conftest import AFTER, BEFORE


def adapter_made(store: Store, release: str, content: str) -> None:
    """Keep an adapter of a release as training would."""
    blocks = store.require("token_blocks", release)
    work = Work("lora_checkpoint", release, {"n": content}, {"token_blocks": blocks.fingerprint})
    folder = store.home.adapters / work.key[:16]
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_text(content)
    store.commit(work, Built(content, folder, files=of_folder(folder)))


def test_the_release_the_champion_was_trained_on_cannot_be_forgotten(world: World):
    adapter_made(world.store, BEFORE, "a" * 64)
    champion = Registered(adapters=frozenset(["a" * 64]), champions=frozenset(["a" * 64]))
    with pytest.raises(BadSettingError, match=f"{BEFORE} is what the present champion"):
        garbage_of(world.store, champion, forget=[BEFORE])


def test_what_may_be_registered_elsewhere_stays(world: World):
    adapter_made(world.store, BEFORE, "a" * 64)
    adapter = world.store.require("lora_checkpoint", BEFORE)
    collect(world.store, Registered(elsewhere=frozenset(["a" * 64])), forget=[BEFORE])
    assert world.store.is_intact(adapter)


def test_what_a_registered_model_was_trained_on_stays(world: World):
    adapter_made(world.store, BEFORE, "a" * 64)
    adapter = world.store.require("lora_checkpoint", BEFORE)
    shards = world.store.require("astro_ph_papers", BEFORE).files
    registered = Registered(adapters=frozenset(["a" * 64]))
    collect(world.store, registered, forget=[BEFORE])
    assert world.store.is_intact(adapter)
    assert all((world.home / "papers" / "astro_ph_papers" / name).is_file() for name in shards)
    found = collect(world.store)
    assert kinds(found)["adapters"] == 1 and kinds(found)["paper shards"] >= 2


def test_a_superseded_adapter_goes_unless_it_is_registered(world: World):
    adapter_made(world.store, AFTER, "a" * 64)
    adapter_made(world.store, AFTER, "b" * 64)
    assert not garbage_of(world.store, Registered(adapters=frozenset(["a" * 64]))).items
    found = garbage_of(world.store)
    assert kinds(found) == {"manifests": 1, "adapters": 1}


def test_a_base_stays_as_long_as_blocks_need_its_tokenizer(world: World, tiny_base: Path):
    base = world.store.require("base_model", None)
    folder = world.home / "bases" / f"scratch-{KEY}"
    shutil.copytree(tiny_base, folder)
    (folder / "config.json").write_text("{}")
    work = Work("base_model", None, {"base": "scratch"}, {})
    world.store.commit(work, Built("e" * 64, folder, files=of_folder(folder)))
    # The home's base is another one now: the first is only known by the blocks' tokenizer.
    other = world.home / "bases" / "other"
    other.mkdir()
    world.store.commit(Work("base_model", None, {"base": "other"}, {}), Built("d" * 64, other))
    (world.home / "manifests" / "base_model" / f"{base.key}.json").unlink()
    assert not garbage_of(world.store).items
    collect(world.store)
    assert is_clean(world.store, AFTER)


def test_a_base_elsewhere_stays_known_as_long_as_blocks_need_its_tokenizer(world: World):
    other = world.home / "bases" / "other"
    other.mkdir(parents=True)
    world.store.commit(Work("base_model", None, {"base": "other"}, {}), Built("d" * 64, other))
    assert not collect(world.store).items
    assert is_clean(world.store, AFTER)
