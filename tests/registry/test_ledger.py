from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from astro_assets.errors import DamagedArtifactError
from astro_assets.registry.ledger import Entry, append, damaged_lines, entries

ONE = Entry(
    decided_at="2026-07-02T00:00:00+00:00",
    release="2026-06",
    model_name="astrollama",
    candidate_version=4,
    champion_before=3,
    champion_after=3,
    promoted=False,
    reasons=("passed: no blocking check failed.", "failed: it has forgotten, ≥ 5 %\nmore."),
    failed=("forgetting",),
    figures={"rise_general": 0.31, "champion": None},
    run_ids={"dagster": "r1"},
)
TWO = replace(ONE, candidate_version=5, champion_after=5, promoted=True, failed=())


def test_decisions_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "home" / "ledger.jsonl"
    assert entries(path) == ()
    append(path, ONE)
    first = path.read_bytes()
    append(path, TWO)
    assert entries(path) == (ONE, TWO)
    assert path.read_bytes().startswith(first)  # nothing before is touched
    assert path.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("n_left", [1, 40, -2])
def test_half_a_line_of_a_killed_writer_is_told_and_swallows_nothing(
    tmp_path: Path, n_left: int
) -> None:
    path = tmp_path / "ledger.jsonl"
    append(path, ONE)
    append(path, TWO)
    head, second = path.read_bytes().splitlines()
    path.write_bytes(head + b"\n" + second[:n_left])
    assert entries(path) == (ONE,)
    assert damaged_lines(path) == (2,)
    append(path, TWO)
    assert entries(path) == (ONE, TWO)
    assert damaged_lines(path) == (2,)


def test_a_line_that_lacks_only_its_end_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append(path, ONE)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    append(path, TWO)
    assert entries(path) == (ONE, TWO)
    assert damaged_lines(path) == ()


def test_a_figure_that_is_no_number_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with pytest.raises(ValueError, match="JSON"):
        append(path, replace(ONE, figures={"nll": float("nan")}))
    assert not path.exists()


def test_another_file_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for text in ("[1, 2]\n", '{"release": "2026-06"}\n', "3\n"):
        path.write_text(text)
        with pytest.raises(DamagedArtifactError, match="line 1 is no promotion decision"):
            entries(path)


def append_ten(path: Path, start: int) -> None:
    for number in range(start, start + 10):
        append(path, replace(ONE, candidate_version=number))


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(append_ten, [path] * 4, [0, 10, 20, 30]))
    assert sorted(entry.candidate_version for entry in entries(path)) == list(range(40))
    assert damaged_lines(path) == ()
