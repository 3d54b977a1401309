"""What the models of a release are called, and what they are made of, as far as this home knows.

What does not belong here: their figures (``scorecards``) and finding a model (``model_lookup``).
"""

from __future__ import annotations

from typing import Any

from astro_assets.artifacts.manifest import Manifest, Store


def known_of(store: Store, release: str, report: Manifest, label: str) -> dict[str, Any]:
    """Return what a release's model is: name, role, digest, base, parameters, quantisation.

    Args:
        store: The home's manifests.
        release: ``YYYY-MM``.
        report: The release's perplexity report: it says which base, checkpoint and champion.
        label: base, tuned or champion.
    """
    if label == "champion":
        return _champion(store, str(report.parameters.get("champion")))
    tuned, digest = report.parents["lora_checkpoint"], report.parents["base_model"]
    base, size = _base(store, digest)
    made = _made(store, "lora_checkpoint", tuned, release)
    recipe = made.parameters["recipe"] if made is not None else {}
    known = {"role": label, "n_parameters": size, "quantisation": recipe.get("quantisation")}
    if label == "base":
        return {**known, "name": base or "base", "digest": digest}
    is_whole = recipe.get("method") == "full"
    if is_whole:
        known["quantisation"] = None
    name = _registered_name(store, release, tuned) or f"tuned {release}"
    return {**known, "name": name, "digest": tuned, "base": base}


def _champion(store: Store, digest: str) -> dict[str, Any]:
    """Return what the champion is, as far as this home knows it."""
    known = {"name": "champion", "role": "champion", "digest": digest}
    made = _made(store, "lora_checkpoint", digest, None)
    if made is None:
        return known
    base, size = _base(store, made.parents["base_model"])
    recipe = made.parameters["recipe"]
    held = None if recipe.get("method") == "full" else recipe.get("quantisation")
    name = _registered_name(store, str(made.release), digest) or "champion"
    return {**known, "name": name, "base": base, "n_parameters": size, "quantisation": held}


def _base(store: Store, digest: str) -> tuple[str | None, int | None]:
    """Return a base's name and parameters, two None where the home no longer knows it."""
    base = _made(store, "base_model", digest, None)
    if base is None:
        return None, None
    name, revision = base.facts["name"], base.facts.get("revision")
    return f"{name}@{revision}" if revision else str(name), base.facts.get("n_parameters")


def _made(store: Store, asset: str, content: str, release: str | None) -> Manifest | None:
    """Return the manifest of this content; what is current is looked at before all there are."""
    current = store.current(asset, release)
    if current is not None and current.fingerprint == content:
        return current
    return store.find_content(asset, content)


def _registered_name(store: Store, release: str, tuned: str) -> str | None:
    """Return name and version as the release's decision has them."""
    decided = store.current("champion_model", release)
    if decided is None or decided.parents.get("lora_checkpoint") != tuned:
        return None
    decision = decided.facts["decision"]
    return f"{decision['model_name']} {decision['candidate_version']}"
