"""The model as MLflow serves it: continues abstracts. Copied beside every registered model.

MLflow runs this file as it stands ("models from code", no pickle), also on machines that never saw
this project: it imports nothing of ours, takes weights from safetensors only and never runs code
that comes with a model. What does not belong here: anything needed to *make* the model.

The folder beside it holds the tokenizer, ``model_manifest.json``, and an adapter or a whole model.
Of an adapter the manifest names the base: an id at a pinned revision on the Hugging Face hub, or
``models:/<name>-base/<v>`` in the same MLflow registry. Every file whose sha256 the manifest has is
read before anything is loaded; manifests of earlier versions have none, or none of the base.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas  # type: ignore[import-untyped]
from mlflow.pyfunc import PythonModel

MAX_NEW_TOKENS = 1024
"""The paper's bound on a completion (arXiv:2309.06126, figure 2)."""


class DamagedModelError(ValueError):
    """A file of the model or of its base is not what was registered."""


class AbstractContinuation(PythonModel):  # type: ignore[misc]
    """Continues each abstract on its own, so that a text's continuation never depends on others."""

    def load_context(self, context: Any) -> None:
        """Load tokenizer and weights; called once by ``mlflow.pyfunc.load_model``.

        Raises:
            DamagedModelError: a file is not what was registered.
        """
        import torch
        from tokenizers import Tokenizer

        (folder,) = map(Path, context.artifacts.values())
        manifest = json.loads((folder / "model_manifest.json").read_text())
        _refuse_damaged(folder, manifest.get("files") or {})
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # What looks like a special token inside a text is text.
        self.tokenizer.encode_special_tokens = True
        self.model = _load(folder, manifest, self.device).eval()
        self.bos_id, self.eos_id = manifest["bos_id"], manifest["eos_id"]

    def predict(
        self, context: Any, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> list[str]:
        """Return one continuation per text.

        Args:
            context: MLflow's; unused here.
            model_input: a table whose first column is text; MLflow also makes one of a list of
                strings or of one string.
            params: max_new_tokens (1 to 1024), temperature (0 is greedy), seed.

        Raises:
            ValueError: a parameter is out of range, or the column holds something else than text.
        """
        given = {"max_new_tokens": 128, "temperature": 0.3, "seed": 0, **(params or {})}
        n_new, temperature = int(given["max_new_tokens"]), float(given["temperature"])
        if not 1 <= n_new <= MAX_NEW_TOKENS:
            raise ValueError(f"max_new_tokens must be 1 to {MAX_NEW_TOKENS}, not {n_new}.")
        if not 0 <= temperature <= 10:
            raise ValueError(f"temperature must be 0 to 10, not {temperature}.")
        return [
            self._continue(text, n_new=n_new, temperature=temperature, seed=int(given["seed"]))
            for text in _texts(model_input)
        ]

    def _continue(self, text: str, *, n_new: int, temperature: float, seed: int) -> str:
        import torch

        n_positions = self.model.config.max_position_embeddings
        n_new = min(n_new, n_positions // 2)
        ids = self.tokenizer.encode(" ".join(text.split()), add_special_tokens=False).ids
        ids = ids[-(n_positions - n_new - 1) :]
        prompt = torch.tensor([[self.bos_id, *ids]], device=self.device)
        how = {"do_sample": True, "temperature": temperature} if temperature else {}
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)
            output = self.model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=n_new,
                eos_token_id=self.eos_id,
                pad_token_id=self.eos_id,
                **(how or {"do_sample": False}),
            )
        new = output[0, prompt.shape[1] :].tolist()
        before = self.tokenizer.decode(ids)
        whole = self.tokenizer.decode([*ids, *new])
        return str(whole[len(before) :] if whole.startswith(before) else self.tokenizer.decode(new))


def _texts(model_input: pandas.DataFrame) -> list[str]:
    texts: list[str] = model_input.iloc[:, 0].tolist()
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("Expected texts: a list of strings, one string, or a column of them.")
    return texts


def _refuse_damaged(folder: Path, files: Mapping[str, str]) -> None:
    """Read the files of a folder and compare each with its sha256."""
    for name, expected in files.items():
        path = folder / Path(name).name
        if not path.is_file():
            raise DamagedModelError(f"{path} is gone; expected: sha256 {expected[:12]}….")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise DamagedModelError(
                f"{path} is not what was registered: sha256 {found[:12]}…, not {expected[:12]}…."
            )


def _load(folder: Path, manifest: dict[str, Any], device: Any) -> Any:
    """Load a whole model, or an adapter on its base."""
    if manifest["method"] == "full":
        return _load_model(str(folder), device, quantisation=None, local_files_only=True)
    from peft import PeftModel

    return PeftModel.from_pretrained(_load_base(manifest["base"], device), str(folder))


def _load_base(base: dict[str, Any], device: Any) -> Any:
    """Load the base the adapter was trained on, quantised as it was then."""
    quantisation, files = base["quantisation"], base.get("files") or {}
    if base["uri"]:
        folder = mlflow.artifacts.download_artifacts(artifact_uri=base["uri"])
    elif files:
        from huggingface_hub import snapshot_download

        folder = snapshot_download(
            base["name"], revision=base["revision"], allow_patterns=list(files)
        )
    else:
        name, revision = base["name"], base["revision"]
        return _load_model(name, device, quantisation=quantisation, revision=revision)
    _refuse_damaged(Path(folder), files)
    return _load_model(folder, device, quantisation=quantisation, local_files_only=True)


def _load_model(name: str, device: Any, *, quantisation: str | None, **where: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    if quantisation == "nf4":
        where |= _nf4(dtype) | {"device_map": {"": str(device)}}
    model = AutoModelForCausalLM.from_pretrained(
        name, dtype=dtype, use_safetensors=True, trust_remote_code=False, **where
    )
    for layer in model.modules():
        if type(layer).__name__ == "Linear4bit":
            # On some CPUs its repacking before the first forward refuses small layers.
            layer.support_avx512bf16_for_cpu = False
    return model if quantisation else model.to(device)


def _nf4(dtype: Any) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"quantization_config": config}


mlflow.models.set_model(AbstractContinuation())
