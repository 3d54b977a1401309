import json
from pathlib import Path

import pytest

from astro_assets.errors import BadModelError
from astro_assets.training.shape import Linear, shape_of
from tests.training.shapes import LLAMA_2_7B, LLAMA_2_70B, LLAMA_3_8B, TINY_LLAMA, write_headers


def test_the_known_sizes_of_known_models() -> None:
    assert LLAMA_2_7B.n_parameters == 6_738_415_616
    assert LLAMA_2_70B.n_parameters == 68_976_648_192
    assert LLAMA_3_8B.n_parameters == 8_030_261_248
    assert TINY_LLAMA.n_parameters == 1_100_048_384
    # 32 layers of 4 x 4096 x 4096 and 3 x 4096 x 11008.
    assert LLAMA_2_7B.n_linear == 32 * (4 * 4096**2 + 3 * 4096 * 11008) == 6_476_005_376


@pytest.mark.parametrize("shape", [LLAMA_2_7B, LLAMA_2_70B], ids=["7B", "70B"])
def test_a_shape_is_read_from_headers_alone(tmp_path: Path, shape: object) -> None:
    assert shape_of(write_headers(tmp_path, shape)) == shape  # type: ignore[arg-type]


def test_a_real_base_with_tied_embeddings(tiny_base: Path) -> None:
    shape = shape_of(tiny_base)
    config = json.loads((tiny_base / "config.json").read_text())
    assert shape.n_layers == config["num_hidden_layers"]
    assert {one.n_layers for one in shape.linears} == {shape.n_layers}
    assert "q_proj" in {one.name for one in shape.linears}
    assert shape.n_linear < shape.n_parameters


def test_shards_are_read_by_their_index(tmp_path: Path) -> None:
    folder = write_headers(tmp_path, TINY_LLAMA)
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-1.safetensors"}})
    )
    assert shape_of(folder) == TINY_LLAMA


def test_an_architecture_with_other_words(tmp_path: Path) -> None:
    folder = write_headers(tmp_path, TINY_LLAMA)
    config = {"n_embd": 2048, "n_head": 32, "n_layer": 22, "vocab_size": 32000}
    (folder / "config.json").write_text(json.dumps(config))
    shape = shape_of(folder)
    assert (shape.hidden_size, shape.n_kv_heads, shape.head_size) == (2048, 32, 64)
    assert shape.intermediate_size == 4 * 2048
    assert Linear("q_proj", 2048, 2048, 22) in shape.linears


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"not json", b"\xff" * 20, b"[]", b"1234567[]"])
def test_damage_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = write_headers(tmp_path, TINY_LLAMA) / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadModelError, match=name):
        shape_of(tmp_path)


def test_a_size_that_is_not_told_is_named(tmp_path: Path) -> None:
    folder = write_headers(tmp_path, TINY_LLAMA)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 2048}))
    with pytest.raises(BadModelError, match="num_attention_heads"):
        shape_of(folder)
