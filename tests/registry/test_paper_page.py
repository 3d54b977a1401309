"""The paper's numbers beside a release's: every row with a reason, nothing of it markup."""

import re
from pathlib import Path
from typing import Any

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Store, Work
from astro_assets.errors import MissingArtifactError
from astro_assets.registry.paper_page import escaped, ours_of, paper_page, table
from astro_assets.registry.paper_rows import SECTIONS, Row
from tests.registry.evaluations import BASE, RELEASE, TUNED, keep

ATTACK = "<script>alert(1)</script> | *x* [y](http://z) `c`\n# head"


def reduction(base: float, tuned: float) -> dict[str, float]:
    share = 1 - tuned / base
    return {"reduction": share, "low": share - 0.01, "high": share + 0.01, "base": base,
            "tuned": tuned, "n": 9}  # fmt: skip


def reports() -> dict[str, Any]:
    documents = {"per_document": {"bits_per_byte": 0.7}}
    return {
        "perplexity_report": {
            "models": {"base": {"astro": documents}, "tuned": {"astro": documents}},
            "reductions": {
                "astro_train_packed": reduction(10.0, 6.0),
                "astro_packed": reduction(10.0, 7.0),
                "astro_per_document": reduction(12.0, 9.0),
                "paper_train_packed": 0.325,
            },
            "forgetting": {"rings": {}, "rise_far": 0.021, "drift_nats_per_token": 0.147},
        },
        "embedding_report": {
            "baseline": "MiniLM", "n_abstracts": 1_234,
            "spread": {"raw": {"base": {"mean": 0.9, "std": 0.02}}},
            "spearman": {"base": 0.3, "tuned": 0.4},
            "paper_pairs": [
                {"titles": ["A first", "A second"], "ids": None, "ours": None,
                 "paper": {"ada-002": 0.785, "AstroLLaMA": 0.363}},
                {"titles": ["A third", "A fourth"], "ids": ["1", "2"], "ours": {"tuned": 0.512},
                 "paper": {"ada-002": 0.824, "AstroLLaMA": 0.928}},
            ],
            "retrieval": {"title_masked": {"tuned": {"mrr": 0.456}, "bm25": {"mrr": 0.678}}},
        },
        "completion_report": {
            "temperature": 0.3, "max_new_tokens": 1_024, "items": [{}] * 16,
            "measures": {
                "base": {"repeated_4grams": 0.31, "new_numbers": 0.9, "rouge_l": 0.2},
                "tuned": {"repeated_4grams": 0.12, "new_numbers": None, "rouge_l": 0.21},
                "truth": {"repeated_4grams": 0.01, "new_numbers": 0.95, "rouge_l": None},
            },
        },
        "knowledge_report": {
            "n_questions": 60, "source": ATTACK, "chance": 0.25, "margin": 0.05,
            "models": {"base": {"accuracy": 0.4}, "tuned": {"accuracy": 0.425}},
            "difference": {"accuracy": 0.025, "low": -0.07, "high": 0.12}, "verdict": "undecided",
            "equations": {"n": 40, "models": {"tuned": {"rank_1": 0.5, "n_exact": 3}}},
            "constellations": {"n": 150, "chance": 1 / 88, "models": {"tuned": {"right": 0.111}}},
        },
    }  # fmt: skip


def summary(papers: int) -> dict[str, Any]:
    return {"papers": papers, "papers_first": papers - 1, "tokens": 250 * papers,
            "mean_tokens": 250.0, "median_tokens": 245.0}  # fmt: skip


def planted(root: Path, *, origin: str = "kaggle", base: str = "scratch", **made: Any) -> Store:
    """A home with one release whose reports are ``made``."""
    store = Store(Home(root))
    work = Work("arxiv_snapshot", None, {}, {})
    facts = {"origin": origin, "vintage": "2026-07-01"}
    counts = {"n_records": 75_207}
    snapshot = store.commit(work, Built("s" * 64, root, counts=counts, facts=facts))
    keep(
        store, "astro_ph_papers", "p" * 64, facts={"snapshot_key": snapshot.key, "shards": []},
        counts={"papers": 25_717, "papers_any": 25_717, "papers_primary": 19_000},
    )  # fmt: skip
    statistics = {"all": summary(100), "train": summary(80), "test": summary(20)}
    facts = {"statistics": statistics, "n_vocab": 2_048, "block_length": 512}
    keep(store, "token_blocks", "k" * 64, facts=facts)
    facts = {"name": base, "revision": None, "n_parameters": 1_000_576}
    keep(store, "base_model", BASE, facts=facts)
    keep(
        store, "lora_checkpoint", TUNED, parents={"base_model": BASE},
        parameters={"recipe": {"name": "smoke"}}, counts={"n_tokens_seen": 399_360},
        facts={"first_training_perplexity": 112.95, "last_training_perplexity": 83.5},
    )  # fmt: skip
    for asset, report in made.items():
        keep(store, asset, asset[0] * 64, facts={"report": report})
    return store


def told(page: str, what: str) -> list[str]:
    """The cells of the row that begins with ``what``."""
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {what} |")]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[2:-1]]


def test_every_number_of_the_paper_stands_beside_ours(tmp_path: Path) -> None:
    page = paper_page(planted(tmp_path, **reports())).replace("\u202f", " ")
    for what, paper, ours in (
        ("training perplexity, first → last", "about 10 → 6.55 (−32.5 %)",
         "113.0 → 83.50 (−26.1 %)"),
        ("packed training blocks, base → tuned", "−32.5 %",
         "10.00 → 6.00 (−40.0 %), 95 %: −41.0 % to −39.0 %"),
        ("packed held-out blocks, base → tuned", "not said",
         "10.00 → 7.00 (−30.0 %), 95 %: −31.0 % to −29.0 %"),
        ("held out, bits per byte", "not said", "0.7000 → 0.7000"),
        ("forgetting", "not measured",
         "far abstracts +2.1 %; text of the base itself +0.147 nats per token"),
        ("papers", "326,238", "25,717"),
        ("tokens to train on", "77 M", "20,000"),
        ("held out", "20 %", "20.0 %"),
        ("new tokens, at most", "1,024", "1,024"),
        ("word 4-grams that repeat", "not measured", "base 31.0 %, tuned 12.0 %, authors 1.0 %"),
        ("abstracts", "10,000 at random", "1,234"),
        ("“A first” and “A second”", "ada-002 78.5 %, AstroLLaMA 36.3 %", "–"),
        ("“A third” and “A fourth”", "ada-002 82.4 %, AstroLLaMA 92.8 %", "tuned 51.2 %"),
        ("title → own abstract, found by meaning, MRR", "asserted, no figure",
         "tuned 0.456, bm25 0.678"),
        ("tuned minus base", "below its base by three ways of scoring",
         "+2.5 % (95 %: −7.0 % to +12.0 %), undecided"),
        ("named equation → LaTeX, zero-shot", "68.2 % of 434 (GPT-3 49.0 %)",
         "tuned: first 50 %, exact 3 (n 40)"),
        ("object → constellation", "galaxy cluster → constellation", "tuned: 11.1 % (n 150)"),
    ):  # fmt: skip
        rows = [line for line in page.splitlines() if line.startswith(f"| {what} | {paper} |")]
        assert any(f"| {ours} |" in line for line in rows), (what, rows)


def test_every_row_has_a_reason(tmp_path: Path) -> None:
    for made in ({}, reports()):
        store = planted(tmp_path / str(len(made)), **{"perplexity_report": {}, **made})
        ours = ours_of(store, RELEASE)
        rows = [row for section in SECTIONS.values() for row in section(ours)]
        assert len(rows) > 25
        assert [row.what for row in rows if not row.why.strip()] == []


def test_base_data_and_scale_say_what_differs(tmp_path: Path) -> None:
    page = paper_page(planted(tmp_path, **reports()))
    assert "- **base**: scratch of 1.0 M parameters, not Llama-2 of 6.7 B." in page
    assert "papers through 2026-06, not July 2023" in page
    assert "399,360 tokens were learned from, not about 230 M" in page
    assert told(page, "papers, astro-ph first")[-1] == "data"


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("synthetic", "generated records, not arXiv's papers"),
        ("file", "a sample of 75,207 arXiv records; papers through 2026-06, not July 2023"),
        ("oai", "- **data**: papers through 2026-06, not July 2023"),
    ],
)
def test_the_data_are_called_what_they_are(tmp_path: Path, origin: str, said: str) -> None:
    assert said in paper_page(planted(tmp_path, origin=origin, **reports()))


def test_on_the_paper_s_own_base_the_base_is_no_reason(tmp_path: Path) -> None:
    page = paper_page(planted(tmp_path, base="meta-llama/Llama-2-7b-hf", **reports()))
    assert "- **base**: as the paper." in page
    why = told(page, "packed training blocks, base → tuned")[-1]
    assert why.startswith("data, scale; ") and "base" not in why


def test_what_the_page_says_of_recipes_and_method_is_kept(tmp_path: Path) -> None:
    page = paper_page(planted(tmp_path, perplexity_report={}))
    for kept in (
        '326,238 "classified under astro-ph", April 1992 to July 2023',
        "| `astrollama2-70b` | Llama-2 70B | all weights, FSDP | 160 x 2048 | 2e-5 |",
        "| `smoke-qlora` |", "images/two-epochs.png", "AstroMLab 2 (arXiv:2409.19750)",
        "157.0 → 126.4 (−19.5 %)", "| optimiser | AdamW 0.9 / 0.95, ε 1e-5, decay 0.1, clip 1.0 |",
    ):  # fmt: skip
        assert kept in page, kept
    assert "not measured in this release" in page and "{{" not in page


def test_two_pages_of_one_home_are_equal(tmp_path: Path) -> None:
    store = planted(tmp_path, **reports())
    assert paper_page(store) == paper_page(Store(Home(tmp_path)), RELEASE)


def test_text_from_outside_is_no_markup(tmp_path: Path) -> None:
    page = paper_page(planted(tmp_path, base=ATTACK, **reports()))
    assert "<script" not in page.replace("\\<script", "")
    assert "[y](" not in page and "\n# head" not in page
    lines = [line for line in page.splitlines() if line.startswith("| right answers")]
    assert len(lines) == 1 and len(re.findall(r"(?<!\\)\|", lines[0])) == 5


def test_cells_are_escaped_and_bounded() -> None:
    (line,) = table([Row(ATTACK, "a" * 9_999, "–", "\x1b[31mred")]).splitlines()[2:]
    assert len(re.findall(r"(?<!\\)\|", line)) == 5 and len(line) < 1_000 and "\x1b" not in line
    assert escaped("plain text, 1.0 → 2.0 (−3 %)") == "plain text, 1.0 → 2.0 (−3 %)"


def test_without_a_measured_release_it_says_what_to_do(tmp_path: Path) -> None:
    store = planted(tmp_path)
    with pytest.raises(MissingArtifactError, match="astro-assets run"):
        paper_page(store)
    with pytest.raises(MissingArtifactError, match="perplexity_report of release 2026-05"):
        paper_page(store, "2026-05")


@pytest.mark.parametrize(
    ("share", "words"), [(0.0125, "1.2 % of these blocks were trained on"), (None, "may never")]
)
def test_the_row_on_training_blocks_says_how_many_were_read(
    tmp_path: Path, share: float | None, words: str
) -> None:
    made = reports()
    made["perplexity_report"]["reductions"]["train_share_read"] = share
    page = paper_page(planted(tmp_path, **made)).replace("\u202f", " ")
    assert words in told(page, "packed training blocks, base → tuned")[-1]


def test_completions_and_probes_stand_with_their_intervals(tmp_path: Path) -> None:
    made = reports()
    one = {"value": -0.19, "low": -0.25, "high": -0.13}
    made["completion_report"]["differences"] = {
        "tuned_minus_base": {"repeated_4grams": one, "new_numbers": None, "rouge_l": None},
        "tuned_minus_truth": {"repeated_4grams": None, "new_numbers": one, "rouge_l": None},
    }
    knowledge = made["knowledge_report"]
    knowledge["equations"]["models"]["tuned"] |= {"low": 0.35, "high": 0.65}
    knowledge["constellations"]["most_frequent_share"] = 0.0625
    knowledge["constellations"]["models"] = {
        "base": None, "tuned": {"right": 0.111, "low": 0.07, "high": 0.17},
    }  # fmt: skip
    page = paper_page(planted(tmp_path, **made)).replace("\u202f", " ")
    more = "−19.0 % (95 %: −25.0 % to −13.0 %)"
    for what, said in (
        ("word 4-grams that repeat", f"authors 1.0 %; tuned minus base {more}"),
        ("numbers not in the prompt", f"authors 95 %; tuned minus authors {more}"),
        ("named equation → LaTeX, zero-shot", "tuned: first 50 % (95 %: 35 % to 65 %), exact 3"),
        ("object → constellation", "tuned: 11.1 % (95 %: 7.0 % to 17.0 %) (n 150)"),
    ):
        assert said in told(page, what)[1], what
    assert "frequent one 6.2 %" in told(page, "object → constellation")[2]
    assert told(page, "ROUGE-L with the truth")[1].endswith("authors –")
