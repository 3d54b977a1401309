"""What training left behind, on the page of its release."""

import json
from pathlib import Path
from typing import Any

from astro_assets.artifacts.fingerprint import of_folder
from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Manifest, Store, Work
from astro_assets.registry.release_page import build_release_report
from tests.evaluation.pages.content import curve, heldout_curve

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
