"""Shapes of known base models, and base folders that hold their headers and no weights."""

import json
import struct
from pathlib import Path

from astro_assets.training.shape import Linear, Shape


def llama(
    *, hidden: int, wide: int, n_layers: int, n_heads: int, n_kv_heads: int, n_vocab: int
) -> Shape:
    """Return a Llama with a head of its own."""
    head_size = hidden // n_heads
    keys = head_size * n_kv_heads
    sizes = {
        "down_proj": (wide, hidden),
        "gate_proj": (hidden, wide),
        "k_proj": (hidden, keys),
        "o_proj": (hidden, hidden),
        "q_proj": (hidden, hidden),
        "up_proj": (hidden, wide),
        "v_proj": (hidden, keys),
    }
    linears = tuple(Linear(name, *size, n_layers) for name, size in sizes.items())
    norms = (2 * n_layers + 1) * hidden
    return Shape(
        n_parameters=sum(one.n_parameters for one in linears) + 2 * n_vocab * hidden + norms,
        n_layers=n_layers,
        hidden_size=hidden,
        intermediate_size=wide,
        n_vocab=n_vocab,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        head_size=head_size,
        linears=linears,
    )


LLAMA_2_7B = llama(hidden=4096, wide=11008, n_layers=32, n_heads=32, n_kv_heads=32, n_vocab=32000)
LLAMA_2_70B = llama(hidden=8192, wide=28672, n_layers=80, n_heads=64, n_kv_heads=8, n_vocab=32000)
LLAMA_3_8B = llama(hidden=4096, wide=14336, n_layers=32, n_heads=32, n_kv_heads=8, n_vocab=128256)
TINY_LLAMA = llama(hidden=2048, wide=5632, n_layers=22, n_heads=32, n_kv_heads=4, n_vocab=32000)
STORIES_260K = llama(hidden=64, wide=172, n_layers=5, n_heads=8, n_kv_heads=4, n_vocab=512)


def write_headers(folder: Path, shape: Shape) -> Path:
    """Write config.json and a safetensors file of the shape that ends after its header."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": shape.n_heads,
        "num_key_value_heads": shape.n_kv_heads,
        "vocab_size": shape.n_vocab,
    }
    (folder / "config.json").write_text(json.dumps(config))
    table, norm = [shape.n_vocab, shape.hidden_size], [shape.hidden_size]
    tensors = {"model.embed_tokens": table, "lm_head": table, "model.norm": norm}
    for layer in range(shape.n_layers):
        for one in shape.linears:
            tensors[f"model.layers.{layer}.part.{one.name}"] = [one.n_out, one.n_in]
        tensors[f"model.layers.{layer}.input_layernorm"] = norm
        tensors[f"model.layers.{layer}.post_attention_layernorm"] = norm
    header = {"__metadata__": {"format": "pt"}} | {
        f"{name}.weight": {"dtype": "BF16", "shape": size, "data_offsets": [0, 0]}
        for name, size in tensors.items()
    }
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    return folder
