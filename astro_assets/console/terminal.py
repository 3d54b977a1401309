"""What every command shares: where it prints, how a named error ends it, flags of many commands.

What does not belong here: any command (cli.py, ``commands``, ``models``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from astro_assets.errors import AstroError
from astro_assets.settings import Settings

OUT = Console()
ERR = Console(stderr=True)

ReleaseKey = Annotated[str, typer.Argument(help="Release month YYYY-MM.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


def named_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """End with the error's own text and exit code 2, without a traceback."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except AstroError as error:
            ERR.print(f"[bold red]error[/] {escape(str(error))}", highlight=False, soft_wrap=True)
            raise typer.Exit(2) from None

    return guarded


def print_json(told: dict[str, Any]) -> None:
    """Write one JSON object as one line on stdout."""
    sys.stdout.write(json.dumps(told, allow_nan=False) + "\n")


def tracking_of(values: Settings) -> Any:
    """Return where MLflow keeps runs and versions."""
    from astro_assets.artifacts.home import Home
    from astro_assets.registry.tracking import Tracking

    return Tracking.of(values.tracking_uri, Home(values.home))
