"""What a training needs in memory, estimated from a model's shape before anything is loaded.

Bytes of one process; h hidden size, i intermediate size, V vocabulary, t tokens of one forward
pass, b bytes of a computed number (2 in bf16, 4 in fp32). The counts of activations are those of a
Llama under autograd, one entry for each tensor that is kept for the backward pass; a test counts
the same tensors in a real one. What is done about too much of it is ``fitting``'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from astro_assets.training.recipe import Recipe
from astro_assets.training.shape import Shape

NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
"""Of one number in NF4 with double quantisation: 4 bits, an 8-bit scale for each 64 and a 32-bit
scale for each 256 of those (arXiv:2305.14314, section 3): 0.516."""
TRAINED_BYTES = 16
"""Of one trained number: weight, gradient and AdamW's two moments in fp32."""
CHUNK_BYTES = 12 * 2**24
"""Of a chunked loss: logits, their softmax and gradient in fp32, 17 million at a time on a GPU;
a quarter of that on a CPU, where it does not matter."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to run a training in memory."""

    n_tokens: int
    """Of one forward pass of one process."""
    block_length: int
    n_processes: int
    weight_bytes: int
    """Of one number of a frozen base that is not in 4 bits."""
    compute_bytes: int
    """Of one activation: 2 under autocast to bf16, else 4."""
    mask_bytes: int
    """Of one entry of a dropout mask: 1 on CUDA, 4 on a CPU."""
    attention: str
    loss: str
    recompute: bool
    dequantise: bool


@dataclass(frozen=True)
class Estimate:
    """Bytes of one process at the peak, by what holds them."""

    weights: int
    """The frozen base, and what of a sharded model is gathered at a time."""
    trained: int
    """Trained weights, gradients, AdamW's moments and bf16 copies."""
    activations: int
    loss: int

    @property
    def total(self) -> int:
        """All of them at once."""
        return self.weights + self.trained + self.activations + self.loss


def estimate(recipe: Recipe, shape: Shape, way: Way) -> Estimate:
    """Return what one process needs to train ``recipe`` on a base of ``shape`` this way."""
    n_shards = way.n_processes if recipe.sharding else 1
    gathered = gathered_bytes(recipe, shape, way) if recipe.sharding else 0
    return Estimate(
        weights=base_bytes(recipe, shape, way) // n_shards + gathered,
        trained=trained_bytes(recipe, shape, way) // n_shards,
        activations=activation_bytes(recipe, shape, way),
        loss=loss_bytes(shape, way),
    )


def base_bytes(recipe: Recipe, shape: Shape, way: Way) -> int:
    """Return the bytes of the frozen weights; 0 where all are trained.

    In 4 bits are the decoder's linear layers alone; embeddings, head and norms are not. While one
    such layer is at work its matrix stands beside them in the format that is computed in. Plain
    weights held wider than that are kept a second time by autocast, for the backward pass.
    """
    if recipe.method == "full":
        return 0
    if recipe.quantisation is None or way.dequantise:
        copies = way.compute_bytes if way.compute_bytes < way.weight_bytes else 0
        return way.weight_bytes * shape.n_parameters + copies * shape.n_linear
    others = way.weight_bytes * (shape.n_parameters - shape.n_linear)
    at_work = max((one.n_in * one.n_out for one in shape.linears), default=0)
    return round(NF4_BYTES * shape.n_linear) + others + way.weight_bytes * at_work


def loading_bytes(recipe: Recipe, shape: Shape) -> int:
    """Return the RAM of one machine into which a base is read before FSDP shares it out.

    One process of each machine reads it: in fp32 where all weights are trained, else as it is
    held, in 4 bits or in bf16 (fp32: twice that).
    """
    if recipe.method == "full":
        return 4 * shape.n_parameters
    b = 4 if recipe.precision == "fp32" else 2
    if recipe.quantisation is None:
        return b * shape.n_parameters
    return round(NF4_BYTES * shape.n_linear) + b * (shape.n_parameters - shape.n_linear)


def n_trainable(recipe: Recipe, shape: Shape) -> int:
    """Return how many numbers are trained: all, or r (n_in + n_out) for each layer with an update.

    A of an update is (r, n_in), B is (n_out, r) (arXiv:2106.09685, section 4.1).
    """
    if recipe.rank is None or recipe.target_modules is None:
        return shape.n_parameters
    updated = (one for one in shape.linears if one.name in recipe.target_modules)
    return sum(recipe.rank * (one.n_in + one.n_out) * one.n_layers for one in updated)


def trained_bytes(recipe: Recipe, shape: Shape, way: Way) -> int:
    """Return 16 bytes for each trained number, and what stands beside its fp32 weight.

    Autocast keeps a bf16 copy of it (2); several processes that share nothing keep a second
    gradient, in the buckets they exchange (4). Shards are cast as they are gathered.
    """
    beside = 0
    if not recipe.sharding:
        beside = (2 if way.compute_bytes == 2 else 0) + (4 if way.n_processes > 1 else 0)
    return (TRAINED_BYTES + beside) * n_trainable(recipe, shape)


def gathered_bytes(recipe: Recipe, shape: Shape, way: Way) -> int:
    """Return what FSDP has whole at a time: two decoder layers, embeddings and head.

    Trained weights bring gradients of the same size (arXiv:2304.11277).
    """
    layer, others = shape.n_linear / shape.n_layers, shape.n_parameters - shape.n_linear
    if recipe.method == "full":
        return round(2 * way.compute_bytes * (2 * layer + others))
    linear_bytes = NF4_BYTES if recipe.quantisation and not way.dequantise else way.weight_bytes
    return round(2 * layer * linear_bytes + others * way.weight_bytes)


def activation_bytes(recipe: Recipe, shape: Shape, way: Way) -> int:
    """Return the bytes of all that is kept between forward and backward, t times per token.

    Without recomputation: every layer's tensors, and once more one layer's for what the backward
    pass makes on its way. With it: every layer's input in fp32, and two layers' tensors.
    """
    one_layer = layer_activation_bytes(recipe, shape, way)
    if way.recompute:
        return way.n_tokens * (4 * shape.hidden_size * shape.n_layers + 2 * one_layer)
    return way.n_tokens * one_layer * (shape.n_layers + 1)


def layer_activation_bytes(recipe: Recipe, shape: Shape, way: Way) -> int:
    """Return the bytes that one decoder layer keeps for each token.

    - attention: queries, keys, values, output: b (2 q + 2 k); eager, instead of the flash kernel's
      logarithm: the scores' softmax in fp32, and in bf16 once more (4 + 2), for each head and
      position of the block
    - gated unit: gate, its activation, the other half: 3 b i
    - under adapters, two norms: their input in fp32: 2 * 4 h; each update: its input, dropped out
      anew for each layer, with a mask: (b + mask) n_in; and A's output: b r
    - all weights trained, two norms: their input and the normalised, in fp32: 2 * 8 h; the linear
      layers' inputs, which autocast makes anew for each of them: b (5 h + q + i)
    """
    b = way.compute_bytes
    hidden, wide = shape.hidden_size, shape.intermediate_size
    queries, keys = shape.n_heads * shape.head_size, shape.n_kv_heads * shape.head_size
    kept = b * (2 * queries + 2 * keys) + 3 * b * wide
    if way.attention == "eager":
        kept += shape.n_heads * way.block_length * (6 if b == 2 else 4)
    if recipe.rank is None or recipe.target_modules is None:
        own_inputs = 5 if b == 2 else 2
        return kept + 16 * hidden + b * (own_inputs * hidden + queries + wide)
    per_input = b + (way.mask_bytes if recipe.dropout else 0)
    updated = (one for one in shape.linears if one.name in recipe.target_modules)
    for one in updated:
        kept += (per_input * one.n_in + b * recipe.rank) * one.n_layers // shape.n_layers
    return kept + 8 * hidden


def loss_bytes(shape: Shape, way: Way) -> int:
    """Return the bytes of the output layer and the loss.

    full: logits, in fp32 again, their logarithm of the softmax, its gradient: (b + 12) V per token.
    chunked: a bounded chunk. liger: chunks of t h / V tokens, rounded up to a power of two, so up
    to 2 t h logits (arXiv:2410.10989). With each, the last hidden states, their norm
    and gradient in fp32: 12 h per token.
    """
    hidden = 12 * shape.hidden_size * way.n_tokens
    if way.loss == "full":
        return hidden + (way.compute_bytes + 12) * shape.n_vocab * way.n_tokens
    if way.loss == "liger":
        return hidden + (way.compute_bytes + 4) * 2 * shape.hidden_size * way.n_tokens
    return hidden + CHUNK_BYTES
