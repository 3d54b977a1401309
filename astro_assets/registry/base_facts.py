"""What a registered model is, as its version says it: enough to load it anywhere, or go on from it.

What does not belong here: making and fetching versions (``registration``, ``download``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from astro_assets.errors import RegistryError

MODEL_MANIFEST = "model_manifest.json"
"""The file beside a registered model's weights that says what they are."""


@dataclass(frozen=True)
class BaseFacts:
    """The base of a trained model."""

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
    files: Mapping[str, str] = field(default_factory=dict)
    """Name -> sha256 of what ``digest`` is made of; empty in versions that did not record it."""


@dataclass(frozen=True)
class ParentFacts:
    """The champion that a training started from."""

    version: int
    """Of the same registered name."""
    fingerprint: str
    """sha256 of its content, as its version is tagged."""


@dataclass(frozen=True)
class ModelFacts:
    """A trained model: its base, how it was trained, and what its files are."""

    base: BaseFacts
    method: str
    """lora, qlora or full."""
    recipe: Mapping[str, Any] | None = None
    """Every field of the recipe; None in versions that did not record it yet."""
    parent: ParentFacts | None = None
    """None: trained from the base."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Name -> sha256 of the files beside the manifest, an adapter's tokenizer among them; empty in
    versions that did not record it yet."""

    @property
    def is_whole(self) -> bool:
        """Whether the weights are a whole model instead of an adapter on the base."""
        return self.method == "full"

    def tags(self) -> dict[str, str]:
        """Return what a version is tagged with, for people and for looking it up."""
        tags = {"base_kind": self.base.kind, "base_name": self.base.name, "method": self.method}
        if self.parent is None:
            return tags
        return tags | {
            "parent_version": str(self.parent.version),
            "parent_fingerprint": self.parent.fingerprint,
        }


def write_manifest(folder: Path, facts: ModelFacts, *, bos_id: int, eos_id: int) -> None:
    """Write ``model_manifest.json`` for the served model and for ourselves."""
    document = {**asdict(facts), "bos_id": bos_id, "eos_id": eos_id}
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False)
    (folder / MODEL_MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> ModelFacts:
    """Read back what a registered model is.

    Raises:
        RegistryError: the folder holds no such manifest.
    """
    path = folder / MODEL_MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        base = BaseFacts(**document["base"])
        parent = document.get("parent")
        return ModelFacts(
            base=base,
            # The first versions were all adapters, and told the method by the base's precision.
            method=document.get("method") or ("qlora" if base.quantisation else "lora"),
            recipe=document.get("recipe"),
            parent=None if parent is None else ParentFacts(**parent),
            files=document.get("files") or {},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegistryError(
            f"{path} does not say what was trained, and on which base ({error}).",
            expected="a version that this project registered.",
            do="Delete that version in MLflow and materialise lora_checkpoint again.",
        ) from error
