"""Method ``full``, from the trainer through the registry to a child of the champion."""

from dataclasses import replace
from pathlib import Path

import mlflow
import torch
from transformers import AutoModelForCausalLM

from astro_assets.artifacts.manifest import Built
from astro_assets.models.base import base_file_names
from astro_assets.progress import NO_PROGRESS
from astro_assets.registry.base_facts import BaseFacts, ModelFacts
from astro_assets.registry.champion import Parent, parent_of
from astro_assets.registry.registration import register_model
from astro_assets.registry.tracking import Tracking, open_run
from astro_assets.registry.versions import ModelVersion, set_alias
from astro_assets.training.recipe import Recipe
from astro_assets.training.trainer import Inputs, train_model
from tests.registry.conftest import NAME
from tests.training.builders import a_base, a_recipe, some_blocks

RECIPE = a_recipe(
    method="full", rank=None, alpha=None, dropout=None, target_modules=None, epochs=1
)  # fmt: skip


def registered(
    tracking: Tracking, inputs: Inputs, built: Built, parent: Parent | None = None
) -> ModelVersion:
    base = inputs.base
    facts = BaseFacts(base.kind, base.name, base.revision, base.digest, None, None)
    with open_run(tracking, "train") as run:
        return register_model(
            tracking,
            ModelFacts(
                facts, "full", inputs.recipe.as_dict(), parent and parent.facts, built.files
            ),
            model_name=NAME,
            folder=built.path,
            base_folder=base.folder,
            fingerprint=built.fingerprint,
            run_id=run.run_id,
            tags={"release": "2026-06"},
        )


def logits_of(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(torch.tensor([[1, 5, 9, 12]])).logits.float().cpu()


def test_a_champion_trained_whole_is_loaded_and_trained_from(
    tracking: Tracking, tiny_base: Path, tmp_path: Path
) -> None:
    inputs = Inputs(a_base(tiny_base), some_blocks(tmp_path, 8), RECIPE)
    built = train_model(inputs, tmp_path / "first", progress=NO_PROGRESS)
    first = registered(tracking, inputs, built)
    set_alias(tracking, first, "champion")

    parent = parent_of(tracking, NAME, download_to=tmp_path)
    assert parent is not None and parent.fingerprint == built.fingerprint
    assert Recipe(**{**parent.recipe, "betas": (0.9, 0.95)}) == RECIPE
    entered = {path.name for path in parent.folder.iterdir()} - {"model_manifest.json"}
    assert entered == set(base_file_names(built.path)), "no curve, no facts, nothing else"

    trained = logits_of(AutoModelForCausalLM.from_pretrained(built.path))
    served = mlflow.pyfunc.load_model(str(parent.folder.parents[1])).unwrap_python_model()
    assert torch.equal(logits_of(served.model), trained)
    assert not torch.allclose(logits_of(AutoModelForCausalLM.from_pretrained(tiny_base)), trained)

    grown = replace(inputs, parent=parent.folder, parent_fingerprint=parent.fingerprint)
    child = train_model(grown, tmp_path / "second", progress=NO_PROGRESS)
    assert child.fingerprint != built.fingerprint
    assert child.facts["first_training_perplexity"] < built.facts["first_training_perplexity"]
    second = registered(tracking, grown, child, parent)
    assert (second.version, second.tags["parent_version"]) == (2, "1")
    assert second.tags["parent_fingerprint"] == built.fingerprint
