import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from astro_assets.errors import BadModelError, BadSettingError
from astro_assets.models.device import choose_dtype, use_threads
from astro_assets.models.handle import ModelHandle
from astro_assets.models.loading import load_model
from astro_assets.models.quantisation import keep_trainable
from tests.evaluation.planted import with_adapter

TOKENS = torch.arange(20)[None]
CPU = torch.device("cpu")


def test_handle_loads_in_eval_mode(tiny_base: Path) -> None:
    model = ModelHandle("base", tiny_base, None, "digest", None).load()
    assert not model.training
    with torch.no_grad():
        logits = model(input_ids=TOKENS.to(model.device)).logits
    assert logits.shape[:2] == (1, 20)


def test_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BadModelError, match="No causal language model"):
        load_model(tmp_path)


def test_folder_without_an_adapter(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadModelError, match=r"adapter_model\.safetensors missing"):
        load_model(tiny_base, tmp_path, device=CPU)


def test_pickled_adapter_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    (tmp_path / "adapter_model.bin").write_bytes(b"never read")
    with pytest.raises(BadModelError, match=r"adapter_model\.safetensors missing"):
        load_model(tiny_base, tmp_path, device=CPU)


def test_damaged_weights(tiny_base: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(BadModelError, match="No causal language model"):
        load_model(folder, device=CPU)


def rewritten(path: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Change a file of weights in place."""
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def renamed(old: str, new: str) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(weights: dict[str, torch.Tensor]) -> None:
        for name in [name for name in weights if old in name]:
            weights[name.replace(old, new)] = weights.pop(name)

    return change


GATE = "model.layers.0.mlp.gate_proj.weight"
NOT_ITS_OWN = {
    "other names": (renamed("gate_proj.weight", "gate_proj.qweight"), r"2 missing .*; 2 with no"),
    "a weight less": (lambda weights: weights.pop(GATE), rf"1 missing .* \({GATE}\); 0 with no"),
    "a layer more": (
        lambda weights: weights.update({GATE.replace("0", "7"): weights[GATE].clone()}),
        r"0 missing .*; 1 with no place in the model \(model\.layers\.7",
    ),
    "no embedding to tie to": (renamed("embed_tokens", "embed"), r"2 missing"),
    "another shape": (
        lambda weights: weights.update({GATE: weights[GATE][:5].clone()}),
        rf"No causal language model could be loaded|1 missing or of another shape \({GATE}\)",
    ),
}


@pytest.mark.parametrize("name", NOT_ITS_OWN)
@pytest.mark.parametrize("quantisation", [None, "nf4"])
def test_weights_that_are_not_the_model_s_are_refused(
    tiny_base: Path, tmp_path: Path, name: str, quantisation: str | None
) -> None:
    """transformers would draw them at random, with a report in the log."""
    change, told = NOT_ITS_OWN[name]
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    rewritten(folder / "model.safetensors", change)
    with pytest.raises(BadModelError, match=told):
        load_model(folder, quantisation=quantisation, device=CPU)


def test_an_output_layer_of_its_own_that_is_not_there_is_missed(
    tiny_base: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    config = json.loads((folder / "config.json").read_text()) | {"tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadModelError, match=r"1 missing .* \(lm_head\.weight\)"):
        load_model(folder, device=CPU)


def test_weights_that_change_nothing_are_no_reason_to_refuse(
    tiny_base: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    more = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4), "v_head": torch.ones(3)}
    rewritten(folder / "model.safetensors", lambda weights: weights.update(more))
    expected = load_model(tiny_base, device=CPU)(input_ids=TOKENS).logits
    assert torch.equal(load_model(folder, device=CPU)(input_ids=TOKENS).logits, expected)


LORA = "base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (renamed("lora_A", "lora_C"), r"4 missing .*; 4 with no place"),
        (renamed("self_attn", "attention"), r"8 missing .*; 8 with no place"),
        (lambda weights: weights.pop(LORA), r"1 missing .*; 0 with no place"),
        (
            lambda weights: weights.update({LORA.replace("1", "5"): weights[LORA].clone()}),
            r"0 missing; 1 with no place",
        ),
        (lambda weights: weights.update({LORA: weights[LORA][:, :2].clone()}), "size mismatch|fit"),
    ],
)
def test_an_adapter_whose_weights_have_no_place_is_refused(
    tiny_base: Path, tmp_path: Path, change, told: str
) -> None:
    """peft would leave the base as it is, with a warning at most."""
    with_adapter(tiny_base).save_pretrained(tmp_path)
    assert load_model(tiny_base, tmp_path, device=CPU) is not None
    rewritten(tmp_path / "adapter_model.safetensors", change)
    with pytest.raises(BadModelError, match=told):
        load_model(tiny_base, tmp_path, device=CPU)


@pytest.mark.parametrize(
    "asked",
    [{"quantization_config": {"quant_method": "gptq", "bits": 4}}, {"hidden_size": 31}],
)
def test_what_the_libraries_cannot_do_is_a_named_error(
    tiny_base: Path, tmp_path: Path, asked: dict
) -> None:
    folder = shutil.copytree(tiny_base, tmp_path / "base")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | asked))
    with pytest.raises(BadModelError, match="No causal language model could be loaded"):
        load_model(folder, device=CPU)


def test_a_checkpoint_that_is_quantised_itself_is_held_so(tiny_base: Path, tmp_path: Path) -> None:
    packed = load_model(tiny_base, quantisation="nf4", device=CPU)
    packed.save_pretrained(tmp_path)
    again = load_model(tmp_path, device=CPU)
    assert keep_trainable(again) == 14
    assert torch.equal(again(input_ids=TOKENS).logits, packed(input_ids=TOKENS).logits)


def test_unknown_quantisation(tiny_base: Path) -> None:
    with pytest.raises(BadSettingError, match="no quantisation 'int3'"):
        load_model(tiny_base, quantisation="int3", device=CPU)


def test_nf4_keeps_the_loss_roughly(tiny_base: Path) -> None:
    exact = load_model(tiny_base, device=CPU)(input_ids=TOKENS, labels=TOKENS).loss
    rounded = load_model(tiny_base, quantisation="nf4", device=CPU)
    loss = rounded(input_ids=TOKENS, labels=TOKENS).loss
    assert keep_trainable(rounded) == 14  # seven linear layers in each of two blocks
    assert loss.item() == pytest.approx(exact.item(), rel=0.05)
    assert loss.item() != exact.item()


def test_nf4_still_has_gradients_after_an_evaluation(tiny_base: Path) -> None:
    """Repacked weights would let none through, with only a warning."""
    model = load_model(tiny_base, quantisation="nf4", device=CPU)
    with torch.no_grad():
        model(input_ids=TOKENS)
    embedded = model.get_input_embeddings()(TOKENS).detach().requires_grad_()
    model.train()
    only_layer = model.model.layers[0].mlp
    only_layer(embedded).sum().backward()
    assert embedded.grad is not None
    assert embedded.grad.abs().sum() > 0


def test_number_format_follows_the_device() -> None:
    assert choose_dtype(CPU) is torch.float32
    assert choose_dtype(torch.device("cuda")) is torch.bfloat16


def test_threads_are_set_and_told() -> None:
    before = torch.get_num_threads()
    try:
        assert use_threads(2) == torch.get_num_threads() == 2
        assert use_threads(0) >= 1
    finally:
        use_threads(before)
