import json

import polars as pl
import pytest
import torch

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.completions.generation import (
    Beginning,
    Continuation,
    Sampling,
    continue_text,
    measure,
    repeated_share,
)
from astro_assets.evaluation.completions.report import build_completion_report, take_beginnings
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import handles, load, papers


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return Tokenizer.load(tiny_base)


@pytest.fixture(scope="module")
def model(tiny_base):
    return load(tiny_base)


def sampled(model, tokenizer, **changed):
    asked = {"temperature": 0.3, "max_new_tokens": 20, "seed": 7, **changed}
    return continue_text(model, tokenizer, "We present a survey", **asked)


def sample_plainly(model, tokenizer, prompt, *, temperature, n, seed):
    """The textbook loop: whole forward pass, softmax at a temperature, one draw."""
    ids = [tokenizer.bos_id, *tokenizer.encode_batch([prompt])[0]]
    made = []
    torch.manual_seed(seed)
    for _ in range(n):
        with torch.no_grad():
            logits = model(torch.tensor([ids + made])).logits[:, -1]
        drawn = torch.multinomial(torch.softmax(logits / temperature, dim=-1), 1).item()
        if drawn == tokenizer.eos_id:
            break
        made.append(drawn)
    return tokenizer.decode(ids + made)[len(tokenizer.decode(ids)) :], len(made)


@pytest.mark.parametrize("temperature", [0.3, 1.5])
def test_sampling_is_from_the_whole_distribution_at_that_temperature(model, tokenizer, temperature):
    found = sampled(model, tokenizer, temperature=temperature)
    expected = sample_plainly(
        model, tokenizer, "We present a survey", temperature=temperature, n=20, seed=7
    )
    assert (found.text, found.n_tokens) == expected


def test_the_seed_alone_decides_and_the_global_generator_is_left_alone(model, tokenizer):
    torch.manual_seed(1)
    expected_next = torch.rand(1).item()
    torch.manual_seed(1)
    first = sampled(model, tokenizer)
    assert torch.rand(1).item() == expected_next
    assert sampled(model, tokenizer) == first
    assert sampled(model, tokenizer, seed=8, temperature=2.0) != first


def test_a_prompt_longer_than_the_context_loses_its_beginning(model, tokenizer):
    found = continue_text(
        model, tokenizer, "galaxies " * 400, temperature=0.3, max_new_tokens=10_000, seed=0
    )
    assert 0 < found.n_tokens <= 128


def test_the_beginning_is_the_first_sentence_with_as_many_more_as_make_twelve_words():
    short_first = "We see dust. We see gas too. We count every star in the whole field. The rest."
    frame = pl.DataFrame({"id": ["1"], "title": ["T"], "text": [short_first]})
    (beginning,) = take_beginnings(frame, 1)
    assert beginning.prompt.endswith("whole field.")
    assert beginning.truth == "The rest."


def test_abstracts_of_one_sentence_are_passed_over():
    one = pl.DataFrame({"id": ["1"], "title": ["T"], "text": ["Only one sentence here."]})
    mixed = pl.concat([one, papers(3).drop("categories")])
    assert [b.paper for b in take_beginnings(mixed, 9)] == [
        b.paper for b in take_beginnings(papers(3), 9)
    ]
    with pytest.raises(EmptyCorpusError, match="None of 1 astro test papers"):
        take_beginnings(one, 1)


def test_prompt_and_truth_make_the_abstract():
    texts = dict(papers(8).select("id", "text").iter_rows())
    for beginning in take_beginnings(papers(8), 8):
        assert f"{beginning.prompt} {beginning.truth}" == texts[beginning.paper]


def test_measures_by_hand():
    beginnings = [
        Beginning("1", "T", "In 1999 we saw 5 stars.", ""),
        Beginning("2", "T", "We.", ""),
    ]
    continuations = [
        Continuation("The 5 stars of 1999 have 2.5 masses.", 10),
        Continuation("one two one two one two", 20),
    ]
    found = measure(beginnings, continuations)
    assert found["mean_tokens"] == 15
    assert found["new_numbers"] == pytest.approx(1 / 3)
    assert found["repeated_4grams"] == pytest.approx((0 + 1 / 3) / 2)


def test_what_cannot_be_counted_is_none():
    found = measure([Beginning("1", "T", "We.", "")], [Continuation("no", 1)])
    assert found == {"mean_tokens": 1, "repeated_4grams": None, "new_numbers": None}
    assert repeated_share("a b c") is None


@pytest.fixture(scope="module")
def build(tiny_base, tmp_path_factory):
    models = handles(tiny_base, tmp_path_factory.mktemp("adapter"))
    texts = papers(6).with_columns(pl.lit("<b>" + "t" * 500).alias("title"))

    def build(out, *, near_copies=None, **changed):
        sampling = Sampling(**{"max_new_tokens": 12, **changed})
        return build_completion_report(
            models,
            texts,
            sampling,
            n_abstracts=3,
            out=out,
            progress=NO_PROGRESS,
            near_copies=near_copies,
        )

    return build


def test_the_report_shows_both_models_beside_the_truth(build, tmp_path):
    # Random weights are close to uniform: only near temperature 0 do two models part.
    built = build(tmp_path / "out", temperature=0.02)
    report = built.facts["report"]
    assert (report["temperature"], report["max_new_tokens"]) == (0.02, 12)
    assert len(report["items"]) == built.counts["n_completions"] == 3
    assert set(report["measures"]) == {"base", "tuned", "truth"}
    for item in report["items"]:
        assert item["completions"]["base"] != item["completions"]["tuned"]
        assert len(item["title"]) == 300
    assert json.loads((built.path / "report.json").read_text()) == report


def test_the_same_seed_gives_the_same_report(build, tmp_path):
    first, again, other = (
        build(tmp_path / name, seed=seed).fingerprint
        for name, seed in (("a", 1), ("b", 1), ("c", 9))
    )
    assert first == again
    assert first != other


def test_near_copies_are_not_continued(build, tmp_path):
    all_in = build(tmp_path / "all").facts["report"]
    assert all_in["near_copies_left_out"] is None
    first = all_in["items"][0]["id"]
    report = build(tmp_path / "fewer", near_copies={first}).facts["report"]
    assert report["near_copies_left_out"] == 1
    assert [item["id"] for item in report["items"][:2]] == [i["id"] for i in all_in["items"][1:]]
