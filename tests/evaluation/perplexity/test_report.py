import json

import numpy as np
import polars as pl
import pytest

from astro_assets.artifacts import fingerprint
from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.perplexity.report import build_perplexity_report
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import handles, load, papers, plain_nll
from tests.tiny import make_tiny_base

TEXTS = {"astro": papers(8), "general": papers(5, word="groups")}


@pytest.fixture(scope="module")
def models(tiny_base, tmp_path_factory):
    return handles(tiny_base, tmp_path_factory.mktemp("adapter"))


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    path = tmp_path_factory.mktemp("blocks") / "tokens.npy"
    np.save(path, np.arange(3, 203, dtype=np.uint16))
    return dict.fromkeys(TEXTS, TokenBlocks([Stream(path, 200)], block_length=64))


@pytest.fixture(scope="module")
def build(blocks):
    def build(models, out, *, texts=TEXTS, max_tokens=10_000, near_copies=None):
        return build_perplexity_report(
            models,
            texts=texts,
            blocks=blocks,
            max_tokens=max_tokens,
            out=out,
            progress=NO_PROGRESS,
            near_copies=near_copies,
        )

    return build


@pytest.fixture(scope="module")
def built(build, models, tmp_path_factory):
    return build(models, tmp_path_factory.mktemp("made") / "report")


def test_base_and_tuned_are_what_plain_transformers_says(built, tiny_base):
    tokenizer, model = Tokenizer.load(tiny_base), load(tiny_base)
    documents = tokenizer.encode_batch(TEXTS["astro"]["text"].to_list())
    nll = sum(plain_nll(model, [tokenizer.bos_id, *document]) for document in documents)
    n_bytes = sum(len(text.encode()) for text in TEXTS["astro"]["text"])
    figures = built.facts["report"]["models"]["base"]["astro"]["per_document"]
    assert figures["n_tokens"] == sum(map(len, documents))
    assert figures["n_bytes"] == n_bytes
    assert figures["n_documents"] == 8
    assert figures["nll_nats_per_token"] == pytest.approx(nll / figures["n_tokens"], rel=1e-5)
    assert figures["nats_per_byte"] == pytest.approx(nll / n_bytes, rel=1e-5)


def test_the_differences_belong_to_the_figures(built):
    report = built.facts["report"]
    base, tuned = (report["models"][label] for label in ("base", "tuned"))
    for field in ("astro", "general"):
        gap = (
            tuned[field]["per_document"]["nats_per_byte"]
            - base[field]["per_document"]["nats_per_byte"]
        )
        difference = report["tuned_minus_base"][field]
        assert difference["nats_per_byte"] == pytest.approx(gap, rel=1e-5)
        assert difference["low"] <= difference["nats_per_byte"] <= difference["high"]
    ratio = {
        field: tuned[field]["per_document"]["perplexity"]
        / base[field]["per_document"]["perplexity"]
        for field in ("astro", "general")
    }
    assert report["reduction_astro"] == pytest.approx(1 - ratio["astro"], rel=1e-6)
    assert report["rise_general"] == pytest.approx(ratio["general"] - 1, rel=1e-6)
    assert abs(report["reduction_astro"]) > 1e-3, "the adapter of this test does nothing"


def test_packed_blocks_stand_beside(built):
    packed = built.facts["report"]["models"]["tuned"]["general"]["packed_blocks"]
    assert (packed["n_blocks"], packed["n_tokens"]) == (3, 3 * 63)


def test_without_champion_its_parts_are_null(built):
    assert built.facts["report"]["models"]["champion"] is None
    assert built.facts["report"]["tuned_minus_champion"] is None


def test_files_hold_what_the_facts_say(built):
    assert json.loads((built.path / "report.json").read_text()) == built.facts["report"]
    assert built.files == fingerprint.of_folder(built.path)
    table = pl.read_parquet(built.path / "documents.parquet")
    astro = table.filter(pl.col("field") == "astro")
    assert len(table) == 13
    figures = built.facts["report"]["models"]["tuned"]["astro"]["per_document"]
    assert astro["n_tokens_tuned"].sum() == figures["n_tokens"]
    nll = astro["nll_nats_tuned"].sum()
    assert nll / astro["n_bytes"].sum() == pytest.approx(figures["nats_per_byte"], rel=1e-8)


def test_the_same_models_give_the_same_bytes(built, build, models, tmp_path):
    again = build(models, tmp_path / "again")
    assert (again.fingerprint, again.files) == (built.fingerprint, built.files)


def test_a_model_against_itself_differs_by_nothing(build, models, tmp_path):
    twice = {"base": models["base"], "tuned": models["base"], "champion": models["base"]}
    report = build(twice, tmp_path / "report").facts["report"]
    zero = {"nats_per_byte": 0.0, "low": 0.0, "high": 0.0, "n_documents": 8}
    assert report["tuned_minus_base"]["astro"] == zero
    assert report["tuned_minus_champion"]["astro"] == zero
    assert (report["reduction_astro"], report["rise_general"]) == (0.0, 0.0)
    assert report["notes"] == []


def test_a_champion_with_another_tokenizer_is_compared_by_bytes(build, models, tmp_path):
    other = make_tiny_base(tmp_path, seed=3)
    document = json.loads((other / "tokenizer.json").read_text())
    document["model"]["merges"] = document["model"]["merges"][:20]
    (other / "tokenizer.json").write_text(json.dumps(document))
    champion = ModelHandle("champion", other, None, "c" * 64, None)
    report = build({**models, "champion": champion}, tmp_path / "report").facts["report"]
    figures = report["models"]["champion"]["astro"]
    ours = report["models"]["tuned"]["astro"]["per_document"]
    assert figures["packed_blocks"] is None
    assert figures["per_document"]["n_tokens"] > ours["n_tokens"]
    assert figures["per_document"]["n_bytes"] == ours["n_bytes"]
    gap = ours["nats_per_byte"] - figures["per_document"]["nats_per_byte"]
    assert report["tuned_minus_champion"]["astro"]["nats_per_byte"] == pytest.approx(gap, rel=1e-5)
    assert report["notes"] == ["champion: packed blocks not measured (another tokenizer)"]


def test_the_bound_on_tokens_is_kept_and_counted(build, models, tmp_path):
    built = build(models, tmp_path / "report", max_tokens=150)
    figures = built.facts["report"]["models"]["base"]["astro"]["per_document"]
    assert 0 < figures["n_tokens"] <= 150
    assert built.counts["astro_documents"] == figures["n_documents"] < 8


def test_no_general_paper_is_a_named_error_that_leaves_the_old_report(built, build, models):
    before = fingerprint.of_folder(built.path)
    with pytest.raises(EmptyCorpusError, match="no general test papers"):
        build(models, built.path, texts={**TEXTS, "general": papers(0)})
    assert fingerprint.of_folder(built.path) == before


def test_general_is_measured_on_fields_that_nobody_replays(built, build, models, tmp_path):
    replayed = papers(7, word="primes", categories="math.NT hep-th")
    more = {**TEXTS, "general": pl.concat([replayed, TEXTS["general"]])}
    made = build(models, tmp_path / "report", texts=more)
    told = made.facts["report"].pop("general_fields")
    assert (told["n_test_papers"], told["n_measured_papers"]) == (12, 5)
    before = {k: v for k, v in built.facts["report"].items() if k != "general_fields"}
    assert made.facts["report"] == before
    assert made.counts == built.counts


def test_near_copies_are_left_out_and_counted(built, build, models, tmp_path):
    assert built.facts["report"]["near_copies_left_out"] is None
    copies = {"astro": TEXTS["astro"]["id"].to_list()[:3], "general": ["of another table"]}
    made = build(models, tmp_path / "report", near_copies=copies)
    assert made.facts["report"]["near_copies_left_out"] == {"astro": 3, "general": 0}
    assert made.counts == {"astro_documents": 5, "general_documents": 5}
    told = pl.read_parquet(made.path / "documents.parquet")["id"].to_list()
    assert len(told) == 10 and not set(copies["astro"]) & set(told)
    without = {**TEXTS, "astro": TEXTS["astro"][3:]}
    alone = build(models, tmp_path / "alone", texts=without).facts["report"]
    assert made.facts["report"]["models"] == alone["models"]


def test_a_side_of_near_copies_alone_is_a_named_error(build, models, tmp_path):
    copies = {"astro": TEXTS["astro"]["id"].to_list(), "general": []}
    with pytest.raises(EmptyCorpusError, match="no astro test papers"):
        build(models, tmp_path / "report", near_copies=copies)
