"""A release's figures and reports as artifacts of the MLflow run that trained its model.

They are sent once: a tag of the run names what it holds, with the bounds and the code that the
figures were drawn with. What does not belong here: the training's
own artifacts (``training_run``) and what the figures show (``evaluation.figures``).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Manifest
from astro_assets.code_versions import code_version_of
from astro_assets.evaluation.figures.gallery import drawings_of
from astro_assets.evaluation.pages.release import as_json
from astro_assets.registry.tracking import Tracking, client_of, reaching, set_tags, uploading

FOLDER = "reports"
"""Under the run's artifacts: ``reports/<asset>.json`` and ``reports/figures/<name>.png``."""
TAG = "astro.reports"
"""Tag of a run: a digest of the reports it holds and of what their figures depend on."""
REPORTS = ("perplexity_report", "embedding_report", "completion_report", "knowledge_report")


def log_reports(tracking: Tracking, run_id: str, parts: Mapping[str, Manifest]) -> bool:
    """Send a release's reports and figures to a run, unless it holds them already.

    Args:
        tracking: the store.
        run_id: the run that trained the release's model.
        parts: asset -> manifest; those among ``REPORTS`` are sent.

    Returns:
        Whether anything was sent.

    Raises:
        RegistryError: MLflow cannot be reached, or has no such run.
    """
    files = _reports(parts)
    if not files:
        return False
    digest = _digest(files, parts)
    client = client_of(tracking)
    with reaching(tracking):
        held = client.get_run(run_id).data.tags.get(TAG)
    if held == digest:
        return False
    files |= figures_of(parts)
    with tempfile.TemporaryDirectory(prefix="astro-reports-") as temporary:
        for name, data in files.items():
            path = Path(temporary) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        with uploading(tracking):
            client.log_artifacts(run_id, temporary, artifact_path=FOLDER)
    with reaching(tracking):
        set_tags(client, run_id, {TAG: digest})  # last: a killed upload is done again
    return True


def figures_of(parts: Mapping[str, Manifest]) -> dict[str, bytes]:
    """Return ``figures/<name>.png`` -> PNG of all figures of a release's reports."""
    bounds = _bounds(parts)
    return {
        f"figures/{drawing.name}.png": drawing.png()
        for asset in REPORTS
        if asset in parts
        for drawing in drawings_of(asset, parts[asset].facts["report"], **bounds)
    }


def _digest(files: Mapping[str, bytes], parts: Mapping[str, Manifest]) -> str:
    """Return sha256 over the reports and over what draws their figures."""
    return fingerprint.of_value(
        {
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
            "bounds": _bounds(parts),
            "code_version": code_version_of("release_report"),
        }
    )


def _bounds(parts: Mapping[str, Manifest]) -> dict[str, float | None]:
    """Return the bounds the release was judged by; None: it was not judged by such a one."""
    champion = parts.get("champion_model")
    rules = {} if champion is None else champion.parameters.get("rules", {})
    return {
        "allowed_rise": rules.get("max_forgetting"),
        "allowed_drift": rules.get("max_drift"),
    }


def _reports(parts: Mapping[str, Manifest]) -> dict[str, bytes]:
    return {
        f"{asset}.json": as_json(parts[asset].facts["report"]).encode()
        for asset in REPORTS
        if asset in parts
    }
