"""What a run on the real sample (release 2026-06, scratch base) must have given; run by CI.

Reads the JSON that ``astro-assets run --json`` printed and exits non-zero with the first figure
that is not as it must be.
"""

import json
import sys
from pathlib import Path


def problems(result: dict) -> list[str]:
    """Return a sentence per figure that is not as it must be."""
    ppl, corpus = result["perplexity"], result["corpus"]
    home = Path(result["report"]).parents[1]
    table = json.loads((home / "releases/2026-06/astro_ph_papers.json").read_text())
    rows = table["counts"]["n_rows"]
    change_astro = ppl["tuned_astro"] / ppl["base_astro"] - 1
    change_general = ppl["tuned_general"] / ppl["base_general"] - 1
    checks = {
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
        f"no page at {result['report']}": Path(result["report"]).is_file(),
    }
    return [said for said, holds in checks.items() if not holds]


if __name__ == "__main__":
    found = problems(json.loads(Path(sys.argv[1]).read_text()))
    print("\n".join(found) or "The real records gave what they must.")
    sys.exit(bool(found))
