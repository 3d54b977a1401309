"""Making registered versions: of an adapter, and of a base that is on no hub.

A version holds safetensors, configuration and tokenizer, and the served model as a plain Python
file; optimizer state and ``training_args.bin`` (a pickle) stay out because only named files enter.
What does not belong here: looking versions up (``versions``) and fetching them (``download``).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version as installed_version
from pathlib import Path

import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from astro_assets.registry.base_facts import BaseFacts, write_manifest
from astro_assets.registry.tracking import Tracking, client_of, experiment_of, open_run, reaching
from astro_assets.registry.versions import (
    CANDIDATE,
    ModelVersion,
    find_version,
    set_alias,
    versions_of,
)

SERVED_MODEL = Path(__file__).with_name("served_model.py")
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
BASE_PATTERNS = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
)

_FINGERPRINT, _DIGEST = "adapter_fingerprint", "base_digest"


def register_base(tracking: Tracking, model_name: str, base: BaseFacts, folder: Path) -> BaseFacts:
    """Store a base that is on no hub, once per digest, and return its facts with the uri set.

    A base of kind ``hub`` is returned as it is: its id and revision say where to get it.

    Raises:
        BadModelError: the folder lacks weights or tokenizer.
        RegistryError: MLflow cannot be reached.
    """
    if base.kind == "hub":
        return base
    name = f"{model_name}-base"
    known = _with_tags(tracking, name, {_DIGEST: base.digest})
    if known is None:
        with tempfile.TemporaryDirectory(prefix="astro-base-") as temporary:
            # Linked, for a base may be large; the upload reads through the links.
            staged = _collected(
                Path(temporary) / "base", [(folder, _base_files(folder))], take=os.symlink
            )
            tags = {_DIGEST: base.digest, "base_kind": base.kind, "base_name": base.name}
            with open_run(tracking, f"store base {base.name}", tags=tags) as run:
                known = _registered(tracking, name, staged, run_id=run.run_id, tags=tags)
    return replace(base, uri=known.uri)


def register_adapter(
    tracking: Tracking,
    *,
    model_name: str,
    adapter_folder: Path,
    base_folder: Path,
    base: BaseFacts,
    fingerprint: str,
    run_id: str,
    tags: Mapping[str, str],
) -> ModelVersion:
    """Register an adapter, give it the alias ``candidate``, and return its version.

    An adapter that is registered already (same fingerprint, same base) keeps its version.

    Args:
        tracking: the store.
        model_name: the registered name.
        adapter_folder: peft folder; only its two safe files are taken.
        base_folder: where the tokenizer lies.
        base: what ``register_base`` returned.
        fingerprint: sha256 of the adapter's content.
        run_id: the MLflow run that trained it.
        tags: more tags: release, Dagster run, fingerprints of what it was trained on.

    Raises:
        BadModelError: a file is missing.
        RegistryError: MLflow cannot be reached.
    """
    identity = {_FINGERPRINT: fingerprint, _DIGEST: base.digest}
    known = _with_tags(tracking, model_name, identity)
    if known is None:
        with tempfile.TemporaryDirectory(prefix="astro-adapter-") as temporary:
            staged = _collected(
                Path(temporary) / "adapter",
                [(adapter_folder, ADAPTER_FILES), (base_folder, _tokenizer_files(base_folder))],
            )
            served = _served_folder(staged, base, run_id=run_id)
            all_tags = {**tags, **identity, "base_kind": base.kind, "base_name": base.name}
            known = _registered(tracking, model_name, served, run_id=run_id, tags=all_tags)
    return set_alias(tracking, known, CANDIDATE)


def version_of_adapter(
    tracking: Tracking, model_name: str, fingerprint: str
) -> ModelVersion | None:
    """Return the version that holds the adapter with this fingerprint, if it is registered."""
    return _with_tags(tracking, model_name, {_FINGERPRINT: fingerprint})


def signature() -> ModelSignature:
    """Return what the served model takes and gives: texts, and three parameters."""
    texts = Schema([ColSpec(DataType.string)])
    params = ParamSchema(
        [
            ParamSpec("max_new_tokens", DataType.long, 128),
            ParamSpec("temperature", DataType.double, 0.3),
            ParamSpec("seed", DataType.long, 0),
        ]
    )
    return ModelSignature(inputs=texts, outputs=texts, params=params)


def requirements(*, quantised: bool) -> list[str]:
    """Return the pins a serving environment needs, as installed here, without local suffixes."""
    names = ["mlflow", "torch", "transformers", "tokenizers", "peft", "accelerate", "safetensors"]
    if quantised:
        names.append("bitsandbytes")
    return [f"{name}=={installed_version(name).split('+')[0]}" for name in names]


def _served_folder(adapter: Path, base: BaseFacts, *, run_id: str) -> Path:
    """Make the MLflow model beside a staged adapter: manifest, code, signature, pins."""
    target = adapter.with_name("model")
    tokenizer = Tokenizer.load(adapter)
    write_manifest(adapter, base, bos_id=tokenizer.bos_id, eos_id=tokenizer.eos_id)
    mlflow.pyfunc.save_model(
        path=str(target),
        mlflow_model=Model(run_id=run_id),
        python_model=str(SERVED_MODEL),
        artifacts={"adapter": str(adapter)},
        signature=signature(),
        input_example=["We present a survey of"],
        pip_requirements=requirements(quantised=base.quantisation is not None),
    )
    return target


def _registered(
    tracking: Tracking, name: str, folder: Path, *, run_id: str, tags: Mapping[str, str]
) -> ModelVersion:
    """Upload a folder as a logged model and register it as the next version of ``name``."""
    client = client_of(tracking)
    with reaching(tracking):
        logged = client.create_logged_model(
            experiment_of(tracking), name=name, source_run_id=run_id, tags=dict(tags)
        )
        client.log_model_artifacts(logged.model_id, str(folder))
        client.finalize_logged_model(logged.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        _ensure_name(client, name)
        made = client.create_model_version(
            name,
            source=logged.artifact_location,
            run_id=run_id,
            tags=dict(tags),
            model_id=logged.model_id,
        )
    return find_version(tracking, name, version=int(made.version))


def _ensure_name(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _with_tags(tracking: Tracking, name: str, tags: Mapping[str, str]) -> ModelVersion | None:
    """Return the newest version that carries all these tags."""
    known = versions_of(tracking, name)
    return next((item for item in known if tags.items() <= item.tags.items()), None)


def _base_files(folder: Path) -> list[str]:
    found = sorted({path.name for pattern in BASE_PATTERNS for path in folder.glob(pattern)})
    if not any(name.endswith(".safetensors") for name in found):
        raise BadModelError(
            f"{folder} has no safetensors weights.", expected="a Hugging Face model folder."
        )
    return found + _tokenizer_files(folder)


def _tokenizer_files(folder: Path) -> list[str]:
    return [name for name in TOKENIZER_FILES if (folder / name).is_file()]


def _collected(
    target: Path,
    sources: Iterable[tuple[Path, Iterable[str]]],
    *,
    take: Callable[[Path, Path], object] = shutil.copyfile,
) -> Path:
    """Bring the named files together in one new folder."""
    target.mkdir()
    for folder, names in sources:
        for name in names:
            path = (folder / name).resolve()
            if not path.is_file():
                raise BadModelError(
                    f"{folder} has no {name}.", expected="a complete adapter or model folder."
                )
            take(path, target / name)
    return target
