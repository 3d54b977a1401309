"""Questions, a reader and models planted for the tests of this folder."""

from pathlib import Path
from typing import Any

import torch

from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.knowledge.question_files import Question
from astro_assets.evaluation.knowledge.reader import Reader
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import load

QUESTIONS = (
    Question("Which is a star?", ("Vega", "the planet Mars", "Io", "Ceres é"), 0),
    Question("How many?", ("one", "two", "three hundred and four"), 2),
)
EXAMPLES = (
    Question("Is it red?", ("yes", "no"), 1),
    Question("Is it far?", ("yes", "no"), 0),
)


def reader_of(folder: Path, model: Any | None = None) -> Reader:
    return Reader("base", folder, model or load(folder), Tokenizer.load(folder), NO_PROGRESS)


def teach(model: Any, texts: list[str], tokenizer: Tokenizer, *, n_steps: int = 120) -> Any:
    """Train a tiny model until it knows the texts by heart."""
    torch.manual_seed(0)
    ids = [torch.tensor([tokenizer.bos_id, *one]) for one in tokenizer.encode_batch(texts)]
    batch = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=0)
    labels = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=-100)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    model.train()
    for _ in range(n_steps):
        optimiser.zero_grad()
        model(input_ids=batch, labels=labels).loss.backward()
        optimiser.step()
    return model.eval()
