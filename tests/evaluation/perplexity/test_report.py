import json
import math

import numpy as np
import polars as pl
import pytest

from astro_assets.artifacts import fingerprint
from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.forgetting import self_text
from astro_assets.evaluation.perplexity.forward import LaterPapers
from astro_assets.evaluation.perplexity.report import build_perplexity_report
from astro_assets.evaluation.samples import Sample
from astro_assets.evaluation.selection import take_papers
from astro_assets.models.handle import ModelHandle
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from astro_assets.registry.scorecards import scorecard
from tests.evaluation.planted import handles, load, papers, plain_nll, with_adapter
from tests.tiny import make_tiny_base

TEXTS = {"astro": papers(8), "general": papers(5, word="groups")}
FAR = papers(4, word="codes", categories="cs.LG stat.ML")
PRIMES = papers(3, word="primes", categories="math.NT")
MONTHS = [f"2023-{number:02d}" for number in range(1, 9)]


@pytest.fixture(scope="module", autouse=True)
def _few_texts_of_the_base_itself():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(self_text, "N_TEXTS", 6)
        yield


@pytest.fixture(scope="module")
def models(tiny_base, tmp_path_factory):
    return handles(tiny_base, tmp_path_factory.mktemp("adapter"))


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blocks")
    np.save(folder / "test.npy", np.arange(3, 203, dtype=np.uint16))
    np.save(folder / "train.npy", np.arange(300, 10, -1, dtype=np.uint16))
    test = TokenBlocks([Stream(folder / "test.npy", 200)], block_length=64)
    train = TokenBlocks([Stream(folder / "train.npy", 290)], block_length=64)
    return {"astro": test, "general": test, "astro_train": train}


@pytest.fixture(scope="module")
def build(blocks):
    def build(models, out, **changed):
        asked = {"texts": TEXTS, "max_tokens": 10_000, "blocks": blocks, **changed}
        return build_perplexity_report(models, out=out, progress=NO_PROGRESS, **asked)

    return build


@pytest.fixture(scope="module")
def built(build, models, tmp_path_factory):
    return build(models, tmp_path_factory.mktemp("made") / "report")


@pytest.mark.parametrize("label", ["base", "tuned"])
def test_figures_are_those_of_a_plain_transformers_loop(built, tiny_base, label):
    tokenizer = Tokenizer.load(tiny_base)
    model = load(tiny_base) if label == "base" else with_adapter(tiny_base)
    documents = tokenizer.encode_batch(TEXTS["astro"]["text"].to_list())
    nll = sum(plain_nll(model, [tokenizer.bos_id, *document]) for document in documents)
    n_tokens = sum(map(len, documents))
    n_bytes = sum(len(text.encode()) for text in TEXTS["astro"]["text"])
    figures = built.facts["report"]["models"][label]["astro"]["per_document"]
    assert (figures["n_tokens"], figures["n_bytes"]) == (n_tokens, n_bytes)
    assert figures["n_documents"] == 8
    assert figures["nll_nats_per_token"] == pytest.approx(nll / n_tokens, rel=1e-5)
    assert figures["perplexity"] == pytest.approx(math.exp(nll / n_tokens), rel=1e-4)
    assert figures["bits_per_byte"] == pytest.approx(nll / n_bytes / math.log(2), rel=1e-5)
    for name, (low, high) in figures["interval"].items():  # eight are enough for one
        assert low < figures[name] < high


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
    astro, general = (report["tuned_minus_base"][field] for field in ("astro", "general"))
    assert astro["low"] <= astro["nats_per_byte"] <= astro["high"]
    assert general["low"] is general["high"] is None, "five papers give no interval"
    ratio = {
        field: tuned[field]["per_document"]["perplexity"]
        / base[field]["per_document"]["perplexity"]
        for field in ("astro", "general")
    }
    assert report["reduction_astro"] == pytest.approx(1 - ratio["astro"], rel=1e-6)
    assert report["rise_general"] == pytest.approx(ratio["general"] - 1, rel=1e-6)
    assert abs(report["reduction_astro"]) > 1e-3, "the adapter of this test does nothing"


def test_packed_blocks_stand_beside_on_both_sides(built, blocks, tiny_base):
    report, model = built.facts["report"], load(tiny_base)
    for name, n_blocks in (("general", 3), ("astro_train", 4)):
        packed = report["models"]["base"][name]["packed_blocks"]
        assert (packed["n_blocks"], packed["n_tokens"]) == (n_blocks, n_blocks * 63)
        nll = [plain_nll(model, blocks[name][i].tolist()) for i in range(n_blocks)]
        assert packed["nll_nats_per_token"] == pytest.approx(sum(nll) / (n_blocks * 63), rel=1e-5)
        low, high = packed["interval"]["perplexity"]
        assert low < packed["perplexity"] < high


def test_the_papers_reduction_stands_beside_that_on_training_blocks(built):
    report = built.facts["report"]
    reductions = dict(report["reductions"])
    assert reductions.pop("paper_train_packed") == 0.325
    assert reductions.pop("train_share_read") is None
    figures = {
        "astro_per_document": ("astro", "per_document", 8),
        "astro_packed": ("astro", "packed_blocks", 3),
        "astro_train_packed": ("astro_train", "packed_blocks", 4),
    }
    assert set(reductions) == set(figures)
    for name, (field, measure, n) in figures.items():
        found = reductions[name]
        base, tuned = (
            report["models"][label][field][measure]["perplexity"] for label in ("base", "tuned")
        )
        assert (found["base"], found["tuned"], found["n"]) == (base, tuned, n)
        assert found["reduction"] == pytest.approx(1 - tuned / base, rel=1e-5)
        assert found["low"] <= found["reduction"] <= found["high"]
    assert reductions["astro_packed"] != reductions["astro_train_packed"]
    assert report["reduction_astro"] == reductions["astro_per_document"]["reduction"]


ORDER = take_papers(TEXTS["astro"], what="papers").ids


@pytest.mark.parametrize(("places", "n_kept_in"), [((0, 7), 1), ((6, 7), 0), ((0, 1), 2)])
def test_of_near_copies_the_headline_is_held_beside_those_its_sample_would_hold(
    build, models, tmp_path, places, n_kept_in
):
    """However small its bound, so that a copy weighs what it weighs among all test papers."""
    copies = {"astro": [ORDER[place] for place in places], "general": []}
    report = build(models, tmp_path / "report", near_copies=copies, max_tokens=250).facts["report"]
    assert report["near_copies_kept_in"] == n_kept_in
    for label in models:
        headline, alone, both = (
            report["models"][label]["astro"]["per_document"],
            report["near_copies_alone"][label],
            report["with_near_copies"][label],
        )
        assert alone["n_documents"] == 2 and 1 < headline["n_documents"] < 5
        assert both["n_documents"] == headline["n_documents"] + n_kept_in
        assert (both == headline) == (n_kept_in == 0)


@pytest.mark.parametrize("n", [1, 7, 8])
def test_few_documents_have_figures_but_no_interval(build, models, tmp_path, n):
    report = build(models, tmp_path / "report", texts={**TEXTS, "astro": TEXTS["astro"][:n]}).facts[
        "report"
    ]
    figures = report["models"]["tuned"]["astro"]["per_document"]
    assert figures["n_documents"] == n and figures["perplexity"] > 1
    for ends in figures["interval"].values():
        assert [end is None for end in ends] == [n < 8] * 2
    card = scorecard({"perplexity": report}, "tuned", name="m", role="tuned", digest="d")
    assert card.bits_per_byte == figures["bits_per_byte"]
    assert (card.bits_per_byte_low is None) == (card.bits_per_byte_high is None) == (n < 8)


def test_how_much_of_the_training_blocks_was_read_is_kept(build, models, tmp_path):
    report = build(models, tmp_path / "report", train_share_read=0.25).facts["report"]
    assert report["reductions"]["train_share_read"] == 0.25


def test_without_champion_its_parts_are_null(built):
    assert built.facts["report"]["models"]["champion"] is None
    assert built.facts["report"]["tuned_minus_champion"] is None


def test_files_hold_what_the_facts_say(built):
    assert json.loads((built.path / "report.json").read_text()) == built.facts["report"]
    assert built.files == fingerprint.of_folder(built.path)
    table = pl.read_parquet(built.path / "documents.parquet")
    astro = table.filter(pl.col("field") == "astro")
    n_written = built.facts["report"]["forgetting"]["rings"]["self_text"]["n_documents"]
    assert len(table) == 13 + n_written
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
    assert report["forgetting"]["drift_nats_per_token"] == 0.0
    assert report["reductions"]["astro_packed"]["reduction"] == 0.0
    (note,) = report["notes"]
    assert note.startswith("forward in time: not measured")


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
    assert report["notes"][0] == "champion: packed blocks not measured (another tokenizer)"
    assert figures["per_document"]["n_documents"] == ours["n_documents"]
    written = report["forgetting"]["rings"]["self_text"]
    assert set(written["models"]) == {"base", "tuned"}, "it cannot read the base's tokens"
    assert written["champion_minus_base"] is None


def test_the_bound_on_tokens_is_kept_and_counted(build, models, tmp_path):
    built = build(models, tmp_path / "report", max_tokens=150)
    report = built.facts["report"]
    figures = report["models"]["base"]["astro"]["per_document"]
    assert 0 < figures["n_tokens"] <= 150
    assert built.counts["astro_documents"] == figures["n_documents"] < 8
    used = report["n_tokens_used"]
    assert (report["max_tokens"], used["astro"]) == (150, figures["n_tokens"])
    assert report["max_other_tokens"] == report["max_later_tokens"] == 150
    assert used["astro_packed"] == used["astro_train_packed"] == 128


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
    assert made.facts["report"] == before, "mathematics and strings at once are in no ring either"
    assert made.counts == built.counts


def test_near_copies_are_left_out_and_counted(built, build, models, tmp_path):
    assert built.facts["report"]["near_copies_left_out"] is None
    copies = {"astro": TEXTS["astro"]["id"].to_list()[:3], "general": ["of another table"]}
    made = build(models, tmp_path / "report", near_copies=copies)
    assert made.facts["report"]["near_copies_left_out"] == {"astro": 3, "general": 0}
    assert made.counts == {"astro_documents": 5, "general_documents": 5}
    table = pl.read_parquet(made.path / "documents.parquet")
    told = table.filter(pl.col("field").is_in(["astro", "general"]))["id"].to_list()
    assert len(told) == 10 and not set(copies["astro"]) & set(told)
    assert set(table.filter(pl.col("field") == "near_copies")["id"]) == set(copies["astro"])
    without = {**TEXTS, "astro": TEXTS["astro"].filter(~pl.col("id").is_in(copies["astro"]))}
    alone = build(models, tmp_path / "alone", texts=without).facts["report"]
    assert made.facts["report"]["models"] == alone["models"]
    with_them = made.facts["report"]["with_near_copies"]
    assert made.facts["report"]["near_copies_kept_in"] == 3, "the headline reads every paper"
    assert set(with_them) == {"base", "tuned"} and alone["with_near_copies"] is None
    for label, figures in with_them.items():
        before = built.facts["report"]["models"][label]["astro"]["per_document"]
        assert figures["n_documents"] == 8
        assert figures["perplexity"] == pytest.approx(before["perplexity"], rel=1e-6)
        by_itself = made.facts["report"]["near_copies_alone"][label]
        rest = made.facts["report"]["models"][label]["astro"]["per_document"]
        assert by_itself["n_documents"] == 3
        parts = [one["nats_per_byte"] * one["n_bytes"] for one in (by_itself, rest)]
        assert sum(parts) / figures["n_bytes"] == pytest.approx(figures["nats_per_byte"])


def test_near_copies_that_are_not_there_leave_nothing_to_compare(build, models, tmp_path):
    none = {"astro": [], "general": []}
    report = build(models, tmp_path / "report", near_copies=none).facts["report"]
    assert report["near_copies_left_out"] == {"astro": 0, "general": 0}
    assert report["with_near_copies"] is report["near_copies_alone"] is None
    assert report["near_copies_kept_in"] is None


def test_a_side_of_near_copies_alone_is_a_named_error(build, models, tmp_path):
    copies = {"astro": TEXTS["astro"]["id"].to_list(), "general": []}
    with pytest.raises(EmptyCorpusError, match="no astro test papers"):
        build(models, tmp_path / "report", near_copies=copies)


def test_the_order_of_models_changes_nothing(built, build, models, tmp_path):
    again = build(dict(reversed(models.items())), tmp_path / "report")
    assert again.facts["report"] == built.facts["report"]
    assert again.files == built.files


def test_any_single_model_has_figures_and_no_comparison(built, build, models, tmp_path):
    report = build({"model": models["base"]}, tmp_path / "report").facts["report"]
    same = built.facts["report"]["models"]["base"]
    assert report["models"] == {"model": same, "champion": None}
    for name in (
        "reduction_astro", "rise_general", "tuned_minus_base", "tuned_minus_champion", "reductions",
        "with_near_copies", "near_copies_kept_in", "forward",
    ):  # fmt: skip
        assert report[name] is None
    assert report["forgetting"] == {"rings": {}, "rise_far": None, "drift_nats_per_token": None}


def test_another_tokenizer_may_count_the_tokens_of_the_cap(build, models, tmp_path, tiny_base):
    """As when a model without training is put beside a release: the same documents for both."""
    other = make_tiny_base(tmp_path)
    document = json.loads((other / "tokenizer.json").read_text())
    document["model"]["merges"] = []
    (other / "tokenizer.json").write_text(json.dumps(document))
    model = {"model": ModelHandle("model", other, None, "c" * 64, None)}
    own = build(models, tmp_path / "own", max_tokens=150)
    asked = {"max_tokens": 150, "sampled_by": Tokenizer.load(tiny_base)}
    made = build(model, tmp_path / "made", **asked)
    figures = made.facts["report"]["models"]["model"]["astro"]["per_document"]
    assert made.counts == own.counts
    assert figures["n_tokens"] > 150
    assert made.facts["report"]["n_tokens_used"]["astro"] <= 150
    assert made.facts["report"]["notes"] == [
        "model: packed blocks not measured (another tokenizer)"
    ]


def test_rings_later_papers_and_prose_are_measured_in_the_same_pass(build, models, tmp_path):
    astro = TEXTS["astro"].with_columns(
        submission_month=pl.Series(MONTHS), primary_category=pl.lit("astro-ph.GA")
    )
    texts = {"astro": astro, "general": pl.concat([TEXTS["general"], FAR, PRIMES])}
    later = LaterPapers(Month(2023, 6), "champion", astro)
    prose = Sample(("prose-1",), ("",), ("The kettle sang while rain fell on the harbour.",))
    three = {**models, "champion": models["tuned"]}
    made = build(three, tmp_path / "report", texts=texts, later=later, prose=prose)
    report = made.facts["report"]
    rings = report["forgetting"]["rings"]
    assert {name: ring["n_documents"] for name, ring in rings.items()} == {
        "far": 4, "rehearsed": 3, "prose": 1, "self_text": rings["self_text"]["n_documents"],
    }  # fmt: skip
    assert report["forgetting"]["rise_far"] == rings["far"]["tuned_minus_base"]["rise"]
    for ring in rings.values():  # the champion is the tuned model here
        assert ring["champion_minus_base"] == ring["tuned_minus_base"] is not None
    assert rings["far"]["tuned_minus_base"]["low"] is None, "four texts give no interval"
    forward = report["forward"]
    assert (forward["cut"], forward["label"], forward["n_later_papers"]) == (
        "2023-06",
        "champion",
        2,
    )
    assert forward["contemporaries"]["n_documents"] == 6
    assert forward["contemporaries"]["since"] is None, "six are too few to choose among"
    assert [month["month"] for month in forward["months"]] == MONTHS[6:]
    table = pl.read_parquet(made.path / "documents.parquet")
    assert len(table) == 8 + 5 + 4 + 3 + 1 + rings["self_text"]["n_documents"]
    assert dict(table["ring"].drop_nulls().value_counts().iter_rows())["far"] == 4
    codes = table.filter(pl.col("ring") == "far")
    assert set(codes["field"]) == {"general"}, "far papers are among the general ones too"
    for label in three:
        nll, n_bytes = codes[f"nll_nats_{label}"].sum(), codes["n_bytes"].sum()
        bits = rings["far"]["models"][label]["bits_per_byte"]
        assert nll / n_bytes / math.log(2) == pytest.approx(bits, rel=1e-8)


def test_a_champion_of_another_base_gains_and_forgets_nothing_of_this_one(build, models, tmp_path):
    astro = TEXTS["astro"].with_columns(submission_month=pl.Series(MONTHS))
    later = LaterPapers(Month(2023, 6), "champion", astro)
    three = {**models, "champion": models["tuned"]}
    made = build(three, tmp_path / "report", later=later, foreign=["champion"])
    report = made.facts["report"]
    forward, rings = report["forward"], report["forgetting"]["rings"]
    assert forward["fade"] is None and [one["gain"] for one in forward["months"]] == [None] * 2
    assert set(forward["months"][0]["bits_per_byte"]) == {"champion"}
    assert all(ring["champion_minus_base"] is None for ring in rings.values())
    assert all(ring["models"]["champion"] == ring["models"]["tuned"] for ring in rings.values())
    assert report["tuned_minus_champion"]["astro"]["nats_per_byte"] == 0
    assert any("was tuned from another base" in note for note in report["notes"])


def test_a_short_context_has_no_packed_blocks_and_says_so(build, tmp_path):
    folder = make_tiny_base(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 48}))
    short = {"model": ModelHandle("model", folder, None, "c" * 64, None)}
    report = build(short, tmp_path / "report").facts["report"]
    why = "model: packed blocks not measured (its context is shorter than a block)"
    assert report["notes"] == [why]
    assert report["models"]["model"]["astro_train"]["packed_blocks"] is None
    assert report["models"]["model"]["astro"]["per_document"]["n_split_documents"] > 0
