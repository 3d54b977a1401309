"""A release page's content with every part filled, for tests to change."""

from typing import Any

from astro_assets.corpus.published import Published, Source, compare_with_paper
from astro_assets.evaluation.pages.content import (
    IndexEntry,
    PageCorpus,
    PageForgetting,
    PageLineage,
    PageModel,
    PageVerdict,
    ReleasePage,
)
from tests.evaluation.pages.reports import (
    completion_report,
    embedding_report,
    knowledge_report,
    perplexity_report,
)


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
                "passed: held-out perplexity of far fields: +1.9%, allowed are +5.0%; on the base's"
                " own text +0.147 nats per token, allowed are +0.250.",
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
        "forgetting": PageForgetting(
            rise=0.019, rise_is_allowed=True, drift_nats_per_token=0.147, drift_is_allowed=True
        ),
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


def index_entries(n: int = 6) -> list[IndexEntry]:
    """Return the lines of some releases, oldest first; the last is the champion."""
    return [
        IndexEntry(
            release=f"2026-{i + 1:02d}",
            page=f"2026-{i + 1:02d}.html",
            model=f"astrollama {i + 1}",
            is_champion=i == n - 1,
            promoted=i != 2,
            papers=24_000 + 250 * i,
            base_astro=81.3,
            tuned_astro=64.0 - 0.5 * i,
            rise_general=0.006,
            train_tokens=5_400_000 + 60_000 * i,
            base_bits=1.2431 + 0.002 * i,
            tuned_bits=1.1630 - 0.003 * i,
            champion_bits=None if i == 0 else 1.1655 - 0.003 * i,
            rise_far=0.015 + 0.002 * i,
            drift_nats_per_token=0.12 + 0.006 * i,
        )
        for i in range(n)
    ]
