"""Measuring as a process of the trainer's image: after a training, on its held-out documents."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from astro_assets.evaluation.__main__ import main
from astro_assets.progress import NO_PROGRESS
from astro_assets.training.heldout import read_heldout
from astro_assets.training.job import read_job
from astro_assets.training.trainer import Inputs, train_model
from tests.training.test_process import ROOT, a_job

LEAN = """
import sys
from tests.lean import only_lean
only_lean()
from astro_assets.evaluation.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def trained(tiny_base: Path, tmp_path: Path) -> Path:
    """The job of a finished training."""
    path = a_job(tiny_base, tmp_path)
    job = read_job(path)
    assert job.heldout is not None
    inputs = Inputs(job.base, job.blocks.open(), job.recipe, heldout=read_heldout(job.heldout))
    train_model(inputs, path.parent / "result", progress=NO_PROGRESS, runtime=job.runtime)
    return path


def test_the_end_of_the_curve_is_measured_again(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "measured"
    assert main(["--job", str(trained), "--out", str(out)]) == 0
    figures = json.loads((out / "perplexity.json").read_text())
    curve = (trained.parent / "result" / "heldout_curve.jsonl").read_text().splitlines()
    for label, line in (("base", curve[0]), ("tuned", curve[-1])):
        for group, nll in json.loads(line)["nll_nats_per_token"].items():
            assert figures[label][group]["nll_nats_per_token"] == pytest.approx(nll, rel=1e-6)
    with np.load(out / "documents.npz", allow_pickle=False) as arrays:
        is_astro = arrays["field"] == "astro"
        mean = arrays["nll_nats_tuned"][is_astro].sum() / arrays["n_tokens"][is_astro].sum()
    assert mean == pytest.approx(figures["tuned"]["astro"]["nll_nats_per_token"])


def test_an_unfinished_training_is_told(tiny_base: Path, tmp_path: Path, capsys) -> None:
    job = a_job(tiny_base, tmp_path)
    assert main(["--job", str(job), "--out", str(tmp_path / "measured")]) == 1
    assert "has no result" in capsys.readouterr().err
    assert not (tmp_path / "measured").exists()


@pytest.mark.slow
def test_it_runs_with_the_trainers_libraries_alone(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "measured"
    done = subprocess.run(
        [sys.executable, "-c", LEAN, "--job", str(trained), "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (out / "documents.npz").is_file()
