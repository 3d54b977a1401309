import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from astro_assets.errors import DamagedArtifactError, EmptyCorpusError, TrainingError
from astro_assets.models.loading import load_model
from astro_assets.progress import NO_PROGRESS
from astro_assets.training.checkpoints import Checkpoints
from astro_assets.training.heldout import measured, read_heldout, score
from astro_assets.training.loop import fit
from astro_assets.training.measuring import Cadence
from astro_assets.training.runtime import Runtime
from astro_assets.training.surroundings import Surroundings
from astro_assets.training.trainer import Inputs, train_model
from tests.training.builders import a_base, a_recipe, an_optimisation, some_blocks, some_heldout


def test_every_epoch_ends_with_a_measurement() -> None:
    """Galactica's curve (arXiv:2211.09085, figure 6) is drawn at the ends of epochs."""
    assert sorted(Cadence(n_steps=12, steps_per_epoch=4, n_spread=1).steps()) == [0, 4, 8, 12]
    assert sorted(Cadence(n_steps=3, steps_per_epoch=10, n_spread=8).steps()) == [0, 1, 2, 3]


def test_means_are_over_tokens_and_not_over_documents(tiny_base: Path) -> None:
    heldout = some_heldout()
    model = load_model(tiny_base, device=torch.device("cpu"))
    by_hand: dict[str, list[float]] = {"astro": [], "general": [], "astro-ph.GA": []}
    with torch.no_grad():
        for ids, field, subfield in zip(
            heldout.documents, heldout.field, heldout.subfield, strict=True
        ):
            logits = model(input_ids=torch.from_numpy(ids)[None]).logits[0].double()
            nll = -logits.log_softmax(-1)[range(len(ids) - 1), ids[1:]]
            for group in (field, subfield):
                if group in by_hand:
                    by_hand[group] += nll.tolist()
    means, counts = measured(score(model, heldout), heldout)
    assert set(means) == {"astro", "general", "astro-ph.CO", "astro-ph.GA"}
    for group, values in by_hand.items():
        assert counts[group] == len(values)
        assert means[group] == pytest.approx(sum(values) / len(values), rel=1e-5)


def test_the_root_gives_the_same_as_the_parts(tiny_base: Path) -> None:
    """What sharded models are measured by, held to what others are."""
    heldout = some_heldout()
    model = load_model(tiny_base, device=torch.device("cpu"))
    np.testing.assert_allclose(
        score(model, heldout, sharded=True), score(model, heldout), rtol=1e-5
    )


def test_measuring_changes_nothing(tiny_base: Path, tmp_path: Path) -> None:
    recipe, blocks = a_recipe(dropout=0.2), some_blocks(tmp_path, 8)
    built = [
        train_model(
            Inputs(a_base(tiny_base), blocks, recipe, heldout=heldout),
            tmp_path / name,
            progress=NO_PROGRESS,
            runtime=Runtime(threads=1),
        )
        for name, heldout in (("measured", some_heldout()), ("not", None))
    ]
    assert built[0].fingerprint == built[1].fingerprint
    assert built[0].facts["heldout_last"]["astro"] != built[0].facts["heldout_first"]["astro"]
    assert built[1].facts["heldout_first"] is None


def test_early_stopping_ends_with_the_best(tiny_base: Path, tmp_path: Path) -> None:
    """Random blocks learned by heart make held-out text ever less likely."""
    recipe = a_recipe(early_stopping=2, epochs=30, learning_rate=3e-2, evaluations=30)
    inputs = Inputs(a_base(tiny_base), some_blocks(tmp_path, 4), recipe, heldout=some_heldout())
    built = train_model(
        inputs, tmp_path / "result", progress=NO_PROGRESS, runtime=Runtime(threads=1)
    )
    assert built.facts["ended_early"]
    assert built.counts["n_steps"] < 30
    curve = (tmp_path / "result" / "heldout_curve.jsonl").read_text().splitlines()
    nll = [json.loads(line)["nll_nats_per_token"]["astro"] for line in curve]
    assert nll.index(min(nll)) == len(nll) - 3
    tuned = load_model(tiny_base, built.path, device=torch.device("cpu"))
    means, _ = measured(score(tuned, some_heldout()), some_heldout())
    assert means["astro"] == pytest.approx(min(nll), rel=1e-6)
    assert built.facts["heldout_last"]["astro"] == min(nll)
    assert built.facts["heldout_last_step"] == json.loads(curve[-3])["step"]
    with pytest.raises(EmptyCorpusError, match="stops early by held-out astro papers"):
        train_model(
            Inputs(a_base(tiny_base), inputs.blocks, recipe), tmp_path / "x", progress=NO_PROGRESS
        )


def test_weights_that_are_lost_are_told_as_such(tiny_base: Path, tmp_path: Path) -> None:
    """Also where the measurement sees them before the next loss does."""
    model = load_model(tiny_base, device=torch.device("cpu"))
    with torch.no_grad():
        model.get_input_embeddings().weight.fill_(math.nan)
    around = Surroundings(heldout=some_heldout())
    with pytest.raises(TrainingError, match="After step 0 held-out papers have no likelihood"):
        fit(
            model,
            some_blocks(tmp_path, 4),
            an_optimisation(),
            name="test",
            progress=NO_PROGRESS,
            around=around,
        )


def test_speed_is_that_of_training_alone(tiny_base: Path, tmp_path: Path) -> None:
    """A clock that a measurement moves on and a step does not."""
    now = [0.0]

    def measured_for_an_hour(found: object) -> None:
        now[0] += 3600.0

    around = Surroundings(
        heldout=some_heldout(),
        n_spread=4,
        on_heldout=measured_for_an_hour,
        checkpoints=Checkpoints(tmp_path, "x"),
        checkpoint_seconds=1e9,
        clock=lambda: now[0],
    )
    model = load_model(tiny_base, device=torch.device("cpu"))
    fit(
        model,
        some_blocks(tmp_path, 4),
        an_optimisation(n_steps=4),
        name="test",
        progress=NO_PROGRESS,
        around=around,
    )
    live = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert min(point["tokens_per_second"] for point in live) > 1e6


def test_held_out_documents_come_back_from_their_file(tmp_path: Path) -> None:
    heldout, path = some_heldout(), tmp_path / "heldout.npz"
    lengths = [len(ids) for ids in heldout.documents]
    arrays = {
        "tokens": np.concatenate(heldout.documents).astype(np.int32),
        "offsets": np.cumsum([0, *lengths]),
        "field": np.array(heldout.field),
        "subfield": np.array(heldout.subfield),
    }
    np.savez(path, **arrays)
    back = read_heldout(path)
    assert all(map(np.array_equal, back.documents, heldout.documents))
    assert (back.field, back.subfield) == (heldout.field, heldout.subfield)
    np.savez(path, **(arrays | {"field": np.array(heldout.field[:-1])}))
    with pytest.raises(DamagedArtifactError, match="6 documents, 5 fields"):
        read_heldout(path)
    path.write_bytes(b"no npz")
    with pytest.raises(DamagedArtifactError, match="no held-out documents"):
        read_heldout(path)
    assert math.isfinite(sum(lengths))
