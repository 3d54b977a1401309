"""What each report of a release is made of beside its models: papers, blocks, and settings.

A report of the release's own models and one of a model that was never trained here read the same
inputs, so that their figures compare. What does not belong here: which models are measured
(``defs``, ``evaluating``), and measuring them (``evaluation``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.corpus.documents import measured_blocks
from astro_assets.corpus.streams import open_blocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadSettingError, DamagedArtifactError
from astro_assets.evaluation.completions.generation import Sampling
from astro_assets.evaluation.embeddings.baseline import choose_baseline
from astro_assets.evaluation.embeddings.vector_files import VECTORS_SETTING, VectorFile
from astro_assets.evaluation.forgetting.prose import read_prose
from astro_assets.evaluation.knowledge.question_files import load_questions
from astro_assets.evaluation.perplexity.forward import LaterPapers, later_papers
from astro_assets.months import Month
from astro_assets.registry.release_models import base_of_release
from astro_assets.releases.held_out import TABLES, left_out, texts_of
from astro_assets.settings import Settings

_WHOLE_ARXIV_RECORDS = 500_000
_SHARE_OF_WHOLE_ARXIV = 0.15
"""10,000 test abstracts of astro-ph at the paper's cut, July 2023, spread over all its months."""


@dataclass(frozen=True)
class Inputs:
    """What a report is made of beside its models."""

    parents: tuple[Manifest, ...]
    """For the work's key."""
    parameters: dict[str, Any]
    """Every setting that can change the report, for the work's key."""
    load: Callable[[], dict[str, Any]]
    """Reads the inputs: keyword arguments of the report's builder."""


@dataclass(frozen=True)
class Cut:
    """The last month that one of the measured models was trained on."""

    label: str
    month: Month


def perplexity_inputs(
    store: Store, release: str, settings: Settings, *, cut: Cut | None = None
) -> Inputs:
    """Return what the perplexity report reads: test papers of both fields, blocks, later papers.

    Args:
        store: The home's manifests.
        release: ``YYYY-MM``.
        settings: Of the run.
        cut: The model that is measured forward in time; None: there is none.

    Raises:
        MissingArtifactError: something of the release was never made.
        BadSettingError: the prose is not there.
    """
    astro, general, tokens = (
        store.require(name, release) for name in (*TABLES.values(), "token_blocks")
    )
    copies = left_out(store, release, settings)
    prose = _named_file(settings.prose, "ASTRO_PROSE")
    parameters = {
        "max_tokens": settings.max_eval_tokens,
        "near_copies": settings.near_copies,
        "cut": {"label": cut.label, "month": str(cut.month)} if cut else None,
        # Names too: how the file is read depends on its suffix.
        "prose": [prose.name, fingerprint.of_file(prose)] if prose else None,
    }

    def load() -> dict[str, Any]:
        folder = store.path_of(tokens)
        return {
            "texts": {
                "astro": texts_of(store, astro, "test"),
                "general": texts_of(store, general, "test"),
            },
            "blocks": {
                "astro": open_blocks(tokens.facts, folder, field="astro", side="test"),
                "astro_train": open_blocks(tokens.facts, folder, field="astro", side="train"),
                "general": measured_blocks(tokens.facts, folder),
            },
            "max_tokens": settings.max_eval_tokens,
            "near_copies": copies.ids,
            "sampled_by": _tokenizer_of(store, release, tokens),
            "later": _later(store, astro, cut, copies.astro),
            "prose": read_prose(prose) if prose else None,
        }

    return Inputs((astro, general, tokens, *copies.parents), parameters, load)


def embeddings_inputs(store: Store, release: str, settings: Settings) -> Inputs:
    """Return what embeddings are made of: test papers, a train sample, baseline, another's vectors.

    Raises:
        MissingArtifactError: something of the release was never made.
        BadSettingError: the baseline cannot be used, or the file of vectors is not there or none.
    """
    astro, copies = store.require("astro_ph_papers", release), left_out(store, release, settings)
    baseline = choose_baseline(settings.baseline_encoder)
    named = _named_file(settings.vectors_file, VECTORS_SETTING)
    vectors = VectorFile.of(named) if named else None
    share = _embedding_share(store, astro, settings)
    parameters = {
        "near_copies": settings.near_copies,
        "n_abstracts": settings.embedding_abstracts,
        "share": share,
        "baseline": [baseline.name, baseline.digest],
        # Only where there is one: else embeddings would be made again for nothing.
        **({"vectors": [vectors.name, vectors.digest]} if vectors else {}),
    }
    return Inputs(
        (astro, *copies.parents),
        parameters,
        lambda: {
            "texts": texts_of(store, astro, "test"),
            "train": texts_of(store, astro, "train"),
            "baseline": baseline,
            "vectors": vectors,
            "n_abstracts": settings.embedding_abstracts,
            "share": share,
            "near_copies": copies.astro,
        },
    )


def embedding_report_inputs(store: Store, release: str) -> Inputs:
    """Return what the embedding report reads beside the vectors.

    Raises:
        MissingArtifactError: the papers were never made.
    """
    astro = store.require("astro_ph_papers", release)
    return Inputs((astro,), {}, lambda: {"texts": texts_of(store, astro, "test")})


def completions_inputs(store: Store, release: str, settings: Settings) -> Inputs:
    """Return what the completion report reads: test papers, how to sample, another's completions.

    Raises:
        MissingArtifactError: something of the release was never made.
        BadSettingError: the file of completions is not there.
    """
    astro, copies = store.require("astro_ph_papers", release), left_out(store, release, settings)
    others = _named_file(settings.completions_file, "ASTRO_COMPLETIONS_FILE")
    sampling = Sampling(
        max_new_tokens=settings.max_new_tokens,
        n_samples=settings.completion_samples,
        temperature=settings.completion_temperature,
    )
    parameters = {
        "n_abstracts": settings.completion_abstracts,
        "near_copies": settings.near_copies,
        # Names too: reports call their sources by them.
        "others": [others.name, fingerprint.of_file(others)] if others else None,
        **asdict(sampling),
    }
    return Inputs(
        (astro, *copies.parents),
        parameters,
        lambda: {
            "texts": texts_of(store, astro, "test"),
            "sampling": sampling,
            "n_abstracts": settings.completion_abstracts,
            "near_copies": copies.astro,
            "others": others,
        },
    )


def knowledge_inputs(settings: Settings) -> Inputs:
    """Return what models are asked.

    Raises:
        BadSettingError: a question file cannot be read.
    """
    questions = load_questions(Path(settings.questions) if settings.questions else None)
    others = load_questions(Path(settings.other_questions)) if settings.other_questions else None
    given = {
        "questions": questions,
        "margin": settings.knowledge_margin,
        "n_examples": settings.question_examples,
        "other_questions": others,
    }
    parameters = given | {
        "questions": [questions.source, questions.digest],
        "other_questions": [others.source, others.digest] if others else None,
    }
    return Inputs((), parameters, lambda: given)


def _named_file(named: str, setting: str) -> Path | None:
    """Return the file that a setting names, None where it names none.

    Without this a file that has gone would count as none, and an older report be taken for its own.

    Raises:
        BadSettingError: there is no such file.
    """
    path = Path(named) if named else None
    if path is not None and not path.is_file():
        raise BadSettingError(
            f"{setting} names {str(path)[:200]}, which is no file.",
            expected="a file that can be read, or nothing.",
        )
    return path


def _embedding_share(store: Store, astro: Manifest, settings: Settings) -> float:
    """Return the share of test papers that are embedded.

    Papers that updates bring never change it; another snapshot, of all arXiv and no sample, may.
    """
    if settings.embedding_share != "auto":
        return settings.embedding_share
    snapshot = store.find("arxiv_snapshot", astro.facts["snapshot_key"])
    is_small = snapshot is None or snapshot.counts["n_records"] < _WHOLE_ARXIV_RECORDS
    return 1.0 if is_small else _SHARE_OF_WHOLE_ARXIV


def _later(
    store: Store, astro: Manifest, cut: Cut | None, near_copies: Collection[str] | None
) -> LaterPapers | None:
    """Return the papers after a model's cut, of both sides: it read none; None without a cut."""
    if cut is None:
        return None
    papers = later_papers(texts_of(store, astro, None), cut.month)
    if near_copies is not None:
        papers = papers.filter(~pl.col("id").is_in(list(near_copies)))
    return LaterPapers(cut=cut.month, label=cut.label, papers=papers)


def _tokenizer_of(store: Store, release: str, tokens: Manifest) -> Tokenizer:
    """Return the tokenizer that the release's blocks were cut with: the cap counts its tokens.

    Raises:
        DamagedArtifactError: no base of this home has it any more.
    """
    bases = [store.current("base_model", None)]
    if store.current("lora_checkpoint", release) is not None:
        bases.insert(0, base_of_release(store, release))
    for base in bases:
        if base is not None and store.path_of(base).is_dir():
            tokenizer = Tokenizer.load(store.path_of(base))
            if tokenizer.fingerprint == tokens.facts["tokenizer"]:
                return tokenizer
    raise DamagedArtifactError(
        f"token_blocks, release {release} were cut with a tokenizer no base here has.",
        expected=f"tokenizer {tokens.facts['tokenizer'][:12]}….",
        do="Materialise base_model and token_blocks of this release again.",
    )
