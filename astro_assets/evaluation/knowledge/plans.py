"""What a model must read to score continuations: each token once per context where that is cheap.

Plain lists of ids; no model is known here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from astro_assets.evaluation.knowledge.fitting import Continued

Mark = tuple[int, int, int]
"""A scored token: its place among the continuation's tokens, its id, whose continuation it is."""


@dataclass(frozen=True)
class Plan:
    """One context with the fewest tails after it that give all continuations their scores."""

    context: list[int]
    """Begins with [BOS]."""
    tails: list[tuple[int, ...]]
    """Read after the context; a continuation's last token is scored but never read."""
    marks: list[list[Mark]]
    """Per tail, what is scored on the way: the first place right after the context."""


def plans_of(asked: Sequence[Continued]) -> tuple[list[Plan], int]:
    """Return a plan per context, and how many continuations (owners, in order) there are.

    All letters of a question differ in their last token alone: their one tail is empty.
    """
    plans, owner = [], 0
    for one in asked:
        read = sorted({tuple(continuation[:-1]) for continuation in one.continuations})
        tails = [
            ids
            for ids, after in zip(read, [*read[1:], None], strict=True)
            if after is None or after[: len(ids)] != ids
        ]
        marks: list[list[Mark]] = [[] for _ in tails]
        for continuation in one.continuations:
            # In sorted order, the first tail from here on begins with these tokens.
            own = marks[bisect_left(tails, tuple(continuation[:-1]))]
            own += [(place, token, owner) for place, token in enumerate(continuation)]
            owner += 1
        plans.append(Plan(one.context, tails, marks))
    return plans, owner
