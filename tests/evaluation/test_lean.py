"""Measuring must work in the trainer's image, where tables, figures and Dagster are not."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.forgetting.self_text import SelfText
from astro_assets.evaluation.perplexity.model_scores import score_model
from astro_assets.evaluation.samples import Sample
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import handles, papers

ROOT = Path(__file__).resolve().parents[2]
LEAN = '''
"""Measure a model where the libraries of tables, figures and orchestration cannot be found."""
import json, sys
from pathlib import Path

from tests.lean import only_lean

only_lean()
try:
    import polars
except ModuleNotFoundError:
    pass
else:
    sys.exit("nothing is kept from being found")

import numpy as np

from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation import reports, statistics
from astro_assets.evaluation.completions import numbers, sentences
from astro_assets.evaluation.completions.generation import Beginning, Sampling, continue_all
from astro_assets.evaluation.embeddings import baseline, cosines, knn, pairs, retrieval
from astro_assets.evaluation.embeddings.vectors import embed
from astro_assets.evaluation.forgetting import figures, self_text
from astro_assets.evaluation.knowledge.methods import full_answer_scores
from astro_assets.evaluation.knowledge.question_files import load_questions
from astro_assets.evaluation.knowledge.reader import Reader
from astro_assets.evaluation.perplexity import intervals
from astro_assets.evaluation.perplexity.model_scores import score_model, score_models
from astro_assets.evaluation.samples import Sample
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import NO_PROGRESS

self_text.N_TEXTS = 4
base, adapter, stream, given, out = map(Path, sys.argv[1:])
handle = ModelHandle("tuned", base, adapter, "t" * 64, None)
model, tokenizer = handle.load(), Tokenizer.load(base)
sample = Sample(*(tuple(column) for column in json.loads(given.read_text())))
written = self_text.sample_self_text(model, tokenizer)
scores = score_model(
    model, tokenizer, {"astro": sample}, label="tuned", max_tokens=1000, self_text=written,
    blocks={"astro": TokenBlocks([Stream(stream, 200)], block_length=64)}, progress=NO_PROGRESS,
)
documents = tokenizer.encode_batch(sample.texts)
vectors = embed(model, documents, bos_id=tokenizer.bos_id)
begun = [Beginning("1", "T", "We present a survey of galaxies", "And so on.")]
continued = continue_all(
    model, tokenizer, begun,
    sampling=Sampling(max_new_tokens=8), name="tuned", progress=NO_PROGRESS,
)
questions = load_questions().items[:3]
reader = Reader("tuned", base, model, tokenizer, NO_PROGRESS)
np.savez(
    out,
    nll_nats=scores.documents["astro"].nll_nats,
    self_text=scores.documents["self_text"].nll_nats,
    packed=scores.blocks["astro"].nll_nats,
    vectors=vectors,
    nats_per_byte=np.stack(full_answer_scores(reader, questions)),
)
print(json.dumps({
    "summary": scores.documents["astro"].summary(),
    "written": [written.documents, written.n_bytes],
    "completions": continued.texts,
}, allow_nan=False))
'''


@pytest.fixture(scope="module")
def measured(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory):
    """What the lean process prints and keeps, and what it was given."""
    folder = tmp_path_factory.mktemp("lean")
    handle: ModelHandle = handles(tiny_base, folder / "adapter")["tuned"]
    np.save(folder / "stream.npy", np.arange(3, 203, dtype=np.uint16))
    frame = papers(6)
    sample = Sample(*(tuple(frame[name].to_list()) for name in ("id", "title", "text")))
    (folder / "sample.json").write_text(json.dumps([sample.ids, sample.titles, sample.texts]))
    (folder / "lean.py").write_text(LEAN)
    files = [folder / name for name in ("adapter", "stream.npy", "sample.json", "kept.npz")]
    done = subprocess.run(
        [sys.executable, folder / "lean.py", tiny_base, *files],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return json.loads(done.stdout.splitlines()[-1]), dict(np.load(files[-1])), handle, sample, files


def test_every_measurement_runs_without_the_libraries_of_the_other_side(measured) -> None:
    told, kept, *_ = measured
    assert told["summary"]["n_documents"] == 6
    assert kept["vectors"].shape == (6, 32) and kept["vectors"].dtype == np.float32
    assert kept["nats_per_byte"].shape == (3, 4)
    assert len(told["completions"]) == 1


def test_the_numbers_are_those_of_the_full_installation(measured) -> None:
    told, kept, handle, sample, files = measured
    here = score_model(
        handle.load(),
        Tokenizer.load(handle.base_folder),
        {"astro": sample},
        label="tuned",
        blocks={"astro": TokenBlocks([Stream(files[1], 200)], block_length=64)},
        max_tokens=1000,
        self_text=SelfText(*told["written"]),
        progress=NO_PROGRESS,
    )
    np.testing.assert_allclose(kept["nll_nats"], here.documents["astro"].nll_nats, rtol=1e-9)
    np.testing.assert_allclose(kept["self_text"], here.documents["self_text"].nll_nats, rtol=1e-9)
    assert here.blocks["astro"] is not None
    np.testing.assert_allclose(kept["packed"], here.blocks["astro"].nll_nats, rtol=1e-9)
    assert len(kept["packed"]) == 3
