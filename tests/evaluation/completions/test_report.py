import json
import shutil

import polars as pl
import pytest
import torch

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadSettingError
from astro_assets.evaluation.completions.generation import Sampling
from astro_assets.evaluation.completions.measures import repeated_share
from astro_assets.evaluation.completions.report import build_completion_report
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import handles, load, papers

MARKUP = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def models(tiny_base, tmp_path_factory):
    return handles(tiny_base, tmp_path_factory.mktemp("adapter"))


@pytest.fixture
def build(models, tmp_path):
    texts = papers(6).with_columns(pl.lit("<b>" + "t" * 500).alias("title"))
    made = iter(range(99))

    def build(*, models=models, texts=texts, near_copies=None, others=None, **changed):
        sampling = Sampling(**{"max_new_tokens": 12, "n_samples": 2} | changed)
        return build_completion_report(
            models,
            texts,
            sampling,
            n_abstracts=3,
            out=tmp_path / str(next(made)),
            progress=NO_PROGRESS,
            near_copies=near_copies,
            others=others,
        )

    return build


def test_the_report_shows_both_models_beside_the_truth(build):
    # Random weights are close to uniform: only near temperature 0 do two models part.
    built = build(temperature=0.02)
    report = built.facts["report"]
    assert (report["temperature"], report["max_new_tokens"]) == (0.02, 12)
    assert (report["n_samples"], report["seed"], report["others"]) == (2, 0, None)
    assert report["models"] == ["base", "tuned"]
    assert len(report["items"]) == built.counts["n_completions"] == 3
    assert list(report["measures"]) == ["base", "tuned", "truth"]
    assert [report["measures"][writer]["n"] for writer in ("base", "truth")] == [6, 3]
    assert report["measures"]["truth"]["rouge_l"] is None
    assert report["measures"]["base"]["rouge_l"] is not None
    assert report["notes"] == []
    for item in report["items"]:
        assert item["completions"]["base"] != item["completions"]["tuned"]
        assert len(item["title"]) == 300
        assert item["others"] == {}
    assert json.loads((built.path / "report.json").read_text()) == report


def test_measures_are_those_of_the_texts_shown(build, tiny_base):
    report = build().facts["report"]
    texts = [text for item in report["items"] for text in item["completions"]["tuned"]]
    tokenizer, found = Tokenizer.load(tiny_base), report["measures"]["tuned"]
    n_tokens = [len(ids) for ids in tokenizer.encode_batch(texts)]
    assert found["mean_tokens"] == pytest.approx(sum(n_tokens) / 6)
    assert found["mean_words"] == pytest.approx(sum(len(text.split()) for text in texts) / 6)
    shares = [share for text in texts if (share := repeated_share(text)) is not None]
    assert found["repeated_4grams"] == (
        pytest.approx(sum(shares) / len(shares)) if shares else None
    )


def test_one_model_alone_is_enough_and_writes_what_it_writes_in_company(build, models):
    together = build().facts["report"]
    alone = build(models={"model": models["tuned"]}).facts["report"]
    assert alone["models"] == ["model"]
    assert set(alone["measures"]) == {"model", "truth"}
    assert alone["measures"]["model"] == together["measures"]["tuned"]
    assert [i["completions"]["model"] for i in alone["items"]] == [
        i["completions"]["tuned"] for i in together["items"]
    ]


def test_two_runs_give_equal_files_and_another_seed_others(build):
    first, again, other = build(seed=1), build(seed=1), build(seed=9)
    assert (first.path / "report.json").read_bytes() == (again.path / "report.json").read_bytes()
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_near_copies_are_not_continued(build):
    all_in = build().facts["report"]
    assert all_in["near_copies_left_out"] is None
    first = all_in["items"][0]["id"]
    report = build(near_copies={first}).facts["report"]
    assert report["near_copies_left_out"] == 1
    assert report["items"][:2] == all_in["items"][1:]


def test_completions_by_other_models_stand_beside_and_are_measured(build, tmp_path):
    first, second, _ = (item["id"] for item in build().facts["report"]["items"])
    file = tmp_path / "others.jsonl"
    loop = "and so on " * 3
    lines = [
        {"id": first, "completion": f"{MARKUP} In 1987, 12 of them.", "model": MARKUP},
        {"id": second, "completion": loop, "model": MARKUP},
        {"id": second, "completion": "", "model": "silent"},
        {"id": "of another paper", "completion": "Lost.", "model": "unheard"},
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    built = build(others=file)
    report = json.loads((built.path / "report.json").read_text())
    assert report["others"] == {"file": "others.jsonl", "n_matched": 3, "n_unmatched": 1}
    items = {item["id"]: item["others"] for item in report["items"]}
    assert items[first] == {MARKUP: f"{MARKUP} In 1987, 12 of them."}
    assert items[second] == {MARKUP: loop.strip(), "silent": ""}
    found = report["measures"][MARKUP]
    assert (found["n"], found["loops"], found["n_numbers"]) == (2, 0.5, 3)
    assert found["new_numbers"] == 1
    assert report["measures"]["silent"]["mean_tokens"] == 0
    assert "unheard" not in report["measures"]


def test_a_file_that_cannot_be_used_is_told_before_a_model_is_loaded(build, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"id": "1", "completion": "x", "model": "base"}')
    with pytest.raises(BadSettingError, match="line 1: a model is called 'base'"):
        build(models={"model": None}, others=tmp_path / "bad.jsonl")


def test_markup_in_an_abstract_stays_text(build):
    texts = papers(1).with_columns(
        pl.lit(f"We present {MARKUP} of twelve words and more in all of them. {MARKUP}! It ends.")
        .alias("text"),
        pl.lit(MARKUP).alias("title"),
    )  # fmt: skip
    (item,) = build(texts=texts).facts["report"]["items"]
    assert item["title"] == MARKUP
    assert MARKUP in item["prompt"] and MARKUP in f"{item['prompt']} {item['truth']}"


def test_what_the_context_and_the_temperature_forbid_is_noted(build):
    notes = build(max_new_tokens=1_024, temperature=0).facts["report"]["notes"]
    assert len(notes) == 3
    assert "one sample each was made" in notes[0]
    assert "The context of base has room for" in notes[1] and "not for 1,024" in notes[1]
    long = papers(1).with_columns(pl.lit("galaxies " * 300 + "end. And more.").alias("text"))
    notes = build(texts=long).facts["report"]["notes"]
    assert notes == [
        f"1 of 1 beginnings were too long for the context of {label} and lost their first words."
        for label in ("base", "tuned")
    ]


def test_a_model_that_ends_at_once_has_empty_completions(build, tiny_base, tmp_path):
    # All logits are equal, the likeliest token is the first one, and that one ends a text.
    folder = shutil.copytree(tiny_base, tmp_path / "silent")
    silent = load(tiny_base)
    torch.nn.init.zeros_(silent.model.norm.weight)
    silent.save_pretrained(folder)
    names = json.loads((folder / "tokenizer_config.json").read_text()) | {"eos_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(names))
    models = {"model": ModelHandle("model", folder, None, "s" * 64, None)}
    report = build(models=models, temperature=0).facts["report"]
    assert [item["completions"] for item in report["items"]] == [{"model": [""]}] * 3
    found = report["measures"]["model"]
    assert (found["mean_tokens"], found["loops"], found["rouge_l"], found["n"]) == (0, 0, 0, 3)
    assert found["repeated_4grams"] is None and found["new_numbers"] is None


def test_the_champion_writes_beside_them(build, models):
    alone = build().facts["report"]
    report = build(models={**models, "champion": models["tuned"]}).facts["report"]
    assert list(report["measures"]) == ["base", "tuned", "champion", "truth"]
    for item, before in zip(report["items"], alone["items"], strict=True):
        completions = item["completions"]
        assert completions.pop("champion") == completions["tuned"]
        assert completions == before["completions"]
