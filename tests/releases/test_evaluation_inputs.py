"""Files that settings name: gone, they end a report before it is looked for."""

from pathlib import Path

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store
from astro_assets.errors import BadSettingError
from astro_assets.releases.evaluation_inputs import (
    Inputs,
    completions_inputs,
    embeddings_inputs,
    knowledge_inputs,
    perplexity_inputs,
)
from astro_assets.settings import Settings, load_settings
from tests.registry.evaluations import RELEASE, keep

READERS = {
    "prose": (perplexity_inputs, "ASTRO_PROSE"),
    "completions_file": (completions_inputs, "ASTRO_COMPLETIONS_FILE"),
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(Home(tmp_path / "home"))
    for asset in ("astro_ph_papers", "general_papers", "token_blocks"):
        keep(store, asset, asset[0] * 64)
    return store


def read(store: Store, setting: str, path: Path | str) -> Inputs:
    settings = load_settings(near_copies="keep", **{setting: str(path)})
    return READERS[setting][0](store, RELEASE, settings)


@pytest.mark.parametrize("setting", READERS)
def test_a_file_that_is_not_there_never_counts_as_none(
    store: Store, tmp_path: Path, setting: str
) -> None:
    path = tmp_path / "named.jsonl"
    for none in (path, tmp_path):
        with pytest.raises(BadSettingError, match=f"{READERS[setting][1]} names .* is no file"):
            read(store, setting, none)
    path.write_text("one")
    first = read(store, setting, path).parameters
    path.write_text("another")
    assert len({str(first), str(read(store, setting, path).parameters)}) == 2
    assert first != read(store, setting, "").parameters


def test_a_renamed_question_file_is_another_source(tmp_path: Path) -> None:
    line = '{"question": "Which?", "choices": ["a", "b"], "answer": 0}\n'
    parameters = []
    for name in ("one.jsonl", "other.jsonl"):
        (tmp_path / name).write_text(line * 4)
        settings = Settings(home=tmp_path, questions=str(tmp_path / name))
        parameters.append(knowledge_inputs(settings).parameters["questions"])
    assert parameters[0] != parameters[1] and parameters[0][1] == parameters[1][1]


@pytest.mark.parametrize("setting", READERS)
def test_the_name_counts_too_for_how_a_file_is_read_and_what_it_is_called(
    store: Store, tmp_path: Path, setting: str
) -> None:
    line = '{"text": "one", "id": "2606.00001", "completion": "one", "model": "m"}\n'
    told = []
    for name in ("mine.jsonl", "mine.txt"):
        (tmp_path / name).write_text(line)
        told.append(str(read(store, setting, tmp_path / name).parameters))
    assert told[0] != told[1]


def read_embeddings(store: Store, path: Path | str) -> Inputs:
    settings = load_settings(
        near_copies="keep", baseline_encoder="tf-idf", embedding_share=1.0, vectors_file=str(path)
    )
    return embeddings_inputs(store, RELEASE, settings)


def test_a_file_of_vectors_belongs_to_what_embeddings_are_made_of(
    store: Store, tmp_path: Path
) -> None:
    none = read_embeddings(store, "").parameters
    assert "vectors" not in none, "else what was made without one would be made again"
    told = []
    for name, content in (("ada.npz", b"one"), ("ada.npz", b"another"), ("e5.npz", b"another")):
        (tmp_path / name).write_bytes(content)
        told.append(read_embeddings(store, tmp_path / name).parameters)
    assert [given["vectors"][0] for given in told] == ["ada", "ada", "e5"]
    assert len({str(given) for given in told}) == 3
    assert {key: told[0][key] for key in none} == none


def test_a_file_of_vectors_that_is_none_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("id,vector")
    for named, why in (("gone.npz", "is no file"), ("v.csv", "is no file of vectors")):
        with pytest.raises(BadSettingError, match=f"ASTRO_VECTORS_FILE names .* {why}"):
            read_embeddings(store, tmp_path / named)
