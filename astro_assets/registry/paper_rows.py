"""The paper's numbers row by row, each beside ours and with the reason why they differ.

The paper: AstroLLaMA (arXiv:2309.06126); beside it AstroMLab 2 (arXiv:2409.19750) and Galactica
(arXiv:2211.09085). Cells are plain text. What does not belong here: markup (``paper_page``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from astro_assets.artifacts.manifest import Manifest
from astro_assets.evaluation.pages.text import NOTHING, cleaned, number, percent, perplexity

NOT_SAID = "not said"
NOT_MEASURED = "not measured in this release"
_PAPER_PAPERS, _PAPER_TOKENS = "326,238", "95 M"
_ORDER = ("base", "tuned", "champion", "baseline", "bm25", "ada-002", "AstroLLaMA")
"""Names side by side stand in this order, unknown ones after them."""


@dataclass(frozen=True)
class Row:
    """One number of the paper beside ours."""

    what: str
    paper: str
    ours: str
    why: str
    """Why they differ, or what must be known to compare them."""


@dataclass(frozen=True)
class Ours:
    """What a home knows of one release."""

    release: str
    model: str | None
    """Base and recipe in words."""
    papers: Manifest | None
    tokens: Manifest | None
    checkpoint: Manifest | None
    reports: Mapping[str, Mapping[str, Any]]
    """Asset -> report; empty where it was not made."""
    why_base: str
    """How the base differs from the paper's; empty where it does not."""
    why_data: str
    """How the papers differ from the paper's; empty where they do not."""
    why_scale: str
    """How much was trained."""

    def why(self, *more: str) -> str:
        """Return which of base, data and scale differ from the paper's, and ``more``."""
        differ = {"base": self.why_base, "data": self.why_data, "scale": self.why_scale}
        names = ", ".join(name for name, said in differ.items() if said)
        return "; ".join(said for said in (names, *more) if said) or "nothing known"


def perplexity_rows(ours: Ours) -> list[Row]:
    """Return figure 1: the training curve's ends, and what only we measure."""
    report = ours.reports["perplexity_report"]
    facts = ours.checkpoint.facts if ours.checkpoint else {}
    first, last = (facts.get(f"{end}_training_perplexity") for end in ("first", "last"))
    rows = [
        Row("training perplexity, first → last", "about 10 → 6.55 (−32.5 %)",
            _change(first, last), ours.why("of single steps while they were learned")),
        _reduction(ours, "packed training blocks, base → tuned", "−32.5 %", "astro_train_packed",
                   "measured after training; the paper's figure is of the loss while training; "
                   + _trained_on(report)),
        _reduction(ours, "packed held-out blocks, base → tuned", NOT_SAID, "astro_packed",
                   "never trained on; the paper plots training only"),
        _reduction(ours, "held out, per document, base → tuned", NOT_SAID, "astro_per_document",
                   "each abstract from a fresh [BOS], text tokens only: our headline"),
    ]  # fmt: skip
    base, tuned = (_astro(report, label).get("bits_per_byte") for label in ("base", "tuned"))
    bits = f"{number(base, '.4f')} → {number(tuned, '.4f')}"
    rows.append(Row("held out, bits per byte", NOT_SAID, bits, "the only one of these that compares"
                    " models of different tokenizers"))  # fmt: skip
    rows.append(
        Row("forgetting", "not measured", _forgetting(report), "the paper reads astronomy only")
    )
    return rows


def _forgetting(report: Mapping[str, Any]) -> str:
    found = report.get("forgetting")
    if not found:
        return NOTHING
    drift = number(found.get("drift_nats_per_token"), "+.3f")
    far = percent(found.get("rise_far"))
    return f"far abstracts {far}; text of the base itself {drift} nats per token"


def _trained_on(report: Mapping[str, Any]) -> str:
    """Return how many of the training blocks the training has read."""
    share = (report.get("reductions") or {}).get("train_share_read")
    if share is None:
        return "some of these blocks may never have been trained on"
    return f"{percent(share, '.1%')} of these blocks were trained on"


def _reduction(ours: Ours, what: str, paper: str, name: str, note: str) -> Row:
    found = (ours.reports["perplexity_report"].get("reductions") or {}).get(name)
    if not found:
        return Row(what, paper, NOTHING, NOT_MEASURED)
    low, high = (percent(-found[end]) for end in ("high", "low"))
    told = f"{_change(found['base'], found['tuned'])}, 95 %: {low} to {high}"
    return Row(what, paper, told, ours.why(note))


def _change(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return NOTHING
    return f"{perplexity(before)} → {perplexity(after)} ({percent(after / before - 1)})"


def _astro(report: Mapping[str, Any], label: str) -> Mapping[str, Any]:
    model = (report.get("models") or {}).get(label) or {}
    found: Mapping[str, Any] = (model.get("astro") or {}).get("per_document") or {}
    return found


def corpus_rows(ours: Ours) -> list[Row]:
    """Return section 2.1: papers, tokens, and what is held out."""
    counts = ours.papers.counts if ours.papers else {}
    facts = ours.tokens.facts if ours.tokens else {}
    statistics = facts.get("statistics") or {}
    whole, train, test = (statistics.get(name) or {} for name in ("all", "train", "test"))
    data = "data" if ours.why_data else "the same papers but for withdrawn ones and copies"
    n_vocab = number(facts.get("n_vocab"), ",d")
    counted = f"{data}; counted with a tokenizer of {n_vocab} ids, the paper's has 32,000"
    share = test["papers"] / whole["papers"] if test and whole else None
    rows = [
        ("papers", _PAPER_PAPERS, _whole(counts.get("papers")), data),
        ("papers, astro-ph first", NOT_SAID, _whole(counts.get("papers_primary")), data),
        ("tokens", _PAPER_TOKENS, _whole(whole.get("tokens")), counted),
        ("tokens to train on", "77 M", _whole(train.get("tokens")), counted),
        ("tokens per abstract, median", "291", number(whole.get("median_tokens"), ",.0f"),
         f"the paper's figure is also its mean; {counted}"),
        ("tokens per abstract, mean", "291.2 (95 M / 326,238)",
         number(whole.get("mean_tokens"), ",.1f"), counted),
        ("held out", "20 %", percent(share, ".1%"), "by a hash of the id: no paper changes sides"),
        ("block length", "512", _whole(facts.get("block_length")), "a setting"),
    ]  # fmt: skip
    return [Row(*row) for row in rows]


def _whole(n: int | None) -> str:
    return number(n, ",d")


def completion_rows(ours: Ours) -> list[Row]:
    """Return figure 2: how it was sampled, and what we count in it."""
    report = ours.reports["completion_report"]
    measures = report.get("measures") or {}
    known = ("base", "tuned", "truth")

    def told(name: str, form: str, other: str) -> str:
        values = [percent((measures.get(writer) or {}).get(name), form) for writer in known]
        said = "base {}, tuned {}, authors {}".format(*values) if measures else NOTHING
        found = ((report.get("differences") or {}).get(f"tuned_minus_{other}") or {}).get(name)
        whose = "authors" if other == "truth" else other
        return f"{said}; tuned minus {whose} {_with_ends(found, 'value')}" if found else said

    n = len(report.get("items") or ())
    why = ours.why()
    rows = [
        ("abstracts", "one is shown", _whole(n or None), "ours are fixed by a hash"),
        ("temperature", "0.3", number(report.get("temperature")), "a setting"),
        ("new tokens, at most", "1,024", _whole(report.get("max_new_tokens")), "a setting"),
        ("word 4-grams that repeat", "not measured", told("repeated_4grams", ".1%", "base"), why),
        ("numbers not in the prompt", "named as a worry", told("new_numbers", ".0%", "truth"),
         "authors bring numbers of their own too, so only an excess says something"),
        ("ROUGE-L with the truth", "not measured", told("rouge_l", ".1%", "base"), why),
    ]  # fmt: skip
    return [Row(*row) for row in rows]


def similarity_rows(ours: Ours) -> list[Row]:
    """Return figure 3: the abstracts, the spread, the two pairs; and what it only asserts."""
    report = ours.reports["embedding_report"]
    baseline = str(report.get("baseline", NOTHING))
    agreement = _by_model(_named(report, report.get("spearman")), ".3f")
    rows = [
        Row("abstracts", "10,000 at random", _whole(report.get("n_abstracts")),
            "those below a fixed hash, the oldest first: new papers never displace old ones"),
        Row("baseline of the ten bins", "OpenAI ada-002", baseline, "a service; ours runs here, and"
            " ada-002's vectors can be given as a file"),
        Row("cosines of all pairs", "ada-002's lie at 0.7 to 0.9",
            _spread(report), ours.why("raw, as the paper; centred and whitened in the report")),
        Row("rank agreement with the baseline", NOT_SAID, agreement,
            "Spearman ρ over sampled pairs"),
    ]  # fmt: skip
    for pair in report.get("paper_pairs") or ():
        rows.append(_pair(pair, _named(report, pair.get("ours")), ours))
    found = (report.get("retrieval") or {}).get("title_masked") or {}
    mrr = {name: space.get("mrr") for name, space in found.items() if isinstance(space, Mapping)}
    what = "title → own abstract, found by meaning, MRR"
    why = "ranked among abstracts that share no word with the title; raw cosines"
    rows.append(Row(what, "asserted, no figure", _by_model(mrr, ".3f"), why))
    return rows


def _spread(report: Mapping[str, Any]) -> str:
    raw = _named(report, (report.get("spread") or {}).get("raw"))
    parts = [
        f"{name} {number(found.get('mean'), '.3f')} ± {number(found.get('std'), '.3f')}"
        for name, found in _ordered(raw)
    ]
    return ", ".join(parts) or NOTHING


def _named(report: Mapping[str, Any], values: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return values by space with a file of vectors under its own name."""
    name = cleaned(report.get("vectors") or "vectors", 60)
    return {name if space == "vectors" else space: of for space, of in (values or {}).items()}


def _by_model(values: Mapping[str, Any] | None, form: str) -> str:
    return ", ".join(f"{name} {number(x, form)}" for name, x in _ordered(values)) or NOTHING


def _shares(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {percent(x, '.1%')}" for name, x in _ordered(values)) or NOTHING


def _ordered(values: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    """Return what stands side by side; manifests keep no order of their own."""
    known = {name: place for place, name in enumerate(_ORDER)}
    return sorted((values or {}).items(), key=lambda item: (known.get(item[0], 99), item[0]))


def _pair(pair: Mapping[str, Any], found: Mapping[str, Any], ours: Ours) -> Row:
    first, second = pair["titles"]
    why = ours.why() if found else "the papers are not both among the abstracts measured"
    return Row(f"“{first}” and “{second}”", _shares(pair["paper"]), _shares(found), why)


def knowledge_rows(ours: Ours) -> list[Row]:
    """Return AstroMLab 2's result beside ours: accuracy, difference, verdict."""
    report = ours.reports["knowledge_report"]
    if not report:
        return [Row("astronomy questions", "below its base", NOTHING, NOT_MEASURED)]
    chance, source = percent(report["chance"], ".0%"), report["source"]
    asked = f"{report['n_questions']:,} questions ({source}), chance {chance}"
    models = report.get("models") or {}
    told = _shares({name: found["accuracy"] for name, found in models.items()})
    rows = [Row("right answers", "reported: 38.2 ± 4.0 %, its base 42.1 ± 4.0 % (152 of MMLU)",
                f"{told}; {asked}", ours.why("other questions"))]  # fmt: skip
    found = report.get("difference")
    if found:
        low, value, high = (percent(found[key]) for key in ("low", "accuracy", "high"))
        rows.append(Row("tuned minus base", "below its base by three ways of scoring",
                        f"{value} (95 %: {low} to {high}), {report.get('verdict')}",
                        f"judged against a margin of {percent(report['margin'], '.0%')}: so few"
                        " questions see only large differences"))  # fmt: skip
    return rows


def probe_rows(ours: Ours) -> list[Row]:
    """Return Galactica's two probes beside ours: equations, and objects in constellations."""
    report = ours.reports["knowledge_report"]
    equations, sky = (report.get(name) or {} for name in ("equations", "constellations"))
    own = "Galactica read 106 B tokens of whole papers; the table is our own"
    exact = {
        name: f"first {_with_ends(found, 'rank_1', '.0%')}, exact {found.get('n_exact')}"
        for name, found in (equations.get("models") or {}).items()
        if found
    }
    models = (sky.get("models") or {}).items()
    right = {name: _with_ends(found, "right", ".1%") for name, found in models if found}
    naming = percent(sky.get("most_frequent_share"), ".1%")
    return [
        Row("named equation → LaTeX, zero-shot", "68.2 % of 434 (GPT-3 49.0 %)",
            _listed(exact, equations.get("n")), own),
        Row("object → constellation", "galaxy cluster → constellation",
            _listed(right, sky.get("n")), "an analogue of its galaxy-cluster probe, with objects"
            f" anybody knows; chance {percent(sky.get('chance'), '.1%')}, always naming the most"
            f" frequent one {naming}"),
    ]  # fmt: skip


def _with_ends(found: Mapping[str, Any], name: str, form: str = "+.1%") -> str:
    said, *ends = (percent(found.get(key), form) for key in (name, "low", "high"))
    return f"{said} (95 %: {ends[0]} to {ends[1]})" if "low" in found else said


def _listed(told: Mapping[str, str], n: int | None) -> str:
    if not told:
        return NOTHING
    return (
        "; ".join(f"{name}: {value}" for name, value in _ordered(told)) + f" (n {number(n, ',d')})"
    )


SECTIONS: Mapping[str, Callable[[Ours], Sequence[Row]]] = {
    "perplexity": perplexity_rows,
    "corpus": corpus_rows,
    "completions": completion_rows,
    "similarity": similarity_rows,
    "knowledge": knowledge_rows,
    "probes": probe_rows,
}
"""Section of the page -> its rows."""
