"""Reports planted in a home: of a release's own models, and of models measured by themselves."""

from pathlib import Path
from typing import Any

from astro_assets.artifacts.manifest import Built, Manifest, Store, Work
from astro_assets.registry.scorecards import ASSET

RELEASE = "2026-06"
BASE, TUNED, CHAMPION = "b" * 64, "t" * 64, "c" * 64
PAPERS = "p" * 64


def scores(bits: float, *, n_documents: int = 10, n_bytes: int = 700) -> dict[str, Any]:
    figures = {"n_documents": n_documents, "n_bytes": n_bytes, "bits_per_byte": bits}
    interval = {"bits_per_byte": [bits - 0.1, bits + 0.1], "perplexity": [1.0, 2.0]}
    return {
        "astro": {"per_document": {**figures, "interval": interval}},
        "general": {"per_document": {**figures, "bits_per_byte": bits + 1}},
    }


def perplexity(**models: dict[str, Any] | None) -> dict[str, Any]:
    far = {label: {"bits_per_byte": 3.0} for label in models}
    forgetting = {"rings": {"far": {"models": far}}, "rise_far": 0.02, "drift_nats_per_token": 0.1}
    return {"models": models, "forgetting": forgetting}


def similarity(**mrr: float) -> dict[str, Any]:
    spaces = {name: {"mrr": value, "n": 9} for name, value in mrr.items()}
    return {"retrieval": {"title_masked": spaces}}


def knowledge(**accuracy: float) -> dict[str, Any]:
    return {
        "models": {label: {"accuracy": value} for label, value in accuracy.items()},
        "headline": "full_answer",
        "chance": 0.25,
        "n_questions": 60,
    }


def completions(**repeats: float) -> dict[str, Any]:
    return {"measures": {name: {"repeated_4grams": x, "loops": 0.5} for name, x in repeats.items()}}


def keep(store: Store, asset: str, content: str, **given: Any) -> Manifest:
    """Keep a manifest with this content for the release (base models: for the home)."""
    release = None if asset == "base_model" else RELEASE
    parameters = given.get("parameters", {})
    parents = given.get("parents", {})
    folder: Path = store.home.root / "made" / asset
    folder.mkdir(parents=True, exist_ok=True)
    facts, counts = given.get("facts", {}), given.get("counts", {})
    work = Work(asset, release, {**parameters, "content": content}, parents)
    return store.commit(work, Built(content, folder, counts=counts, facts=facts))


def released(store: Store, report: dict[str, Any], **others: dict[str, Any]) -> None:
    """Keep a release: papers, base, checkpoint, and reports on them."""
    keep(store, "astro_ph_papers", PAPERS)
    facts = {"name": "scratch", "revision": None, "n_parameters": 1_000}
    keep(store, "base_model", BASE, facts=facts)
    recipe = {"name": "smoke", "method": "lora", "quantisation": None}
    both = {"base_model": BASE}
    keep(store, "lora_checkpoint", TUNED, parameters={"recipe": recipe}, parents=both)
    both = {"base_model": BASE, "lora_checkpoint": TUNED}
    keep(
        store, "perplexity_report", "1" * 64, parents=both, facts={"report": report},
        parameters={"champion": CHAMPION},
    )  # fmt: skip
    keep(store, "embeddings", "2" * 64, parents=both)
    for asset, told in others.items():
        parents = {"embeddings": "2" * 64} if asset == "embedding_report" else both
        keep(store, asset, asset[0] * 64, parents=parents, facts={"report": told})
    decision = {"model_name": "astrollama", "candidate_version": 4}
    keep(
        store, "champion_model", "3" * 64, parents={"lora_checkpoint": TUNED},
        facts={"decision": decision},
    )  # fmt: skip


def measured(store: Store, digest: str, part: str, report: dict[str, Any], **more: Any) -> Manifest:
    """Keep one part of the evaluation of a model by itself."""
    given = {"release": RELEASE, "papers": PAPERS, "settings": 0, "made": "x", "turn": 0} | more
    model = {
        "name": f"org/{digest}", "kind": "hub", "base": None, "n_parameters": 5, "digest": digest,
        "quantisation": None, "cut": None,
    }  # fmt: skip
    folder = store.home.evaluations / f"{part}-{given['made']}"
    folder.mkdir(parents=True, exist_ok=True)
    work = Work(
        ASSET,
        given["release"],
        {
            "part": part, "release": given["release"], "digest": digest, "quantisation": None,
            "settings": given["settings"],
        },
        {} if part == "knowledge" else {"astro_ph_papers": given["papers"]},
    )  # fmt: skip
    facts = {"report": report, "model": model, "turn": given["turn"]}
    return store.commit(work, Built(work.key, folder, facts=facts))
