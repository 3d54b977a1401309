import os
from pathlib import Path

import pytest

from astro_assets.errors import RegistryError
from astro_assets.registry.tracking import Tracking, client_of, open_run, uploading
from tests.registry.conftest import store_under


def test_a_run_keeps_params_and_tags(tracking: Tracking, tmp_path: Path) -> None:
    with open_run(
        tracking, "store 2026-06", tags={"release": "2026-06"}, params={"rank": 16}
    ) as opened:
        pass
    run = client_of(tracking).get_run(opened.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "store 2026-06"
    assert run.data.params == {"rank": "16"}
    assert run.data.tags["release"] == "2026-06"
    assert run.info.artifact_uri.startswith((tracking.artifact_root or tmp_path).as_uri())


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_run_that_breaks_off_says_so(
    tracking: Tracking, error: type[BaseException], status: str
) -> None:
    with pytest.raises(error), open_run(tracking, "broken") as opened:
        raise error
    assert client_of(tracking).get_run(opened.run_id).info.status == status


def test_a_long_parameter_is_cut_and_marked(tracking: Tracking) -> None:
    with open_run(tracking, "long", params={"text": "x" * 20_000}) as opened:
        pass
    kept = client_of(tracking).get_run(opened.run_id).data.params["text"]
    assert len(kept) == 500
    assert kept.endswith("x…")


def test_a_file_that_is_no_store_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is not a database, not at all" * 100)
    with pytest.raises(RegistryError, match=r"mlflow\.db refused: .*not a database"):
        client_of(store_under(tmp_path))


def test_files_are_given_more_time_than_questions(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    with pytest.raises(RegistryError, match="refused"), uploading(tracking):
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "900"
        raise OSError("the wire broke")
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5000")
    with uploading(tracking):
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "5000"


def test_making_a_store_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_run(store_under(tmp_path / "home"), "quiet"):
        pass
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_a_server_is_waited_for_as_long_as_the_environment_says_else_half_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    client_of(Tracking(f"sqlite:///{tmp_path / 'patience.db'}", tmp_path))
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "30"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "5"
