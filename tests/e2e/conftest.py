"""One pretrained tiny base and one finished chain per session."""

from pathlib import Path

import pytest

from astro_assets.corpus.texts import clean_abstract
from astro_assets.ingest.synthetic import generate
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from tests.e2e.world import RELEASE, World, make_world


@pytest.fixture(scope="session")
def pretrained_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama that has read general abstracts, so that it has something to forget."""
    from astro_assets.training.scratch import ScratchConfig, build_scratch_base

    texts = [
        clean_abstract(record["abstract"])
        for record in generate(900, until=Month.parse(RELEASE), seed=1)
        if "astro-ph" not in record["categories"]
    ]
    config = ScratchConfig(
        n_vocab=600,
        hidden_size=48,
        intermediate_size=96,
        n_layers=2,
        n_tokens=350_000,
        max_epochs=30,
        block_length=128,
        max_positions=256,
    )
    folder = tmp_path_factory.mktemp("base") / "tiny"
    return build_scratch_base(texts, folder, config=config, progress=NO_PROGRESS, threads=1).path


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory, pretrained_base: Path):
    """A world in which the whole chain has run once, and how that run ended."""
    world = make_world(tmp_path_factory.mktemp("world"), pretrained_base)
    return world, world.run()


@pytest.fixture
def world(tmp_path: Path, pretrained_base: Path) -> World:
    """A world of the test's own, nothing made yet."""
    return make_world(tmp_path / "world", pretrained_base)
