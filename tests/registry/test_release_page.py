"""What training left behind, on the page of its release."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Manifest, Store, Work, make_or_reuse
from astro_assets.registry.promotion import Forgetting, judge_forgetting
from astro_assets.registry.release_page import build_release_report, write_index
from tests.evaluation.pages.content import curve, heldout_curve
from tests.evaluation.pages.reports import completion_report, knowledge_report, perplexity_report

RELEASE = "2026-06"


def trained(store: Store, **curves: list[dict[str, Any]]) -> Manifest:
    """Keep a checkpoint that has these curves."""
    folder = store.home.adapters / "ab12"
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in curves.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    work = Work("lora_checkpoint", RELEASE, {"recipe": {"name": "smoke"}}, {})
    return store.commit(work, Built("a" * 64, folder, files=of_folder(folder)))


def base(store: Store, name: str) -> Manifest:
    facts = {"name": name, "revision": "01c7f73d"}
    work = Work("base_model", None, {"base": name}, {})
    return store.commit(work, Built("b" * 64, store.home.bases, facts=facts))


def page(store: Store, *parts: Manifest) -> str:
    return build_release_report(
        store.home, store, RELEASE, {part.asset: part for part in parts}
    ).path.read_text()


def test_the_held_out_curve_stands_beside_training_where_it_was_measured(tmp_path: Path) -> None:
    store = Store(Home(tmp_path))
    checkpoint = trained(store, learning_curve=curve())
    before = page(store, checkpoint)
    assert "training perplexity" in before and "held-out perplexity</text>" not in before
    assert "Held out are the test abstracts" not in before
    checkpoint = trained(store, learning_curve=curve(), heldout_curve=heldout_curve())
    now = page(store, checkpoint)
    assert "training perplexity" in now and "held-out perplexity</text>" in now
    assert "Held out are the test abstracts" in now and "paper, first" not in now


def test_the_paper_s_figures_are_drawn_for_its_base(tmp_path: Path) -> None:
    store = Store(Home(tmp_path))
    checkpoint = trained(store, learning_curve=curve(), heldout_curve=heldout_curve())
    assert "paper, first 9.7" in page(store, checkpoint, base(store, "meta-llama/Llama-2-7b-hf"))
    assert "paper, first 9.7" not in page(store, checkpoint, base(store, "meta-llama/Other-7b"))


def report(store: Store, asset: str, content: Any, **parameters: Any) -> Manifest:
    work = Work(asset, RELEASE, parameters, {})
    return store.commit(work, Built("c" * 64, store.home.root, facts={"report": content}))


def test_the_page_and_the_index_hold_the_same_figures(tmp_path: Path) -> None:
    store = Store(Home(tmp_path))
    parts = {"perplexity_report": report(store, "perplexity_report", perplexity_report())}
    built = build_release_report(store.home, store, RELEASE, parts)
    numbers = json.loads((store.home.reports / f"{RELEASE}.json").read_text())
    assert numbers["perplexity_report"] == json.loads(json.dumps(perplexity_report()))
    assert built.facts["index"]["tuned_bits"] == 1.1512
    assert built.facts["index"]["champion_bits"] == 1.1603
    assert built.facts["index"]["rise_far"] == 0.019
    assert built.facts["index"]["drift_nats_per_token"] == 0.147


@pytest.mark.parametrize("name", [f"{RELEASE}.html", f"{RELEASE}.json"])
@pytest.mark.parametrize("harm", [Path.unlink, lambda file: file.write_text("{}")])
def test_a_harmed_page_or_its_numbers_are_made_again(
    name: str, harm: Callable[[Path], object], tmp_path: Path
) -> None:
    store, work = Store(Home(tmp_path)), Work("release_report", RELEASE, {}, {})
    parts = {"perplexity_report": report(store, "perplexity_report", perplexity_report())}

    def made() -> tuple[Manifest, bool]:
        return make_or_reuse(
            store, work, lambda: build_release_report(store.home, store, RELEASE, parts)
        )

    manifest, _ = made()
    assert store.path_of(manifest) == store.home.reports / f"{RELEASE}.html"
    assert made()[1], "nothing happened to it"
    file = store.home.reports / name
    before = file.read_bytes()
    harm(file)
    assert not store.is_intact(manifest)
    assert made()[1] is False and file.read_bytes() == before
    assert made()[1]


def test_the_bounds_are_those_of_the_promotion(tmp_path: Path) -> None:
    store = Store(Home(tmp_path))
    part = report(store, "perplexity_report", perplexity_report())
    facts = {"decision": {"promoted": False, "reasons": [], "model_name": "a",
                          "candidate_version": 1}}  # fmt: skip
    for rules, words in (
        ({"max_forgetting": 0.01, "max_drift": 0.5}, "allowed +1.0"),
        ({"max_forgetting": 0.01}, "allowed 0.25"),  # decided before there was a bound on drift
    ):
        work = Work("champion_model", RELEASE, {"rules": rules}, {})
        champion = store.commit(work, Built("d" * 64, store.home.root, facts=facts))
        assert words in page(store, part, champion)


@pytest.mark.parametrize(
    ("rise", "drift", "words"),
    [
        (0.019, 0.147, "Within bounds: on far fields"),
        (0.019, 0.31, "Too much was forgotten: on far fields"),
        (0.019, None, "Not all was measured: on far fields"),
        (None, 0.147, "Not all was measured: on far fields perplexity was not measured"),
        (0.06, None, "Too much was forgotten: on far fields"),
    ],
)
def test_the_page_judges_forgetting_as_promotion_does(
    rise: float | None, drift: float | None, words: str, tmp_path: Path
) -> None:
    store = Store(Home(tmp_path))
    measured = perplexity_report()
    measured["forgetting"] |= {"rise_far": rise, "drift_nats_per_token": drift}
    text = page(store, report(store, "perplexity_report", measured))
    assert words in text
    passed, _ = judge_forgetting(Forgetting.of(measured), max_forgetting=0.05, max_drift=0.25)
    assert passed == ("Within bounds" in text)


def test_without_far_fields_all_general_ones_are_judged(tmp_path: Path) -> None:
    store = Store(Home(tmp_path))
    measured = perplexity_report()
    measured["forgetting"]["rise_far"] = None
    del measured["forgetting"]["rings"]["far"]
    text = page(store, report(store, "perplexity_report", measured))
    assert "on all general fields perplexity changed by" in text
    assert Forgetting.of(measured).rise is not None


def test_the_index_takes_lines_of_older_code(tmp_path: Path) -> None:
    store = Store(Home(tmp_path))
    path = store.home.reports / f"{RELEASE}.html"
    path.parent.mkdir(parents=True)
    path.write_text("a page")
    old = {"release": RELEASE, "page": path.name, "model": "a 1", "is_champion": False,
           "promoted": True, "papers": 12, "base_astro": 80.0, "tuned_astro": 60.0,
           "rise_general": 0.01, "gone_since": 1}  # fmt: skip
    store.commit(
        Work("release_report", RELEASE, {}, {}), Built("e" * 64, path, facts={"index": old})
    )
    write_index(store.home, store, None)
    assert "60.00" in (store.home.reports / "index.html").read_text()
    entry = json.loads((store.home.reports / "index.json").read_text())["releases"][0]
    assert entry["tuned_astro"] == 60.0 and entry["tuned_bits"] is None


def test_reports_beside_different_champions_are_told(tmp_path: Path) -> None:
    store = Store(Home(tmp_path))
    first = report(store, "perplexity_report", perplexity_report(), champion="c" * 64)
    same = report(store, "embeddings", None, champion="c" * 64)
    assert "is another than in" not in page(store, first, same)
    other = report(store, "knowledge_report", knowledge_report(), champion="d" * 64)
    told = page(store, first, same, other)
    assert "The champion in knowledge_report is another than in perplexity_report" in told
    of_before = report(store, "completion_report", completion_report())
    assert "The champion in" not in page(store, first, of_before)
