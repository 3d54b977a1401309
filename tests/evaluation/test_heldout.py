import numpy as np
import polars as pl
import pytest

from astro_assets.corpus.blocks import TokenBlocks
from astro_assets.corpus.tokenizer import Tokenizer
from astro_assets.errors import EmptyCorpusError
from astro_assets.evaluation.forgetting import self_text
from astro_assets.evaluation.heldout import first_subfield, write_heldout
from astro_assets.evaluation.perplexity.report import build_perplexity_report
from astro_assets.models.scoring import CausalParts, score_sequences
from astro_assets.progress import NO_PROGRESS
from astro_assets.training import heldout
from tests.evaluation.planted import handles, load, papers

LONG = papers(1, word="long", categories="astro-ph.SR").with_columns(text=pl.lit("the star " * 200))
TEXTS = {
    "astro": pl.concat(
        [
            papers(5, word="disks", categories="astro-ph.EP"),
            papers(3, word="waves", categories="gr-qc astro-ph.HE astro-ph.CO"),
            papers(2, word="old", categories="astro-ph"),
            LONG,
        ]
    ),
    "general": pl.concat([papers(6, word="groups"), papers(4, categories="math.AG")]),
}
COPIES = {"astro": ["disks-001"], "general": ["groups-004"]}


@pytest.fixture(scope="module", autouse=True)
def _few_texts_of_the_base_itself():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(self_text, "N_TEXTS", 6)
        yield


def write(folder, tiny_base, **changed):
    asked = {"texts": TEXTS, "max_tokens": 10**6, "max_positions": 256, "near_copies": COPIES}
    out = folder / "heldout.npz"
    facts = write_heldout(out, tokenizer=Tokenizer.load(tiny_base), **{**asked, **changed})
    with np.load(out, allow_pickle=False) as arrays:
        return facts, dict(arrays)


def sequences_of(arrays):
    return [part.tolist() for part in np.split(arrays["tokens"], arrays["offsets"][1:-1])]


def test_a_model_measured_on_the_file_has_the_numbers_of_the_report(tiny_base, tmp_path):
    """Both through the same scoring, and the texts taken and cut by the same functions."""
    facts, arrays = write(tmp_path, tiny_base, max_tokens=900)
    models = handles(tiny_base, tmp_path / "adapter")
    none = TokenBlocks([], block_length=64)
    report = build_perplexity_report(
        models, texts=TEXTS, blocks={"astro": none, "general": none}, max_tokens=900,
        out=tmp_path / "report", progress=NO_PROGRESS, near_copies=COPIES,
    ).facts["report"]  # fmt: skip
    sequences = sequences_of(arrays)
    for label in ("base", "tuned"):
        nll = score_sequences(models[label].load(), sequences, [1] * len(sequences))
        for field in ("astro", "general"):
            own = arrays["field"] == field
            n_tokens = int((np.diff(arrays["offsets"]) - 1)[own].sum())
            figures = report["models"][label][field]["per_document"]
            assert n_tokens == figures["n_tokens"] == facts["fields"][field]["n_tokens"]
            assert nll[own].sum() / n_tokens == pytest.approx(
                figures["nll_nats_per_token"], rel=1e-6
            )
    assert facts["near_copies_left_out"] == report["near_copies_left_out"]
    assert facts["general_fields"] == report["general_fields"]


def test_a_training_that_measures_itself_ends_at_the_numbers_of_the_report(tiny_base, tmp_path):
    facts, _ = write(tmp_path, tiny_base)
    models = handles(tiny_base, tmp_path / "adapter")
    none = TokenBlocks([], block_length=64)
    report = build_perplexity_report(
        models, texts=TEXTS, blocks={"astro": none, "general": none}, max_tokens=10**6,
        out=tmp_path / "report", progress=NO_PROGRESS, near_copies=COPIES,
    ).facts["report"]  # fmt: skip
    held = heldout.read_heldout(tmp_path / "heldout.npz")
    means, counts = heldout.measured(heldout.score(models["tuned"].load(), held), held)
    for field in ("astro", "general"):
        figures = report["models"]["tuned"][field]["per_document"]
        assert means[field] == pytest.approx(figures["nll_nats_per_token"], rel=1e-6)
        assert counts[field] == figures["n_tokens"]
    assert set(means) == {"astro", "general", *facts["subfields"]}


def test_arrays_are_what_the_format_says(tiny_base, tmp_path):
    facts, arrays = write(tmp_path, tiny_base)
    assert {name: array.dtype.kind for name, array in arrays.items()} == {
        "tokens": "i", "offsets": "i", "field": "U", "subfield": "U",
    }  # fmt: skip
    assert (arrays["tokens"].dtype, arrays["offsets"].dtype) == (np.int32, np.int64)
    n = len(arrays["field"])
    assert len(arrays["subfield"]) == n and len(arrays["offsets"]) == n + 1
    assert arrays["offsets"][-1] == len(arrays["tokens"])
    tokenizer = Tokenizer.load(tiny_base)
    assert (arrays["tokens"][arrays["offsets"][:-1]] == tokenizer.bos_id).all()
    own = sequences_of(arrays)[int(np.flatnonzero(arrays["subfield"] == "astro-ph")[0])]
    assert tokenizer.decode(own[1:]) in TEXTS["astro"]["text"].to_list()
    assert facts["fields"]["astro"]["n_papers"] == 10
    assert facts["fields"]["general"]["n_papers"] == 5
    assert set(arrays["subfield"][arrays["field"] == "general"]) == {""}
    assert facts["subfields"] == {
        "astro-ph": 2, "astro-ph.EP": 4, "astro-ph.HE": 3, "astro-ph.SR": 1
    }  # fmt: skip


def test_a_text_longer_than_the_context_is_cut_as_the_report_cuts_it(tiny_base, tmp_path):
    facts, arrays = write(tmp_path, tiny_base)
    assert CausalParts.of(load(tiny_base)).max_positions == 256
    lengths = np.diff(arrays["offsets"])[arrays["subfield"] == "astro-ph.SR"]
    assert len(lengths) > 1 and set(lengths[:-1]) == {256} and lengths[-1] <= 256
    astro = facts["fields"]["astro"]
    assert astro["n_documents"] == astro["n_papers"] - 1 + len(lengths)


def test_equal_papers_in_any_order_give_equal_bytes(tiny_base, tmp_path):
    facts, _ = write(tmp_path, tiny_base)
    backwards = {field: frame.reverse() for field, frame in TEXTS.items()}
    again, _ = write(tmp_path / "again", tiny_base, texts=backwards)
    assert again["sha256"] == facts["sha256"]


def test_nothing_is_left_where_there_is_no_paper(tiny_base, tmp_path):
    with pytest.raises(EmptyCorpusError, match="no astro test papers"):
        write(tmp_path, tiny_base, texts={**TEXTS, "astro": TEXTS["astro"].head(0)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("categories", "subfield"),
    [
        ("hep-ph astro-ph.GA astro-ph.CO", "astro-ph.GA"),
        ("astro-ph", "astro-ph"),
        ("astro-ph astro-ph.CO", "astro-ph"),
        ("astro-ph.<script>", "astro-ph.other"),
        ("astro-phys.GA hep-ph", ""),
        ("", ""),
    ],
)
def test_the_first_astronomy_category_names_the_subfield(categories, subfield):
    assert first_subfield(categories) == subfield
