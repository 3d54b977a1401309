"""The loss without logits is, number for number, the one that makes them all."""

import copy
import math

import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from astro_assets.training import loss as loss_module
from astro_assets.training.loss import IGNORED, sum_of_nll
from tests.training.losses import (
    IDS,
    N_VOCAB,
    a_llama,
    a_lora,
    assert_same,
    loss_and_gradients,
    with_loss,
)


@pytest.fixture(autouse=True)
def many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 positions a chunk: the 96 positions of ``IDS`` are a whole chunk and a part of one."""
    monkeypatch.setattr(loss_module, "_LOGITS_AT_ONCE", 64 * N_VOCAB)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("frozen_head", [False, True])
def test_loss_and_every_gradient_are_those_of_all_logits(tied: bool, frozen_head: bool) -> None:
    model = a_llama(tied=tied)
    model.get_output_embeddings().weight.requires_grad_(not frozen_head)
    full = loss_and_gradients(copy.deepcopy(model))
    ours = loss_and_gradients(with_loss(model))
    assert_same(ours, full)
    of_head = {"model.embed_tokens.weight"} if tied else {"lm_head.weight"}
    assert (of_head <= ours[1].keys()) is not frozen_head


def test_tied_weights_get_the_gradients_of_both_their_uses() -> None:
    """The head's alone would leave the rows of ids that stand in no input at the head's value."""
    model = a_llama(tied=True)
    untied = a_llama()
    untied.load_state_dict(model.state_dict() | {"lm_head.weight": model.lm_head.weight})
    _, both = loss_and_gradients(with_loss(model))
    _, apart = loss_and_gradients(untied)
    summed = apart["lm_head.weight"] + apart["model.embed_tokens.weight"]
    assert (both["model.embed_tokens.weight"] - summed).norm() < 1e-6 * summed.norm()


@pytest.mark.parametrize("bias", [False, True])
def test_gradients_agree_with_differences(bias: bool) -> None:
    """In float64, against (f(x + h) - f(x - h)) / 2h of every number."""
    torch.manual_seed(0)
    shapes = [(70, 3), (5, 3), (5,)] if bias else [(70, 3), (5, 3)]
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    targets = torch.arange(70) % 5
    targets[::9] = IGNORED

    def total(hidden: torch.Tensor, weight: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        return sum_of_nll(hidden, weight, rest[0] if rest else None, targets)

    assert torch.autograd.gradcheck(total, inputs)
    hidden, weight, *rest = inputs
    logits = linear(hidden, weight, rest[0] if rest else None)
    assert total(*inputs).item() == pytest.approx(
        cross_entropy(logits, targets, reduction="sum").item(), rel=1e-12
    )


def test_the_gradient_cannot_be_differentiated_again() -> None:
    hidden = torch.randn(3, 2, requires_grad=True)
    total = sum_of_nll(hidden, torch.randn(4, 2), None, torch.tensor([0, 1, 2]))
    (gradient,) = torch.autograd.grad(total**2, hidden, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_backward_can_be_asked_twice() -> None:
    hidden = torch.randn(3, 2, requires_grad=True)
    total = sum_of_nll(hidden, torch.randn(4, 2), None, torch.tensor([0, 1, 2]))
    (once,) = torch.autograd.grad(total, hidden, retain_graph=True)
    (half,) = torch.autograd.grad(0.5 * total, hidden)
    torch.testing.assert_close(half, once / 2)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_improbable_targets_have_a_finite_loss(scale: float) -> None:
    """Probabilities of e^-600 are zero in float32; their logarithms are not."""
    hidden, weight = scale * torch.eye(4), torch.eye(4) * 2
    targets = torch.tensor([1, 2, 3, 0])
    ours = sum_of_nll(hidden, weight, None, targets)
    assert ours.item() == pytest.approx(
        4 * (2 * scale + math.log1p(3 * math.exp(-2 * scale))), rel=1e-6
    )


@pytest.mark.parametrize("autocast", [True, False])
def test_bf16_errs_no_more_than_with_all_logits(autocast: bool) -> None:
    """Under autocast, and with the weights themselves in bfloat16 (8 bits, steps of 2^-8)."""
    exact_loss, exact = loss_and_gradients(a_llama())
    results = {}
    for kind in ("full", "chunked"):
        model = with_loss(a_llama(), kind)
        if not autocast:
            model = model.to(torch.bfloat16)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            results[kind] = loss_and_gradients(model)
    assert results["chunked"][0] == pytest.approx(results["full"][0], rel=1e-6)
    assert results["chunked"][0] == pytest.approx(exact_loss, rel=5e-3)
    for name, gradient in exact.items():
        error = {k: (r[1][name] - gradient).norm() / gradient.norm() for k, r in results.items()}
        assert error["chunked"] < 1.05 * error["full"] + 1e-3, name
        assert results["chunked"][1][name].dtype == results["full"][1][name].dtype


def test_ignored_labels_neither_count_nor_pull() -> None:
    labels = IDS.clone()
    labels[:, :9] = IGNORED
    labels[2] = IGNORED
    model = a_llama()
    full = loss_and_gradients(copy.deepcopy(model), labels=labels)
    assert_same(loss_and_gradients(with_loss(model), labels=labels), full)


def test_no_label_at_all_is_no_number() -> None:
    labels = torch.full_like(IDS, IGNORED)
    assert torch.isnan(a_llama()(input_ids=IDS, labels=labels).loss)
    assert torch.isnan(with_loss(a_llama())(input_ids=IDS, labels=labels).loss)


@pytest.mark.parametrize("n_items", [50, torch.tensor(50)])
def test_the_sum_is_divided_by_what_is_told(n_items: int | torch.Tensor) -> None:
    model = a_llama()
    full = loss_and_gradients(copy.deepcopy(model), num_items_in_batch=n_items)
    assert_same(loss_and_gradients(with_loss(model), num_items_in_batch=n_items), full)


@pytest.mark.parametrize("n_parts", [2, 4])
def test_micro_batches_sum_to_one_batch(n_parts: int) -> None:
    n_items = IDS[:, 1:].numel()
    whole = loss_and_gradients(with_loss(a_llama()), num_items_in_batch=n_items)
    model, total = with_loss(a_llama()), 0.0
    for part in IDS.chunk(n_parts):
        loss, gradients = loss_and_gradients(model, input_ids=part, num_items_in_batch=n_items)
        total += loss
    assert_same((total, gradients), whole)


def test_through_peft_with_a_frozen_base() -> None:
    full = loss_and_gradients(a_lora(a_llama(tied=True)))
    ours = loss_and_gradients(with_loss(a_lora(a_llama(tied=True))))
    assert_same(ours, full)
    assert all("lora_" in name for name in ours[1])


def test_adapters_may_come_after() -> None:
    full = loss_and_gradients(a_lora(a_llama()))
    assert_same(loss_and_gradients(a_lora(with_loss(a_llama()))), full)


def test_recomputed_layers_give_the_same() -> None:
    full = loss_and_gradients(a_llama())
    model = with_loss(a_llama())
    model.activation_checkpointing_enable({"use_reentrant": False})
    assert_same(loss_and_gradients(model.train()), full)


def test_equal_runs_give_equal_bytes() -> None:
    one = loss_and_gradients(with_loss(a_llama()))
    other = loss_and_gradients(with_loss(a_llama()))
    assert one[0] == other[0]
    assert all(torch.equal(gradient, other[1][name]) for name, gradient in one[1].items())
