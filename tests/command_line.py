"""The `astro-assets` command called in this process, with a terminal of a known width."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from astro_assets import cli


def command(home: Path, *arguments: str) -> Result:
    """Run the command on a home; what it prints is in the result."""
    with pytest.MonkeyPatch.context() as patch:
        # Consoles take their width from the environment once, when they are made.
        patch.setattr(cli, "_OUT", Console(width=200))
        return CliRunner().invoke(cli.app, list(arguments), env={"ASTRO_HOME": str(home)})
