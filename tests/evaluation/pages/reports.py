"""Planted reports, every key as the evaluation writes it, for tests of pages and figures."""

from typing import Any

from tests.evaluation.pages.embedding_content import embedding_report

__all__ = ["completion_report", "embedding_report", "knowledge_report", "perplexity_report"]

SUBFIELDS = ("GA", "CO", "SR", "HE", "EP", "IM")
BITS = {"base": 1.2431, "tuned": 1.1512, "champion": 1.1603}


def scores(perplexity: float, bits: float) -> dict[str, Any]:
    return {
        "per_document": {
            "nll_nats_per_token": 4.1,
            "perplexity": perplexity,
            "nats_per_byte": bits * 0.6931,
            "bits_per_byte": bits,
            "n_tokens": 1_204_331,
            "n_bytes": 5_120_077,
            "n_documents": 4_811,
            "n_split_documents": 3,
            "interval": {
                "perplexity": [perplexity * 0.992, perplexity * 1.008],
                "bits_per_byte": [bits - 0.006, bits + 0.006],
            },
        },
        "packed_blocks": {
            "nll_nats_per_token": 4.0,
            "perplexity": perplexity * 0.95,
            "n_tokens": 1_100_000,
            "n_blocks": 550,
            "interval": {"perplexity": [perplexity * 0.94, perplexity * 0.96]},
        },
    }


def difference(value: float) -> dict[str, Any]:
    return {"nats_per_byte": value, "low": value - 0.002, "high": value + 0.002, "n_documents": 812}


def perplexity_report(*, tuned_general: float = 70.4) -> dict[str, Any]:
    train = {"packed_blocks": scores(58.0, 1.1)["packed_blocks"]}
    champion: dict[str, Any] = {
        "astro": scores(63.0, BITS["champion"]) | {"packed_blocks": None},
        "general": scores(70.1, 1.3099) | {"packed_blocks": None},
    }
    return {
        "models": {
            "base": {"astro": scores(81.25, 1.2431), "general": scores(70.0, 1.3097),
                     "astro_train": train},
            "tuned": {"astro": scores(61.5, 1.1512), "general": scores(tuned_general, 1.3119),
                      "astro_train": train},
            "champion": champion,
        },
        "reduction_astro": 1 - 61.5 / 81.25,
        "rise_general": tuned_general / 70.0 - 1,
        "tuned_minus_base": {"astro": difference(-0.065), "general": difference(0.001)},
        "tuned_minus_champion": {"astro": difference(-0.0061), "general": difference(0.0)},
        "reductions": {
            "astro_per_document": reduction(0.243), "astro_packed": reduction(0.251),
            "astro_train_packed": reduction(0.281), "paper_train_packed": 0.325,
            "train_share_read": 0.125,
        },
        "strata": strata(),
        "strata_left_out": {"year": 4, "subfield": 1},
        "near_copies_left_out": {"astro": 12, "general": 1_032},
        "with_near_copies": {
            label: scores(60.0, bits - 0.001)["per_document"] | {"n_documents": 4_820}
            for label, bits in BITS.items()
        },
        "near_copies_kept_in": 9,
        "near_copies_alone": {
            label: scores(50.0, bits - 0.1)["per_document"] | {"n_documents": 77}
            for label, bits in BITS.items()
        },
        "forward": forward(),
        "forgetting": forgetting(),
        "n_tokens_used": {"astro": 1_204_331, "general": 998_001, "far": 211_400},
        "max_tokens": 2_000_000, "max_later_tokens": 480_000, "max_other_tokens": 80_000,
        "general_fields": {"rules": "1", "measured": ["cs", "physics"], "replayed": ["math"],
                           "n_test_papers": 9_892, "n_measured_papers": 4_252},
        "notes": ["champion: packed blocks not measured (its context is shorter than a block)"],
    }  # fmt: skip


def reduction(value: float) -> dict[str, Any]:
    return {"reduction": value, "low": value - 0.011, "high": value + 0.011,
            "base": 80.0, "tuned": 80.0 * (1 - value), "n": 550}  # fmt: skip


def stratum(name: str, shift: float) -> dict[str, Any]:
    return {
        "name": name,
        "n_documents": 431,
        "n_bytes": 512_000,
        "models": {label: bits + shift for label, bits in BITS.items()},
        "tuned_minus_base": {"bits_per_byte": -0.09 + shift / 3, "low": -0.1 + shift / 3,
                             "high": -0.08 + shift / 3},
    }  # fmt: skip


def strata() -> dict[str, Any]:
    return {
        "year": [
            stratum(str(year), (year * 37 % 11) / 400 - (year - 1995) / 900)
            for year in range(1995, 2027)
        ],
        "subfield": [
            stratum(f"astro-ph.{name}", (i - 2) / 60) for i, name in enumerate(SUBFIELDS)
        ],
        "place": [stratum("astro-ph first", -0.01), stratum("cross-listed", 0.04)],
    }  # fmt: skip


def forward() -> dict[str, Any]:
    def gain(value: float, within: float) -> dict[str, float]:
        return {"bits_per_byte": value, "low": value - within, "high": value + within}

    months = [
        {
            "month": f"2025-{i:02d}", "months_since": i, "n_documents": 320 + i,
            "bits_per_byte": {"base": 1.245 + 0.001 * i, "champion": 1.162 + 0.004 * i},
            "gain": gain(0.083 - 0.003 * i, 0.008),
        }
        for i in range(1, 9)
    ]  # fmt: skip
    own = {
        "month": None, "months_since": 0, "n_documents": 3_900,
        "bits_per_byte": {"base": 1.2431, "champion": 1.1603}, "gain": gain(0.0828, 0.002),
    }  # fmt: skip
    return {
        "cut": "2024-12", "label": "champion", "n_later_papers": 2_700, "contemporaries": own,
        "months": months, "fade": {"bits_per_byte": 0.0189, "low": 0.012, "high": 0.026,
                                   "since": "2025-06", "n_documents": 981},
        "n_tokens": 610_000,
    }  # fmt: skip


def forgetting(*, rise_far: float = 0.019) -> dict[str, Any]:
    def ring(what: str, rise: float) -> dict[str, Any]:
        return {
            "what": what, "n_documents": 812, "n_tokens": 211_400, "n_bytes": 900_000,
            "models": {
                label: {"perplexity": 70.0 * (1 + rise * (label == "tuned")),
                        "bits_per_byte": 1.31 + 0.1 * rise * (label == "tuned")}
                for label in BITS
            },
            "tuned_minus_base": minus_base(rise), "champion_minus_base": minus_base(rise + 0.013),
        }  # fmt: skip

    def minus_base(rise: float) -> dict[str, Any]:
        return {
            "nats_per_token": rise * 0.95, "low": rise - 0.02, "high": rise + 0.02,
            "rise": rise, "rise_low": rise - 0.012, "rise_high": rise + 0.012,
            "n_documents": 812,
        }  # fmt: skip

    return {
        "rings": {
            "near": ring("abstracts of gr-qc, hep and space physics.", -0.061),
            "rehearsed": ring("abstracts of fields that a recipe may replay.", -0.012),
            "far": ring("abstracts of computing, statistics and biology.", rise_far),
            "self_text": ring("texts sampled from the base itself, from [BOS] alone.", 0.158),
        },
        "rise_far": rise_far,
        "drift_nats_per_token": 0.147,
    }


def completion_report(**fields: Any) -> dict[str, Any]:
    text = (
        "We find that the star formation rate of the sample declines with redshift, and that the"
        " dust temperature rises from 20 to 35 K. "
    )
    item = {
        "id": "2606.01234",
        "title": "A survey of dusty galaxies at high redshift with a new spectrograph",
        "prompt": "We present a survey of 214 galaxies at redshifts between 2 and 4.",
        "truth": text * 3,
        "completions": {
            "base": ["The the of a model which is shown that " * 8, "Another of the base."],
            "tuned": [text * 4, "Another of the tuned."],
        },
        "others": {"gpt-x": "In this paper we present a survey."},
    }
    item |= fields

    def measured(repeated: float, rouge: float | None) -> dict[str, Any]:
        return {
            "mean_tokens": 120.0, "mean_words": 81.0, "repeated_4grams": repeated,
            "loops": repeated / 2, "rouge_l": rouge, "new_numbers": 0.9, "n_numbers": 210, "n": 32,
        }  # fmt: skip

    return {
        "temperature": 0.3,
        "max_new_tokens": 256,
        "n_samples": 2,
        "seed": 0,
        "near_copies_left_out": 12,
        "models": ["base", "tuned"],
        "items": [item] * 3,
        "measures": {
            "base": measured(0.31, 0.11),
            "tuned": measured(0.12, 0.19),
            "truth": measured(0.01, None),
            "gpt-x": measured(0.02, 0.22),
        },
        "others": {"file": "gpt-x.jsonl", "n_matched": 3, "n_unmatched": 1},
    }


def knowledge_report(verdict: str | None = "undecided") -> dict[str, Any]:
    def method(base: float, tuned: float, words: str) -> dict[str, Any]:
        return {
            "models": {
                label: {"accuracy": value, "n_right": round(60 * value), "low": value - 0.12,
                        "high": value + 0.12}
                for label, value in (("base", base), ("tuned", tuned))
            },
            "difference": {"accuracy": tuned - base, "low": tuned - base - 0.09,
                           "high": tuned - base + 0.08},
            "p_base_guessing": 0.04,
            "verdict": verdict,
            "n_only_base_right": 6,
            "n_only_tuned_right": 5,
            "what": words,
        }  # fmt: skip

    methods = {
        "full_answer": method(0.35, 1 / 3, "the likelihood of the whole answer, per byte."),
        "letter_with_blank": method(0.29, 0.30, "the next token is a letter after a blank."),
        "letter_without_blank": method(0.26, 0.25, "the next token is a letter."),
    }
    return {
        "n_questions": 60,
        "chance": 0.25,
        "n_examples": 2,
        "source": "bundled questions",
        "margin": 0.05,
        "methods": methods,
        "headline": "full_answer",
        **{k: v for k, v in methods["full_answer"].items() if k != "what"},
        "other_questions": None,
        "equations": {
            "n": 42, "source": "bundled", "chance_rank_1": 1 / 42,
            "models": {
                label: {"rank_1": 0.1, "mrr": 0.2, "median_rank": 12.0, "edit_distance": 0.81,
                        "n_exact": 0}
                for label in ("base", "tuned")
            },
        },
        "constellations": {
            "n": 160, "source": "bundled", "chance": 1 / 88,
            "models": {
                label: {"right": 0.05, "n_right": 8, "low": 0.02, "high": 0.1, "mrr": 0.12}
                for label in ("base", "tuned")
            },
        },
        "notes": ["generated: no model here has a chat template"],
    }  # fmt: skip


def reports_from_before() -> dict[str, dict[str, Any]]:
    """Return reports as they were before intervals, rings, methods and spaces."""

    def old(perplexity: float, *, packed: float | None = 60.0) -> dict[str, Any]:
        return {
            "per_document": {"perplexity": perplexity, "bits_per_byte": perplexity / 50},
            "packed_blocks": None if packed is None else {"perplexity": packed},
        }

    found = {"recall_at_1": 0.31, "recall_at_10": 0.62, "mrr": 0.41}
    new = embedding_report()
    return {
        "perplexity": {
            "models": {
                "base": {"astro": old(81.25), "general": old(70.0)},
                "tuned": {"astro": old(61.5), "general": old(70.4)},
                "champion": None,
            },
            "reduction_astro": 1 - 61.5 / 81.25,
            "rise_general": 0.4 / 70,
            "tuned_minus_base": {"astro": difference(-0.065), "general": difference(0.001)},
            "tuned_minus_champion": None,
            "notes": [],
        },
        "embeddings": {
            "baseline": "TF-IDF, 4,096 words", "n_abstracts": 500, "n_pairs": 124_750,
            "bins": new["bins"], "histograms": new["histograms"]["raw"],
            "spearman": new["spearman"], "n_sampled_pairs": 100_000, "examples": new["examples"],
            "retrieval": {name: found for name in ("base", "tuned", "baseline")},
        },
        "completions": {
            "temperature": 0.3, "max_new_tokens": 256,
            "items": [
                {"id": "2606.01234", "title": "A survey", "prompt": "We", "truth": "find stars.",
                 "completions": {"base": "the the", "tuned": "see stars."}}
            ],
            "measures": {"base": {"mean_tokens": 120.0, "new_numbers": None}},
        },
        "knowledge": {
            "n_questions": 60, "chance": 0.25, "margin": 0.05, "verdict": "undecided",
            "models": {"base": {"accuracy": 0.35}, "tuned": {"accuracy": 1 / 3}},
            "difference": {"accuracy": -0.0167, "low": -0.1, "high": 0.067},
            "source": "bundled questions",
        },
    }  # fmt: skip
