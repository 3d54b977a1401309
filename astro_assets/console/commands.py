"""Commands on what was made: measure a model, set the paper beside us, search by meaning.

What does not belong here: the work itself (``evaluate``, ``paper``, ``similar``).
"""

from __future__ import annotations

from typing import Annotated

import typer

from astro_assets.console.terminal import ERR, OUT, AsJson, named_errors, print_json
from astro_assets.settings import load_settings

app = typer.Typer()

Made = Annotated[str | None, typer.Option(help="Release month YYYY-MM; the newest that fits.")]


@app.command()
@named_errors
def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(
            help="A folder (whole model or adapter), a hub id, or a registered version or alias."
        ),
    ],
    release: Made = None,
    base: Annotated[
        str | None, typer.Option(help="The base of an adapter folder; what the adapter says.")
    ] = None,
    quantisation: Annotated[
        str | None, typer.Option(help="nf4 or none; as the registry says, else none.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put models through a release's reports without training them; 1 if one cannot be used."""
    from astro_assets.console import evaluate as evaluating

    asked = evaluating.Asked(tuple(models), release, base, quantisation)
    ended = evaluating.evaluate(load_settings(), asked, ERR)
    if as_json:
        print_json(evaluating.as_json(ended))
    else:
        evaluating.show(ended, OUT)
    if not ended.success:
        raise typer.Exit(1)


@app.command()
@named_errors
def paper(
    release: Made = None,
    out: Annotated[
        str | None,
        typer.Option(help="File to write, - for stdout; docs/paper.md where there is a docs."),
    ] = None,
) -> None:
    """Write the paper's numbers, ours, and why they differ, as Markdown."""
    from astro_assets.console.paper import write_paper

    path = write_paper(load_settings(), release, out)
    if path is not None:
        OUT.print(str(path), markup=False, highlight=False, soft_wrap=True)


@app.command()
@named_errors
def similar(
    query: Annotated[str, typer.Argument(help="A text, or an arXiv id.")],
    k: Annotated[int, typer.Option("-k", min=1, max=1_000, help="How many papers.")] = 10,
    release: Made = None,
    as_json: AsJson = False,
) -> None:
    """List the papers nearest in meaning, by the vectors of a release."""
    from astro_assets.console import similar as searching

    found = searching.similar(load_settings(), query, k=k, release=release)
    if as_json:
        print_json(searching.as_json(found))
    else:
        searching.show(found, OUT)
