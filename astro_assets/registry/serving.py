"""A registered model continuing a text, exactly as anyone's ``mlflow.pyfunc.load_model`` would."""

from __future__ import annotations

from typing import Any

import mlflow
import mlflow.pyfunc

from astro_assets.errors import BadSettingError, DamagedArtifactError
from astro_assets.models.libraries import quiet_libraries
from astro_assets.registry.tracking import Tracking, reaching
from astro_assets.registry.versions import find_version

_MAX_CHARACTERS = 20_000


def continue_text(
    tracking: Tracking,
    model_name: str,
    which: str,
    text: str,
    *,
    max_new_tokens: int,
    temperature: float,
    seed: int,
) -> str:
    """Return the continuation of one text.

    Args:
        tracking: The store.
        model_name: The registered name.
        which: An alias or a version number.
        text: The beginning of an abstract.
        max_new_tokens: Bound on the continuation.
        temperature: 0 is greedy.
        seed: Of the sampling; equal seeds give equal texts.

    Raises:
        BadSettingError: the text is empty or far longer than any abstract.
        UnknownNameError: no such model, alias or version.
        RegistryError: MLflow cannot be reached, or the version's files are gone.
        DamagedArtifactError: a file of the model or of its base is not what was registered.
    """
    if not text.strip() or len(text) > _MAX_CHARACTERS:
        raise BadSettingError(
            f"The text has {len(text):,} characters.", expected=f"1 to {_MAX_CHARACTERS:,}."
        )
    number = int(which) if which.isdecimal() else None
    version = find_version(
        tracking, model_name, alias=None if number is not None else which, version=number
    )
    quiet_libraries()
    with reaching(tracking):
        mlflow.set_tracking_uri(tracking.uri)
        mlflow.set_registry_uri(tracking.uri)
        model = _loaded(version.uri)
    params = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    continued: list[str] = model.predict([text], params=params)
    return continued[0]


def _loaded(uri: str) -> Any:
    """Load a served model, its own error told as ours: its code is a copy that imports no class."""
    try:
        return mlflow.pyfunc.load_model(uri)
    except ValueError as error:
        if type(error).__name__ != "DamagedModelError":
            raise
        raise DamagedArtifactError(
            f"{uri}: {error}",
            do="Put that file back, or choose another version. One in a hub's cache (HF_HOME): "
            "remove its folder, it is fetched anew.",
        ) from error
