"""Two fresh homes: the same fingerprints, the same shards, the same adapter bytes."""

from pathlib import Path

import pytest

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.console.run import ASSETS, Ended
from tests.e2e.world import RELEASE, World, make_world

pytestmark = pytest.mark.slow


def fingerprints(world: World) -> dict[str, str]:
    store = world.store
    held = {name: store.current(name, RELEASE) or store.current(name, None) for name in ASSETS}
    return {name: manifest.fingerprint for name, manifest in held.items() if manifest is not None}


def test_two_fresh_homes_agree(pretrained_base: Path, tmp_path: Path):
    worlds = [make_world(tmp_path / name, pretrained_base) for name in ("one", "two")]
    for world in worlds:
        assert world.run().success
    one, two = worlds
    assert fingerprints(one) == fingerprints(two)
    assert len(fingerprints(one)) == len(ASSETS)
    for folder in ("papers", "tokens"):
        assert of_folder(one.home / folder) == of_folder(two.home / folder)
    weights = [
        world.store.path_of(world.store.require("lora_checkpoint", RELEASE))
        / "adapter_model.safetensors"
        for world in worlds
    ]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_killed_pool_slot_does_not_block_the_next_run(chain: tuple[World, Ended]):
    """A run that claimed the pool and died is found out by the next one."""
    import dagster as dg

    from astro_assets.defs.instance import open_instance

    world, _ = chain
    with open_instance(world.store.home) as instance:
        lost = dg.DagsterRun(job_name="release", status=dg.DagsterRunStatus.STARTED)
        instance.add_run(lost)
        instance.event_log_storage.initialize_concurrency_limit_to_default("gpu")
        claim = instance.event_log_storage.claim_concurrency_slot("gpu", lost.run_id, "step")
        assert claim.is_claimed
    assert world.run("knowledge_report").success
    with open_instance(world.store.home) as instance:
        assert instance.get_run_by_id(lost.run_id).status == dg.DagsterRunStatus.FAILURE
