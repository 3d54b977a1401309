"""Blocks and a base in, an adapter out; and a base of our own from texts alone.

::

    recipes/*.yaml ──▶ recipe.py ─┐
    TokenBlocks ───▶ dataset.py ──┼──▶ trainer.py ──▶ adapter folder with its learning curve
    BaseModel ────────────────────┘        │
    texts ──────▶ scratch.py ──────────────┴──▶ loop.py: one pass through Hugging Face's Trainer

What does not belong here: what the texts and blocks are (corpus), how a model is loaded (models),
whether the result is any good (evaluation), where it is registered (registry).
"""

from astro_assets.models.libraries import quiet_libraries

quiet_libraries()  # here, because the Trainer's modules import peft as soon as they are imported
