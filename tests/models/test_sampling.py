import numpy as np
import pytest
import torch

from astro_assets.errors import BadModelError
from astro_assets.models.sampling import sample_tokens
from tests.evaluation.planted import ignorant_model, load

PROMPTS = [[1, 20, 21, 22], [1, 30], [1, 40, 41, 42, 43, 44, 45], [1, 9]]


def written(model, prompts=PROMPTS, seeds=(1, 2, 3, 4), **changed):
    given = {"n_new": 24, "temperature": 1.0, "eos_id": 2} | changed
    return sample_tokens(model, prompts, seeds, **given)


@pytest.fixture(scope="module")
def model(tiny_base):
    return load(tiny_base)


def test_neither_batch_size_nor_order_changes_what_is_written(model):
    together = written(model)
    assert written(model, batch_size=1) == together
    assert written(model, PROMPTS[::-1], (4, 3, 2, 1), batch_size=3) == together[::-1]
    assert len({tuple(ids) for ids in together}) == 4


def test_in_bfloat16_equal_batches_write_equal_texts(tiny_base):
    model = load(tiny_base).to(torch.bfloat16)
    first = written(model, batch_size=2)
    assert written(model, batch_size=2) == first
    # Another batch may go another way, but writes every text to its end.
    assert [bool(ids) for ids in written(model, batch_size=1)] == [bool(ids) for ids in first]


def test_a_shorter_text_begins_a_longer_one(model):
    long = written(model, eos_id=None)
    assert [ids[:10] for ids in long] == written(model, eos_id=None, n_new=10)
    assert all(len(ids) == 24 for ids in long)


def test_the_end_of_text_ends_a_text_and_is_left_out(model):
    endless = written(model, eos_id=None, n_new=100)
    end = endless[0][5]
    ended = written(model, eos_id=end, n_new=100)[0]
    assert end not in ended and ended == endless[0][: endless[0].index(end)]


def test_no_temperature_is_the_likeliest_token(model):
    ids = list(PROMPTS[0])
    for _ in range(6):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    assert written(model, PROMPTS[:1], (1,), temperature=0, n_new=6, eos_id=None)[0] == ids[4:]


def test_tokens_come_as_often_as_the_model_says():
    # All of 50 pieces are equally likely: 4,000 draws, 80 of each expected, standard deviation 8.9.
    n = 4_000
    drawn = written(ignorant_model(), [[1]] * n, range(n), n_new=1, eos_id=None, batch_size=500)
    counts = np.bincount([ids[0] for ids in drawn], minlength=50)
    assert counts.sum() == n
    assert (np.abs(counts - 80) < 45).all()
    assert ((counts - 80) ** 2 / 80).sum() < 85  # chi squared, 49 degrees: p = 0.001


def test_progress_is_told_all_sequences(model):
    told = []
    made = written(model, batch_size=2, advance=lambda n, tokens: told.append((n, tokens)))
    assert [n for n, _ in told] == [2, 2]
    assert sum(tokens for _, tokens in told) == sum(map(len, made))


def test_the_settings_a_model_came_with_change_nothing(tiny_base):
    expected = written(load(tiny_base))
    fussy = load(tiny_base)
    asked = {"repetition_penalty": 50.0, "min_new_tokens": 20, "max_time": 1e-3, "num_beams": 2}
    for name, value in asked.items():
        setattr(fussy.generation_config, name, value)
    assert written(fussy) == expected
    assert fussy.generation_config.repetition_penalty == 50.0


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_a_model_without_finite_logits_is_refused(tiny_base, temperature):
    broken = load(tiny_base)
    torch.nn.init.constant_(broken.model.norm.weight, float("nan"))
    with pytest.raises(BadModelError, match="no finite logits"):
        written(broken, temperature=temperature)
