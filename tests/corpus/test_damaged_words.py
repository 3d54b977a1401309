"""Words that were damaged, seen or unseen, never reach a list of near copies."""

import zipfile
from pathlib import Path

import pytest

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.manifest import Built
from astro_assets.artifacts.proofs import Proofs
from astro_assets.errors import DamagedArtifactError
from tests.corpus.test_near_copies import build, months


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damaged_words_are_made_again(tmp_path: Path, damage: str):
    shards = months(tmp_path, 4, n_months=2)
    built = build(shards, tmp_path / "near")
    for name in built.files:
        path = built.path / name
        good = path.read_bytes()
        if damage == "remove":
            path.unlink()
        else:
            path.write_bytes(good[:-9] if damage == "cut" else good[:-9] + b"?" + good[-8:])
        again = build(shards, tmp_path / "near")
        assert path.read_bytes() == good
        assert (again.fingerprint, again.files) == (built.fingerprint, built.files)


def rot(built: Built, name: str, *, where: str = "data") -> None:
    """Flip a bit of the data, or of what the zip says of them, and have the record not know."""
    path = built.path / name
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as held:
        inside = max(held.infolist(), key=lambda member: member.file_size)
    directory = data.rindex(b"PK\x01\x02")
    data[{"data": inside.header_offset + 200, "flags": directory + 8}[where]] ^= 1
    good = fingerprint.of_file(path)
    path.write_bytes(data)
    note = built.path.with_name(f"{built.path.name}.json")
    proofs = Proofs(built.path, note)
    bad = proofs.prove(name)
    proofs.save()
    note.write_text(note.read_text().replace(bad, good))


@pytest.mark.parametrize("where", ["data", "flags"])
def test_words_that_rotted_unseen_are_found_and_the_next_call_mends_them(
    tmp_path: Path, where: str
):
    shards = months(tmp_path, 5, n_months=2)
    built = build(shards, tmp_path / "near")
    name = next(name for name in built.files if "-train-" in name)
    rot(built, name, where=where)
    with pytest.raises(DamagedArtifactError, match="near_copies, release 2026-06 again"):
        build(shards, tmp_path / "near")
    again = build(shards, tmp_path / "near")
    assert (again.fingerprint, again.files) == (built.fingerprint, built.files)
    assert fingerprint.of_file(built.path / name) == built.files[name]
