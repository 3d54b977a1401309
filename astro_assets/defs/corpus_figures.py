"""The corpus in figures as Dagster shows it: Markdown tables and one picture.

What does not belong here: how the figures are made (``corpus.statistics``, ``corpus.published``).
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import dagster as dg

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.defs import markdown

_SHOWN = {
    "papers": ",d",
    "papers_first": ",d",
    "tokens": ",d",
    "mean_tokens": ",.1f",
    "median_tokens": ",.1f",
}


def of_token_blocks(
    store: Store, release: str, papers: Manifest, tokens: Manifest
) -> dict[str, Any]:
    """Return the statistics of a release's corpus as metadata.

    Tokens are those of the text; [BOS] and [EOS] are not counted.
    """
    from astro_assets.evaluation.figures.corpus import papers_and_tokens_per_year
    from astro_assets.registry.release_page import published_beside

    statistics = tokens.facts["statistics"]
    whole = {name: statistics[name] for name in ("all", "train", "test")}
    picture = b64encode(papers_and_tokens_per_year(statistics["by_year"])).decode()
    beside = published_beside(store, release, papers, tokens)
    compared = [
        {"figure": row.what, "paper": _told(row.paper), "here": _told(row.ours), "note": row.note}
        for row in beside.rows
    ]
    return {
        "mean_tokens": statistics["all"]["mean_tokens"],
        "median_tokens": statistics["all"]["median_tokens"],
        "corpus": _table(whole, "texts"),
        "corpus_by_year": _table(statistics["by_year"], "year"),
        "corpus_by_subfield": _table(statistics["by_subfield"], "subfield"),
        "corpus_figure": dg.MetadataValue.md(
            f"![papers and tokens by year](data:image/png;base64,{picture})"
        ),
        "beside_the_paper": dg.MetadataValue.md(
            markdown.table(compared, ["figure", "paper", "here", "note"], max_characters=160)
            if compared
            else f"Not shown: {markdown.cell(beside.why_not, max_characters=200)}."
        ),
    }


def _table(summaries: Mapping[str, Mapping[str, Any]], name: str) -> dg.MarkdownMetadataValue:
    rows = [
        {name: label, **{key: format(row[key], form) for key, form in _SHOWN.items()}}
        for label, row in sorted(summaries.items())
    ]
    return dg.MetadataValue.md(markdown.table(rows, [name, *_SHOWN]))


def _told(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:,.0f}"
