"""Forward in time: a model on papers first submitted after its corpus ended.

Random test papers are a model's contemporaries: it has read what was written around them. Later
papers are not, and by how much its gain over the base fades on them says how stale it is.

What does not belong here: where a model's corpus ended (registry), and scoring (``scores``).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.perplexity.intervals import MIN_DOCUMENTS, ends_of_documents
from astro_assets.evaluation.perplexity.scores import DocumentScores
from astro_assets.evaluation.samples import Sample
from astro_assets.evaluation.selection import take_tokens
from astro_assets.evaluation.statistics import (
    Interval,
    drawn_sums,
    interval_of,
    paired_ratio_difference,
)
from astro_assets.months import Month

MAX_MONTHS = 24
"""Months that are measured at most."""
MIN_CONTEMPORARIES = 100
"""Where so many test papers are of the last months up to the cut, they alone are contemporaries:
else a fade could be the difference between old papers and new ones."""
LAST_MONTHS = 3
"""The fade is read off the last so many, and more before them where these hold few papers."""
ABOUT_FORWARD = "forward in time: "
_BOOTSTRAP_SEED = 20_230_912
_FADE_SEEDS = (_BOOTSTRAP_SEED, _BOOTSTRAP_SEED + 1)
"""Two: sets of one size and one seed would be drawn alike, and they are independent."""


@dataclass(frozen=True)
class LaterPapers:
    """What one of the measured models cannot have read."""

    cut: Month
    """The last month of the corpus it was trained on."""
    label: str
    """Which of the models: ``champion``, or ``model``."""
    papers: pl.DataFrame
    """First submitted after the cut, of both sides of the split; columns of ``read_texts``."""


@dataclass(frozen=True)
class Later:
    """Some of the later papers, month after month, in sampling order within each."""

    sample: Sample
    month_of: tuple[str, ...]
    """``YYYY-MM`` of each paper of the sample."""
    n_later_papers: int
    """All papers after the cut, sampled or not."""
    cut: Month
    label: str


def later_papers(texts: pl.DataFrame, cut: Month) -> pl.DataFrame:
    """Return the papers first submitted after the month ``cut``, in their order."""
    return texts.filter(pl.col("submission_month") > str(cut))


def take_later(later: LaterPapers, tokenizer: Tokenizer, *, max_tokens: int) -> Later:
    """Return what is read of the later papers: the cap is split evenly over the months.

    At most 24 months are read: the last three, and of the others some that are spread evenly, the
    first among them. Within a month papers come in the order of every sample (``selection``). None
    after the cut: an empty sample.

    Args:
        later: The papers; any up to the cut are not read.
        tokenizer: Whose tokens the cap counts.
        max_tokens: Text tokens at most (but at least one paper of each month).
    """
    papers = later_papers(later.papers, later.cut)
    months = _spread(sorted(papers["submission_month"].unique().to_list()))
    parts = [
        take_tokens(
            papers.filter(pl.col("submission_month") == month),
            tokenizer,
            max_tokens=max_tokens // len(months),
            what=f"papers of {month}",
        )
        for month in months
    ]
    return Later(
        sample=_joined(parts),
        month_of=tuple(m for m, part in zip(months, parts, strict=True) for _ in part.ids),
        n_later_papers=len(papers),
        cut=later.cut,
        label=later.label,
    )


def _joined(parts: Sequence[Sample]) -> Sample:
    return Sample(
        *(tuple(one for part in parts for one in getattr(part, f.name)) for f in fields(Sample))
    )


def _spread(months: Sequence[str]) -> list[str]:
    """Return at most 24 of the months: the last three, and others spread evenly from the first."""
    if len(months) <= MAX_MONTHS:
        return list(months)
    early, n = months[:-LAST_MONTHS], MAX_MONTHS - LAST_MONTHS
    return [early[i * (len(early) - 1) // (n - 1)] for i in range(n)] + list(months[-LAST_MONTHS:])


def contemporaries_among(months: Sequence[str], cut: Month) -> tuple[list[int], str | None]:
    """Return which papers are a model's contemporaries, and the month they begin with.

    Those of the 24 months that end with the cut, so that they are hardly older than the later
    papers; all up to the cut, and None for the month, where the former are fewer than 100.

    Args:
        months: ``YYYY-MM`` of each paper; "" is in neither.
        cut: The last month of the model's corpus.
    """
    since = str(cut.plus(1 - MAX_MONTHS))
    up_to = [number for number, month in enumerate(months) if month and month <= str(cut)]
    recent = [number for number in up_to if months[number] >= since]
    return (recent, since) if len(recent) >= MIN_CONTEMPORARIES else (up_to, None)


def forward_notes(
    labels: Collection[str],
    later: LaterPapers | None,
    figures: Mapping[str, Any] | None,
    *,
    foreign: Collection[str] = (),
) -> list[str]:
    """Return what could not be told forward in time, and why; each begins with ``ABOUT_FORWARD``.

    Args:
        labels: The models of the report.
        later: What was asked for.
        figures: What ``forward_figures`` made of it.
        foreign: Models that were tuned from another base than the report's.
    """
    told = None
    if figures is not None and figures["label"] in foreign:
        told = f"no gain, for the {figures['label']} was tuned from another base"
    elif figures is not None:
        if "base" not in labels:
            told = f"no gain, for no base stands beside the {figures['label']}"
    elif later is not None:
        told = f"no paper here is newer than {later.cut}, the last month the {later.label} knows"
    elif "champion" in labels:
        told = "not measured; which month the champion knows last is not known (no release tag)"
    return [f"{ABOUT_FORWARD}{told}"] if told else []


def forward_figures(
    later: Later,
    scores: Mapping[str, DocumentScores],
    contemporaries: Mapping[str, DocumentScores],
    *,
    since: str | None = None,
) -> dict[str, Any] | None:
    """Return the report's object ``forward``; None where no paper is later than the cut.

    Only the base and the model of the cut are told: the release's own tuned model has trained on
    later papers.

    Args:
        later: What was read.
        scores: Label -> scores of ``later.sample``.
        contemporaries: Label -> scores of held-out papers up to the cut.
        since: The month that these begin with; None: they are of all months.

    Returns:
        ``contemporaries`` and each of ``months``: month, months since the cut, documents, bits per
        UTF-8 byte per model, and ``gain``: base minus model, paired by document, with a 95 %
        interval, whose ends are None of fewer than ``MIN_DOCUMENTS``; None without a base.
        ``contemporaries`` has ``since`` too. ``fade``: the gain on contemporaries minus that on
        the newest papers, the two sets drawn independently. The newest are those of the last three
        months, or of as many more as hold ``MIN_DOCUMENTS``: ``since`` says from which month,
        ``n_documents`` how many they are. None where a gain is missing, or where either set holds
        fewer. ``n_tokens``: of the later papers by the model's own tokenizer.
    """
    if not later.sample.ids:
        return None
    of_month = np.asarray(later.month_of)
    months = list(dict.fromkeys(later.month_of))
    told = {label: scores[label] for label in ("base", later.label) if label in scores}
    then = {label: contemporaries[label] for label in told if label in contemporaries}
    return {
        "cut": str(later.cut),
        "label": later.label,
        "n_later_papers": later.n_later_papers,
        "contemporaries": {"month": None, "months_since": 0, "since": since}
        | _measured(then, later.label),
        "months": [
            {"month": month, "months_since": _months_between(later.cut, Month.parse(month))}
            | _measured(_chosen(told, of_month == month), later.label)
            for month in months
        ],
        "fade": _fade_since(_newest_since(later.month_of), of_month, then, told, later.label),
        "n_tokens": int(told[later.label].n_tokens.sum()),
    }


def _newest_since(month_of: Sequence[str]) -> str | None:
    """Return the month the newest papers begin with: the third last, or one before it.

    Three months, or as many more as hold ``MIN_DOCUMENTS`` papers; None where all hold fewer.

    >>> _newest_since(["2026-01"] * 7 + ["2026-02", "2026-04", "2026-05"])
    '2026-01'
    """
    months = sorted(set(month_of))
    for begin in range(max(len(months) - LAST_MONTHS, 0), -1, -1):
        if sum(month >= months[begin] for month in month_of) >= MIN_DOCUMENTS:
            return months[begin]
    return None


def _chosen(
    scores: Mapping[str, DocumentScores], documents: NDArray[np.bool_]
) -> dict[str, DocumentScores]:
    return {label: of.take(documents) for label, of in scores.items()}


def _measured(scores: Mapping[str, DocumentScores], label: str) -> dict[str, Any]:
    """Return documents, bits per byte per model and the gain of ``label`` over the base."""
    has_text = {name: of for name, of in scores.items() if of.n_bytes.any()}
    gain = None
    if {"base", label} <= set(has_text):
        base, model = has_text["base"], has_text[label]
        found = paired_ratio_difference(
            base.nll_nats, model.nll_nats, base.n_bytes, seed=_BOOTSTRAP_SEED
        )
        gain = _in_bits(found, len(base.nll_nats))
    return {
        "n_documents": max((len(of.nll_nats) for of in scores.values()), default=0),
        "bits_per_byte": {
            name: float(of.nll_nats.sum() / of.n_bytes.sum()) / math.log(2)
            for name, of in has_text.items()
        },
        "gain": gain,
    }


def _fade_since(
    since: str | None,
    of_month: NDArray[np.str_],
    then: Mapping[str, DocumentScores],
    told: Mapping[str, DocumentScores],
    label: str,
) -> dict[str, Any] | None:
    """Return the fade on the papers from a month on, and which they are; None: see ``_fade``."""
    if since is None:
        return None
    newest = of_month >= since
    fade = _fade(then, _chosen(told, newest), label)
    return fade and {**fade, "since": since, "n_documents": int(newest.sum())}


def _fade(
    then: Mapping[str, DocumentScores], last: Mapping[str, DocumentScores], label: str
) -> dict[str, float | None] | None:
    """Return how much of the gain is gone on the last papers, with its interval.

    None without a gain on both, or where either set is too small for an interval: no model is
    called stale by a paper or two.
    """
    if any(not {"base", label} <= set(of) or not of["base"].n_bytes.any() for of in (then, last)):
        return None
    n_documents = min(len(of["base"].n_bytes) for of in (then, last))
    if n_documents < MIN_DOCUMENTS:
        return None
    first, second = (
        _drawn_gain(of["base"], of[label], seed=seed)
        for seed, of in zip(_FADE_SEEDS, (then, last), strict=True)
    )
    return _in_bits(interval_of(first - second), n_documents)


def _drawn_gain(base: DocumentScores, model: DocumentScores, *, seed: int) -> NDArray[np.float64]:
    """Return nats per byte that a model saves: over all documents, then over each draw."""
    saved, n_bytes = drawn_sums([base.nll_nats - model.nll_nats, base.n_bytes], seed=seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(saved / n_bytes, dtype=np.float64)


def _in_bits(nats: Interval, n_documents: int) -> dict[str, float | None]:
    low, high = ends_of_documents(nats, n_documents)
    told = {"bits_per_byte": nats.estimate, "low": low, "high": high}
    return {name: None if value is None else value / math.log(2) for name, value in told.items()}


def _months_between(first: Month, last: Month) -> int:
    return (last.year - first.year) * 12 + last.number - first.number
