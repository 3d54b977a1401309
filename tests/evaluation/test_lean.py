"""Measuring must work in the trainer's image, where tables, figures and Dagster are not."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from astro_assets.corpus.blocks import Stream, TokenBlocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.evaluation.perplexity.field_scores import score_model
from astro_assets.evaluation.samples import Sample
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import NO_PROGRESS
from tests.evaluation.planted import handles, papers

LEAN = '''
"""Measure a model where the libraries of tables, figures and orchestration cannot be found."""
import json, sys
from pathlib import Path

ABSENT = {
    "alembic", "dagster", "duckdb", "graphql", "jinja2", "kagglehub", "matplotlib", "mlflow",
    "msgspec", "pandas", "polars", "pyarrow", "pydantic", "pydantic_core", "pydantic_settings",
    "rich", "scipy", "sklearn", "sqlalchemy", "sqlglot", "typer",
}


class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)


sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
assert not ABSENT & set(sys.modules)
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
from astro_assets.evaluation.completions import sentences
from astro_assets.evaluation.completions.generation import (
    Beginning, Sampling, continue_all, measure
)
from astro_assets.evaluation.embeddings import baseline, pairs, retrieval
from astro_assets.evaluation.embeddings.vectors import embed_sample
from astro_assets.evaluation.knowledge.question_files import load_questions
from astro_assets.evaluation.knowledge.report import judge, score_choices
from astro_assets.evaluation.perplexity.field_scores import score_model
from astro_assets.evaluation.samples import Sample
from astro_assets.models.handle import ModelHandle
from astro_assets.progress import NO_PROGRESS

base, adapter, stream, given, out = map(Path, sys.argv[1:])
handle = ModelHandle("tuned", base, adapter, "t" * 64, None)
sample = Sample(*(tuple(column) for column in json.loads(given.read_text())))
blocks = {"astro": TokenBlocks([Stream(stream, 200)], block_length=64)}
tokenizer = Tokenizer.load(base)
scores = score_model(
    handle, tokenizer, {"astro": sample}, blocks=blocks, max_tokens=1000, progress=NO_PROGRESS
)["astro"]
vectors = embed_sample(handle, sample, label="tuned", progress=NO_PROGRESS)
sampling = Sampling(max_new_tokens=8)
begun = [Beginning("1", "T", "We present a survey of galaxies", "And so on.")]
written = continue_all(handle, "tuned", begun, sampling=sampling, progress=NO_PROGRESS)
questions = load_questions().items[:3]
nats = score_choices(handle, questions, NO_PROGRESS)
right = nats.argmax(axis=1) == [question.answer for question in questions]
np.savez(
    out,
    nll_nats=scores.documents.nll_nats,
    packed=scores.blocks.nll_nats,
    abstracts=vectors.abstracts,
    nats_per_byte=nats,
)
print(json.dumps({
    "scores": scores.summary(),
    "completions": [[one.text, one.n_tokens] for one in written],
    "measures": measure(begun, written),
    "knowledge": judge(right, right, margin=0.03),
    "loaded": sorted(ABSENT & {name.partition(".")[0] for name in sys.modules}),
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
        cwd=Path(__file__).resolve().parents[2],
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return json.loads(done.stdout.splitlines()[-1]), dict(np.load(files[-1])), handle, sample, files


def test_no_library_of_the_other_side_is_loaded(measured) -> None:
    told, *_ = measured
    assert told["loaded"] == []


def test_the_numbers_are_those_of_the_full_installation(measured) -> None:
    told, kept, handle, sample, files = measured
    here = score_model(
        handle,
        Tokenizer.load(handle.base_folder),
        {"astro": sample},
        blocks={"astro": TokenBlocks([Stream(files[1], 200)], block_length=64)},
        max_tokens=1000,
        progress=NO_PROGRESS,
    )["astro"]
    np.testing.assert_allclose(kept["nll_nats"], here.documents.nll_nats, rtol=1e-9)
    assert told["scores"]["per_document"]["n_documents"] == 6
    assert told["scores"]["packed_blocks"]["n_blocks"] == 3
    assert kept["abstracts"].shape == (6, 32) and kept["abstracts"].dtype == np.float32
    assert kept["nats_per_byte"].shape == (3, 4)
    assert told["completions"][0][1] > 0
    assert told["knowledge"]["n_questions"] == 3
