"""What a run on the real sample (release 2026-06, scratch base) must have given; run by CI.

Reads the JSON that ``astro-assets run --json`` printed and exits non-zero with the first figure
that is not as it must be.
"""

import json
import sys
from pathlib import Path

REPORTS = ("perplexity", "embedding", "completion", "knowledge")


def problems(result: dict) -> list[str]:
    """Return a sentence per figure that is not as it must be."""
    page = Path(result["report"])
    if not page.is_file():
        return [f"no page at {page}"]
    checks = _of_run(result) | _of_reports(json.loads(page.with_suffix(".json").read_text()))
    return [said for said, holds in checks.items() if not holds]


def _of_run(result: dict) -> dict[str, bool]:
    ppl, corpus = result["perplexity"], result["corpus"]
    home = Path(result["report"]).parents[1]
    table = json.loads((home / "releases/2026-06/astro_ph_papers.json").read_text())
    rows = table["counts"]["n_rows"]
    change_astro = ppl["tuned_astro"] / ppl["base_astro"] - 1
    change_general = ppl["tuned_general"] / ppl["base_general"] - 1
    return {
        f"not everything was made: {result['assets']}": all(
            asset["status"] == "made" for asset in result["assets"]
        ),
        f"astro perplexity changed by {change_astro:+.1%}, not at least -15 %": change_astro
        <= -0.15,
        f"general perplexity changed by {change_general:+.1%}, over +5 %": change_general <= 0.05,
        f"{corpus['papers_any']:,} papers, not 25,717": corpus["papers_any"] == 25_717,
        f"{corpus['papers_primary']:,} first, not 19,531": corpus["papers_primary"] == 19_531,
        f"the table holds {rows:,} rows, not 25,745": rows == 25_745,
        f"aliases are {result['model']['aliases']}": "champion" in result["model"]["aliases"],
    }


def _of_reports(page: dict) -> dict[str, bool]:
    """Return what must hold of the four reports, as the page's JSON has them."""
    reports = {name: page.get(f"{name}_report") or {} for name in REPORTS}
    forgetting = reports["perplexity"].get("forgetting") or {}
    rings = set(forgetting.get("rings") or ())
    told = [type(forgetting.get(name)) for name in ("rise_far", "drift_nats_per_token")]
    retrieval = reports["embedding"].get("retrieval") or {}
    words = ((retrieval.get("title") or {}).get("bm25") or {}).get("mrr", 0)
    n_items = len(reports["completion"].get("items") or ())
    n_questions = reports["knowledge"].get("n_questions")
    return {
        **{
            f"the {name} report has models {list(found.get('models') or ())}": {"base", "tuned"}
            <= set(found.get("models") or ())
            for name, found in reports.items()
        },
        f"forgetting is told as {told}": told == [float, float],
        f"rings are {sorted(rings)}": {"near", "far", "self_text"} <= rings,
        f"retrieval is {list(retrieval)}": all(
            retrieval.get(task) for task in ("title", "title_masked", "subfield")
        ),
        f"titles find their abstracts by words with {words}, not 0.5": words > 0.5,
        f"{n_questions} questions, not 60": n_questions == 60,
        f"{n_items} abstracts were continued, not 16": n_items == 16,
    }


if __name__ == "__main__":
    found = problems(json.loads(Path(sys.argv[1]).read_text()))
    print("\n".join(found) or "The real records gave what they must.")
    sys.exit(bool(found))
