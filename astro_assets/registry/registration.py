"""Making registered versions: of a trained adapter or whole model, and of a base on no hub.

A version holds safetensors, configuration and tokenizer, and the served model as a plain Python
file; optimizer state and ``training_args.bin`` (a pickle) stay out because only named files enter.
Weights are linked, and so read once: by the upload. What does not belong here: looking versions up
(``versions``) and fetching them (``download``).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
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
from astro_assets.models.base import base_file_names
from astro_assets.models.loading import ADAPTER_FILES
from astro_assets.registry.base_facts import BaseFacts, ModelFacts, write_manifest
from astro_assets.registry.tracking import (
    Tracking,
    client_of,
    experiment_of,
    open_run,
    reaching,
    uploading,
)
from astro_assets.registry.versions import (
    CANDIDATE,
    FINGERPRINT_TAG,
    ModelVersion,
    find_version,
    set_alias,
    version_with_tags,
)

SERVED_MODEL = Path(__file__).with_name("served_model.py")
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)

_DIGEST = "base_digest"
_WEIGHTS = ".safetensors"


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
    known = version_with_tags(tracking, name, {_DIGEST: base.digest})
    if known is None:
        files = _present(folder, _whole_files(folder))
        with tempfile.TemporaryDirectory(prefix="astro-base-") as temporary:
            staged = Path(temporary) / "base"
            staged.mkdir()
            _link(files, staged)
            tags = {_DIGEST: base.digest, "base_kind": base.kind, "base_name": base.name}
            with open_run(tracking, f"store base {base.name}", tags=tags) as run:
                known = _registered(tracking, name, staged, run_id=run.run_id, tags=tags)
    return replace(base, uri=known.uri)


def register_model(
    tracking: Tracking,
    facts: ModelFacts,
    *,
    model_name: str,
    folder: Path,
    base_folder: Path,
    fingerprint: str,
    run_id: str,
    tags: Mapping[str, str],
) -> ModelVersion:
    """Register a trained model, give it the alias ``candidate``, and return its version.

    One that is registered already (same fingerprint, same base) keeps its version. The base of an
    adapter is stored too if it is on no hub; a whole model needs none.

    Args:
        tracking: the store.
        facts: what was trained; of ``files``, those that enter are recorded.
        model_name: the registered name.
        folder: what training made: a peft folder, or a Hugging Face folder with its tokenizer.
        base_folder: where the base lies, and an adapter's tokenizer.
        fingerprint: sha256 of the model's content.
        run_id: the MLflow run that trained it.
        tags: more tags: release, Dagster run, fingerprints of what it was trained on.

    Raises:
        BadModelError: a file is missing.
        RegistryError: MLflow cannot be reached.
    """
    identity = {FINGERPRINT_TAG: fingerprint, _DIGEST: facts.base.digest}
    known = version_with_tags(tracking, model_name, identity)
    if known is None:
        files = _model_files(folder, base_folder, facts)
        if not facts.is_whole:
            base = register_base(tracking, model_name, facts.base, base_folder)
            facts = replace(facts, base=base)
        with tempfile.TemporaryDirectory(prefix="astro-model-") as temporary:
            served = _served_folder(Path(temporary), facts, files, run_id=run_id)
            all_tags = {**tags, **identity, **facts.tags()}
            known = _registered(tracking, model_name, served, run_id=run_id, tags=all_tags)
    return set_alias(tracking, known, CANDIDATE)


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


def requirements(facts: ModelFacts) -> list[str]:
    """Return the pins a serving environment needs, as installed here, without local suffixes."""
    names = ["mlflow", "torch", "transformers", "tokenizers", "accelerate", "safetensors"]
    if not facts.is_whole:
        names.append("peft")
        if facts.base.quantisation is not None:
            names.append("bitsandbytes")
    return [f"{name}=={installed_version(name).split('+')[0]}" for name in names]


def _served_folder(
    temporary: Path, facts: ModelFacts, files: Iterable[Path], *, run_id: str
) -> Path:
    """Make the MLflow model: small files, manifest, code, signature, pins; weights as links."""
    # MLflow copies what it is told of, so weights are brought in after it.
    small = [path for path in files if path.suffix != _WEIGHTS]
    weights = [path for path in files if path.suffix == _WEIGHTS]
    kind = "model" if facts.is_whole else "adapter"
    staged, target = temporary / kind, temporary / "served"
    staged.mkdir()
    for path in small:
        shutil.copyfile(path, staged / path.name)
    tokenizer = Tokenizer.load(staged)
    # An adapter's tokenizer is its base's.
    known = {**({} if facts.is_whole else facts.base.files), **facts.files}
    recorded = {path.name: known[path.name] for path in files if path.name in known}
    facts = replace(facts, files=recorded)
    write_manifest(staged, facts, bos_id=tokenizer.bos_id, eos_id=tokenizer.eos_id)
    described = Model(run_id=run_id)
    mlflow.pyfunc.save_model(
        path=str(target),
        mlflow_model=described,
        python_model=str(SERVED_MODEL),
        artifacts={kind: str(staged)},
        signature=signature(),
        input_example=["We present a survey of"],
        pip_requirements=requirements(facts),
    )
    _link(weights, target / "artifacts" / kind)
    described.model_size_bytes = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
    described.save(str(target / "MLmodel"))
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
    with uploading(tracking):
        client.log_model_artifacts(logged.model_id, str(folder))
    with reaching(tracking):
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


def _model_files(folder: Path, base_folder: Path, facts: ModelFacts) -> list[Path]:
    """Return the files that enter a version: weights, configuration, tokenizer."""
    if facts.is_whole:
        return _present(folder, _whole_files(folder))
    tokenizer = [name for name in TOKENIZER_FILES if (base_folder / name).is_file()]
    return [*_present(folder, ADAPTER_FILES), *_present(base_folder, tokenizer)]


def _whole_files(folder: Path) -> list[str]:
    names = base_file_names(folder)
    if not any(name.endswith(_WEIGHTS) for name in names):
        raise BadModelError(
            f"{folder} has no safetensors weights.", expected="a Hugging Face model folder."
        )
    return sorted({"config.json", "tokenizer.json", *names})


def _present(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return where the named files really lie."""
    for name in names:
        if not (folder / name).is_file():
            raise BadModelError(
                f"{folder} has no {name}.", expected="a complete adapter or model folder."
            )
    return [folder / name for name in names]


def _link(files: Iterable[Path], into: Path) -> None:
    """Bring files into a folder as links, for they may be large; the upload reads through them."""
    for path in files:
        (into / path.name).symlink_to(path.resolve())
