"""A model that no release trained, through the reports of a release: the same papers and questions.

Five pieces of work, each kept and re-used by itself, so that whoever is killed loses one at most.
What does not belong here: finding the model (``registry.model_lookup``), what the reports read
(``evaluation_inputs``), and how the figures are shown (``registry.scorecards``).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from astro_assets.artifacts.manifest import Built, Manifest, Store, Work, make_or_reuse
from astro_assets.code_versions import CODE_VERSIONS
from astro_assets.errors import BadModelError, MissingArtifactError
from astro_assets.models.device import choose_device, choose_dtype
from astro_assets.models.handle import ModelHandle
from astro_assets.models.loading import lacks_memory
from astro_assets.progress import Progress
from astro_assets.registry.model_lookup import LABEL, FoundModel
from astro_assets.registry.scorecards import ASSET, PARTS, next_turn
from astro_assets.releases.due import month_named
from astro_assets.releases.evaluation_inputs import (
    Cut,
    Inputs,
    completions_inputs,
    embedding_report_inputs,
    embeddings_inputs,
    knowledge_inputs,
    perplexity_inputs,
)
from astro_assets.settings import Settings

_NEEDED = ("astro_ph_papers", "general_papers", "token_blocks")

Models = Mapping[str, ModelHandle]
Build = Callable[[Path], Built]
Told = Callable[[str, bool], None]
"""Handed each part's name as it is done, and whether it was re-used."""


@dataclass(frozen=True)
class Evaluated:
    """What a model's reports are."""

    parts: dict[str, Manifest]
    """By name, in the order of ``PARTS``."""
    reused: frozenset[str]
    """Names of the parts that were there already."""


@dataclass(frozen=True)
class _Evaluation:
    """One model on one release."""

    store: Store
    release: str
    settings: Settings
    model: FoundModel
    progress: Progress
    turn: int
    """Higher than that of any evaluation before."""

    @property
    def models(self) -> Models:
        return {LABEL: self.model.handle}


def needed(settings: Settings) -> tuple[str, ...]:
    """Return which assets a release must hold so that a model can be measured on it."""
    return _NEEDED if settings.near_copies == "keep" else (*_NEEDED, "near_copies")


def newest_measurable(store: Store, settings: Settings) -> str:
    """Return the newest release that a model can be measured on.

    Raises:
        MissingArtifactError: there is none in this home.
    """
    assets = needed(settings)
    months = sorted(path.name for path in store.home.releases.glob("*") if month_named(path.name))
    for release in reversed(months):
        if all(store.current(asset, release) is not None for asset in assets):
            return release
    raise MissingArtifactError(
        f"No release in {store.home.root} has all of {', '.join(assets)}.",
        do="Materialise them for a release first: `astro-assets run --select …`.",
    )


def evaluate_model(
    store: Store,
    release: str,
    settings: Settings,
    *,
    model: FoundModel,
    progress: Progress,
    told: Told = lambda _part, _reused: None,
) -> Evaluated:
    """Make or re-use every report of a model on a release; only under the home's lock.

    Args:
        store: The home's manifests.
        release: ``YYYY-MM``, with all that is ``needed``.
        settings: How much is measured; ``force`` does it again.
        model: What is measured.
        progress: Told by every report.
        told: Called after every part.

    Raises:
        MissingArtifactError: the release lacks something.
        BadModelError: the model cannot be loaded, or does not fit into memory.
        BadSettingError: a file that a setting names cannot be used.
    """
    one = _Evaluation(store, release, settings, model, progress, next_turn(store))
    made: dict[str, Manifest] = {}
    reused: set[str] = set()
    with _room_named(model.name):
        for part in PARTS:
            made[part], was_there = _made(one, part, made)
            if was_there:
                reused.add(part)
            told(part, was_there)
    return Evaluated(made, frozenset(reused))


def _made(one: _Evaluation, part: str, made: Mapping[str, Manifest]) -> tuple[Manifest, bool]:
    """Make or re-use one part; also return whether it was there."""
    store, inputs = one.store, _inputs(one, part, made)
    work, build = _work(one, part, inputs), _builder(one, part, inputs, made)
    folder = store.home.evaluations / f"{part}-{work.key[:16]}"
    held = {"dtype": str(choose_dtype(choose_device())).removeprefix("torch.")}
    manifest, was_there = make_or_reuse(
        store, work, lambda: _kept(one, build(folder), held), force=one.settings.force
    )
    if was_there:
        # The latest that was asked for is what the leaderboard shows, by its present name.
        held = {"dtype": manifest.facts["model"].get("dtype")}
        manifest = store.commit(work, _kept(one, store.as_built(manifest), held))
    return manifest, was_there


def _inputs(one: _Evaluation, part: str, made: Mapping[str, Manifest]) -> Inputs:
    store, release, settings = one.store, one.release, one.settings
    if part == "perplexity":
        cut = Cut(LABEL, one.model.cut) if one.model.cut else None
        return perplexity_inputs(store, release, settings, cut=cut)
    if part == "embeddings":
        return embeddings_inputs(store, release, settings)
    if part == "similarity":
        read = embedding_report_inputs(store, release)
        return replace(read, parents=(made["embeddings"], *read.parents))
    if part == "completions":
        return completions_inputs(store, release, settings)
    return knowledge_inputs(settings)


def _work(one: _Evaluation, part: str, inputs: Inputs) -> Work:
    """Return the identity of one part: model, release, inputs, and the report's own code."""
    handle = one.model.handle
    return Work(
        asset=ASSET,
        release=one.release,
        parameters={
            "part": part,
            # A release keeps its own: another one may be dropped with all that belongs to it.
            "release": one.release,
            "report_version": CODE_VERSIONS[PARTS[part]],
            "digest": handle.digest,
            "quantisation": handle.quantisation,
            "inputs": inputs.parameters,
        },
        parents={parent.asset: parent.fingerprint for parent in inputs.parents},
    )


def _builder(one: _Evaluation, part: str, inputs: Inputs, made: Mapping[str, Manifest]) -> Build:
    """Return what makes a part in a folder; the builders are imported when they are needed."""

    def build(out: Path) -> Built:
        given = {**inputs.load(), "out": out, "progress": one.progress}
        if part == "similarity":
            from astro_assets.evaluation.embeddings.report import build_embedding_report

            return build_embedding_report(one.store.path_of(made["embeddings"]), **given)
        return _measure(part)(one.models, **given)

    return build


def _measure(part: str) -> Callable[..., Built]:
    if part == "perplexity":
        from astro_assets.evaluation.perplexity.report import build_perplexity_report

        return build_perplexity_report
    if part == "embeddings":
        from astro_assets.evaluation.embeddings.spaces import build_embeddings

        return build_embeddings
    if part == "completions":
        from astro_assets.evaluation.completions.report import build_completion_report

        return build_completion_report
    from astro_assets.evaluation.knowledge.report import build_knowledge_report

    return build_knowledge_report


def _kept(one: _Evaluation, built: Built, held: Mapping[str, str | None]) -> Built:
    """Return what was built with a word on whose it is and when it was last asked for.

    ``dtype`` is the number format that the model computed in when it was measured; None: not known.
    """
    model, handle = one.model, one.model.handle
    said: dict[str, Any] = {
        "name": model.name,
        "kind": model.kind,
        "base": model.base,
        "n_parameters": model.n_parameters,
        "digest": handle.digest,
        "quantisation": handle.quantisation,
        "cut": str(model.cut) if model.cut else None,
        **held,
    }
    return replace(built, facts={**built.facts, "model": said, "turn": one.turn})


@contextmanager
def _room_named(name: str) -> Iterator[None]:
    """Raise a lack of the device's memory as a BadModelError; leave the memory to the next model.

    Raises:
        BadModelError: the model does not fit.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not lacks_memory(error):
            raise
        raise BadModelError(
            f"{name} does not fit into the memory of this machine.",
            do="Give --quantisation nf4, or measure it on a larger device.",
        ) from error
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
