"""The measurement of tokenising: it compares ids, and other ids end it with an error."""

import sys
from pathlib import Path

import pytest

from astro_assets.corpus.tokenizer import TEXTS_AT_ONCE
from bench import tokenise
from tests.builders import record, write_snapshot

N_PAPERS = 7


@pytest.fixture
def command(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = (record(f"2307.{n:05d}") for n in range(N_PAPERS))
    snapshot = write_snapshot(tmp_path / "snapshot.zip", records)
    given = [str(snapshot), str(tiny_base), "--per-stream", "3", "--rounds", "2"]
    monkeypatch.setattr(sys, "argv", ["tokenise", *given])
    monkeypatch.setattr(tokenise, "find_spec", lambda _name: None)


def test_every_way_gives_the_same_ids(command: None, capsys: pytest.CaptureFixture[str]) -> None:
    tokenise.main()
    said = capsys.readouterr().out
    assert f"{N_PAPERS} papers, 3 streams" in said
    assert f"encode_batch_fast alone, {TEXTS_AT_ONCE} at once" in said
    assert "False" not in said and said.count("True") >= 1 + len(tokenise.AT_ONCE)
    assert "of ours: cleaning" in said


def test_other_ids_are_an_error(command: None, monkeypatch: pytest.MonkeyPatch) -> None:
    right = tokenise.encode_batch

    def wrong(part, tokenizer, at_once):
        ids = right(part, tokenizer, at_once)
        ids[-2] += 1
        return ids

    monkeypatch.setattr(tokenise, "encode_batch", wrong)
    with pytest.raises(SystemExit, match="ids of the ways differ"):
        tokenise.main()


def test_a_ways_time_is_the_sum_of_the_least_of_each_step() -> None:
    way = tokenise.Way("none", [lambda: None, lambda: None])
    way.cpu_seconds = {0: 1.0, 1: 0.0}
    way.take_turn(0)
    way.take_turn(1)
    assert way.cpu < 0.5 and way.cpu_seconds[1] == 0.0


def test_the_floor_is_the_fastest_of_the_floors() -> None:
    one, two = (tokenise.Way(name, [], cpu_seconds={0: s}) for name, s in (("a", 2.0), ("b", 1.0)))
    rest = tokenise.Way("", [])
    measured = tokenise.Measured([one, two], rest, [], rest, rest)
    assert measured.floor is two
