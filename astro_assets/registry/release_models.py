"""The models of a release as handles: the base it was trained on and what training made of it.

What does not belong here: the champion (``champion``) and models by name (``download``).
"""

from __future__ import annotations

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.errors import MissingArtifactError
from astro_assets.models.handle import ModelHandle


def models_of_release(store: Store, release: str) -> dict[str, ModelHandle]:
    """Return ``base`` and ``tuned`` of a release; the base is held as in training.

    Raises:
        MissingArtifactError: the release has no checkpoint, or its base is gone.
    """
    base, tuned = base_of_release(store, release), store.require("lora_checkpoint", release)
    folder, recipe = store.path_of(base), tuned.parameters["recipe"]
    return {
        "base": ModelHandle("base", folder, None, base.fingerprint, recipe["quantisation"]),
        "tuned": ModelHandle.trained(
            "tuned",
            store.path_of(tuned),
            folder,
            method=recipe["method"],
            digest=tuned.fingerprint,
            quantisation=recipe["quantisation"],
        ),
    }


def base_of_release(store: Store, release: str) -> Manifest:
    """Return the base that the release's model was trained on, whatever the home's base is now.

    Raises:
        MissingArtifactError: this home no longer knows it.
    """
    tuned = store.require("lora_checkpoint", release)
    digest = tuned.parents["base_model"]
    base = store.find_content("base_model", digest)
    if base is None or not store.path_of(base).exists():
        raise MissingArtifactError(
            f"The base {digest[:12]}… that release {release} was trained on is gone.",
            do="Materialise base_model and lora_checkpoint of this release again.",
        )
    return base
