"""Base models: from what a person asked for to a local folder with a digest.

A base is a Hugging Face folder with safetensors weights and a fast tokenizer. Pretraining a base of
our own (``scratch``) belongs to ``training``; it is described here like any other.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open
from transformers import AutoConfig

from astro_assets.artifacts import fingerprint
from astro_assets.errors import BadModelError, UnknownNameError
from astro_assets.models.loading import UNUSABLE

Kind = Literal["scratch", "path", "hub"]

_HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_MADE_OF = (
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors.index.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
_FETCHED = ("*.safetensors", *_MADE_OF)
_SHAPE = "a folder with config.json, *.safetensors and tokenizer.json."


@dataclass(frozen=True)
class BaseModel:
    """A base model that lies in a local folder."""

    name: str
    """What people call it: scratch, the folder's name, or the hub id."""
    kind: Kind
    folder: Path
    digest: str
    """sha256 over the digests of weights, configuration and tokenizer."""
    revision: str | None
    """The hub's commit, None for what is on no hub."""
    n_parameters: int
    n_vocab: int
    max_positions: int
    """Longest sequence the model can see, in tokens."""


def refuse_unknown_base(spec: str) -> None:
    """Raise now what ``resolve_base`` would raise without asking the hub.

    Raises:
        UnknownNameError: neither a folder nor the form of a hub id.
        BadModelError: the folder holds no usable base.
    """
    folder = Path(spec).expanduser()
    if folder.exists():
        _refuse_incomplete(folder)
    elif _HUB_ID.fullmatch(spec) is None or spec.startswith((".", "~")):
        raise _unknown(spec)


def hub_id(spec: str) -> tuple[str | None, str | None]:
    """Return repository and revision of ``org/name[@revision]``, two None for anything else.

    >>> hub_id("org/name@main")
    ('org/name', 'main')
    """
    match = _HUB_ID.fullmatch(spec)
    return (match["repo"], match["revision"]) if match else (None, None)


def resolve_base(spec: str, *, hub_token: str | None = None) -> BaseModel:
    """Find the base that ``spec`` names: a local folder, or ``org/name[@revision]`` on the hub.

    A hub model lies in the hub's own cache (``HF_HOME``) and is pinned to the commit found.

    Raises:
        UnknownNameError: neither a folder nor the form of a hub id.
        BadModelError: the folder holds no usable base, or the hub did not give one.
    """
    folder = Path(spec).expanduser()
    if folder.exists():
        folder = folder.resolve()
        return describe_base(folder, name=folder.name, kind="path")
    match = _HUB_ID.fullmatch(spec)
    if match is None or spec.startswith((".", "~")):
        raise _unknown(spec)
    folder = _fetch(match["repo"], match["revision"], hub_token)
    return describe_base(folder, name=match["repo"], kind="hub", revision=folder.name)


def _unknown(spec: str) -> UnknownNameError:
    return UnknownNameError(
        f"There is no base model {spec[:200]!r}: no such folder, and no hub id.",
        expected="scratch, a local model folder, or a hub id such as org/name@revision.",
    )


def describe_base(folder: Path, *, name: str, kind: Kind, revision: str | None = None) -> BaseModel:
    """Check a base folder and describe it; the weights' headers are read, not the weights.

    Raises:
        BadModelError: something is missing, damaged, or would need code from the model's folder.
    """
    _refuse_incomplete(folder)
    config = _read_config(folder)
    n_vocab, n_pieces = int(config.vocab_size), _count_pieces(folder)
    if n_pieces > n_vocab:
        raise BadModelError(
            f"{folder}: the tokenizer has {n_pieces:,} pieces, the model only {n_vocab:,} rows.",
            expected="the tokenizer this model was trained with.",
        )
    return BaseModel(
        name=name,
        kind=kind,
        folder=folder,
        digest=base_digest(folder),
        revision=revision,
        n_parameters=_count_parameters(folder),
        n_vocab=n_vocab,
        max_positions=_max_positions(folder, config),
    )


def base_digest(folder: Path) -> str:
    """Return the sha256 over names and digests of weights, configuration and tokenizer.

    Other files (model cards, older weight formats) do not change what is loaded and are left out.
    """
    return fingerprint.of_value(base_files(folder))


def base_files(folder: Path) -> dict[str, str]:
    """Return name -> sha256 of the files a base is loaded from."""
    return {name: fingerprint.of_file(folder / name) for name in base_file_names(folder)}


def base_file_names(folder: Path) -> list[str]:
    """Return which files of a folder are loaded; nothing is read but the index of the weights.

    Raises:
        BadModelError: a shard is missing that the index names.
    """
    rest = [name for name in _MADE_OF if (folder / name).is_file()]
    return [*rest, *(path.name for path in _weights(folder))]


def _fetch(repo: str, revision: str | None, token: str | None) -> Path:
    """Return the hub cache's folder of a model, named by its commit."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    # The hub's client has its own HTTP library, which may not be ours: a connection that fails
    # raises that one's error, of which the hub's is a kind.
    failed: type[Exception] = next(
        kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError"
    )
    try:
        found = snapshot_download(
            repo, revision=revision, token=token, allow_patterns=list(_FETCHED)
        )
    except (
        failed,
        HFValidationError,
        LocalEntryNotFoundError,
        OSError,
    ) as error:
        raise BadModelError(
            f"The hub did not give {repo}{'@' + revision if revision else ''} "
            f"({type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}).",
            expected="a model that exists, that the token in HF_TOKEN may read, and a network; "
            "or a local folder of that name.",
            do="Check the id and the network, accept the model's licence, or give a local folder.",
        ) from error
    return Path(found)


def _refuse_incomplete(folder: Path) -> None:
    if not folder.is_dir():
        raise BadModelError(f"{folder} is not a folder.", expected=_SHAPE)
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise BadModelError(f"{folder} has no {name}.", expected=_SHAPE)
    if not _weights(folder):
        pickles = [path.name for path in sorted(folder.glob("*.bin"))]
        held = f"only {pickles[0]}, a pickle that can run code" if pickles else "no weights"
        raise BadModelError(
            f"{folder} holds {held}.",
            expected=_SHAPE,
            do="Save the model again with safe_serialization." if pickles else "",
        )


def _weights(folder: Path) -> list[Path]:
    """Return the files weights are loaded from: the index's shards, or model.safetensors."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return [path for path in [folder / "model.safetensors"] if path.is_file()]
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadModelError(f"{index} is no index of weights.") from error
    missing = [name for name in names if not (folder / Path(name).name).is_file()]
    if missing:
        raise BadModelError(
            f"{folder} lacks {missing[0]}, which its index names.", expected="every shard."
        )
    return [folder / Path(name).name for name in names]


def _read_config(folder: Path) -> Any:
    """Return the transformers configuration; code that came with a model is refused."""
    path = folder / "config.json"
    try:
        raw = json.loads(path.read_bytes())
        if "auto_map" in raw:
            raise BadModelError(
                f"{path} asks to run code that came with the model (auto_map).",
                expected="an architecture that transformers has itself.",
            )
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        int(config.vocab_size)
    except UNUSABLE as error:
        raise BadModelError(
            f"{path} describes no language model that transformers knows "
            f"({(str(error).splitlines() or [''])[0][:160]})."
        ) from error
    return config


def _max_positions(folder: Path, config: Any) -> int:
    value = getattr(config, "max_position_embeddings", None)
    if not isinstance(value, int) or value < 2:
        raise BadModelError(
            f"{folder / 'config.json'} does not say how long a sequence may be.",
            expected="max_position_embeddings, in tokens.",
        )
    return value


def _count_pieces(folder: Path) -> int:
    """Return the highest id of the tokenizer plus one."""
    try:
        document = json.loads((folder / "tokenizer.json").read_bytes())
        vocabulary = document["model"]["vocab"]
        # BPE and WordPiece map piece -> id, Unigram lists [piece, score] in id order.
        ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
        added = [token["id"] for token in document.get("added_tokens", [])]
        return int(max([*ids, *added])) + 1
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadModelError(f"{folder / 'tokenizer.json'} is no fast tokenizer.") from error


def _count_parameters(folder: Path) -> int:
    """Return how many numbers the weight files hold (tied embeddings count once)."""
    n_parameters = 0
    for path in _weights(folder):
        try:
            with safe_open(path, framework="pt") as weights:
                for name in weights.keys():  # noqa: SIM118 - not a dict, has no __iter__
                    n_parameters += math.prod(weights.get_slice(name).get_shape())
        except (SafetensorError, OSError) as error:
            raise BadModelError(f"{path} is damaged or no safetensors file ({error}).") from error
    return n_parameters
