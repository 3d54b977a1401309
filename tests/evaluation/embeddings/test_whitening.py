import numpy as np
import pytest

from astro_assets.evaluation.embeddings.whitening import fit_whitening


def train(n=400, d=6):
    """Far from the origin, ten times as wide along one axis."""
    draw = np.random.default_rng(0)
    return (draw.normal(size=(n, d)) * [10, 1, 1, 1, 1, 0.1][:d] + 100).astype(np.float32)


@pytest.mark.parametrize("shape", [(400, 6), (40, 60)], ids=["more papers", "more numbers"])
def test_the_train_papers_come_out_centred_uncorrelated_and_of_unit_variance(shape):
    given = np.random.default_rng(1).normal(3, 2, shape).astype(np.float32)
    fitted = fit_whitening(given)
    white = fitted.whiten(given)
    k = min(shape[1], shape[0] // 8)
    assert fitted.n_components == k == white.shape[1]
    np.testing.assert_allclose(fitted.centre(given).mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(white.T), np.eye(k), atol=1e-4)


def test_the_directions_kept_are_those_of_greatest_variance():
    given = train()
    fitted = fit_whitening(given[:32])
    assert fitted.n_components == 4, "eight papers per direction"
    assert np.abs(fitted.directions[:, 0]).argmax() == 0
    assert np.linalg.norm(fitted.directions[:, 0]) == pytest.approx(0.1, rel=0.5)


def test_a_direction_without_variance_is_no_direction():
    given = np.hstack([train(d=2), np.ones((400, 3), dtype=np.float32)])
    assert fit_whitening(given).n_components == 2
    assert fit_whitening(np.ones((80, 4), dtype=np.float32)).n_components == 0


def test_too_few_papers_fit_nothing():
    assert fit_whitening(np.ones((1, 4), dtype=np.float32)) is None
    assert fit_whitening(train(n=7)).n_components == 0
