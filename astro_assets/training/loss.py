"""The loss of a causal language model without its logits: made and left behind a chunk at a time.

    loss = sum_t [ log sum_v exp(z_tv) - z_t,x(t+1) ] / n        z_t = W h_t + b

The logits z of a batch are its largest array: 32,000 numbers a token, of which one loss is made.
Here the output layer walks over the positions; a chunk's logits give its share of the loss and at
once its gradients (dh = (softmax(z) - onehot) W), so they are neither kept nor made twice. Liger's
kernel (arXiv:2410.10989) does the same on CUDA. Which way is taken belongs to ``runtime``;
likelihoods of single texts belong to ``models.scoring``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from astro_assets.errors import BadSettingError

Loss = Literal["full", "chunked", "liger"]
LOSSES: tuple[Loss, ...] = ("full", "chunked", "liger")

IGNORED = -100
"""The label of a position that does not count."""
_LOGITS_AT_ONCE = 1 << 22
"""Logits made at a time on a CPU: 16 MiB in float32. Far fewer positions than 100 make the
multiplications slow."""
_LOGITS_AT_ONCE_ON_GPU = 1 << 24
"""64 MiB in float32, 500 positions of 32,000: what fills the multipliers of a GPU."""
_ROWS_OF_A_TILE = 64

SumOfNll = Callable[[Tensor, Tensor, Tensor | None, Tensor], Tensor]
"""Hidden states (m, d), weight (vocabulary, d), bias or None, targets (m,) -> their summed nll."""

_CHANGED_LOGITS = (
    "final_logit_softcapping",
    "logits_soft_cap",
    "logit_scale",
    "logits_scaling",
    "lm_head_multiplier",
)
"""Fields by which configurations say that logits are changed after the output layer."""
_UNCHANGED = (None, False, 1)
_USE_FULL = "Set loss to full, which holds all logits of a micro-batch, or use another base."


def use_loss(model: Any, kind: Loss) -> None:
    """Let ``model(input_ids=, labels=, num_items_in_batch=)`` make its loss the way ``kind`` says.

    The loss is the one of transformers: labels are shifted, -100 is ignored, the sum is divided by
    ``num_items_in_batch``, else by the number of targets. The output then has no logits. Without
    labels the model answers as before. The patch sits on the causal language model itself, below
    peft, DDP and FSDP.

    Args:
        model: A transformers causal language model, bare or in a peft model; not yet wrapped.
        kind: ``full`` leaves the model as it is, ``chunked`` runs everywhere, ``liger`` on CUDA.

    Raises:
        BadSettingError: no such kind, liger is not installed, or this model's loss is more than the
            cross entropy of a plain output layer.
    """
    if kind not in LOSSES:
        raise BadSettingError(f"There is no loss {kind!r}.", expected=" or ".join(LOSSES) + ".")
    if kind == "full":
        return
    causal = model.get_base_model() if hasattr(model, "peft_config") else model
    _refuse_other_losses(causal)
    _plain_head(causal)
    causal.sum_of_nll = sum_of_nll if kind == "chunked" else _liger()
    if not hasattr(causal, "forward_with_logits"):
        causal.forward_with_logits = causal.forward
        causal.forward = MethodType(_forward, causal)


def sum_of_nll(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """Return the summed negative log-likelihood in nats of ``targets``, a few logits at a time.

    Args:
        hidden: (m, d), after the final norm.
        weight: (vocabulary, d), the output layer's; gets a gradient where it is trainable.
        bias: (vocabulary,) or None.
        targets: (m,) ids; -100 where a position does not count.

    Returns:
        A scalar in float32, or float64 for float64 states. It can be differentiated once.
    """
    apply: Callable[..., Tensor] = _ChunkedNll.apply
    return apply(hidden, weight, bias, targets, torch.is_grad_enabled())


class _ChunkedNll(torch.autograd.Function):
    """Loss and gradients in one walk over the positions; backward only scales what was kept."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        with_gradients: bool,
    ) -> Tensor:
        wanted = [with_gradients and needed for needed in ctx.needs_input_grad[:3]]
        # What is summed over chunks is summed in float32; a position's own gradient is no sum.
        kept = (
            torch.empty_like(hidden) if wanted[0] else None,
            torch.zeros_like(weight, dtype=_wide(weight.dtype)) if wanted[1] else None,
            torch.zeros_like(bias, dtype=_wide(bias.dtype))
            if wanted[2] and bias is not None
            else None,
        )
        total = _walk(hidden, weight, bias, targets, kept)
        ctx.save_for_backward(*kept)
        ctx.dtypes = (hidden.dtype, weight.dtype, None if bias is None else bias.dtype)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        gradients = (
            None if kept is None else (kept * scale).to(dtype)
            for kept, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return (*gradients, None, None)


def _walk(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    kept: tuple[Tensor | None, Tensor | None, Tensor | None],
) -> Tensor:
    """Return the summed nll and fill ``kept``: its gradients for hidden states, weight and bias."""
    device = hidden.device.type
    autocast = torch.is_autocast_enabled(device)
    narrow = torch.get_autocast_dtype(device) if autocast else hidden.dtype
    n_at_once = _rows_at_once(len(weight), device)
    of_hidden, of_weight, of_bias = kept
    with torch.autocast(device, enabled=False):
        columns = weight.to(narrow)
        total = hidden.new_zeros((), dtype=_wide(narrow))
        for begin in range(0, len(hidden), n_at_once):
            rows = slice(begin, begin + n_at_once)
            states, counts = hidden[rows].to(narrow), targets[rows, None] != IGNORED
            wanted = targets[rows, None].clamp(min=0)
            logits = states @ columns.t()
            nll, slope = _nll_and_slope(logits if bias is None else logits + bias, wanted)
            total += nll.mul_(counts).sum()
            slope = slope.to(narrow)
            if of_hidden is not None:
                torch.mul(slope @ columns, counts, out=of_hidden[rows])
            if of_weight is not None:
                of_weight += slope.t() @ (states * counts)
            if of_bias is not None:
                of_bias += (slope * counts).sum(0)
    return total


def _nll_and_slope(logits: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return nll (m, 1) of the wanted ids (m, 1), and its derivative softmax - onehot (m, V).

    log sum exp z = max z - log max softmax(z): the largest probability never underflows, and the
    softmax is needed anyway.
    """
    logits = logits.to(_wide(logits.dtype))
    slope = logits.softmax(1)
    normaliser = logits.amax(1, keepdim=True) - slope.amax(1, keepdim=True).log()
    nll = normaliser - logits.gather(1, wanted)
    return nll, slope.scatter_(1, wanted, slope.gather(1, wanted) - 1)


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _rows_at_once(n_vocab: int, device: str) -> int:
    """Return how many positions make a chunk, in whole tiles of a matrix multiplication."""
    n_rows = (_LOGITS_AT_ONCE if device == "cpu" else _LOGITS_AT_ONCE_ON_GPU) // n_vocab
    return max(1, n_rows // _ROWS_OF_A_TILE) * _ROWS_OF_A_TILE


def _forward(
    self: Any,
    input_ids: Tensor | None = None,
    *,
    labels: Tensor | None = None,
    num_items_in_batch: Tensor | int | None = None,
    **inputs: Any,
) -> Any:
    """Stand in for a causal language model's forward; see ``use_loss``."""
    if labels is None:
        return self.forward_with_logits(input_ids=input_ids, **inputs)
    targets = pad(labels[:, 1:], (0, 1), value=IGNORED).reshape(-1)
    head = _plain_head(self)

    def sum_up(hidden: Tensor) -> Tensor:
        states = hidden.reshape(-1, hidden.shape[-1])
        total: Tensor = self.sum_of_nll(states, head.weight, head.bias, targets.to(hidden.device))
        return total

    # Inside the output layer's own call, so that whoever gathers its weights there (FSDP) has.
    with _answering(head, sum_up) as answers:
        output = self.forward_with_logits(input_ids=input_ids, **(inputs | {"return_dict": True}))
    total = output.logits
    if total is not answers[-1]:
        raise _changed_logits("after its output layer")
    if num_items_in_batch is None:
        num_items_in_batch = (targets != IGNORED).sum()
    if isinstance(num_items_in_batch, Tensor):
        num_items_in_batch = num_items_in_batch.to(total.device)
    output.loss, output.logits = total / num_items_in_batch, None
    return output


@contextmanager
def _answering(head: Any, answer: Callable[[Tensor], Tensor]) -> Iterator[list[Tensor]]:
    """Let ``head(hidden)`` be ``answer(hidden)`` meanwhile; yield the list of its answers."""
    answers: list[Tensor] = []

    def forward(hidden: Tensor) -> Tensor:
        answers.append(answer(hidden))
        return answers[-1]

    own = vars(head).get("forward")
    head.forward = forward
    try:
        yield answers
    finally:
        if own is None:
            del head.forward
        else:
            head.forward = own


def _liger() -> SumOfNll:
    """Return Liger's fused output layer and cross entropy."""
    try:
        from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss
    except ImportError as error:
        raise BadSettingError(
            f"The loss liger needs the package liger-kernel ({error}).",
            do="Install liger-kernel on a machine with CUDA, or set loss to chunked.",
        ) from None
    fused = LigerFusedLinearCrossEntropyLoss(ignore_index=IGNORED, reduction="sum")

    def sum_of_nll(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
        total: Tensor = fused(weight, hidden, targets, bias)
        return total

    return sum_of_nll


def _plain_head(causal: Any) -> Any:
    head = causal.get_output_embeddings()
    if not isinstance(head, torch.nn.Linear) or not head.weight.is_floating_point():
        raise BadSettingError(
            f"The output layer of {type(causal).__name__} is a {type(head).__name__}.",
            expected="a plain linear layer, neither quantised nor with an adapter on it.",
            do=_USE_FULL,
        )
    return head


def _refuse_other_losses(causal: Any) -> None:
    """Refuse a model whose loss is not the cross entropy of its output layer's own values."""
    from transformers.loss.loss_utils import ForCausalLMLoss

    config = causal.config.get_text_config()
    changed = [name for name in _CHANGED_LOGITS if getattr(config, name, None) not in _UNCHANGED]
    if changed:
        raise _changed_logits(f"({changed[0]}: {getattr(config, changed[0])})")
    if getattr(config, "output_router_logits", False):
        raise BadSettingError("The model adds a loss of its router to the loss.", do=_USE_FULL)
    if causal.loss_function is not ForCausalLMLoss:
        raise BadSettingError(
            f"{type(causal).__name__} has a loss of its own.",
            expected="cross entropy of the next token.",
            do=_USE_FULL,
        )


def _changed_logits(how: str) -> BadSettingError:
    return BadSettingError(
        f"The model changes its logits {how}.",
        expected="logits that are the output layer on the last hidden states.",
        do=_USE_FULL,
    )
