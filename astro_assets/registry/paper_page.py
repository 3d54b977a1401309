"""``docs/paper.md``: the paper's numbers, those of one release, and why they differ, as Markdown.

Nothing in it depends on when it is written. What does not belong here: what the rows say
(``paper_rows``) and the release's own page (``release_page``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.corpus.published import is_full_snapshot
from astro_assets.errors import MissingArtifactError
from astro_assets.evaluation.pages.leaderboard import parameters
from astro_assets.evaluation.pages.text import cleaned
from astro_assets.registry.paper_rows import SECTIONS, Ours, Row

_REPORTS = ("perplexity_report", "embedding_report", "completion_report", "knowledge_report")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#$~&!])")
_MOST_CHARACTERS = 400
_PAPER_BASE = re.compile(r"llama-?2-7b", re.IGNORECASE)


def paper_page(store: Store, release: str | None = None) -> str:
    """Return the page of a release; by default the newest whose perplexity was measured.

    Raises:
        MissingArtifactError: there is no such release in this home.
    """
    release = release or _newest(store)
    ours = ours_of(store, release)
    environment = Environment(
        loader=PackageLoader("astro_assets.registry", "templates"),
        autoescape=False,  # Markdown: ``escaped`` guards what comes from outside
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    tables = {name: table(rows(ours)) for name, rows in SECTIONS.items()}
    made_of = "" if ours.model is None else f" ({escaped(ours.model)})"
    template = environment.get_template("paper.md")
    differ = {"base": ours.why_base, "data": ours.why_data, "scale": ours.why_scale}
    reasons = "\n".join(
        f"- **{name}**: {escaped(said or 'as the paper')}." for name, said in differ.items()
    )
    return template.render(
        release=escaped(release), made_of=made_of, reasons=reasons, tables=tables
    )


def ours_of(store: Store, release: str) -> Ours:
    """Return what a home knows of a release, beside the paper's numbers.

    Raises:
        MissingArtifactError: the release's perplexity was never measured.
    """
    reports = {name: store.current(name, release) for name in _REPORTS}
    if reports["perplexity_report"] is None:
        raise MissingArtifactError(
            f"Release {release} has no perplexity report in {store.home.root}.",
            do=f"Materialise perplexity_report of release {release}.",
        )
    papers, tokens, checkpoint = (
        store.current(name, release)
        for name in ("astro_ph_papers", "token_blocks", "lora_checkpoint")
    )
    base = None
    if checkpoint is not None:
        base = store.find_content("base_model", checkpoint.parents["base_model"])
    return Ours(
        release=release,
        model=_model(base, checkpoint),
        papers=papers,
        tokens=tokens,
        checkpoint=checkpoint,
        reports={name: _report(made) for name, made in reports.items()},
        why_base=_why_base(base),
        why_data=_why_data(store, release, papers),
        why_scale=_why_scale(checkpoint),
    )


def table(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table; every cell is escaped here and nowhere else."""
    lines = ["| | the paper | here | why they differ |", "| --- | --- | --- | --- |"]
    for row in rows:
        cells = (row.what, row.paper, row.ours, row.why)
        lines.append("| " + " | ".join(escaped(cell) for cell in cells) + " |")
    return "\n".join(lines)


def escaped(text: str) -> str:
    r"""Return a text that Markdown shows as it is: one line, bounded, nothing in it is markup.

    >>> escaped("a|b <script> *c*\nd")
    'a\\|b \\<script\\> \\*c\\* d'
    """
    return _MARKUP.sub(r"\\\1", cleaned(text, _MOST_CHARACTERS))


def _newest(store: Store) -> str:
    for folder in sorted(store.home.releases.glob("????-??"), reverse=True):
        if store.current("perplexity_report", folder.name) is not None:
            return folder.name
    raise MissingArtifactError(
        f"No release in {store.home.root} has a perplexity report.",
        do="`astro-assets run` makes one.",
    )


def _report(made: Manifest | None) -> Mapping[str, Any]:
    return {} if made is None else made.facts["report"]


def _model(base: Manifest | None, checkpoint: Manifest | None) -> str | None:
    if base is None or checkpoint is None:
        return None
    return f"{base.facts['name']}, tuned by the recipe {checkpoint.parameters['recipe']['name']}"


def _why_base(base: Manifest | None) -> str:
    """Return how our base differs from Llama-2 7B; empty where it does not."""
    if base is None:
        return "the base is not known"
    name = str(base.facts["name"])
    if _PAPER_BASE.search(name):
        return ""
    size = parameters(base.facts.get("n_parameters"))
    return f"{name} of {size} parameters, not Llama-2 of 6.7 B"


def _why_data(store: Store, release: str, papers: Manifest | None) -> str:
    """Return how our papers differ from all of astro-ph to July 2023; empty where they do not."""
    if papers is None:
        return "the papers are not known"
    snapshot = store.find("arxiv_snapshot", papers.facts["snapshot_key"])
    if snapshot is None:
        return f"papers through {release}"
    origin, n_records = snapshot.facts["origin"], snapshot.counts["n_records"]
    if origin == "synthetic":
        return "generated records, not arXiv's papers"
    until = "" if release == "2023-07" else f"papers through {release}, not July 2023"
    part = "" if is_full_snapshot(origin, n_records) else f"a sample of {n_records:,} arXiv records"
    return "; ".join(said for said in (part, until) if said)


def _why_scale(checkpoint: Manifest | None) -> str:
    """Return how much was learned from."""
    if checkpoint is None:
        return "nothing was trained"
    seen = checkpoint.counts["n_tokens_seen"]
    return f"{seen:,} tokens were learned from, not about 230 M in nearly three epochs"
