import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.artifacts.proofs import Proofs
from astro_assets.corpus import near_copies
from astro_assets.corpus.near_copies import build_near_copies
from astro_assets.corpus.streams import PaperShard
from astro_assets.corpus.words import words_of
from astro_assets.ingest.synthetic import generate
from astro_assets.months import Month
from astro_assets.progress import NO_PROGRESS
from tests.corpus.planted import Row, paper_shard

TEXT = (
    "  We present deep near-infrared imaging of forty lensed galaxies behind six big clusters,\n"
    "taken with a new camera over three winters. Their stellar masses of $10^{9}\\,M_\\odot$ and\n"
    "their sizes follow the relation known from brighter samples, but the scatter is twice as\n"
    "large. We argue that bursts of star formation, not errors of the lens models, explain it,\n"
    "and predict how often such bursts should be seen by surveys of the coming decade.\n"
)
WORDS = TEXT.split()


def changed(words: dict[int, str]) -> str:
    return " ".join(words.get(number, word) for number, word in enumerate(WORDS))


NEAR = {
    "one word": changed({30: "diameters"}),
    "a word in twenty": changed({n: "other" for n in range(10, len(WORDS), 20)}),
    "a sentence more": TEXT + "This version adds a second field and mends Table 3.",
    "another beginning": "In this letter, as promised in Paper I, " + TEXT.strip(),
    "another layout": " ".join(WORDS),
    "another case and punctuation": TEXT.upper().replace(",", ";"),
    "the formula set otherwise": TEXT.replace("$10^{9}\\,M_\\odot$", "$10^9 M_{\\odot}$"),
    "the formula changed": TEXT.replace("10^{9}", "10^{11}"),
    "part of a longer text": "First part. " + "A longer story of something else. " * 20 + TEXT,
    "its second half": " ".join(WORDS[30:]),
}
NOT_NEAR = {
    "one sentence of it": " ".join(WORDS[:22]) + " And then something else was done altogether.",
    "a word in twelve changed": changed({n: "other" for n in range(0, len(WORDS), 12)}),
    "the same words in another order": " ".join(reversed(WORDS)),
    "nothing": "",
}


def build(shards: list[PaperShard], out: Path) -> Built:
    proofs = Proofs(out, out.with_name(f"{out.name}.json"))
    return build_near_copies(shards, out, release="2026-06", progress=NO_PROGRESS, proofs=proofs)


def of_rows(folder: Path, *rows: Row, general: tuple[Row, ...] = ()) -> Built:
    shards = [paper_shard(folder, rows=rows), paper_shard(folder, rows=general, field="general")]
    return build(shards, folder / "near")


def pairs(built: Built) -> list[tuple[str, str]]:
    listed = pl.read_parquet(built.path / built.facts["pairs"])
    return list(zip(listed["test_id"], listed["train_id"], strict=True))


@pytest.mark.parametrize("how", NEAR)
def test_near_copies_on_the_train_side_are_found(how: str, tmp_path: Path):
    built = of_rows(tmp_path, ("t", "test", TEXT, None), ("c", "train", NEAR[how], None))
    assert pairs(built) == [("t", "c")]
    assert built.facts["near_copies"] == {"astro": ["t"], "general": []}


@pytest.mark.parametrize("how", NOT_NEAR)
def test_what_is_no_near_copy_is_not_listed(how: str, tmp_path: Path):
    built = of_rows(tmp_path, ("t", "test", TEXT, None), ("c", "train", NOT_NEAR[how], None))
    assert pairs(built) == [] and built.counts["n_test_with_near_copy"] == 0


def test_half_of_the_words_is_enough_and_one_less_is_not(tmp_path: Path):
    words = [f"w{n}" for n in range(40)]
    half, less = (" ".join(words[:n]) for n in (20, 19))
    built = of_rows(
        tmp_path,
        ("t", "test", " ".join(words), None),
        ("half", "train", f"{half} and so on", None),
        ("less", "train", f"{less} and so on", None),
    )
    assert pairs(built) == [("t", "half")]
    row = pl.read_parquet(built.path / built.facts["pairs"]).row(0, named=True)
    assert (row["similarity"], row["n_words"], row["n_shared_words"]) == (0.5, 40, 20)


def test_boilerplate_of_many_papers_makes_no_copies_and_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A sentence of thanks of 27 words, in texts of which it is a third or less.

    Runs that overlap must not count in full, or every pair would be compared word by word.
    """
    monkeypatch.delattr(near_copies, "covered")
    thanks = (
        " Based on observations obtained with an observatory in space that is funded by the"
        " member states of an agency and by another agency beyond the sea."
    )
    own = [" ".join(f"paper{n}word{k}" for k in range(60)) for n in range(12)]
    rows = [(str(n), "test" if n % 3 else "train", own[n] + thanks, None) for n in range(12)]
    built = of_rows(tmp_path, *rows)
    assert built.counts["astro_test_papers"] == 8 and pairs(built) == []


def test_a_test_text_of_either_table_is_looked_for_in_both(tmp_path: Path):
    near = NEAR["a sentence more"]
    other = "Another abstract altogether speaks of " + " ".join(f"thing{n}" for n in range(40))
    built = of_rows(
        tmp_path,
        ("astro-test", "test", TEXT, None),
        ("astro-train", "train", other, None),
        general=(
            ("general-test", "test", f"{other} once more", None),
            ("general-train", "train", near, None),
        ),
    )
    listed = pl.read_parquet(built.path / built.facts["pairs"])
    tables = listed.select("test_id", "test_table", "train_id", "train_table").rows()
    assert sorted(tables) == [
        ("astro-test", "astro_ph_papers", "general-train", "general_papers"),
        ("general-test", "general_papers", "astro-train", "astro_ph_papers"),
    ]
    assert built.facts["near_copies"] == {"astro": ["astro-test"], "general": ["general-test"]}
    assert built.counts == {
        "astro_test_papers": 1,
        "astro_test_with_near_copy": 1,
        "general_test_papers": 1,
        "general_test_with_near_copy": 1,
        "n_test_papers": 2,
        "n_test_with_near_copy": 2,
        "n_pairs": 2,
    }


def test_only_pairs_of_a_used_test_and_a_used_train_text_count(tmp_path: Path):
    built = of_rows(
        tmp_path,
        ("1", "test", TEXT, None),
        ("2", "test", TEXT + " Once more.", None),
        ("3", "train", TEXT, "withdrawn"),
        ("4", "test", TEXT, "duplicate_text"),
    )
    assert built.counts["n_test_papers"] == 2 and pairs(built) == []


def test_short_texts_are_copies_only_word_for_word(tmp_path: Path):
    built = of_rows(
        tmp_path,
        ("t", "test", "Comment on a recent letter.", None),
        ("u", "test", "Reply to a recent letter.", None),
        ("same", "train", "Comment on a recent Letter", None),
        ("more", "train", "Comment on a recent letter about many other things" + " x" * 9, None),
        ("other", "train", "Comment on a recent paper.", None),
    )
    assert pairs(built) == [("t", "same")]


def test_the_most_similar_come_first_with_their_titles(tmp_path: Path):
    built = of_rows(
        tmp_path,
        ("t", "test", TEXT, None),
        ("b", "train", NEAR["a word in twenty"], None),
        ("a", "train", NEAR["its second half"], None),
        ("c", "train", NEAR["another layout"], None),
    )
    assert [train for _, train in pairs(built)] == ["c", "b", "a"]
    first = built.facts["first"][0]
    assert (first["test_title"], first["train_title"]) == ("Title of t", "Title of c")
    assert built.counts["n_pairs"] == 3 and built.counts["n_test_with_near_copy"] == 1


def test_a_corpus_of_one_template_lists_a_bounded_number(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(near_copies, "MOST_LISTED", 3)
    train = [(f"c{n}", "train", f"{TEXT} Number {n}.", None) for n in range(9)]
    built = of_rows(tmp_path, ("t", "test", TEXT, None), *train)
    assert pairs(built) == [("t", "c0"), ("t", "c1"), ("t", "c2")]


def test_a_release_without_any_paper_on_a_side_has_none(tmp_path: Path):
    assert pairs(of_rows(tmp_path, ("t", "test", TEXT, None))) == []
    assert pairs(of_rows(tmp_path, ("c", "train", TEXT, None))) == []


TEXTS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 40)).map(
        lambda p: " ".join(f"w{n}" for n in range(p[0], sum(p)))
    ),
    max_size=5,
)


def by_hand(test: str, train: str) -> bool:
    ours, theirs = words_of(test), words_of(train)
    if len(ours) < 13:
        return bool(ours) and ours == theirs
    runs = {tuple(theirs[n : n + 13]) for n in range(len(theirs) - 12)}
    inside = [n for n in range(len(ours) - 12) if tuple(ours[n : n + 13]) in runs]
    return 2 * len({n + k for n in inside for k in range(13)}) >= len(ours)


@given(TEXTS, TEXTS)
@settings(max_examples=60, deadline=None)
def test_the_list_is_what_comparing_every_pair_gives(tmp_path_factory, tests, train):
    folder = tmp_path_factory.mktemp("pairs")
    rows = [(f"t{n}", "test", text, None) for n, text in enumerate(tests)]
    rows += [(f"c{n}", "train", text, None) for n, text in enumerate(train)]
    expected = {
        (f"t{n}", f"c{k}")
        for n, ours in enumerate(tests)
        for k, theirs in enumerate(train)
        if by_hand(ours, theirs)
    }
    found = pairs(of_rows(folder, *rows))
    assert len(found) == len(set(found)) and set(found) == expected


def months(folder: Path, seed: int, n_months: int = 5) -> list[PaperShard]:
    """Return months of generated abstracts, some of which are edited copies of others."""
    rng = random.Random(seed)
    abstracts = [r["abstract"] for r in generate(60, until=Month(2026, 6), seed=seed)]
    shards = []
    for number in range(n_months):
        rows = []
        for n in range(20):
            words = rng.choice(abstracts).split()
            words[rng.randrange(len(words))] = "edited"
            side = "test" if rng.random() < 0.3 else "train"
            rows.append((f"{number}.{n:02d}", side, " ".join(words), None))
        shards.append(paper_shard(folder, rows=rows, month=f"2020-0{number + 1}"))
    return shards


def test_a_refresh_reads_changed_months_only_and_gives_what_a_fresh_home_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    old, new = months(tmp_path, 1), months(tmp_path, 2)
    build(old, tmp_path / "near")
    read: list[Path] = []
    plain = pl.read_parquet
    monkeypatch.setattr(pl, "read_parquet", lambda p, **kw: (read.append(p), plain(p, **kw))[1])
    for changed_month in range(5):
        release = [*old[:changed_month], new[changed_month], *old[changed_month + 1 :]]
        read.clear()
        grown = build(release, tmp_path / "near")
        assert read == [new[changed_month].path]
        fresh = build(release, tmp_path / f"fresh-{changed_month}")
        assert grown.counts["n_pairs"] > 10
        assert (grown.fingerprint, grown.files) == (fresh.fingerprint, fresh.files)
        assert (grown.counts, grown.facts) == (fresh.counts, fresh.facts)
        for name, digest in fresh.files.items():
            assert fingerprint.of_file(tmp_path / "near" / name) == digest


def test_many_small_passes_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shards = months(tmp_path, 3)
    one = build(shards, tmp_path / "one")
    monkeypatch.setattr(near_copies, "_WORDS_AT_ONCE", 700)
    assert build(shards, tmp_path / "many").fingerprint == one.fingerprint


def test_generated_papers_have_no_near_copies(tmp_path: Path):
    """Their sentences come from templates; a demo must not lose its test side to that."""
    records = [r for r in generate(1_500, until=Month(2026, 6)) if r["abstract"]]
    rows = [
        (r["id"], "test" if n % 5 == 0 else "train", r["abstract"], None)
        for n, r in enumerate(records)
        if not any(r["abstract"] == other["abstract"] for other in records[:n])
    ]
    built = of_rows(tmp_path, *rows)
    assert built.counts["astro_test_papers"] > 200
    assert built.counts["n_test_with_near_copy"] <= 2
