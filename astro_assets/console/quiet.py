"""Keeps the libraries' chatter off a terminal that shows progress."""

from __future__ import annotations

import logging
import warnings


def quieten() -> None:
    """Keep the libraries' chatter off the terminal; errors still come through as exceptions."""
    warnings.filterwarnings("ignore", module=r"dagster|mlflow|torch|transformers|peft|bitsandbytes")
    warnings.filterwarnings("ignore", category=FutureWarning)
    for name in ("mlflow", "alembic", "transformers", "httpx", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
