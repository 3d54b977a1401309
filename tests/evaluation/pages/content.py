"""A release page's content with every part filled, for tests to change."""

from typing import Any

from astro_assets.corpus.published import Published, Source, compare_with_paper
from astro_assets.evaluation.pages.release import (
    PageCorpus,
    PageLineage,
    PageModel,
    PageVerdict,
    ReleasePage,
)


def scores(perplexity: float, *, packed: float | None = 60.0) -> dict[str, Any]:
    return {
        "per_document": {"perplexity": perplexity, "bits_per_byte": perplexity / 50},
        "packed_blocks": None if packed is None else {"perplexity": packed},
    }


def difference(value: float) -> dict[str, Any]:
    return {"nats_per_byte": value, "low": value - 0.002, "high": value + 0.002, "n_documents": 812}


def perplexity_report(*, tuned_general: float = 70.4) -> dict[str, Any]:
    return {
        "models": {
            "base": {"astro": scores(81.25), "general": scores(70.0)},
            "tuned": {"astro": scores(61.5), "general": scores(tuned_general)},
            "champion": {"astro": scores(63.0, packed=None), "general": scores(70.1, packed=None)},
        },
        "reduction_astro": 1 - 61.5 / 81.25,
        "rise_general": tuned_general / 70.0 - 1,
        "tuned_minus_base": {"astro": difference(-0.065), "general": difference(0.001)},
        "tuned_minus_champion": {"astro": difference(-0.0061), "general": difference(0.0)},
        "notes": ["champion: packed blocks not measured (another tokenizer)"],
    }


def embedding_report() -> dict[str, Any]:
    edges = [i / 40 for i in range(-40, 41)]

    def bell(mean: float, width: float) -> dict[str, Any]:
        heights = [max(0.0, 1 - ((edge + 0.0125 - mean) / width) ** 2) for edge in edges[:-1]]
        return {"edges": edges, "counts": [int(1000 * height) for height in heights]}

    bins = [
        {
            "low": i / 10,
            "high": (i + 1) / 10,
            "n_pairs": 0 if i == 9 else 1000,
            "base": {"mean": 0.90 + i / 100, "std": 0.03},
            "tuned": {"mean": 0.55 + i / 25, "std": 0.08},
        }
        for i in range(10)
    ]
    retrieval = {"recall_at_1": 0.31, "recall_at_10": 0.62, "mrr": 0.41}
    return {
        "baseline": "TF-IDF, 4,096 words",
        "n_abstracts": 500,
        "n_pairs": 124_750,
        "bins": bins,
        "histograms": {
            "base": bell(0.92, 0.07), "tuned": bell(0.7, 0.22), "baseline": bell(0.1, 0.2),
        },
        "spearman": {"base": 0.21, "tuned": 0.44},
        "n_sampled_pairs": 100_000,
        "examples": [
            {
                "ids": ["0704.0044", "0705.0001"],
                "titles": ["Kinetic and fluid cascades in plasma", "A modified Coulomb law"],
                "base": 0.91, "tuned": 0.363, "baseline": 0.02,
            }
        ],
        "retrieval": {name: retrieval for name in ("base", "tuned", "baseline")},
    }  # fmt: skip


def completion_report(**fields: str) -> dict[str, Any]:
    text = (
        "We find that the star formation rate of the sample declines with redshift, and that the"
        " dust temperature rises from 20 to 35 K. "
    )
    item = {
        "id": "2606.01234",
        "title": "A survey of dusty galaxies at high redshift with a new spectrograph",
        "prompt": "We present a survey of 214 galaxies at redshifts between 2 and 4.",
        "truth": text * 3,
        "completions": {"base": "The the of a model which is shown that " * 8, "tuned": text * 4},
    }
    item |= fields
    measures = {
        "base": {"mean_tokens": 120.0, "repeated_4grams": 0.31, "new_numbers": None},
        "tuned": {"mean_tokens": 118.5, "repeated_4grams": 0.12, "new_numbers": 0.9},
        "truth": {"mean_tokens": 140.0, "repeated_4grams": 0.01, "new_numbers": 0.95},
    }
    return {"temperature": 0.3, "max_new_tokens": 256, "items": [item] * 3, "measures": measures}


def corpus_statistics_of_a_few() -> dict[str, Any]:
    def summary(papers: int, median: float) -> dict[str, Any]:
        return {
            "papers": papers, "papers_first": papers - 1, "tokens": papers * 250,
            "mean_tokens": 250.0, "median_tokens": median,
        }  # fmt: skip

    return {
        "all": summary(25_331, 281.5), "train": summary(20_000, 281.0), "test": summary(5_331, 282),
        "by_year": {"2025": summary(4_321, 290.5), "2026": summary(1_234, 300.0)},
        "by_subfield": {"astro-ph.CO": summary(8_765, 260.0), "astro-ph": summary(999, 190.0)},
    }  # fmt: skip


def published() -> Published:
    return compare_with_paper(
        "2023-07",
        corpus_statistics_of_a_few(),
        n_vocab=32_000,
        category_rule="any",
        source=Source("kaggle", 2_300_000, vintage="2023-08-03", updates_through="2023-07"),
    )


def knowledge_report(verdict: str = "undecided") -> dict[str, Any]:
    return {
        "n_questions": 60,
        "chance": 0.25,
        "models": {"base": {"accuracy": 0.35}, "tuned": {"accuracy": 1 / 3}},
        "difference": {"accuracy": -0.0167, "low": -0.1, "high": 0.067},
        "margin": 0.05,
        "verdict": verdict,
        "source": "bundled questions",
    }


def curve(n_points: int = 300) -> list[dict[str, Any]]:
    return [
        {
            "step": i,
            "n_tokens": i * 8192,
            "nll_nats_per_token": 4.05 + 0.6 * 0.98**i + 0.06 * ((i * 7919) % 13 / 6 - 1),
            "smoothed_nll_nats_per_token": 4.05 + 0.6 * 0.98**i,
            "learning_rate": 1e-3,
        }
        for i in range(n_points)
    ]


def heldout_curve(*, n_steps: int = 300, n_epochs: float = 2.0) -> list[dict[str, Any]]:
    """Eleven measurements from the start to the end, by field and subfield."""
    lines = []
    for step in range(0, n_steps + 1, n_steps // 10):
        astro = 3.9 + 0.5 * 0.98**step
        nll = {"astro": astro, "general": 4.3, "astro-ph.GA": astro - 0.05, "astro-ph": astro + 0.1}
        lines.append(
            {
                "step": step,
                "n_tokens": step * 8192,
                "epoch": n_epochs * step / n_steps,
                "nll_nats_per_token": nll,
                "n_tokens_measured": {name: 1000 for name in nll},
            }
        )
    return lines


def full_page(**parts: Any) -> ReleasePage:
    """Return a page with every part; ``parts`` replaces some."""
    content: dict[str, Any] = {
        "release": "2026-06",
        "model": PageModel("astrollama", 4, ("candidate", "champion"), "scratch-1f2e", "smoke"),
        "verdict": PageVerdict(
            True,
            (
                "passed: no blocking check failed.",
                "passed: held-out astro nll 4.1190 nats per token, base 4.3975.",
                "passed: held-out general perplexity 70.40, base 70.00: +0.6%, allowed are +5.0%.",
                "passed: accuracy on questions, tuned minus base: -0.0167 (95 %: -0.1000 to"
                " +0.0670): not shown to be worse by more than 5% (undecided).",
                "passed: against the champion (version 3), nats per byte: -0.0061 (95 %: -0.0081"
                " to -0.0041).",
            ),
        ),
        "corpus": PageCorpus(
            papers=25_331, papers_any=25_331, papers_primary=19_241,
            excluded={"withdrawn": 101, "duplicate_text": 240, "copy_of_test": 73, "other": 0},
            train_tokens=5_512_233, test_tokens=1_377_120, median_tokens=256.0,
            papers_by_year={year: 150 + (year * 97) % 900 for year in range(1991, 2027)},
            statistics=corpus_statistics_of_a_few(), published=published(),
        ),
        "learning_curve": curve(),
        "heldout_curve": heldout_curve(),
        "perplexity": perplexity_report(),
        "embeddings": embedding_report(),
        "completions": completion_report(),
        "knowledge": knowledge_report(),
        "lineage": [
            PageLineage(asset, f"{i:x}" * 64, "1")
            for i, asset in enumerate(("arxiv_snapshot", "astro_ph_papers", "token_blocks"), 10)
        ],
        "run_ids": {"Dagster": "6c1f0f1e-1111-2222", "MLflow": "05bbd39deba24a5c"},
        "warnings": ["The snapshot was made after this month ended: texts may be newer than it."],
    }  # fmt: skip
    return ReleasePage(**(content | parts))
