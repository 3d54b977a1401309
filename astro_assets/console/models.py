"""``astro-assets models``: the registry looked up.

What does not belong here: changing it (the assets do).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from astro_assets.console.terminal import OUT, named_errors, tracking_of
from astro_assets.settings import load_settings

app = typer.Typer(help="Look the model registry up.", no_args_is_help=True)


@app.command("list")
@named_errors
def models_list() -> None:
    """List every registered model with its versions and aliases."""
    from astro_assets.registry.versions import list_models

    found = list_models(tracking_of(load_settings()))
    if not found:
        OUT.print("No model is registered yet. `astro-assets demo` makes one.")
    for model in found:
        _print_versions(model.name, model.versions)


@app.command("show")
@named_errors
def models_show(
    name: Annotated[str | None, typer.Argument(help="Registered name; the project's own.")] = None,
) -> None:
    """Show one registered model: versions, aliases, and what each was made from."""
    from astro_assets.registry.versions import show_model

    values = load_settings()
    model = show_model(tracking_of(values), name or values.model_name)
    _print_versions(model.name, model.versions)
    for version in model.versions:
        OUT.print(f"\n[bold]version {version.version}[/]")
        for tag, value in sorted(version.tags.items()):
            OUT.print(f"  {escape(tag)}: {escape(value)}", highlight=False, soft_wrap=True)


def _print_versions(name: str, versions: Iterable[Any]) -> None:
    from rich.table import Table

    table = Table("model", "version", "aliases", "release", "made", box=None, pad_edge=False)
    for version in versions:
        made = datetime.fromtimestamp(version.created_at_ms / 1000, UTC)
        table.add_row(
            escape(name),
            str(version.version),
            escape(", ".join(version.aliases) or "–"),
            escape(version.tags.get("release", "–")),
            f"{made:%Y-%m-%d %H:%M}",
        )
    OUT.print(table)
