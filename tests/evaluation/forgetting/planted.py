"""A tiny base that knows two registers, and a training that makes it forget one of them."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from astro_assets.corpus.tokenizer import Tokenizer

OBJECTS = {
    "astro": ["galaxies", "stars", "planets", "quasars"],
    "far": ["compilers", "genes", "sensors", "clusters"],
}
FRAMES = [
    "We present a survey of {} at high {} with the new spectrograph.",
    "The rate of the {} is measured from the infrared {}.",
    "We prove that every compact group of {} has a finite {}.",
    "The model explains the observed {} at low {}.",
]
QUALITIES = ["redshift", "luminosity", "energy", "spectrum"]
HEROES = ["Lily", "Tom", "the dog", "the bird"]
TALE = [
    "Once {} saw a big red ball.",
    "{} was happy.",
    "{} ran to mum and said hello.",
    "So {} hid.",
]


def abstracts(field: str, n: int, *, seed: int) -> list[str]:
    """Texts of three sentences, written alike in every field; only the objects differ."""
    draw = random.Random(f"{field} {seed}")
    return [
        " ".join(
            frame.format(draw.choice(OBJECTS[field]), draw.choice(QUALITIES))
            for frame in draw.sample(FRAMES, 3)
        )
        for _ in range(n)
    ]


def tales(n: int, *, seed: int) -> list[str]:
    """Texts of another register."""
    draw = random.Random(f"tales {seed}")
    return [
        " ".join(frame.format(draw.choice(HEROES)) for frame in draw.sample(TALE, 3))
        for _ in range(n)
    ]


def trained(
    folder: Path, texts: Sequence[str], *, steps: int, learning_rate: float, seed: int = 0
) -> Any:
    """Train all weights of a model folder on ``[BOS] text [EOS]``, sixteen texts a step."""
    torch.manual_seed(seed)
    tokenizer = Tokenizer.load(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).train()
    ids = [[tokenizer.bos_id, *one, tokenizer.eos_id] for one in tokenizer.encode_batch(texts)]
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0)
    draw = random.Random(seed)
    for _ in range(steps):
        batch = [torch.tensor(one) for one in draw.sample(ids, 16)]
        padded = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True)
        labels = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True, padding_value=-100)
        model(input_ids=padded, labels=labels).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return model.eval()
