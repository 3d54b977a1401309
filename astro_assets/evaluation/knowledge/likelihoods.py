"""How likely a model finds given continuations of a context, in nats.

A context with many continuations is read once and its keys and values are kept; with few, each
continuation is read behind it anew, many contexts at a time. Both give the same (to 1e-5).

What does not belong here: which texts these are (prompts), how they become tokens (fitting), and
what is read for them (plans).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from astro_assets.errors import BadModelError
from astro_assets.evaluation.knowledge.fitting import Continued
from astro_assets.evaluation.knowledge.plans import Plan, plans_of
from astro_assets.models.scoring import (
    Advance,
    CausalParts,
    score_sequences,
    suited_budget,
    sum_by_owner,
    token_budget_batches,
)
from astro_assets.progress import Progress

KEPT_FROM = 16
"""Tails from which on the keys and values of a context are kept."""
_KEPT_SHARE = 8
"""Kept contexts fill at most this part of a batch: their keys and values stay in memory."""
_LOGITS_IN_MEMORY = 1 << 22

Scored = Iterator[tuple[torch.Tensor, list[tuple[int, int, int, int]]]]
"""Hidden states (rows, length, d), and what is scored from them: row, position, token, owner."""


def continuation_nats(
    model: Any,
    asked: Sequence[Continued],
    *,
    name: str,
    progress: Progress,
    token_budget: int | None = None,
) -> list[NDArray[np.float64]]:
    """Return log p(continuation | context) in nats, per context one number per continuation.

    Args:
        model: A transformers causal language model in eval mode.
        asked: Contexts and continuations, together at most as long as the model's context.
        name: What the progress display calls it.
        progress: Told per token.
        token_budget: Tokens per batch; changes speed and memory, not the result (to 1e-5). Default:
            what suits the device.

    Raises:
        BadModelError: the model gives no finite likelihood, or its logits are more than a head on
            its hidden states.
    """
    plans, n_continuations = plans_of(asked)
    parts = CausalParts.of(model)
    budget = token_budget or suited_budget(parts.device)
    # Refuses a model whose logits are not its head's.
    score_sequences(model, [plan.context[:8] for plan in plans[:1]], [1])
    nats = np.zeros(n_continuations, dtype=np.float64)
    with progress.task(name, unit="tokens") as task, torch.inference_mode():
        for hidden, found in _all_hidden(parts, plans, budget, advance=task.advance):
            marks = np.asarray(found)
            nats += sum_by_owner(_token_nats(parts, hidden, marks), marks[:, 3], n_continuations)
    if not np.isfinite(nats).all():
        raise BadModelError(
            f"The model gives no finite likelihood for {int((~np.isfinite(nats)).sum())} of "
            f"{len(nats)} answers.",
            expected="finite log-probabilities.",
            do="Look at its learning curve: weights that have become NaN or infinite do this.",
        )
    return np.split(nats, np.cumsum([len(one.continuations) for one in asked])[:-1])


def _all_hidden(
    parts: CausalParts, plans: Sequence[Plan], token_budget: int, *, advance: Advance
) -> Scored:
    """Yield hidden states of everything that is read, each plan in the way that suits it."""
    few = [plan for plan in plans if len(plan.tails) < KEPT_FROM]
    many = [plan for plan in plans if len(plan.tails) >= KEPT_FROM]
    yield from _read_whole(parts, few, token_budget, advance=advance)
    # Contexts of one length need no padding, which would stand between them and their tails.
    many.sort(key=lambda plan: len(plan.context))
    for length, alike in groupby(many, key=lambda plan: len(plan.context)):
        group = list(alike)
        step = max(1, token_budget // (_KEPT_SHARE * length))
        for begin in range(0, len(group), step):
            yield from _read_kept(parts, group[begin : begin + step], token_budget, advance=advance)


def _read_whole(
    parts: CausalParts, plans: Sequence[Plan], token_budget: int, *, advance: Advance
) -> Scored:
    """Read every tail together with its context."""
    inputs = [[*plan.context, *tail] for plan in plans for tail in plan.tails]
    wanted = [
        [(len(plan.context) - 1 + place, token, owner) for place, token, owner in marks]
        for plan in plans
        for marks in plan.marks
    ]
    for batch in token_budget_batches([len(ids) for ids in inputs], token_budget):
        chosen = [inputs[i] for i in batch]
        found = [(row, *mark) for row, i in enumerate(batch) for mark in wanted[i]]
        yield parts.hidden(chosen), found
        advance(sum(map(len, chosen)))


def _read_kept(
    parts: CausalParts, plans: Sequence[Plan], token_budget: int, *, advance: Advance
) -> Scored:
    """Read contexts of equal length once, then their tails behind the keys and values kept."""
    ids = torch.tensor([plan.context for plan in plans], device=parts.device)
    read = parts.body(input_ids=ids, use_cache=True)
    kept = getattr(read, "past_key_values", None)
    if not hasattr(kept, "batch_select_indices"):
        yield from _read_whole(parts, plans, token_budget, advance=advance)
        return
    yield (
        read.last_hidden_state[:, -1:],
        [
            (row, 0, token, owner)
            for row, plan in enumerate(plans)
            for marks in plan.marks
            for place, token, owner in marks
            if place == 0
        ],
    )
    advance(ids.numel())
    rows = [
        (row, tail, [(place - 1, token, owner) for place, token, owner in marks if place > 0])
        for row, plan in enumerate(plans)
        for tail, marks in zip(plan.tails, plan.marks, strict=True)
        if tail
    ]
    lengths = [ids.shape[1] + len(tail) for _, tail, _ in rows]
    for batch in token_budget_batches(lengths, token_budget):
        chosen = [rows[i] for i in batch]
        yield (
            _hidden_behind(
                parts, kept, [one[0] for one in chosen], tails=[one[1] for one in chosen]
            ),
            [(row, *mark) for row, (_, _, marks) in enumerate(chosen) for mark in marks],
        )
        advance(sum(len(tail) for _, tail, _ in chosen))


def _hidden_behind(
    parts: CausalParts, kept: Any, rows: Sequence[int], *, tails: Sequence[Sequence[int]]
) -> Any:
    """Return hidden states (n, longest, d) of tails, each behind the kept context of its row.

    Padding stands on the right, as in ``CausalParts.hidden``.
    """
    ids = np.zeros((len(tails), max(map(len, tails))), dtype=np.int64)
    for into, tail in zip(ids, tails, strict=True):
        into[: len(tail)] = tail
    # Reading adds to the keys and values: other tails need them as they were.
    behind = copy.deepcopy(kept)
    behind.batch_select_indices(torch.tensor(list(rows), device=parts.device))
    on_device = torch.from_numpy(ids).to(parts.device)
    read = parts.body(input_ids=on_device, past_key_values=behind, use_cache=True)
    return read.last_hidden_state


def _token_nats(
    parts: CausalParts, hidden: torch.Tensor, marks: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (m,) log-probabilities of marked tokens (row, position, token, owner)."""
    # Many continuations begin at one position: its logits are made once.
    places, place_of = np.unique(marks[:, :2], axis=0, return_inverse=True)
    place_of = place_of.reshape(-1)
    nats = np.zeros(len(marks), dtype=np.float64)
    step = max(1, _LOGITS_IN_MEMORY // parts.n_vocab)
    for begin in range(0, len(places), step):
        part = places[begin : begin + step]
        log_p = parts.head(hidden[part[:, 0], part[:, 1]]).float().log_softmax(dim=-1)
        here = np.flatnonzero((place_of >= begin) & (place_of < begin + step))
        picked = log_p[place_of[here] - begin, marks[here, 2]]
        nats[here] = picked.double().cpu().numpy()
    return nats
