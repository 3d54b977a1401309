"""Named equations, and whether a model knows their LaTeX (a probe after arXiv:2211.09085).

Two measures: the rank of the right equation's log-likelihood (per UTF-8 byte) among all of the
table after the name; and the edit distance of the LaTeX the model writes itself, greedily and with
no example. The table is probes/equations.jsonl: names and LaTeX in our own words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from astro_assets.evaluation.knowledge.fitting import n_needed
from astro_assets.evaluation.knowledge.prompts import Prompt
from astro_assets.evaluation.knowledge.ranks import mean_reciprocal, ranks
from astro_assets.evaluation.knowledge.reader import Reader
from astro_assets.evaluation.statistics import wilson_interval
from astro_assets.models.sampling import sample_tokens

TABLE = Path(__file__).parent / "probes" / "equations.jsonl"
N_NEW_TOKENS = 96
"""Longest LaTeX a model may write, in tokens."""
_INVISIBLE = re.compile(r"\\(?:left|right|displaystyle|qquad|quad)(?![a-zA-Z])|\\[,;:! ]|[\s~]")
_SINGLE_BRACED = re.compile(r"\{([^{}\\])\}")


@dataclass(frozen=True)
class Equation:
    """A name and what it stands for."""

    name: str
    """What people call it."""
    latex: str
    """Without dollars around it."""


def load_equations() -> tuple[Equation, ...]:
    """Return the table the project carries."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    return tuple(Equation(**json.loads(line)) for line in lines)


def measure_equations(reader: Reader, equations: Sequence[Equation]) -> dict[str, Any] | None:
    """Return rank and edit-distance figures of one model; None where its context is too short.

    Returns:
        rank_1 (share that is ranked first) with the ``low`` and ``high`` of its 95 % score
        interval, mrr, median_rank, edit_distance (mean, 0 to 1), n_exact.
    """
    prompts = equation_prompts(equations)
    if n_needed(prompts, reader.tokenizer) > reader.max_positions:
        reader.notes.append(
            f"Equations were not asked of {reader.label}: one does not fit into its context of "
            f"{reader.max_positions} tokens."
        )
        return None
    n_bytes = np.asarray([len(equation.latex.encode()) for equation in equations])
    scores = np.stack(reader.nats(prompts, "equations")) / n_bytes
    rank = ranks(scores, range(len(equations)))
    written = _written(reader, prompts)
    distances = [
        edit_distance(plain_latex(text), plain_latex(equation.latex))
        for text, equation in zip(written, equations, strict=True)
    ]
    n_first = int((rank == 1).sum())
    low, high = wilson_interval(n_first, len(rank))
    return {
        "rank_1": n_first / len(rank),
        "low": low,
        "high": high,
        "mrr": mean_reciprocal(rank),
        "median_rank": float(np.median(rank)),
        "edit_distance": float(np.mean(distances)),
        "n_exact": sum(distance == 0 for distance in distances),
    }


def equation_prompts(equations: Sequence[Equation]) -> list[Prompt]:
    """Return a prompt per name that compares all equations of the table."""
    every = tuple(f" ${equation.latex}$" for equation in equations)
    return [Prompt((), f"Equation: {equation.name}", "\nLaTeX:", every) for equation in equations]


def plain_latex(text: str) -> str:
    r"""Return LaTeX without what changes its looks but not its meaning.

    >>> plain_latex(r"E = m\, c^{2} .")
    'E=mc^2'
    >>> plain_latex(r"\left( a \right) \leq \dfrac{1}{2}")
    '(a)\\leq\\frac12'
    """
    text = re.sub(r"\\[dt]frac(?![a-zA-Z])", r"\\frac", text)
    text = _INVISIBLE.sub("", text)
    return _SINGLE_BRACED.sub(r"\1", text).rstrip(".,;")


def edit_distance(ours: str, theirs: str) -> float:
    """Return Levenshtein's distance divided by the longer text's length; 0 is equal, 1 all unlike.

    >>> edit_distance("kitten", "sitting")
    0.42857142857142855
    """
    if not ours or not theirs:
        return float(ours != theirs)
    codes = np.asarray([ord(character) for character in theirs])
    columns = np.arange(len(codes) + 1)
    row = columns.copy()
    for number, character in enumerate(ours, start=1):
        step = np.minimum(row[1:] + 1, row[:-1] + (codes != ord(character)))
        # Insertions run along the row: each entry is the least of those before it plus the way.
        row = np.minimum.accumulate(np.concatenate([[number], step]) - columns) + columns
    return float(row[-1]) / max(len(ours), len(theirs))


def _written(reader: Reader, prompts: Sequence[Prompt]) -> list[str]:
    """Return what the model writes between dollars after each name, greedily."""
    n_new = min(N_NEW_TOKENS, reader.max_positions // 2)
    texts = [f"{prompt.context(0)} $" for prompt in prompts]
    contexts = [
        [reader.tokenizer.bos_id, *ids[-(reader.max_positions - n_new - 1) :]]
        for ids in reader.tokenizer.encode_batch(texts)
    ]
    total = float(len(contexts))
    with reader.progress.task(
        f"write equations with {reader.label}", total=total, unit="equations"
    ) as task:
        made = sample_tokens(
            reader.model,
            contexts,
            [0] * len(contexts),
            n_new=n_new,
            temperature=0,
            eos_id=reader.tokenizer.eos_id,
            advance=lambda n_equations, _n_tokens: task.advance(n_equations),
        )
    return [reader.tokenizer.decode(ids).partition("$")[0].partition("\n")[0] for ids in made]
