"""The page people read, one per release: self-contained HTML, and its numbers as JSON beside it.

No script, nothing loaded from anywhere, all text escaped; figures are inline. A part that a run did
not make says so instead of being silently absent. What does not belong here: computing numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from astro_assets.artifacts import atomic
from astro_assets.evaluation.pages.blocks import Block, Section, Words
from astro_assets.evaluation.pages.content import ReleasePage
from astro_assets.evaluation.pages.html import rendered
from astro_assets.evaluation.pages.sections.completions import completion_blocks
from astro_assets.evaluation.pages.sections.corpus import corpus_blocks
from astro_assets.evaluation.pages.sections.forgetting import forgetting_blocks
from astro_assets.evaluation.pages.sections.forward import forward_blocks
from astro_assets.evaluation.pages.sections.key_figures import key_figures
from astro_assets.evaluation.pages.sections.knowledge import knowledge_blocks
from astro_assets.evaluation.pages.sections.lineage import lineage_blocks
from astro_assets.evaluation.pages.sections.perplexity import perplexity_blocks
from astro_assets.evaluation.pages.sections.retrieval import retrieval_blocks
from astro_assets.evaluation.pages.sections.similarity import similarity_blocks
from astro_assets.evaluation.pages.sections.training import training_blocks

REPORT_NAMES = {
    "perplexity": "perplexity_report",
    "embeddings": "embedding_report",
    "completions": "completion_report",
    "knowledge": "knowledge_report",
}
"""Part of a page -> the report it is, and its name in the JSON."""


def render_release_page(content: ReleasePage, path: Path) -> Path:
    """Write a release's page and, beside it, its numbers; atomically, the page last.

    Returns:
        The page's path.
    """
    numbers = path.with_suffix(".json")
    atomic.write_text(numbers, as_json(page_numbers(content)))
    text = rendered(
        "release.html",
        page=content,
        figures=key_figures(content),
        sections=sections_of(content),
        numbers=numbers.name,
    )
    atomic.write_text(path, text)
    return path


def page_numbers(content: ReleasePage) -> dict[str, Any]:
    """Return everything a page shows as plain values, the reports under their own names."""
    plain = asdict(content)
    return {REPORT_NAMES.get(name, name): value for name, value in plain.items()}


def as_json(numbers: Mapping[str, Any]) -> str:
    """Return plain values as JSON that any reader takes.

    Raises:
        ValueError: a number is not finite; reports hold none.
    """
    return json.dumps(numbers, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def sections_of(page: ReleasePage) -> list[Section]:
    """Return the sections in the order of the page; a part not made says so."""
    reads, vectors = page.perplexity, page.embeddings
    texts, asked = page.completions, page.knowledge
    corpus = corpus_blocks(page.corpus) if page.corpus else []
    return [
        _section("Corpus", corpus, "The corpus"),
        _section("Training", training_blocks(page), "The learning curve"),
        _section("Perplexity", perplexity_blocks(reads) if reads else [], "The perplexity report"),
        _section("Forward in time", forward_blocks(reads) if reads else [], "This measurement"),
        _section("Forgetting", forgetting_blocks(page), "This measurement"),
        _section(
            "Similarity", similarity_blocks(vectors) if vectors else [], "The embedding report"
        ),
        _section("Retrieval", retrieval_blocks(vectors) if vectors else [], "This measurement"),
        _section("Completions", completion_blocks(texts) if texts else [], "The completion report"),
        _section("Knowledge", knowledge_blocks(asked) if asked else [], "The knowledge report"),
        _section("Lineage", lineage_blocks(page), "The lineage"),
    ]


def _section(title: str, blocks: list[Block], what: str) -> Section:
    shown = tuple(blocks) or (Words(f"{what} was not made in this run.", "absent"),)
    return Section(title.lower().replace(" ", "-"), title, shown)
