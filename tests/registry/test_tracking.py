from pathlib import Path

import pytest

from astro_assets.errors import RegistryError
from astro_assets.registry.tracking import RunLog, Tracking, client_of, open_run
from tests.registry.conftest import store_under


def test_a_run_keeps_params_tags_metrics_and_files(tracking: Tracking, tmp_path: Path) -> None:
    (tmp_path / "curve.jsonl").write_text("{}\n")
    with open_run(
        tracking, "train 2026-06", tags={"release": "2026-06"}, params={"rank": 16}
    ) as log:
        log.metric(1, {"nll_nats_per_token": 5.0, "learning_rate": 0.1})
        log.metric(2, {"nll_nats_per_token": 4.5})
        log.artifact(tmp_path / "curve.jsonl")
    client = client_of(tracking)
    run = client.get_run(log.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "train 2026-06"
    assert run.data.params == {"rank": "16"}
    assert run.data.tags["release"] == "2026-06"
    history = client.get_metric_history(log.run_id, "nll_nats_per_token")
    assert [(item.step, item.value) for item in history] == [(1, 5.0), (2, 4.5)]
    assert [item.path for item in client.list_artifacts(log.run_id)] == ["curve.jsonl"]
    assert run.info.artifact_uri.startswith((tracking.artifact_root or tmp_path).as_uri())


def test_metrics_wait_until_some_seconds_have_passed(tracking: Tracking) -> None:
    with open_run(tracking, "slow") as opened:
        seconds = iter([100.0, 101.0, 106.0, 107.0])
        log = RunLog(tracking, opened.run_id, clock=lambda: next(seconds))
        seen = lambda: len(client_of(tracking).get_metric_history(opened.run_id, "loss"))  # noqa: E731
        log.metric(1, {"loss": 3.0})
        assert seen() == 0
        log.metric(2, {"loss": 2.0})
        assert seen() == 2


def test_a_thousand_metrics_arrive_whole(tracking: Tracking) -> None:
    with open_run(tracking, "many") as log:
        for step in range(1_201):
            log.metric(step, {"loss": float(step)})
    history = client_of(tracking).get_metric_history(log.run_id, "loss")
    assert sorted(item.step for item in history) == list(range(1_201))


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_run_that_breaks_off_says_so(
    tracking: Tracking, error: type[BaseException], status: str
) -> None:
    with pytest.raises(error), open_run(tracking, "broken") as log:
        log.metric(1, {"loss": 1.0})
        raise error
    run = client_of(tracking).get_run(log.run_id)
    assert run.info.status == status
    assert run.data.metrics == {"loss": 1.0}


def test_a_long_parameter_is_cut_and_marked(tracking: Tracking) -> None:
    with open_run(tracking, "long", params={"text": "x" * 20_000}) as log:
        pass
    kept = client_of(tracking).get_run(log.run_id).data.params["text"]
    assert len(kept) == 500
    assert kept.endswith("x…")


def test_a_file_that_is_no_store_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is not a database, not at all" * 100)
    with pytest.raises(RegistryError, match=r"mlflow\.db refused: .*not a database"):
        client_of(store_under(tmp_path))


def test_making_a_store_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_run(store_under(tmp_path / "home"), "quiet"):
        pass
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
