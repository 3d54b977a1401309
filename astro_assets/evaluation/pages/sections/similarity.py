"""Similarity: the paper's figure 3, the other way round, the spread, telling pairs.

What does not belong here: whether similar papers are found by it (``retrieval``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_assets.evaluation.figures import similarity as figures
from astro_assets.evaluation.pages.blocks import (
    Block,
    Cell,
    Table,
    Words,
    notes,
    pictures,
    row,
    table,
)
from astro_assets.evaluation.pages.sections.shared import left_out_sentence, model_cell
from astro_assets.evaluation.pages.text import cleaned, number, percent
from astro_assets.evaluation.pages.values import at, in_order, number_at

MAX_EXAMPLES = 8
SPACES_LAST = (figures.VECTORS, figures.BASELINE, "bm25")

_PUBLISHED = ("ada-002, published", "AstroLLaMA, published")

Report = Mapping[str, Any]
Names = Mapping[str, str]
"""Space -> what it is called, for those that are no models."""


def similarity_blocks(report: Report) -> list[Block]:
    """Return the section's blocks."""
    names = names_of(report)
    return [
        Words(
            f"Each of {number(number_at(report, 'n_abstracts'), ',.0f')} held-out abstracts becomes"
            f" one vector, the mean of its last hidden states. Over all"
            f" {number(number_at(report, 'n_pairs'), ',.0f')} pairs, the models’ cosine similarity"
            f" stands beside that of a baseline encoder"
            f" ({cleaned(report.get('baseline', 'a baseline encoder'), 80)})."
            f"{_file_of_vectors(report)}"
        ),
        *pictures(
            (
                figures.bins(report),
                "As the paper’s figure 3: mean and standard deviation of the models’ similarity,"
                " for pairs the baseline finds about equally similar. Bars end where cosines do, at"
                " 1.",
            ),
            (
                figures.bins_by_model(report),
                "The other way round: the baseline’s similarity, for pairs a model finds about"
                " equally similar.",
            ),
            (
                figures.spread(report),
                "All pairs, each curve drawn to its own peak. A model that uses its space well does"
                " not find everything alike; mean and principal directions are taken from training"
                " papers.",
            ),
        ),
        *_spearman(report, names),
        *_telling_pairs(report, names),
        *_paper_s_pairs(report, names),
        *notes(
            left_out_sentence(report),
            _whitening(report),
            _without(report, "n_without_baseline", "of the baseline’s"),
            _without(report, "n_without_vectors", f"in {names[figures.VECTORS]}"),
            _cut(report),
        ),
    ]


def spaces_of(found: Mapping[str, Any]) -> list[str]:
    """Return the spaces of a table: models, then a file of vectors, baseline, BM25."""
    models = [name for name in in_order(found) if name not in SPACES_LAST]
    return models + [name for name in SPACES_LAST if name in found]


def names_of(report: Report) -> Names:
    """Return what spaces that are no models are called on the page."""
    return {
        figures.VECTORS: cleaned(report.get(figures.VECTORS) or "the file of vectors", 60),
        figures.BASELINE: cleaned(report.get(figures.BASELINE, "a baseline encoder"), 60),
        "bm25": "BM25",
    }


def space_name(space: str, names: Names) -> str:
    """Return what a space is called on the page; models by their labels."""
    return names.get(space) or cleaned(space, 40)


def _file_of_vectors(report: Report) -> str:
    """Return what is said of another model's vectors; nothing where there are none."""
    if not report.get(figures.VECTORS):
        return ""
    return (
        f" Another model’s vectors of the same abstracts, read from a file"
        f" ({names_of(report)[figures.VECTORS]}), are compared likewise."
    )


def _spearman(report: Report, names: Names) -> list[Table]:
    spearman, spread = report.get("spearman") or {}, report.get("spread") or {}
    spaces = spaces_of({**{name: 1 for name in spearman}, **(spread.get("raw") or {})})
    rows = [
        row(
            model_cell(space, space_name(space, names)),
            number(number_at(spearman, space), ".3f"),
            *(_mean_and_spread(at(spread, kind, space)) for kind in figures.KINDS),
        )
        for space in spaces
    ]
    head = ("Space", "Spearman ρ", *(words.capitalize() for words in figures.KINDS.values()))
    return table(
        "Rank agreement with the baseline, and the similarity of all pairs: mean and standard"
        " deviation",
        head,
        rows,
    )


def _mean_and_spread(found: Any) -> Cell:
    std = number_at(found, "std")
    return Cell(number(number_at(found, "mean"), ".3f"), "" if std is None else f"± {std:.3f}")


def _telling_pairs(report: Report, names: Names) -> list[Table]:
    pairs = (report.get("examples") or [])[:MAX_EXAMPLES]
    labels = [*figures.compared_of(report), figures.BASELINE]
    rows = [
        row(
            " · ".join(cleaned(title, 160) for title in pair.get("titles") or ()),
            *(number(number_at(pair, label), ".3f") for label in labels),
            percent(number_at(pair, "rank_difference"), "+.0%"),
        )
        for pair in pairs
    ]
    n = number(number_at(report, "n_sampled_pairs"), ",.0f")
    head = ("Two papers", *(space_name(label, names) for label in labels), "Ranks")
    return table(
        f"Telling pairs: their rank moved most, among {n} sampled ones. Cosine similarity",
        head,
        rows,
    )


def _paper_s_pairs(report: Report, names: Names) -> list[Block]:
    rows, labels = [], [*figures.compared_of(report), figures.BASELINE]
    for pair in (report.get("paper_pairs") or [])[:MAX_EXAMPLES]:
        ours = pair.get("ours")
        rows.append(
            row(
                " · ".join(cleaned(title, 160) for title in pair.get("titles") or ()),
                number(number_at(pair, "paper", "ada-002"), ".2f"),
                number(number_at(pair, "paper", "AstroLLaMA"), ".2f"),
                *(number(number_at(ours, label), ".3f") for label in labels),
            )
        )
    head = ("Two papers", *_PUBLISHED, *(space_name(label, names) for label in labels))
    absent = any(not pair.get("ours") for pair in report.get("paper_pairs") or [])
    return [
        *table("The two pairs the paper shows: its similarities, and ours", head, rows),
        *notes("A dash: a paper of the pair is not among the abstracts here." if absent else None),
    ]


def _without(report: Report, key: str, whose: str) -> str | None:
    """Return how many abstracts a file of vectors lacks; None where it lacks none."""
    n = number_at(report, key)
    return f"{n:,.0f} abstracts have no vector {whose} and are not compared." if n else None


def _cut(report: Report) -> str | None:
    n_cut = report.get("n_cut") or {}
    told = [
        f"{number(n, ',.0f')} by {cleaned(label, 40)}"
        for label in in_order(n_cut)
        if (n := number_at(n_cut, label))
    ]
    if not told:
        return None
    return f"Abstracts longer than a model’s context were cut to it: {', '.join(told)}."


def _whitening(report: Report) -> str | None:
    n_train = number_at(report, "whitening", "n_train")
    if n_train is None:
        return None
    return f"Means and whitening are fitted on {n_train:,.0f} training papers, not on these."
