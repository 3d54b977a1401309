"""A model with another way to its loss: what it answers, how much it makes, who is refused."""

import copy
import math
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy, linear
from torch.utils._python_dispatch import TorchDispatchMode

from astro_assets.errors import BadSettingError
from astro_assets.training import loss as loss_module
from astro_assets.training.loss import use_loss
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


def test_without_labels_the_model_answers_as_before() -> None:
    before = a_llama()(input_ids=IDS)
    after = with_loss(a_llama())(input_ids=IDS)
    assert torch.equal(before.logits, after.logits)
    assert after.loss is None
    generated = with_loss(a_llama()).generate(IDS[:1], max_new_tokens=3, do_sample=False)
    assert generated.shape == (1, 27)


def test_with_labels_there_are_no_logits_and_scoring_needs_no_gradient() -> None:
    model = with_loss(a_llama())
    with torch.no_grad():
        output = model(input_ids=IDS, labels=IDS)
    assert output.logits is None
    assert not output.loss.requires_grad
    assert output.loss.item() == pytest.approx(a_llama()(input_ids=IDS, labels=IDS).loss.item())


class LargestTensor(TorchDispatchMode):
    """Remembers the most numbers any operation gave at once."""

    n_numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor):
                self.n_numbers = max(self.n_numbers, tensor.numel())
        return made


@pytest.mark.parametrize("trainable_head", [False, True])
def test_no_more_logits_are_made_than_a_chunk_has(trainable_head: bool) -> None:
    largest = {}
    for kind in ("full", "chunked"):
        model = with_loss(a_llama(num_hidden_layers=1), kind)
        model.get_output_embeddings().weight.requires_grad_(trainable_head)
        with LargestTensor() as seen:
            loss_and_gradients(model, input_ids=IDS.repeat(8, 1))
        largest[kind] = seen.n_numbers
    assert largest["full"] >= IDS.numel() * 8 * N_VOCAB
    assert largest["chunked"] <= 64 * N_VOCAB


def test_a_second_call_takes_the_place_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_loss(with_loss(a_llama()))
    assert_same(loss_and_gradients(model), loss_and_gradients(a_llama()))


def test_a_copy_of_the_model_uses_its_own_weights() -> None:
    model = with_loss(a_llama())
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.lm_head.weight.zero_()
    _, gradients = loss_and_gradients(other)
    assert other(input_ids=IDS, labels=IDS).loss.item() == pytest.approx(math.log(N_VOCAB))
    assert gradients and all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("GPT2", {"n_embd": 16, "n_layer": 1, "n_head": 2}),
        ("GPTNeoX", {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}),
        ("Phi", {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}),
        (
            "OPT",
            {
                "hidden_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "word_embed_proj_dim": 8,
                "ffn_dim": 16,
            },
        ),
        (
            "Qwen2",
            {
                "hidden_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "intermediate_size": 16,
            },
        ),
        (
            "Mistral",
            {
                "hidden_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "intermediate_size": 16,
            },
        ),
    ],
)
def test_other_architectures(name: str, fields: dict[str, Any]) -> None:
    """Tied and untied, with and without a bias (Phi), states narrower inside than out (OPT)."""
    import transformers

    head_name = "GPT2LMHeadModel" if name == "GPT2" else f"{name}ForCausalLM"
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(vocab_size=N_VOCAB, pad_token_id=0, **fields)
    model = getattr(transformers, head_name)(config).eval()
    full = loss_and_gradients(copy.deepcopy(model))
    assert_same(loss_and_gradients(with_loss(model)), full)


@pytest.mark.parametrize(
    ("name", "fields", "named"),
    [
        ("Gemma2", {"final_logit_softcapping": 30.0, "head_dim": 8}, "final_logit_softcapping: 30"),
        ("Cohere", {"logit_scale": 0.0625}, "logit_scale: 0.0625"),
        ("Granite", {"logits_scaling": 8.0}, "logits_scaling: 8"),
    ],
)
def test_models_that_change_their_logits_are_refused(
    name: str, fields: dict[str, Any], named: str
) -> None:
    import transformers

    config = getattr(transformers, f"{name}Config")(
        vocab_size=N_VOCAB,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        pad_token_id=0,
        **fields,
    )
    model = getattr(transformers, f"{name}ForCausalLM")(config)
    with pytest.raises(BadSettingError, match=rf"changes its logits \({named}"):
        use_loss(model, "chunked")
    use_loss(model, "full")


def test_an_unheard_of_change_of_logits_is_seen_at_the_first_step() -> None:
    """Granite divides by a field that says 1: by name nothing is changed, in fact it is."""
    from transformers import GraniteConfig, GraniteForCausalLM

    config = GraniteConfig(
        vocab_size=N_VOCAB,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        logits_scaling=1.0,
    )
    model = with_loss(GraniteForCausalLM(config))
    with pytest.raises(BadSettingError, match="changes its logits after its output layer"):
        model(input_ids=IDS, labels=IDS)
    assert model(input_ids=IDS).logits.shape == (4, 24, N_VOCAB)  # the output layer is its own


@pytest.mark.parametrize(
    "fields", [{"target_modules": ["q_proj", "lm_head"]}, {"modules_to_save": ["lm_head"]}]
)
def test_an_adapter_on_the_output_layer_is_refused(fields: dict[str, Any]) -> None:
    config = LoraConfig(**{"r": 2, "target_modules": ["q_proj"], **fields})
    with pytest.raises(BadSettingError, match="output layer of LlamaForCausalLM is a"):
        use_loss(get_peft_model(a_llama(), config), "chunked")
    late = get_peft_model(with_loss(a_llama()), config)
    with pytest.raises(BadSettingError, match="output layer of LlamaForCausalLM is a"):
        late(input_ids=IDS, labels=IDS)


def test_a_loss_of_its_own_is_refused() -> None:
    model = a_llama()
    model.loss_function = lambda **_: torch.zeros(())
    with pytest.raises(BadSettingError, match="a loss of its own"):
        use_loss(model, "chunked")


def test_unknown_kind() -> None:
    with pytest.raises(BadSettingError, match="no loss 'fused'"):
        with_loss(a_llama(), "fused")


def test_liger_is_asked_for_and_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers", None)
    with pytest.raises(BadSettingError, match="needs the package liger-kernel"):
        with_loss(a_llama(), "liger")


def test_liger_is_handed_weight_states_targets_and_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with the signature of liger-kernel's class; the kernel itself needs CUDA."""

    class LigerFusedLinearCrossEntropyLoss(torch.nn.Module):
        def __init__(self, ignore_index: int = -100, reduction: str = "mean") -> None:
            super().__init__()
            self.options = {"ignore_index": ignore_index, "reduction": reduction}

        def forward(self, lin_weight, _input, target, bias=None):  # type: ignore[no-untyped-def]
            return cross_entropy(linear(_input, lin_weight, bias), target, **self.options)

    stand_in = types.ModuleType("liger_kernel.transformers")
    stand_in.LigerFusedLinearCrossEntropyLoss = LigerFusedLinearCrossEntropyLoss  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "liger_kernel", types.ModuleType("liger_kernel"))
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers", stand_in)
    full = loss_and_gradients(a_llama())
    assert_same(loss_and_gradients(with_loss(a_llama(), "liger")), full)


def test_the_trainer_hands_over_the_count_of_its_whole_batch(tmp_path: Path) -> None:
    """It looks at the signature of the model inside peft; else micro-batches would be averaged."""
    from transformers import Trainer, TrainingArguments

    model = with_loss(a_lora(a_llama()))
    seen = []
    inner = model.get_base_model().sum_of_nll
    model.get_base_model().sum_of_nll = lambda *given: (
        seen.append(given[3].numel()) or inner(*given)
    )
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        use_cpu=True,
        max_steps=1,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=4,
        report_to=[],
        disable_tqdm=True,
        save_strategy="no",
        learning_rate=0.0,
        logging_steps=1,
    )
    trainer = Trainer(
        model=model, args=arguments, train_dataset=[{"input_ids": i, "labels": i} for i in IDS]
    )
    assert trainer.model_accepts_loss_kwargs
    trained = trainer.train()
    assert seen == [IDS.shape[1]] * 4
    expected = a_lora(a_llama())(input_ids=IDS, labels=IDS).loss.item()
    assert trained.training_loss == pytest.approx(expected, rel=1e-5)
