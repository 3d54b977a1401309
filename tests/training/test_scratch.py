import dataclasses
import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from astro_assets.artifacts.manifest import Built
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
from astro_assets.models.base import describe_base
from astro_assets.progress import NO_PROGRESS
from astro_assets.training.scratch import ScratchConfig, build_scratch_base, even_sample

TINY = ScratchConfig(
    n_vocab=400,
    hidden_size=32,
    intermediate_size=64,
    n_layers=2,
    block_length=32,
    n_tokens=4_000,
    max_epochs=10,
)
TEXTS = [
    f"We show that {what} of order {n} is {how} under {n + 1} conditions, written as $x_{n}$."
    for n in range(20)
    for what in ("every group", "each ring", "a graph")
    for how in ("finite", "compact", "free")
]


def build(folder: Path, config: ScratchConfig = TINY) -> Built:
    return build_scratch_base(TEXTS, folder, config=config, progress=NO_PROGRESS, threads=1)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("scratch") / "base")


def test_it_is_a_base_like_any_other(built: Built) -> None:
    base = describe_base(built.path, name="scratch", kind="scratch")
    assert base.digest == built.fingerprint
    assert base.n_parameters == built.counts["n_parameters"]
    assert base.n_vocab == built.counts["n_vocab"] <= 400
    assert base.max_positions == 1024


def test_transformers_loads_it(built: Built) -> None:
    model = AutoModelForCausalLM.from_pretrained(built.path, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(built.path, local_files_only=True)
    ids = tokenizer("We show that", return_tensors="pt")["input_ids"]
    assert ids[0, 0].item() == tokenizer.bos_token_id == 1
    longer = model.generate(ids, max_new_tokens=5, do_sample=False)
    assert longer.shape[1] <= ids.shape[1] + 5
    assert torch.equal(longer[:, : ids.shape[1]], ids)
    assert model.config.use_cache


def test_it_has_learned_something(built: Built) -> None:
    assert built.facts["first_training_perplexity"] > 200
    assert built.facts["last_training_perplexity"] < 0.5 * built.facts["first_training_perplexity"]


def test_equal_runs_give_equal_files(built: Built, tmp_path: Path) -> None:
    assert build(tmp_path / "again").files == built.files


def test_another_seed_gives_another_base(built: Built, tmp_path: Path) -> None:
    other = build(tmp_path / "other", dataclasses.replace(TINY, seed=1))
    assert other.fingerprint != built.fingerprint
    assert other.files["tokenizer.json"] == built.files["tokenizer.json"]


def test_the_budget_is_tokens(built: Built) -> None:
    per_step = TINY.batch * TINY.block_length
    assert built.counts["n_tokens_seen"] == TINY.n_tokens // per_step * per_step


def test_a_small_corpus_is_not_learned_by_heart() -> None:
    config = ScratchConfig(n_tokens=10_000, max_epochs=0.25, batch=1, block_length=100)
    assert config.optimisation(n_corpus_tokens=1_000_000).n_steps == 100
    assert config.optimisation(n_corpus_tokens=8_000).n_steps == 20
    assert config.optimisation(n_corpus_tokens=100).n_steps == 1


def test_too_few_texts(tmp_path: Path) -> None:
    with pytest.raises(EmptyCorpusError, match="too few to pretrain"):
        build_scratch_base(["short"], tmp_path / "b", config=TINY, progress=NO_PROGRESS)
    assert list(tmp_path.iterdir()) == []


def test_even_sample() -> None:
    texts = ["ab"] * 10
    assert len(even_sample(texts, max_characters=20)) == 10
    assert len(even_sample(texts, max_characters=19)) == 5
    assert len(even_sample(texts, max_characters=4)) == 2
    assert even_sample([], max_characters=4) == []


@pytest.mark.parametrize(
    "text",
    [
        "<s>",
        "</s> <unk>",
        "<0x0A>",
        "<0xE2><0x98>",
        "a<s>b",
        "naïve Ω₀ 漢字 🪐",
        "$\\alpha < 3$",
        "1234 5",
        "two  blanks",
        "",
    ],
)
def test_text_comes_back_as_it_was(built: Built, text: str) -> None:
    tokenizer = Tokenizer.load(built.path)
    ids = tokenizer.encode_batch([text])[0]
    assert not {0, 1, 2} & set(ids)  # neither unknown nor BOS nor EOS
    assert tokenizer.decode(ids) == text


def test_only_three_pieces_are_special(built: Built) -> None:
    document = json.loads((built.path / "tokenizer.json").read_text())
    assert [token["content"] for token in document["added_tokens"]] == ["<unk>", "<s>", "</s>"]
    vocabulary = document["model"]["vocab"]
    assert [vocabulary[f"<0x{byte:02X}>"] for byte in (0, 255)] == [3, 258]


def test_look_alikes_in_the_training_texts_stay_text(tmp_path: Path) -> None:
    """However often "<s>" stands in the texts, no merge may lead to the special piece."""
    texts = [text + " <s> <0x41> </s>" for text in TEXTS]
    build_scratch_base(texts, tmp_path / "b", config=TINY, progress=NO_PROGRESS, threads=1)
    tokenizer = Tokenizer.load(tmp_path / "b")
    ids = tokenizer.encode_batch(["x <s> <0x41> </s>"])[0]
    assert not set(range(259)) & set(ids)
    assert tokenizer.decode(ids) == "x <s> <0x41> </s>"
