"""The search of a home's vectors, planted: a release, its papers, and a model to embed queries."""

import json
import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Store, Work
from astro_assets.console.similar import as_json, show, similar
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import (
    BadSettingError,
    DamagedArtifactError,
    MissingArtifactError,
    UnknownNameError,
)
from astro_assets.evaluation.embeddings.vectors import embed
from astro_assets.settings import Settings
from tests.evaluation.embeddings.folders import paper, write_folder
from tests.evaluation.planted import with_adapter

RELEASE, OLDER = "2023-07", "2023-06"
TEXTS = [
    "We present a survey of galaxies at high redshift.",
    "The model of the plasma explains the observed spectrum.",
    "The star formation rate is measured from the infrared luminosity.",
]
EXCLUDED = "A pulsar that was on the train side."
IDS = [f"2307.0000{i}" for i in range(3)]


def committed(store: Store, asset: str, release: str | None, folder: Path, **given) -> None:
    parents = given.pop("parents", {})
    parameters = given.pop("parameters", {"of": str(release)})
    built = Built(asset.ljust(64, "0")[:64], folder, **given)
    store.commit(Work(asset, release, parameters, parents), built)


@pytest.fixture(scope="module")
def planted(tmp_path_factory, tiny_base):
    """A home with one release: base, adapter, papers, and vectors by the adapted model."""
    root = tmp_path_factory.mktemp("similar") / "home"
    store = Store(Home(root))
    base, adapter = root / "bases" / "tiny", root / "adapters" / "a"
    shutil.copytree(tiny_base, base)
    tuned = with_adapter(base)
    tuned.save_pretrained(adapter)
    committed(store, "base_model", None, base)
    content = store.require("base_model", None).fingerprint
    recipe = {"method": "lora", "quantisation": None}
    committed(
        store,
        "lora_checkpoint",
        RELEASE,
        adapter,
        parents={"base_model": content},
        parameters={"recipe": recipe},
    )
    tokenizer = Tokenizer.load(base)
    vectors = embed(tuned, tokenizer.encode_batch(TEXTS), bos_id=tokenizer.bos_id)
    rows = [paper(id, text=text) for id, text in zip(IDS, TEXTS, strict=True)]
    rows[1]["title"] = "[red]<b>Plasma</b>[/red]\x1b[31m " + "long " * 60
    arrays = {"abstracts": vectors, "train": vectors[:2]}
    folder = root / "evaluations" / "embeddings-a"
    write_folder(folder, rows, {"base": arrays, "tuned": arrays, "baseline": arrays})
    model = store.require("lora_checkpoint", RELEASE).fingerprint
    committed(store, "embeddings", RELEASE, folder, parents={"lora_checkpoint": model})
    _papers(store, root / "papers" / "astro_ph_papers")
    return root


def _papers(store: Store, folder: Path) -> None:
    folder.mkdir(parents=True)
    ids, texts = [*IDS, "astro-ph/9901234"], [*TEXTS, f"  {EXCLUDED}\n"]
    table = pl.DataFrame({"id": ids, "title": ["A title"] * 4, "abstract": texts})
    table.write_parquet(folder / "2023-07.parquet")
    shards = [{"month": "2023-07", "file": "2023-07.parquet"}]
    committed(store, "astro_ph_papers", RELEASE, folder, facts={"shards": shards})


@pytest.fixture
def home(planted, tmp_path):
    """A copy that a test may break."""
    return Path(shutil.copytree(planted, tmp_path / "home"))


def ask(home, query, *, k=3, release=None):
    return similar(Settings(home=home), query, k=k, release=release)


def printed(result) -> str:
    out = StringIO()
    show(result, Console(file=out, width=200, force_terminal=False))
    return out.getvalue()


def test_a_text_finds_the_paper_that_says_it(planted):
    result = ask(planted, f"  {TEXTS[1]}\n")
    assert (result.release, result.query, result.is_paper) == (RELEASE, TEXTS[1], False)
    assert [one.rank for one in result.found] == [1, 2, 3]
    assert result.found[0].id == IDS[1]
    assert result.found[0].similarity == pytest.approx(1, abs=1e-4)
    assert result.n_papers == 3


@pytest.mark.parametrize("query", [IDS[0], f"arXiv:{IDS[0]}v3", f"https://arxiv.org/abs/{IDS[0]}"])
def test_an_embedded_paper_finds_others_by_its_own_vector(planted, query):
    result = ask(planted, query)
    assert (result.query, result.title) == (IDS[0], f"On {IDS[0]}")
    assert {one.id for one in result.found} == set(IDS[1:])


def test_an_embedded_paper_needs_no_model(home):
    shutil.rmtree(home / "bases")
    assert len(ask(home, IDS[0]).found) == 2


def test_a_paper_that_is_not_embedded_is_asked_by_its_abstract(planted):
    result = ask(planted, "astro-ph/9901234v2", k=2)
    assert (result.query, result.title, result.is_paper) == ("astro-ph/9901234", "A title", True)
    by_text = ask(planted, EXCLUDED, k=2).found
    assert result.found == by_text


def test_a_paper_nobody_knows(planted):
    with pytest.raises(UnknownNameError, match=r"has no paper 2401\.00001"):
        ask(planted, "2401.00001")


@pytest.mark.parametrize("query", ["", "  \n\x00"])
def test_an_empty_query(planted, query):
    with pytest.raises(BadSettingError, match="nothing to search for"):
        ask(planted, query)


def test_homes_and_releases_without_embeddings(planted, tmp_path):
    with pytest.raises(MissingArtifactError, match=r"No release in .* has embeddings"):
        ask(tmp_path, "galaxies")
    with pytest.raises(MissingArtifactError, match=f"Materialise embeddings, release {OLDER}"):
        ask(planted, "galaxies", release=OLDER)


def test_the_newest_release_with_embeddings_is_asked(home):
    for name in ("2023-09", "no-month", "all"):
        (home / "releases" / name).mkdir(exist_ok=True)
    assert ask(home, IDS[0]).release == RELEASE
    assert ask(home, IDS[0], release=RELEASE).found == ask(home, IDS[0]).found


def test_vectors_of_another_model_are_not_asked_with_this_one(home):
    store = Store(Home(home))
    base = store.require("base_model", None).fingerprint
    built = Built("f" * 64, home / "adapters" / "a")
    recipe = {"recipe": {"method": "lora", "quantisation": None, "seed": 2}}
    store.commit(Work("lora_checkpoint", RELEASE, recipe, {"base_model": base}), built)
    with pytest.raises(DamagedArtifactError, match="made with another model"):
        ask(home, "galaxies")


def test_folders_that_cannot_be_searched(home):
    folder = home / "evaluations" / "embeddings-a"
    about = json.loads((folder / "ids.json").read_text())
    (folder / "ids.json").write_text(json.dumps(about | {"labels": ["model"]}))
    with pytest.raises(DamagedArtifactError, match="no vectors of a trained model"):
        ask(home, "galaxies")
    (folder / "ids.json").write_text(json.dumps(about))
    np.save(folder / "tuned.npy", np.zeros((2, 4)))
    with pytest.raises(DamagedArtifactError, match="rows of float32"):
        ask(home, IDS[0])


def test_papers_that_cannot_be_read(home):
    (home / "papers" / "astro_ph_papers" / "2023-07.parquet").write_text("no Parquet")
    with pytest.raises(DamagedArtifactError, match="papers of release 2023-07 cannot be read"):
        ask(home, "astro-ph/9901234")


def test_titles_stay_text_on_one_bounded_line(planted):
    lines = printed(ask(planted, IDS[0])).splitlines()
    (line,) = [line for line in lines if IDS[1] in line]
    assert "[red]<b>Plasma</b>[/red] [31m long" in line and line.rstrip().endswith("…")
    assert "\x1b" not in line and len(line) < 140


def test_the_months_of_the_compared_papers_are_told(home):
    """The last paper stands behind the figure: it may be of any month."""
    folder = home / "evaluations" / "embeddings-a"
    table = pl.read_parquet(folder / "papers.parquet")
    months = pl.Series("submission_month", ["1992-04", "2009-03", "2023-07"])
    table.with_columns(months).write_parquet(folder / "papers.parquet")
    about = json.loads((folder / "ids.json").read_text()) | {"n_figure": 2, "n_extra": 1}
    (folder / "ids.json").write_text(json.dumps(about))
    result = ask(home, IDS[0], k=1)
    assert (result.first_month, result.last_month) == ("1992-04", "2009-03")
    told = "First submitted 1992-04 to 2009-03; later papers may not be among them."
    assert told in printed(result)
    nothing = pl.lit(None, dtype=pl.String).alias("submission_month")
    table.with_columns(nothing).write_parquet(folder / "papers.parquet")
    result = ask(home, IDS[0], k=1)
    assert (result.first_month, result.last_month) == (None, None)
    assert "First submitted" not in printed(result)


def test_shown_and_as_json(planted):
    result = ask(planted, TEXTS[0], k=2)
    text, plain = printed(result), json.loads(json.dumps(as_json(result)))
    assert "1.000" in text and IDS[0] in text and "3 held-out papers of release 2023-07" in text
    assert [one["id"] for one in plain["found"]] == [one.id for one in result.found]
    assert plain["found"][0].keys() == {"rank", "id", "title", "submission_month", "similarity"}
    assert (plain["first_month"], plain["last_month"]) == (RELEASE, RELEASE)
    assert (plain["release"], plain["is_paper"], plain["title"]) == (RELEASE, False, None)
    assert ask(planted, TEXTS[0], k=2) == result
