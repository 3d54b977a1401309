import json
import shutil
from pathlib import Path

import pytest
from safetensors import safe_open

from astro_assets.errors import BadModelError, UnknownNameError
from astro_assets.models.base import base_digest, describe_base, resolve_base


@pytest.fixture
def folder(tiny_base: Path, tmp_path: Path) -> Path:
    """A base of this test's own, to be spoiled."""
    return Path(shutil.copytree(tiny_base, tmp_path / "my-base"))


def test_a_folder_is_described(folder: Path) -> None:
    base = resolve_base(str(folder))

    assert (base.name, base.kind, base.revision) == ("my-base", "path", None)
    assert base.folder == folder
    assert base.max_positions == 256
    with safe_open(folder / "model.safetensors", framework="np") as weights:
        tensors = [weights.get_tensor(name) for name in weights.keys()]  # noqa: SIM118
    assert base.n_parameters == sum(tensor.size for tensor in tensors)
    assert base.n_vocab == max(len(tensor) for tensor in tensors)


def test_digest_follows_weights_configuration_and_tokenizer(folder: Path) -> None:
    digests = {base_digest(folder)}
    for name in ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
        digests.add(base_digest(folder))
    assert len(digests) == 5


def test_digest_ignores_what_is_not_loaded(folder: Path) -> None:
    before = base_digest(folder)
    (folder / "README.md").write_text("a card")
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    assert base_digest(folder) == before


@pytest.mark.parametrize("spec", ["/no/such/folder", "./nothing-here", "nothing-here", "a/b/c", ""])
def test_neither_folder_nor_hub_id(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    if spec == "":  # Path("") is the current folder, which holds no model
        with pytest.raises(BadModelError, match="no config"):
            resolve_base(spec)
        return
    with pytest.raises(UnknownNameError, match="no such folder, and no hub id"):
        resolve_base(spec)


def test_hub_id_without_network_is_said_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadModelError, match=r"did not give no-such-org/no-such-model@abc"):
        resolve_base("no-such-org/no-such-model@abc")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BadModelError, match=f"has no {name}"):
        resolve_base(str(folder))


def test_pickles_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BadModelError, match="a pickle that can run code"):
        resolve_base(str(folder))


def test_code_from_the_folder_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "configuration.Evil"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadModelError, match="auto_map"):
        resolve_base(str(folder))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"model_type": "unheard-of"}', b"\xff\xfe", b'{"model_ty']
)
def test_a_configuration_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(BadModelError, match=r"config\.json"):
        resolve_base(str(folder))


@pytest.mark.parametrize("n_bytes", [0, 4, 1000])
def test_truncated_weights(folder: Path, n_bytes: int) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:n_bytes])
    with pytest.raises(BadModelError, match="damaged or no safetensors"):
        resolve_base(str(folder))


def test_missing_shard_is_named(folder: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BadModelError, match=r"lacks model-2\.safetensors"):
        resolve_base(str(folder))


def test_index_cannot_point_outside(folder: Path) -> None:
    index = {"weight_map": {"a": "../../elsewhere/model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert resolve_base(str(folder)).n_parameters > 0  # the file of that name inside the folder


def test_tokenizer_of_another_model(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["vocab_size"] = 100
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadModelError, match="only 100 rows"):
        resolve_base(str(folder))


def test_real_small_llama(shared: Path) -> None:
    base = describe_base(shared / "models" / "stories260K", name="stories", kind="path")
    assert (base.n_parameters, base.n_vocab, base.max_positions) == (260_032, 512, 512)


def test_a_hub_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is of the HTTP library that the hub's client uses, whichever that is."""
    import importlib

    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    http = next(kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError")
    library = importlib.import_module(http.__module__.partition(".")[0])

    def unreachable(*_given: object, **_more: object) -> str:
        raise library.ConnectError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(BadModelError, match=r"did not give some/model .*no route to host"):
        resolve_base("some/model")


@pytest.mark.parametrize(
    "asked", [{"vocab_size": "many"}, {"hidden_act": 3}, {"model_type": "none"}]
)
def test_a_configuration_that_transformers_cannot_read_is_named(folder: Path, asked: dict) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | asked))
    with pytest.raises(BadModelError, match="describes no language model"):
        resolve_base(str(folder))
