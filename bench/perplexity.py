"""Perplexity of documents, ours beside a bare forward and the named ways, in one run.

Run ``python -m bench.perplexity [--documents N] [--rounds N] [--threads N] [--only NAME]``. Bases
are made here with random weights, documents are random ids of abstracts' lengths. Every run is a
process of its own and the ways take turns; a way's time is that of its fastest pass. The ways:

- bare forward: the whole model on the batches that ours reads, and nothing made of its logits;
- without the head: the same up to the last hidden states, which no measure can do without;
- ours: ``score_documents``, sorting and padding included;
- full logits: eight documents at a time, then cross-entropy of all positions in float32;
- Trainer.evaluate: the library's own loop, eight at a time; its mean over batches is another one.

Time is of the cores that worked (of the GPU on CUDA), memory the peak beyond imports, weights
included. The nll per token of ours and of full logits must agree, or the command ends in an error.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.cost import cost_of, table
from bench.peak import peak_memory
from bench.training import SMALL, make_base

_PAD, BOS, _FIRST_ID = 0, 1, 3
LAYERS = {"num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2}
TOLERANCE = {"cpu": 1e-5, "cuda": 2e-3}
"""Relative difference of the mean nll; bfloat16 on CUDA."""
PLAIN_BATCH = 8  # documents at a time, the library's default
Documents = list[list[int]]


@dataclass(frozen=True)
class Work:
    """What every way does."""

    folder: Path
    """Of the base."""
    n_vocab: int
    n_documents: int
    n_passes: int
    threads: int

    def documents(self) -> Documents:
        """Return text token ids, frequent ones more often; lengths as abstracts have them."""
        draw = np.random.default_rng(0)
        lengths = np.clip(draw.normal(230, 90, self.n_documents), 20, 500).astype(int)
        ids = np.arange(_FIRST_ID, self.n_vocab)
        weights = 1 / (ids + 10.0)
        weights /= weights.sum()
        return [draw.choice(ids, n, p=weights).tolist() for n in lengths]


@dataclass(frozen=True)
class Result:
    """What one run of one way cost."""

    seconds: float
    """Of the fastest pass."""
    peak_bytes: int
    n_tokens: int
    nll_nats_per_token: float | None
    """None where nothing is made of the forward."""


Pass = Callable[[Any, Documents], float | None]
"""Model and documents -> mean nll per token, if it makes one."""


def bare_forward(model: Any, documents: Documents) -> None:
    """Make all logits, and nothing of them."""
    for ids in _batches(model, documents):
        model(input_ids=ids, use_cache=False)


def without_head(model: Any, documents: Documents) -> None:
    """Stop at the last hidden states."""
    for ids in _batches(model, documents):
        model.base_model(input_ids=ids, use_cache=False)


def full_logits(model: Any, documents: Documents) -> float:
    """Make all logits at once and their cross-entropy, as is mostly done."""
    from torch.nn.functional import cross_entropy

    total = 0.0
    for ids in _batches(model, documents, PLAIN_BATCH):
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
        targets = ids[:, 1:].masked_fill(ids[:, 1:] == _PAD, -100)
        total += float(cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum"))
    return total / sum(map(len, documents))


def ours(model: Any, documents: Documents) -> float:
    """Score as the report does."""
    from astro_assets.evaluation.perplexity.scores import score_documents
    from astro_assets.progress import NO_PROGRESS

    scores = score_documents(
        model,
        documents,
        [1] * len(documents),
        bos_id=BOS,
        max_positions=int(model.config.max_position_embeddings),
        progress=NO_PROGRESS,
    )
    return float(scores.nll_nats.sum() / scores.n_tokens.sum())


def trainer_evaluate(model: Any, documents: Documents) -> float:
    """Let ``transformers.Trainer`` evaluate, padded, with the losses alone kept."""
    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments

    def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        longest = max(len(row["ids"]) for row in rows)
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
        for number, row in enumerate(rows):
            own = torch.tensor(row["ids"])
            ids[number, : len(own)] = own
            labels[number, 1 : len(own)] = own[1:]
            mask[number, : len(own)] = 1
        return {"input_ids": ids, "labels": labels, "attention_mask": mask}

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_eval_batch_size=PLAIN_BATCH,
            prediction_loss_only=True,
            remove_unused_columns=False,
            report_to=[],
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
        )
        rows = [{"ids": [BOS, *ids]} for ids in documents]
        trainer = Trainer(model=model, args=arguments, eval_dataset=rows, data_collator=collate)
        trainer.remove_callback(PrinterCallback)
        return float(trainer.evaluate()["eval_loss"])


WAYS: dict[str, Pass] = {
    "bare forward": bare_forward,
    "without the head": without_head,
    "ours": ours,
    "full logits": full_logits,
    "Trainer.evaluate": trainer_evaluate,
}


def run_way(way: Pass, work: Work) -> Result:
    """Load the base and take the fastest of some passes; in a process of its own."""
    import torch

    from astro_assets.models.device import use_threads
    from astro_assets.models.loading import load_model

    use_threads(work.threads)
    documents = work.documents()
    seconds: list[float] = []
    nll: float | None = None
    _import_everything()
    with peak_memory() as peak, torch.inference_mode():
        model = load_model(work.folder)
        for _ in range(work.n_passes):
            gc.collect()
            began = _now()
            nll = way(model, documents)
            seconds.append(_now() - began)
    return Result(min(seconds), peak[0], sum(map(len, documents)), nll)


def _import_everything() -> None:
    """Import what any of the ways imports, so that no way's memory holds more code."""
    from transformers import LlamaForCausalLM, Trainer

    from astro_assets.evaluation.perplexity import scores

    assert LlamaForCausalLM and Trainer and scores


def _now() -> float:
    """Return seconds of the cores, or on CUDA of the clock when the GPU has nothing left to do."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def _batches(model: Any, documents: Documents, at_once: int = 0) -> Iterator[Any]:
    """Yield padded ids (n, longest), longest first; 0 at once: in the batches that ours makes."""
    import torch

    from astro_assets.models.scoring import suited_budget, token_budget_batches

    sequences = sorted((torch.tensor([BOS, *ids]) for ids in documents), key=len, reverse=True)
    budget = suited_budget(model.device)
    sizes = [len(own) for own in token_budget_batches([len(ids) for ids in sequences], budget)]
    while sequences:
        n = at_once or sizes.pop(0)
        rows, sequences = sequences[:n], sequences[n:]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=_PAD)
        yield padded.to(model.device)


def measure(work: Work, name: str, rounds: int) -> dict[str, Result]:
    """Run every way in turn and keep each one's fastest run and its least peak."""
    best: dict[str, Result] = {}
    for turn in range(rounds):
        for way in WAYS if turn % 2 == 0 else reversed(WAYS):
            result: Result = cost_of(run_way, WAYS[way], work).value
            best[way] = min(best.get(way, result), result, key=lambda one: one.seconds)
            print(f"  {name}, {way}: {result.n_tokens / result.seconds:,.0f} tokens/s")
    return best


def report(best: dict[str, Result]) -> None:
    """Print the table."""
    bare, full = (best[name] for name in ("bare forward", "full logits"))
    head = ("way", "tokens/s", "speed to bare", "peak memory", "to full logits", "nats/token")
    rows: list[tuple[str, ...]] = [head]
    for name, result in best.items():
        rows.append(
            (
                name,
                f"{result.n_tokens / result.seconds:,.0f}",
                f"{bare.seconds / result.seconds:.2f}",
                f"{result.peak_bytes / 1e6:,.0f} MB",
                f"{result.peak_bytes / full.peak_bytes:.2f}",
                "–" if result.nll_nats_per_token is None else f"{result.nll_nats_per_token:.5f}",
            )
        )
    print(f"\n{bare.n_tokens:,} text tokens\n\n{table(rows)}\n")


def agree(best: dict[str, Result], tolerance: float) -> bool:
    """Tell whether ours is the mean that full logits give."""
    one, other = (best[way].nll_nats_per_token or 0.0 for way in ("ours", "full logits"))
    return abs(one - other) <= tolerance * other


def main() -> None:
    """Measure on every shape and print the tables; exit with 1 where likelihoods differ."""
    parser = argparse.ArgumentParser(description="Perplexity, ours beside a bare forward.")
    for name, default in (("documents", 64), ("passes", 3), ("rounds", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all cores")
    parser.add_argument("--only", default="", help="bases whose name holds this")
    import torch

    given = parser.parse_args()
    on_cuda = torch.cuda.is_available()
    shapes = {"Llama-2-7B": {}} if on_cuda else SMALL
    print(torch.cuda.get_device_name() if on_cuda else "CPU", "torch", torch.__version__)
    for name, shape in shapes.items():
        if given.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            sizes = {} if on_cuda else {**shape, **LAYERS, "tie_word_embeddings": True}
            base = make_base(Path(folder), name, sizes, on_cuda=on_cuda)
            work = Work(base.folder, base.n_vocab, given.documents, given.passes, given.threads)
            best = measure(work, name, given.rounds)
        print(f"\n{name}: {base.n_parameters:,} weights")
        report(best)
        if not agree(best, TOLERANCE["cuda" if on_cuda else "cpu"]):
            sys.exit("Ours and full logits give another likelihood.")


if __name__ == "__main__":
    main()
