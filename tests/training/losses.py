"""Small models and their losses, with all logits and without, for the tests of the loss."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from astro_assets.training.loss import use_loss

N_VOCAB, N_HIDDEN = 300, 16
IDS = torch.arange(4 * 24).reshape(4, 24) * 7 % N_VOCAB


def a_llama(*, tied: bool = False, **fields: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = {"num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 24, **fields}
    return LlamaForCausalLM(
        LlamaConfig(vocab_size=N_VOCAB, hidden_size=N_HIDDEN, tie_word_embeddings=tied, **shape)
    )


def a_lora(model: Any, **fields: Any) -> Any:
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False, **fields)
    return get_peft_model(model, config)


def with_loss(model: Any, kind: str = "chunked") -> Any:
    use_loss(model, kind)  # type: ignore[arg-type]
    return model


def loss_and_gradients(model: Any, **inputs: Any) -> tuple[float, dict[str, torch.Tensor]]:
    inputs.setdefault("input_ids", IDS)
    inputs.setdefault("labels", inputs["input_ids"])
    loss = model(**inputs).loss
    loss.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return loss.item(), gradients


def assert_same(one: Any, other: Any, *, rtol: float = 5e-6) -> None:
    """The losses, and each gradient by the length of its difference, agree to ``rtol``."""
    (loss, gradients), (expected_loss, expected) = one, other
    assert loss == pytest.approx(expected_loss, rel=rtol)
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        assert (gradients[name] - gradient).norm() <= rtol * gradient.norm() + 1e-9, name
