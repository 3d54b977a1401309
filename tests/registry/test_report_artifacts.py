"""Reports and figures beside the training they are about, in MLflow."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Manifest, Store, Work
from astro_assets.code_versions import CODE_VERSIONS
from astro_assets.errors import RegistryError
from astro_assets.registry.report_artifacts import TAG, figures_of, log_reports
from astro_assets.registry.tracking import Tracking, client_of, open_run
from tests.evaluation.pages.reports import completion_report, perplexity_report

RELEASE = "2026-06"


def parts(tmp_path: Path, **reports: object) -> dict[str, Manifest]:
    store = Store(Home(tmp_path / "home"))
    found = {}
    for name, report in reports.items():
        built = Built("f" * 64, store.home.root, facts={"report": report})
        found[name] = store.commit(Work(name, RELEASE, {}, {}), built)
    return found


@pytest.fixture
def run_id(tracking: Tracking) -> str:
    with open_run(tracking, "train") as run:
        return run.run_id


def held(tracking: Tracking, run_id: str, folder: str) -> dict[str, int]:
    found = client_of(tracking).list_artifacts(run_id, folder)
    return {item.path: item.file_size for item in found}


def test_reports_and_figures_are_sent_once(tracking: Tracking, run_id: str, tmp_path: Path) -> None:
    made = parts(
        tmp_path, perplexity_report=perplexity_report(), completion_report=completion_report()
    )
    assert log_reports(tracking, run_id, made) is True
    assert {"reports/perplexity_report.json", "reports/completion_report.json"} <= set(
        held(tracking, run_id, "reports")
    )
    figures = held(tracking, run_id, "reports/figures")
    assert "reports/figures/bits_per_byte.png" in figures and min(figures.values()) > 1_000
    path = client_of(tracking).download_artifacts(run_id, "reports/perplexity_report.json")
    assert json.loads(Path(path).read_text()) == json.loads(json.dumps(perplexity_report()))
    assert log_reports(tracking, run_id, made) is False


def test_another_report_is_sent_again(tracking: Tracking, run_id: str, tmp_path: Path) -> None:
    first = parts(tmp_path, completion_report=completion_report())
    assert log_reports(tracking, run_id, first)
    before = client_of(tracking).get_run(run_id).data.tags[TAG]
    facts = {"report": completion_report() | {"seed": 1}}
    second = {"completion_report": replace(first["completion_report"], facts=facts)}
    assert log_reports(tracking, run_id, second)
    assert client_of(tracking).get_run(run_id).data.tags[TAG] != before


def judged(tmp_path: Path, made: dict[str, Manifest], **rules: float) -> dict[str, Manifest]:
    """The same reports, and a promotion that went by these rules."""
    store = Store(Home(tmp_path / "home"))
    work = Work("champion_model", RELEASE, {"rules": rules}, {})
    return {**made, "champion_model": store.commit(work, Built("c" * 64, store.home.root))}


def test_other_bounds_send_the_figures_again(
    tracking: Tracking, run_id: str, tmp_path: Path
) -> None:
    made = parts(tmp_path, completion_report=completion_report())
    assert log_reports(tracking, run_id, judged(tmp_path, made, max_forgetting=0.05))
    assert not log_reports(tracking, run_id, judged(tmp_path, made, max_forgetting=0.05))
    assert log_reports(tracking, run_id, judged(tmp_path, made, max_forgetting=0.01))
    rules = {"max_forgetting": 0.01, "max_drift": 0.25}
    assert log_reports(tracking, run_id, judged(tmp_path, made, **rules))
    assert not log_reports(tracking, run_id, judged(tmp_path, made, **rules))


def test_other_code_sends_the_figures_again(
    tracking: Tracking, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = parts(tmp_path, completion_report=completion_report())
    assert log_reports(tracking, run_id, made)
    monkeypatch.setitem(CODE_VERSIONS, "release_report", "next")
    assert log_reports(tracking, run_id, made)
    assert not log_reports(tracking, run_id, made)


def test_without_reports_nothing_is_sent(tracking: Tracking, run_id: str, tmp_path: Path) -> None:
    assert log_reports(tracking, run_id, parts(tmp_path, near_copies={})) is False
    assert TAG not in client_of(tracking).get_run(run_id).data.tags


def test_a_run_that_is_not_there_is_a_named_error(tracking: Tracking, tmp_path: Path) -> None:
    made = parts(tmp_path, completion_report=completion_report())
    with pytest.raises(RegistryError, match="refused"):
        log_reports(tracking, "0" * 32, made)


def test_figures_show_the_bounds_the_release_was_judged_by(tmp_path: Path) -> None:
    made = parts(tmp_path, perplexity_report=perplexity_report())

    def forgetting(**rules: float) -> bytes:
        return figures_of(judged(tmp_path, made, **rules))["figures/forgetting.png"]

    assert forgetting(max_forgetting=0.05, max_drift=0.25) != forgetting(max_forgetting=0.05)
