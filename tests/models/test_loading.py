import json
import shutil
from pathlib import Path

import pytest
import torch

from astro_assets.errors import BadModelError, BadSettingError
from astro_assets.models.device import choose_dtype, use_threads
from astro_assets.models.handle import ModelHandle
from astro_assets.models.loading import load_model
from astro_assets.models.quantisation import keep_trainable

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
