"""Which base an adapter belongs to, as its version says it: enough to load it anywhere."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from astro_assets.errors import RegistryError

MODEL_MANIFEST = "model_manifest.json"
"""The file beside a registered adapter that names its base."""


@dataclass(frozen=True)
class BaseFacts:
    """The base of an adapter."""

    kind: str
    """hub, path or scratch."""
    name: str
    """The hub id, or what people call it."""
    revision: str | None
    """The pinned commit of a hub id."""
    digest: str
    """sha256 over weights, configuration and tokenizer."""
    quantisation: str | None
    """None or nf4: how the base was held while the adapter was trained."""
    uri: str | None
    """``models:/<name>-base/<v>`` of a base that is on no hub."""


def write_manifest(folder: Path, base: BaseFacts, *, bos_id: int, eos_id: int) -> None:
    """Write ``model_manifest.json`` for the served model and for ourselves."""
    document = {"base": asdict(base), "bos_id": bos_id, "eos_id": eos_id}
    text = json.dumps(document, indent=1, sort_keys=True)
    (folder / MODEL_MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> BaseFacts:
    """Read the base back out of a registered adapter's folder.

    Raises:
        RegistryError: the folder holds no such manifest.
    """
    path = folder / MODEL_MANIFEST
    try:
        return BaseFacts(**json.loads(path.read_text(encoding="utf-8"))["base"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegistryError(
            f"{path} does not say which base the adapter belongs to ({error}).",
            expected="a version that this project registered.",
            do="Delete that version in MLflow and materialise lora_checkpoint again.",
        ) from error
