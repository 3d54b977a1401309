"""The ``astro-assets`` command: flags in, one call each, named errors out without a traceback."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from astro_assets.console import commands, models
from astro_assets.console.terminal import (
    ERR,
    OUT,
    AsJson,
    ReleaseKey,
    named_errors,
    print_json,
    tracking_of,
)
from astro_assets.errors import AstroError
from astro_assets.settings import Settings, load_settings, origin_of, without_password

app = typer.Typer(
    help="Keep a language model of astronomy fresh: arXiv in, a promoted model out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(commands.app)
app.add_typer(models.app, name="models")

_OUT, _ERR = OUT, ERR


Release = Annotated[str | None, typer.Option(help="Release month YYYY-MM; the newest that ended.")]
Snapshot = Annotated[str | None, typer.Option(help="A file, kaggle, kaggle:N, oai or synthetic:N.")]
RecipeName = Annotated[str | None, typer.Option("--recipe", help="Bundled recipe or a YAML path.")]
Base = Annotated[str | None, typer.Option(help="scratch, a model folder, or a Hugging Face id.")]
Select = Annotated[str | None, typer.Option(help="Only these assets, comma-separated.")]
Force = Annotated[bool, typer.Option("--force", help="Make again what is unchanged.")]
Rebase = Annotated[bool, typer.Option("--rebase", help="Bind the release to this snapshot.")]
RebuildBase = Annotated[bool, typer.Option("--rebuild-base", help="Pretrain scratch again.")]


@app.command()
@named_errors
def run(
    release: Release = None,
    snapshot: Snapshot = None,
    recipe: RecipeName = None,
    base: Base = None,
    select: Select = None,
    force: Force = False,
    rebase: Rebase = False,
    rebuild_base: RebuildBase = False,
    as_json: AsJson = False,
) -> None:
    """Materialise a release through Dagster: from the snapshot to the page."""
    flags = {
        "snapshot": snapshot,
        "recipe": recipe,
        "base_model": base,
        "force": force or None,
        "rebase": rebase or None,
        "rebuild_base": rebuild_base or None,
    }
    _run(release, flags, select, as_json=as_json)


@app.command()
@named_errors
def demo(force: Force = False, rebase: Rebase = False, as_json: AsJson = False) -> None:
    """Run the whole chain on generated records with the smoke recipe: no network, no GPU."""
    default = Settings.model_fields["snapshot"].default
    flags = {"snapshot": default, "recipe": "smoke", "base_model": "scratch"}
    more = {"force": force or None, "rebase": rebase or None}
    _run(None, flags | more, None, as_json=as_json)


def _run(release: str | None, flags: dict[str, Any], select: str | None, *, as_json: bool) -> None:
    from astro_assets.console import outcome
    from astro_assets.console.display import open_display
    from astro_assets.console.run import Request
    from astro_assets.console.run import run as start

    chosen = tuple(name.strip() for name in (select or "").split(",") if name.strip())
    try:
        with open_display(_ERR) as display:
            ended = start(Request(release, chosen, flags), display, now=datetime.now(UTC))
    except AstroError as error:
        if as_json:
            print_json(outcome.empty(release, str(error)))
        raise
    told = outcome.as_json(ended)
    if as_json:
        print_json(told)
        for message in ended.errors:
            _ERR.print(f"failed {escape(message)}", highlight=False, soft_wrap=True)
    else:
        outcome.show(ended, told, _OUT)
    if not ended.success:
        raise typer.Exit(1)


@app.command()
@named_errors
def ui(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow UI.")] = 5000,
) -> None:
    """Serve Dagster's UI, its daemon and MLflow's UI over the home; one Ctrl-C ends all."""
    from astro_assets.console.services import serve

    settings = load_settings()
    code = serve(
        settings,
        port=port,
        mlflow_port=mlflow_port,
        say=lambda line: _OUT.print(line, highlight=False, soft_wrap=True),
    )
    raise typer.Exit(code)


@app.command()
@named_errors
def verify(
    release: ReleaseKey,
    from_papers: Annotated[
        bool, typer.Option("--from-papers", help="Start from the kept papers, not the snapshot.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild a release aside and compare it with what is kept, byte for byte; 1 if it differs."""
    from astro_assets.console import releases

    found = releases.verify(load_settings(), release, _ERR, from_papers=from_papers)
    if as_json:
        print_json(releases.verification_as_json(found))
    else:
        releases.show_verification(found, _OUT)
    if not found.is_clean:
        raise typer.Exit(1)


@app.command()
@named_errors
def diff(
    before: ReleaseKey,
    after: ReleaseKey,
    limit: Annotated[int, typer.Option(min=0, help="Papers shown of each kind.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Compare two releases: papers added, revised, withdrawn, lost; tokens gained."""
    from astro_assets.console import releases

    found = releases.diff(load_settings(), before, after)
    if as_json:
        print_json(asdict(found))
    else:
        releases.show_diff(found, _OUT, limit=limit)


@app.command()
@named_errors
def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Remove it, not only list it.")] = False,
    forget: Annotated[
        list[str] | None, typer.Option(help="Drop this release as well; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what no kept release and no registered model needs; --delete removes it."""
    from astro_assets.console import releases

    found = releases.collect_garbage(
        load_settings(), forget or [], _ERR, delete=delete, now=datetime.now(UTC)
    )
    if as_json:
        print_json(releases.garbage_as_json(found, deleted=delete))
    else:
        releases.show_garbage(found, _OUT, deleted=delete)


@app.command()
@named_errors
def settings() -> None:
    """Show every setting, its value, and where the value came from."""
    from rich.table import Table

    values = load_settings()
    table = Table(box=None, pad_edge=False)
    for heading in ("setting", "value", "from", "what it is"):
        table.add_column(heading, overflow="fold")
    for name, field in Settings.model_fields.items():
        value = getattr(values, name)
        if name == "mlflow_tracking_uri":
            value = without_password(values.tracking_uri)
        table.add_row(
            name,
            escape(str(value)) or "–",
            origin_of(values, name, {}),
            escape(field.description or ""),
        )
    _OUT.print(table)


@app.command()
@named_errors
def complete(
    text: Annotated[str, typer.Argument(help="The beginning of an abstract.")],
    alias: Annotated[str, typer.Option(help="Which model: an alias or a version.")] = "champion",
    max_new_tokens: Annotated[int, typer.Option(min=1, max=1024)] = 128,
    temperature: Annotated[float, typer.Option(min=0.0, max=5.0)] = 0.3,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Continue an abstract with the champion."""
    from astro_assets.registry.serving import continue_text

    values = load_settings()
    told = continue_text(
        tracking_of(values),
        values.model_name,
        alias,
        text,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
    )
    _OUT.print(escape(text) + escape(told), highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
