from contextlib import contextmanager

import pytest
import torch

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import BadSettingError
from astro_assets.evaluation.completions.generation import (
    Beginning,
    Sampling,
    continue_all,
    rows_at_once,
)
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import load, with_adapter

PROMPTS = ["We present a survey", "The star formation rate of the sample", "We prove", "A plasma"]
BEGINNINGS = [Beginning(str(i), "T", prompt, "Rest.") for i, prompt in enumerate(PROMPTS)]


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return Tokenizer.load(tiny_base)


@pytest.fixture(scope="module")
def model(tiny_base):
    return load(tiny_base)


def continued(model, tokenizer, beginnings=BEGINNINGS, **changed):
    sampling = Sampling(**{"max_new_tokens": 20, "n_samples": 3, "temperature": 1.0} | changed)
    return continue_all(
        model, tokenizer, beginnings, sampling=sampling, name="base", progress=NO_PROGRESS
    )


def test_neither_order_nor_company_changes_a_text(model, tokenizer):
    together = continued(model, tokenizer).texts
    assert continued(model, tokenizer, BEGINNINGS[::-1]).texts == together[::-1]
    for index, beginning in enumerate(BEGINNINGS):
        assert continued(model, tokenizer, [beginning]).texts == (together[index],)


def test_batch_size_changes_no_text(model, tokenizer, monkeypatch):
    together = continued(model, tokenizer).texts
    monkeypatch.setattr("astro_assets.evaluation.completions.generation._CACHE_BYTES", 1)
    assert rows_at_once(model, 1) == 1
    assert continued(model, tokenizer).texts == together


def test_seed_and_number_of_the_sample_decide(model, tokenizer):
    found = continued(model, tokenizer).texts
    assert all(len(set(samples)) == 3 for samples in found)
    assert continued(model, tokenizer).texts == found
    assert continued(model, tokenizer, seed=1).texts != found
    fewer = continued(model, tokenizer, n_samples=2).texts
    assert fewer == tuple(samples[:2] for samples in found)


def test_without_temperature_one_text_is_made_the_likeliest(model, tokenizer):
    found = continued(model, tokenizer, BEGINNINGS[:1], temperature=0, max_new_tokens=6).texts
    ids = [tokenizer.bos_id, *tokenizer.encode_batch(PROMPTS[:1])[0]]
    n_given = len(ids)
    for _ in range(6):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    whole, given = tokenizer.decode(ids), tokenizer.decode(ids[:n_given])
    assert found == ((whole[len(given) :].strip(),),)


def test_the_context_bounds_what_is_written(model, tokenizer):
    # A context of 256 tokens, room in steps of 32.
    long = Beginning("long", "T", "galaxies " * 400, "Rest.")
    found = continued(model, tokenizer, [*BEGINNINGS[:1], long], max_new_tokens=1_024)
    n_prompt = 1 + len(tokenizer.encode_batch(PROMPTS[:1])[0])
    assert found.n_room == ((256 - n_prompt) // 32 * 32, 128)
    assert found.n_cut == 1
    short = continued(model, tokenizer, [long], max_new_tokens=100)
    assert (short.n_room, short.n_cut) == ((100,), 1)


def test_a_prompt_that_is_too_long_loses_its_beginning(model, tokenizer):
    end = Beginning("1", "T", "survey " * 300 + "of galaxies", "Rest.")
    other_start = Beginning("1", "T", "plasma " * 300 + "survey " * 300 + "of galaxies", "Rest.")
    assert (
        continued(model, tokenizer, [end]).texts == continued(model, tokenizer, [other_start]).texts
    )


class Told:
    """A progress display that keeps what it is told."""

    def __init__(self):
        self.total, self.n, self.n_tokens = None, 0, 0

    @contextmanager
    def task(self, name, *, total=None, unit=""):
        self.total = total
        yield self

    def advance(self, n, **figures):
        self.n += n
        self.n_tokens += figures["n_tokens"]


def test_progress_is_told_every_text(model, tokenizer):
    told = Told()
    sampling = Sampling(max_new_tokens=5, n_samples=3, temperature=1.0)
    continue_all(model, tokenizer, BEGINNINGS, sampling=sampling, name="base", progress=told)
    assert told.total == told.n == 12
    assert 12 <= told.n_tokens <= 60


def test_a_text_that_ends_at_once_is_empty(tiny_base, tokenizer):
    silent = load(tiny_base)

    def only_the_end(_module, _inputs, logits):
        return torch.zeros_like(logits).index_fill(-1, torch.tensor([tokenizer.eos_id]), 99.0)

    silent.get_output_embeddings().register_forward_hook(only_the_end)
    assert continued(silent, tokenizer).texts == (("", "", ""),) * 4


def test_batches_are_as_large_as_keys_and_values_of_seven_billion_parameters_allow(model):
    assert rows_at_once(model, 256) == 32

    class Llama7b:
        dtype = torch.bfloat16

        class config:  # noqa: N801
            num_hidden_layers, num_attention_heads, num_key_value_heads = 32, 32, 32
            hidden_size, head_dim = 4_096, 128

    # 512 KiB a position, 4 GiB: 8,192 positions.
    assert rows_at_once(Llama7b, 1_024) == 8
    assert rows_at_once(Llama7b, 4_096) == 2
    assert rows_at_once(Llama7b, 9_000) == 1


def test_an_adapted_model_is_measured_by_its_base(tiny_base, model):
    assert rows_at_once(with_adapter(tiny_base), 10**6) == rows_at_once(model, 10**6) == 16


@pytest.mark.parametrize(
    "wrong", [{"max_new_tokens": 1_025}, {"n_samples": 0}, {"temperature": float("nan")}]
)
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(BadSettingError, match=next(iter(wrong))):
        Sampling(**wrong)
