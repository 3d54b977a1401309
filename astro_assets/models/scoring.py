"""Log-likelihoods: how probable a model finds given tokens, in nats, exact in float32.

Neither batches nor their order change a text's sum by more than rounding: 1e-5 of it in float32,
about 1e-3 of it where the model computes in bfloat16.

The one place that runs a forward pass for likelihoods, for training's held-out measurements and for
evaluation alike. Which tokens stand in a sequence and which of them count is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from astro_assets.errors import BadModelError

TOKEN_BUDGET = 8_192
"""Tokens per batch, padding included: what fills a GPU."""
_TOKEN_BUDGET_ON_CPU = 1_024
"""On a CPU the states of so few stay near it: 1.15 to 1.5 times faster than 8,192."""
_LOGITS_IN_MEMORY = 1 << 22
"""Logits held at a time (16 MiB in float32): full logits of a batch would be gigabytes at 32,000
pieces. On a CPU this is faster than both fewer and more (``bench/perplexity.py``)."""
_LOGITS_ON_CUDA = 1 << 24
"""A GPU wants more rows at a time."""

Advance = Callable[[float], None]


@dataclass(frozen=True)
class CausalParts:
    """A causal language model, taken apart so that logits can be made a few positions at a time."""

    body: Any
    """ids (n, length) -> last hidden states (n, length, d), after the final norm."""
    head: Any
    """Hidden states (m, d) -> logits (m, vocabulary)."""
    device: torch.device
    n_vocab: int
    max_positions: int

    @classmethod
    def of(cls, model: Any) -> CausalParts:
        """Take apart a transformers causal language model, bare or with a peft adapter in it."""
        causal = model.get_base_model() if hasattr(model, "peft_config") else model
        return cls(
            body=causal.base_model,
            head=causal.get_output_embeddings(),
            device=next(causal.parameters()).device,
            n_vocab=int(causal.config.vocab_size),
            max_positions=int(causal.config.max_position_embeddings),
        )

    def hidden(self, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return last hidden states (n, longest, d); rows beyond a sequence's end mean nothing.

        Padding stands on the right, where causal attention never looks, so it needs no mask and
        cannot change a real position.
        """
        ids = np.zeros((len(sequences), max(map(len, sequences))), dtype=np.int64)
        for row, sequence in zip(ids, sequences, strict=True):
            row[: len(sequence)] = sequence
        on_device = torch.from_numpy(ids).to(self.device)
        states: torch.Tensor = self.body(input_ids=on_device, use_cache=False).last_hidden_state
        return states


def score_sequences(
    model: Any,
    sequences: Sequence[Sequence[int]],
    first_scored: Sequence[int],
    *,
    token_budget: int | None = None,
    advance: Advance = lambda _n: None,
) -> NDArray[np.float64]:
    """Return the negative log-likelihood in nats of each sequence's scored tokens, summed.

    Args:
        model: A transformers causal language model in eval mode.
        sequences: Token ids, each at most as long as the model's context.
        first_scored: Per sequence the first position that counts, at least 1; all later ones count.
        token_budget: Tokens per batch; changes speed and memory, not the result beyond rounding.
            Default: what suits the device.
        advance: Told the number of tokens read.

    Returns:
        (n,) float64. -sum_t log p(x_t | x_<t) over the scored positions t.

    Raises:
        BadModelError: the model gives no finite likelihood, or its logits are more than a head on
            its hidden states.
    """
    parts = CausalParts.of(model)
    budget = token_budget or suited_budget(parts.device)
    nll_nats = np.zeros(len(sequences), dtype=np.float64)
    with torch.inference_mode():
        if sequences:
            _check_head(model, parts, sequences[0][:8])
        for batch in token_budget_batches([len(s) for s in sequences], budget):
            chosen = [sequences[i] for i in batch]
            nll_nats[batch] = _batch_nll(parts, chosen, [first_scored[i] for i in batch])
            advance(sum(map(len, chosen)))
    if not np.isfinite(nll_nats).all():
        raise BadModelError(
            f"The model gives no finite likelihood for {int((~np.isfinite(nll_nats)).sum())} of "
            f"{len(sequences)} texts.",
            expected="finite log-probabilities.",
            do="Look at its learning curve: weights that have become NaN or infinite do this.",
        )
    return nll_nats


def suited_budget(device: torch.device) -> int:
    """Return how many tokens a batch best has on a device.

    >>> suited_budget(torch.device("cpu")) < suited_budget(torch.device("cuda"))
    True
    """
    return TOKEN_BUDGET if device.type == "cuda" else _TOKEN_BUDGET_ON_CPU


def token_budget_batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Group sequences of like length so that a padded batch holds at most ``token_budget`` tokens.

    A sequence longer than the budget is a batch of its own. The longest come first: if memory is
    short, that shows at once.

    >>> token_budget_batches([3, 9, 2, 8], 10)
    [[1], [3], [0, 2]]
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= token_budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def _batch_nll(
    parts: CausalParts, sequences: Sequence[Sequence[int]], first_scored: Sequence[int]
) -> NDArray[np.float64]:
    """Return (n,) sums for one batch, logits made for scored positions only and in chunks."""
    hidden = parts.hidden(sequences)
    scored = [np.arange(f, len(s)) for s, f in zip(sequences, first_scored, strict=True)]
    rows = np.repeat(np.arange(len(sequences)), [len(positions) for positions in scored])
    columns = np.concatenate(scored)
    targets = np.concatenate([np.asarray(s)[p] for s, p in zip(sequences, scored, strict=True)])
    # Everything a chunk needs is on the device beforehand, so that no chunk waits for another.
    wanted = torch.from_numpy(np.stack([rows, columns - 1, targets]).astype(np.int64))
    wanted = wanted.to(parts.device)
    nll = torch.empty(len(rows), dtype=torch.float32, device=parts.device)
    at_once = _LOGITS_ON_CUDA if parts.device.type == "cuda" else _LOGITS_IN_MEMORY
    step = max(1, at_once // parts.n_vocab)
    for begin in range(0, len(rows), step):
        row, column, target = wanted[:, begin : begin + step]
        logits = parts.head(hidden[row, column]).float()
        nll[begin : begin + step] = cross_entropy(logits, target, reduction="none")
    return sum_by_owner(nll.double().cpu().numpy(), rows, len(sequences))


def sum_by_owner(
    values: NDArray[np.float64], owners: NDArray[np.int64], n_owners: int
) -> NDArray[np.float64]:
    """Return (n_owners,) sums of the values that belong to each owner; 0 where none does.

    >>> sum_by_owner(np.array([1.0, 2.0, 4.0]), np.array([0, 0, 2]), 3).tolist()
    [3.0, 0.0, 4.0]
    """
    sums = np.zeros(n_owners, dtype=np.float64)
    np.add.at(sums, owners, values)
    return sums


def _check_head(model: Any, parts: CausalParts, ids: Sequence[int]) -> None:
    """Refuse a model whose logits are scaled or capped after the head: our sums would be wrong."""
    own = model(input_ids=torch.tensor([list(ids)], device=parts.device)).logits.float()
    ours = parts.head(parts.hidden([ids])).float()
    if not torch.allclose(own, ours, rtol=1e-2, atol=1e-2, equal_nan=True):
        raise BadModelError(
            "The model changes its logits after its output layer.",
            expected="logits that are the output layer on the last hidden states.",
            do="Use a base without logit scaling or soft-capping.",
        )
