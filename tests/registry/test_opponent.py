"""Whom a candidate stands beside: which version, and where its base is read."""

from pathlib import Path

import pytest

from astro_assets.errors import RegistryError
from astro_assets.models.base import base_digest
from astro_assets.registry import ledger
from astro_assets.registry.champion import Opponent, opponent_of
from astro_assets.registry.tracking import Tracking, client_of
from astro_assets.registry.versions import FINGERPRINT_TAG, ModelVersion, set_alias
from tests.registry.conftest import NAME, register

CANDIDATE = "c" * 64


@pytest.fixture
def ledger_path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def versions(tracking: Tracking, adapter: Path, tiny_base: Path) -> list[ModelVersion]:
    """Two versions and a candidate; the first is champion."""
    made = [register(tracking, adapter, tiny_base, fingerprint=x * 64) for x in "abc"]
    set_alias(tracking, made[0], "champion")
    return made


def decided(path: Path, candidate: ModelVersion, opponent: int | None, *, promoted: bool) -> None:
    ledger.append(
        path,
        ledger.Entry(
            decided_at="2026-01-01T00:00:00", release="2026-01", model_name=NAME,
            candidate_version=candidate.version, champion_before=opponent,
            champion_after=candidate.version if promoted else opponent, promoted=promoted,
            reasons=(), failed=(), figures={}, run_ids={}, opponent=opponent,
        ),
    )  # fmt: skip


def opponent(tracking: Tracking, path: Path, *, afresh: bool = False) -> Opponent | None:
    return opponent_of(tracking, NAME, CANDIDATE, ledger_path=path, afresh=afresh)


def delete(tracking: Tracking, version: ModelVersion) -> None:
    client_of(tracking).delete_model_version(version.name, str(version.version))


def test_it_is_the_one_of_then_and_afresh_the_present_champion(
    tracking: Tracking, ledger_path: Path, versions: list[ModelVersion]
) -> None:
    first, second, candidate = versions
    decided(ledger_path, candidate, first.version, promoted=False)
    set_alias(tracking, second, "champion")
    then, now = (opponent(tracking, ledger_path, afresh=afresh) for afresh in (False, True))
    assert then is not None and (then.version.version, then.digest) == (first.version, "a" * 64)
    assert now is not None and (now.version.version, now.digest) == (second.version, "b" * 64)


@pytest.mark.parametrize("afresh", [False, True])
def test_a_deleted_one_gives_way_to_the_present_champion(
    tracking: Tracking, ledger_path: Path, versions: list[ModelVersion], afresh: bool
) -> None:
    first, second, candidate = versions
    decided(ledger_path, candidate, first.version, promoted=False)
    set_alias(tracking, second, "champion")
    delete(tracking, first)
    found = opponent(tracking, ledger_path, afresh=afresh)
    assert found is not None and found.version.version == second.version


@pytest.mark.parametrize("afresh", [False, True])
def test_a_champion_whose_predecessor_was_deleted_stands_alone(
    tracking: Tracking, ledger_path: Path, versions: list[ModelVersion], afresh: bool
) -> None:
    first, _, candidate = versions
    decided(ledger_path, candidate, first.version, promoted=True)
    set_alias(tracking, candidate, "champion")
    assert opponent(tracking, ledger_path, afresh=afresh) is not None
    delete(tracking, first)
    assert opponent(tracking, ledger_path, afresh=afresh) is None


def test_one_that_does_not_say_what_it_holds_is_refused_at_once(
    tracking: Tracking, ledger_path: Path, versions: list[ModelVersion]
) -> None:
    """Measured all the same it could never be beaten: nobody could tell that it was this one."""
    first = versions[0]
    client_of(tracking).delete_model_version_tag(NAME, str(first.version), FINGERPRINT_TAG)
    with pytest.raises(RegistryError, match=f"{first.uri} is champion and does not say"):
        opponent(tracking, ledger_path)


def test_a_base_that_lies_here_is_read_here(
    tracking: Tracking,
    ledger_path: Path,
    versions: list[ModelVersion],
    tiny_base: Path,
    tmp_path: Path,
) -> None:
    found, digest = opponent(tracking, ledger_path), base_digest(tiny_base)
    assert found is not None and found.base_digest == digest
    stored = found.model(tracking, download_to=tmp_path)
    here = found.model(tracking, download_to=tmp_path, bases={digest: tiny_base})
    other = found.model(tracking, download_to=tmp_path, bases={"0" * 64: tiny_base})
    assert here.base_folder == tiny_base != stored.base_folder == other.base_folder
    assert (here.adapter_folder, here.digest) == (stored.adapter_folder, stored.digest)
