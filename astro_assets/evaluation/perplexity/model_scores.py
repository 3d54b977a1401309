"""What models score on every set of documents and on packed blocks, each model loaded once.

Arrays and plain numbers out, no table and no report: it runs where only the model's own libraries
are. A document that stands in several sets is scored once per model. Text of the base's own is
sampled while the base is loaded, and then scored like the other sets.

What does not belong here: which documents are measured (``sets``) and how models are compared
(``report``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadModelError
from astro_assets.evaluation.forgetting.self_text import (
    N_TEXTS,
    SelfText,
    sample_self_text,
)
from astro_assets.evaluation.perplexity.scores import (
    Blocks,
    BlockScores,
    DocumentScores,
    score_blocks,
    score_documents,
)
from astro_assets.evaluation.samples import Sample
from astro_assets.models.handle import ModelHandle
from astro_assets.models.scoring import CausalParts
from astro_assets.models.together import each_loaded
from astro_assets.progress import Progress

BASE, SELF_TEXT = "base", "self_text"
_FIRST = (BASE, "tuned", "champion")


@dataclass(frozen=True)
class ModelScores:
    """What one model scores."""

    documents: dict[str, DocumentScores]
    """Set -> its documents; ``self_text`` only where the model reads the base's tokens."""
    blocks: dict[str, BlockScores | None]
    """Set of packed blocks -> its blocks; None where they cannot be read."""
    notes: tuple[str, ...]
    """What was not measured, and why."""


def in_order(models: Mapping[str, ModelHandle]) -> dict[str, ModelHandle]:
    """Return the models as reports list them: base, tuned, champion, then the others by name."""
    known = [label for label in _FIRST if label in models]
    return {label: models[label] for label in (*known, *sorted(set(models) - set(known)))}


def score_models(
    models: Mapping[str, ModelHandle],
    samples: Mapping[str, Mapping[str, Sample]],
    *,
    blocks: Mapping[str, Blocks],
    cut_with: Tokenizer,
    max_tokens: int,
    progress: Progress,
) -> dict[str, ModelScores]:
    """Load one model after the other and return what each scores, in the order of ``in_order``.

    Args:
        models: Label -> model; the base, where there is one, comes first.
        samples: Label -> set -> documents, each scored after a fresh [BOS].
        blocks: Set -> packed blocks cut with ``cut_with``, where there are any.
        cut_with: A model with another tokenizer cannot read the blocks.
        max_tokens: Tokens of packed blocks per set that are read.
        progress: Told per token.

    Raises:
        BadModelError: no finite likelihood, or a tokenizer that makes no tokens.
    """
    ordered = in_order(models)
    tokenizers = {label: Tokenizer.load(ordered[label].base_folder) for label in ordered}
    scores: dict[str, ModelScores] = {}
    self_text: SelfText | None = None
    for label, model in each_loaded(ordered):
        own = tokenizers[label]
        if label == BASE:
            self_text = _self_text_of(model, own, progress)
        reads_it = self_text is not None and own.fingerprint == tokenizers[BASE].fingerprint
        scores[label] = score_model(
            model,
            own,
            samples[label],
            label=label,
            blocks=blocks if own.fingerprint == cut_with.fingerprint else None,
            max_tokens=max_tokens,
            self_text=self_text if reads_it else None,
            progress=progress,
        )
        del model  # else it would stay in memory beside the next one
    return {label: scores[label] for label in ordered}


def score_model(
    model: Any,
    tokenizer: Tokenizer,
    samples: Mapping[str, Sample],
    *,
    label: str,
    blocks: Mapping[str, Blocks] | None,
    max_tokens: int,
    self_text: SelfText | None,
    progress: Progress,
) -> ModelScores:
    """Return what one loaded model scores on everything.

    Args:
        model: A causal language model in eval mode.
        tokenizer: Its own.
        samples: Set -> documents.
        label: What progress and notes call the model.
        blocks: Set -> packed blocks; None: they are cut with another tokenizer.
        max_tokens: Tokens of packed blocks per set that are read.
        self_text: Text the base wrote, as tokens; None where it is not read.
        progress: Told per token.

    Raises:
        BadModelError: no finite likelihood, or a tokenizer that makes no tokens.
    """
    scorer = _Scorer(model, tokenizer, label, progress)
    documents = _score_samples(scorer, samples)
    if self_text is not None and self_text.documents:
        documents[SELF_TEXT] = scorer.score(self_text.documents, self_text.n_bytes, SELF_TEXT)
    packed, notes = _score_packed(scorer, blocks, max_tokens=max_tokens)
    return ModelScores(documents, packed, tuple(f"{label}: {note}" for note in notes))


@dataclass(frozen=True)
class _Scorer:
    """A loaded model with what scoring it needs."""

    model: Any
    tokenizer: Tokenizer
    label: str
    progress: Progress

    def score(
        self, documents: Sequence[Sequence[int]], n_bytes: Sequence[int], name: str
    ) -> DocumentScores:
        """Score documents of token ids; ``name`` is the set progress speaks of."""
        return score_documents(
            self.model,
            documents,
            n_bytes,
            bos_id=self.tokenizer.bos_id,
            max_positions=CausalParts.of(self.model).max_positions,
            progress=self.progress,
            name=f"perplexity of {self.label} on {name}",
        )


def _score_samples(scorer: _Scorer, samples: Mapping[str, Sample]) -> dict[str, DocumentScores]:
    """Return the scores per set; each text is scored with the first set it stands in.

    Set by set, not all at once: what else is measured then changes nothing of the headline.
    """
    rows: dict[str, int] = {}
    parts: list[DocumentScores] = []
    found: dict[str, DocumentScores] = {}
    for name, sample in samples.items():
        new = [text for text in dict.fromkeys(sample.texts) if text not in rows]
        rows |= {text: len(rows) + number for number, text in enumerate(new)}
        if new:
            n_bytes = [len(text.encode()) for text in new]
            parts.append(scorer.score(scorer.tokenizer.encode_batch(new), n_bytes, name))
        scored = DocumentScores.joined(parts)
        found[name] = scored.take([rows[text] for text in sample.texts])
        if not found[name].n_tokens.any():
            raise BadModelError(
                f"The tokenizer of {scorer.label} makes no tokens of the texts ({name})."
            )
    return found


def _score_packed(
    scorer: _Scorer, blocks: Mapping[str, Blocks] | None, *, max_tokens: int
) -> tuple[dict[str, BlockScores | None], list[str]]:
    """Return the scores per set of blocks, and why there are none where there are none."""
    if blocks is None:
        return {}, ["packed blocks not measured (another tokenizer)"]
    scores: dict[str, BlockScores | None] = {}
    notes: list[str] = []
    max_positions = CausalParts.of(scorer.model).max_positions
    for name, own in blocks.items():
        if own.block_length > max_positions:
            return {}, ["packed blocks not measured (its context is shorter than a block)"]
        scores[name] = score_blocks(
            scorer.model,
            own,
            max_tokens=max_tokens,
            progress=scorer.progress,
            name=f"perplexity of {scorer.label} on {name}, packed",
        )
        if scores[name] is None:
            notes.append(f"packed blocks of {name} not measured (there is no whole block)")
    return scores, notes


def _self_text_of(base: Any, tokenizer: Tokenizer, progress: Progress) -> SelfText:
    with progress.task("text of the base itself", total=float(N_TEXTS), unit="texts") as task:
        return sample_self_text(
            base, tokenizer, advance=lambda n_texts, _n_tokens: task.advance(n_texts)
        )
