"""How loud the libraries under us are: only what somebody here can act on reaches the terminal."""

from __future__ import annotations

import logging
import warnings

_ABOUT_MISSING_EXTRAS = "bitsandbytes.backends.cpu.ops"
"""Advises to install `kernels`, which would fetch code from the hub: not wanted."""
_PEFT_ASKS_IN_OLD_WORDS = "`is_gradient_checkpointing` is deprecated"


def quiet_libraries() -> None:
    """Turn off the progress bars of transformers and two messages meant for the libraries' makers.

    Progress is shown by ``astro_assets.progress``. Call it before peft is imported.
    """
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    logging.getLogger(_ABOUT_MISSING_EXTRAS).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", _PEFT_ASKS_IN_OLD_WORDS, FutureWarning)
