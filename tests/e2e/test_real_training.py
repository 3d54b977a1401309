"""Trainings on real records: how much each learns, and what it forgets. Minutes; by hand.

What ``scratch`` must reach on all of the sample is held by ``real_records``; here are the paper's
4-bit path on a real pretrained Llama in miniature, and two epochs, whose ends are measured.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Store

pytestmark = pytest.mark.torture

ROOT = Path(__file__).parents[2]
RELEASE = "1999-06"
"""A corpus of old that two epochs need minutes for."""


def run(shared: Path, home: Path, *flags: str | Path) -> dict:
    """Run the chain up to the report of perplexity and return what the command tells."""
    chain = (
        "arxiv_snapshot,snapshot_papers,arxiv_updates,astro_ph_papers,general_papers,base_model,"
        "token_blocks,near_copies,lora_checkpoint,perplexity_report"
    )
    snapshot = shared / "data" / "arxiv-sample.zip"
    given = ("--release", RELEASE, "--snapshot", snapshot, "--select", chain, "--json", *flags)
    done = subprocess.run(
        [sys.executable, "-m", "astro_assets.cli", "run", *map(str, given)],
        cwd=ROOT,
        env={**os.environ, "ASTRO_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_real_base_in_4_bits_learns_astronomy(shared: Path, tmp_path: Path) -> None:
    base = shared / "models" / "stories260K"
    told = run(shared, tmp_path / "home", "--base", base, "--recipe", "smoke-qlora")
    assert told["perplexity"]["tuned_astro"] < 0.4 * told["perplexity"]["base_astro"]


def test_two_epochs_have_a_measurement_at_each_end(shared: Path, tmp_path: Path) -> None:
    """Galactica's per-epoch curve (arXiv:2211.09085, section 5.1), on real records."""
    recipe = tmp_path / "two-epochs.yaml"
    smoke = (ROOT / "astro_assets" / "training" / "recipes" / "smoke.yaml").read_text()
    for field, value in (("name", "two-epochs"), ("epochs", 2), ("max_tokens", "null")):
        before = next(line for line in smoke.splitlines() if line.startswith(f"{field}:"))
        smoke = smoke.replace(before, f"{field}: {value}")
    recipe.write_text(smoke)
    run(shared, tmp_path / "home", "--recipe", recipe)
    store = Store(Home(tmp_path / "home"))
    made = store.require("lora_checkpoint", RELEASE)
    lines = (store.path_of(made) / "heldout_curve.jsonl").read_text().splitlines()
    curve = [json.loads(line) for line in lines]
    steps_per_epoch = made.counts["n_blocks"] / made.parameters["recipe"]["batch"]
    ends = [
        min(curve, key=lambda one: abs(one["step"] - epoch * steps_per_epoch))
        for epoch in (0, 1, 2)
    ]
    assert [round(end["epoch"], 1) for end in ends] == [0.0, 1.0, 2.0]
    nll = [end["nll_nats_per_token"]["astro"] for end in ends]
    assert nll[0] > nll[1] > nll[2]
    assert {"general", "astro-ph"} <= set(ends[-1]["nll_nats_per_token"])
