"""What a person sees of the corpus at token_blocks."""

import re
from base64 import b64decode
from pathlib import Path

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Manifest, Store, Work
from astro_assets.defs.corpus_figures import of_token_blocks
from tests.evaluation.pages.content import corpus_statistics_of_a_few

SNAPSHOT = "arxiv_snapshot"


def manifests(
    store: Store, tmp_path: Path, *, origin: str, through: str
) -> tuple[Manifest, Manifest]:
    """Keep a snapshot, a table bound to it and tokens; return table and tokens."""

    def keep(asset: str, release: str | None, **made) -> Manifest:
        parameters = {"n": asset, "category_rule": "any"}
        work = Work(asset=asset, release=release, parameters=parameters, parents={})
        return store.commit(work, Built(fingerprint="f" * 64, path=tmp_path, **made))

    source = {"origin": origin, "vintage": "2023-05-14"}
    snapshot = keep(SNAPSHOT, None, counts={"n_records": 2_300_000}, facts=source)
    known = {"snapshot_key": snapshot.key, "updates_through": through}
    papers = keep("astro_ph_papers", "2023-07", facts=known)
    facts = {"statistics": corpus_statistics_of_a_few(), "n_vocab": 32_000}
    return papers, keep("token_blocks", "2023-07", facts=facts)


def shown(
    tmp_path: Path, *, origin: str = "kaggle", release: str = "2023-07", through: str = "2023-07"
):
    store = Store(Home(tmp_path / "home"))
    made = manifests(store, tmp_path, origin=origin, through=through)
    return of_token_blocks(store, release, *made)


def cells(markdown) -> list[list[str]]:
    lines = markdown.value.replace("\\", "").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_tables_by_year_and_subfield(tmp_path: Path) -> None:
    made = shown(tmp_path)
    assert cells(made["corpus_by_year"])[2] == [
        "2025", "4,321", "4,320", "1,080,250", "250.0", "290.5"
    ]  # fmt: skip
    assert [row[0] for row in cells(made["corpus_by_subfield"])[2:]] == ["astro-ph", "astro-ph.CO"]
    assert [row[0] for row in cells(made["corpus"])[2:]] == ["all", "test", "train"]
    assert made["median_tokens"] == 281.5


def test_the_picture_is_inline(tmp_path: Path) -> None:
    found = re.search(r"base64,([^)]+)\)", shown(tmp_path)["corpus_figure"].value)
    assert found and b64decode(found[1])[:4] == b"\x89PNG"


def test_beside_the_paper_or_why_not(tmp_path: Path) -> None:
    rows = {row[0]: row[1:] for row in cells(shown(tmp_path / "a")["beside_the_paper"])}
    assert rows["papers"][:2] == ["326,238", "25,331"]
    assert rows["tokens"][:2] == ["95,000,000", "6,332,750"]
    assert rows["share of papers held out"][:2] == ["0.200", "0.210"]
    generated = shown(tmp_path / "b", origin="synthetic")["beside_the_paper"].value
    assert generated.startswith("Not shown: the snapshot")
    old = shown(tmp_path / "d", through="2023-06")["beside_the_paper"].value
    assert old.startswith("Not shown: the snapshot is from 2023") and "326" not in old
    later = shown(tmp_path / "c", release="2023-08")["beside_the_paper"].value
    assert "2023" in later and "326" not in later
