"""The shape of a base model, read from its configuration and the headers of its weight files.

Nothing is loaded: a plan is made before the first weight is read. What a shape costs in memory is
``memory``'s.
"""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astro_assets.errors import BadModelError

_MAX_HEADER_BYTES = 100_000_000  # the format's own bound
# Not multiplied with activations, or kept out of quantisation by transformers: tables and heads.
_NO_LINEAR = ("embed", "lm_head", "wte", "wpe", "embed_out")


@dataclass(frozen=True)
class Linear:
    """The linear layers of one name, over all decoder layers."""

    name: str
    """The last part of the module's name, as recipes name it: q_proj, down_proj, …"""
    n_in: int
    n_out: int
    n_layers: int
    """How many of them the model has."""

    @property
    def n_parameters(self) -> int:
        """Numbers in all of their weights."""
        return self.n_in * self.n_out * self.n_layers


@dataclass(frozen=True)
class Shape:
    """What a causal language model's memory and arithmetic follow from."""

    n_parameters: int
    """All weights; tied embeddings count once."""
    n_layers: int
    hidden_size: int
    intermediate_size: int
    n_vocab: int
    n_heads: int
    n_kv_heads: int
    head_size: int
    linears: tuple[Linear, ...]
    """Linear layers of the decoder: what is quantised and what can get an update."""

    @property
    def n_linear(self) -> int:
        """Numbers in the decoder's linear layers: what 4 bits are for."""
        return sum(linear.n_parameters for linear in self.linears)


def shape_of(folder: Path) -> Shape:
    """Return the shape of the base in ``folder`` from config.json and the safetensors headers.

    Raises:
        BadModelError: a file is missing or damaged, or the configuration does not tell a size.
    """
    config = _read_json(folder / "config.json")
    tensors: dict[str, list[int]] = {}
    for path in _weight_files(folder):
        tensors.update(_read_header(path))
    hidden_size = _size(folder, config, "hidden_size", "n_embd", "d_model")
    n_heads = _size(folder, config, "num_attention_heads", "n_head")
    return Shape(
        n_parameters=sum(math.prod(shape) for shape in tensors.values()),
        n_layers=_size(folder, config, "num_hidden_layers", "n_layer"),
        hidden_size=hidden_size,
        intermediate_size=_either(config, "intermediate_size", "n_inner", "ffn_dim")
        or 4 * hidden_size,
        n_vocab=_size(folder, config, "vocab_size"),
        n_heads=n_heads,
        n_kv_heads=_either(config, "num_key_value_heads") or n_heads,
        head_size=_either(config, "head_dim") or hidden_size // n_heads,
        linears=_linears(tensors),
    )


def _linears(tensors: dict[str, list[int]]) -> tuple[Linear, ...]:
    """Group the matrices that inputs are multiplied with by name and size."""
    counted: Counter[tuple[str, int, int]] = Counter()
    for name, shape in tensors.items():
        parts = name.split(".")
        if len(shape) == 2 and parts[-1] == "weight" and not _is_no_linear(parts):
            counted[(parts[-2] if len(parts) > 1 else parts[0], shape[1], shape[0])] += 1
    return tuple(
        Linear(name, n_in, n_out, n_layers)
        for (name, n_in, n_out), n_layers in sorted(counted.items())
    )


def _is_no_linear(parts: list[str]) -> bool:
    return any(word in part for part in parts for word in _NO_LINEAR)


def _weight_files(folder: Path) -> list[Path]:
    """Return the files weights are loaded from: the index's shards, or model.safetensors."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return [folder / "model.safetensors"]
    weight_map = _read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise BadModelError(f"{index} is no index of weights.")
    return [folder / Path(str(name)).name for name in sorted({*weight_map.values()})]


def _read_header(path: Path) -> dict[str, list[int]]:
    """Return tensor name -> shape; a safetensors file begins with its header's length and JSON."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _MAX_HEADER_BYTES:
                raise ValueError("its header is too long")
            header = json.loads(file.read(length))
        return {
            name: [int(size) for size in entry["shape"]]
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadModelError(f"{path} is damaged or no safetensors file ({error}).") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadModelError(f"{path} cannot be read ({error}).") from error
    if not isinstance(document, dict):
        raise BadModelError(f"{path} holds no mapping.")
    return document


def _size(folder: Path, config: dict[str, Any], *names: str) -> int:
    value = _either(config, *names)
    if value is None:
        raise BadModelError(
            f"{folder / 'config.json'} does not tell {names[0]}.",
            expected="the configuration of a causal language model.",
        )
    return value


def _either(config: dict[str, Any], *names: str) -> int | None:
    """Return the first of the sizes that the configuration has; architectures name them apart."""
    values = (config.get(name) for name in names)
    return next((v for v in values if isinstance(v, int) and v > 0), None)
