"""What a person sees of a report in Dagster."""

import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Store, Work
from astro_assets.defs.report_figures import shown
from tests.evaluation.pages.reports import (
    completion_report,
    embedding_report,
    knowledge_report,
    perplexity_report,
)


def metadata(tmp_path: Path, asset: str, report: Any) -> dict[str, Any]:
    store = Store(Home(tmp_path))
    work = Work(asset, "2026-06", {}, {})
    return shown(store.commit(work, Built("f" * 64, tmp_path, facts={"report": report})))


def test_the_perplexity_reports_figures_and_numbers(tmp_path: Path) -> None:
    found = metadata(tmp_path, "perplexity_report", perplexity_report())
    assert found["bits_per_byte_tuned"] == 1.1512
    assert found["perplexity_champion"] == 63.0
    assert found["drift_nats_per_token"] == 0.147
    assert {name for name in found if name.startswith("figure_")} == {
        "figure_bits_per_byte", "figure_reductions", "figure_bits_by_year",
        "figure_bits_by_subfield", "figure_forward_in_time", "figure_forgetting",
    }  # fmt: skip
    said = found["figure_bits_per_byte"].value
    picture = re.fullmatch(r"!\[(.+)\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", said)
    assert picture and b64decode(picture[2])[:4] == b"\x89PNG"


def test_forgetting_is_drawn_with_the_bounds_that_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn() -> str:
        return metadata(tmp_path, "perplexity_report", perplexity_report())[
            "figure_forgetting"
        ].value

    before = drawn()
    assert drawn() == before
    monkeypatch.setenv("ASTRO_MAX_FORGETTING", "0.2")
    wider = drawn()
    monkeypatch.setenv("ASTRO_MAX_DRIFT", "0.5")
    assert len({before, wider, drawn()}) == 3


def test_the_other_reports_numbers(tmp_path: Path) -> None:
    found = metadata(tmp_path, "embedding_report", embedding_report())
    assert found["spearman_tuned"] == 0.44
    assert found["title_masked_mrr_baseline"] == pytest.approx(0.6)
    assert found["title_mrr_bm25"] == pytest.approx(0.64)
    assert "title_masked_mrr_bm25" not in found, "no word is shared for it to find"
    found = metadata(tmp_path, "completion_report", completion_report())
    assert found["new_numbers_truth"] == 0.9 and "rouge_l_truth" not in found
    found = metadata(tmp_path, "knowledge_report", knowledge_report())
    assert found["accuracy_base"] == 0.35 and found["verdict"] == "undecided"
    assert "figure_knowledge" in found


def test_what_was_not_measured_is_absent(tmp_path: Path) -> None:
    assert metadata(tmp_path, "perplexity_report", {"models": {"base": None}}) == {}
    assert metadata(tmp_path, "near_copies", {}) == {}


def test_a_name_in_a_figure_cannot_leave_its_markdown(tmp_path: Path) -> None:
    hostile = embedding_report() | {"baseline": "x](javascript:alert(1)) <script>"}
    found = metadata(tmp_path, "embedding_report", hostile)
    said = found["figure_similarity"].value.split("](data:")[0]
    assert "<script>" not in said and "](" not in said.replace("\\]\\(", "")
