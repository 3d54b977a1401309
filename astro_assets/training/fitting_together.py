"""Whether recipe, blocks, base and parent fit each other, told before anything is loaded.

Whether they fit the machine belongs to ``runtime``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from astro_assets.errors import BadSettingError, EmptyCorpusError

if TYPE_CHECKING:
    from astro_assets.training.trainer import Inputs


def refuse_misfits(inputs: Inputs) -> None:
    """Raise on the first thing that does not fit.

    Raises:
        EmptyCorpusError: nothing to train on, to replay, or to measure for early stopping.
        BadSettingError: lengths that do not fit, or less than one step of blocks.
    """
    _refuse_lengths(inputs)
    recipe, blocks = inputs.recipe, inputs.blocks
    recipe.optimisation(n_blocks=len(blocks), block_length=blocks.block_length)  # a step at least
    if recipe.replay_fraction and not inputs.replay:
        raise EmptyCorpusError(
            f"Recipe {recipe.name} replays general papers, and there is no block of them.",
            expected="at least one whole block of the general train side.",
            do="Take a larger snapshot or general share, or a recipe with replay_fraction: 0.",
        )
    if recipe.early_stopping is None:
        return
    if inputs.heldout is None or "astro" not in inputs.heldout.groups():
        raise EmptyCorpusError(
            f"Recipe {recipe.name} stops early by held-out astro papers, and there are none.",
            do="Take a larger snapshot, or a recipe with early_stopping: null.",
        )


def _refuse_lengths(inputs: Inputs) -> None:
    blocks, recipe, base = inputs.blocks, inputs.recipe, inputs.base
    if len(blocks) == 0:
        raise EmptyCorpusError(
            f"{blocks.n_tokens:,} training tokens make no block of {blocks.block_length}.",
            expected="at least one whole block.",
            do="Take more papers or a smaller block_length.",
        )
    if recipe.block_length not in (None, blocks.block_length):
        raise BadSettingError(
            f"Recipe {recipe.name} asks for blocks of {recipe.block_length} tokens, "
            f"these have {blocks.block_length}.",
            expected="token blocks made with the recipe's block_length.",
            do=f"Set ASTRO_BLOCK_LENGTH={recipe.block_length} and materialise token_blocks again.",
        )
    if blocks.block_length > base.max_positions:
        raise BadSettingError(
            f"Blocks of {blocks.block_length} tokens are longer than the {base.max_positions} "
            f"positions of {base.name}.",
            do=f"Set block_length to at most {base.max_positions}.",
        )
