import hashlib
import os
from pathlib import Path

import pytest

from astro_assets.artifacts import fingerprint
from astro_assets.artifacts.proofs import Proofs


@pytest.fixture
def proven(tmp_path: Path) -> Path:
    """Return a folder with the file ``a/b``, proven and noted."""
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "b").write_bytes(b"some bytes")
    proofs = later(folder)
    proofs.prove("a/b")
    proofs.save()
    return folder


def later(folder: Path) -> Proofs:
    return Proofs(folder, note_of(folder))


def note_of(folder: Path) -> Path:
    return folder.with_name("note.json")


def doubt(folder: Path) -> None:
    proofs = later(folder)
    proofs.doubt()
    proofs.save()


def test_what_was_proven_is_known_later(proven: Path) -> None:
    assert later(proven).sha256("a/b") == fingerprint.of_file(proven / "a" / "b")
    assert later(proven).sha256("a/c") is None


@pytest.mark.parametrize("change", ["edit", "cut", "remove", "replace"])
def test_a_file_that_changed_is_not_known(proven: Path, change: str) -> None:
    path = proven / "a" / "b"
    before = path.stat()
    if change == "edit":
        path.write_bytes(b"same bytes")
    elif change == "cut":
        path.write_bytes(b"some")
    elif change == "remove":
        path.unlink()
    else:
        other = path.with_name("other")
        other.write_bytes(b"same bytes")
        other.replace(path)
    if change != "remove":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert later(proven).sha256("a/b") is None


def test_a_file_that_is_proven_again_is_known_by_its_new_bytes(proven: Path) -> None:
    (proven / "a" / "b").write_bytes(b"other")
    proofs = later(proven)
    assert proofs.prove("a/b") == proofs.sha256("a/b") == fingerprint.of_file(proven / "a" / "b")


def test_a_file_that_only_moved_is_read_and_known(proven: Path) -> None:
    path = proven / "a" / "b"
    digest = fingerprint.of_file(path)
    path.rename(proven / "c")
    (proven / "c").rename(path)
    os.utime(path)
    assert later(proven).sha256("a/b") == digest


def rotten(folder: Path) -> None:
    """Change the bytes of ``a/b`` and the note's stamp with them: nothing but reading can tell."""
    (folder / "a" / "b").write_bytes(b"some bites")
    proofs = later(folder)
    other = proofs.prove("a/b")
    proofs.save()
    note = note_of(folder)
    note.write_text(note.read_text().replace(other, hashlib.sha256(b"some bytes").hexdigest()))


def test_doubt_has_files_read_again(proven: Path) -> None:
    rotten(proven)
    assert later(proven).sha256("a/b") is not None, "as the module says: rot does not show"
    doubt(proven)
    assert later(proven).sha256("a/b") is None
    (proven / "a" / "b").write_bytes(b"some bytes")
    assert later(proven).sha256("a/b") is not None, "what it was is still on record"


def test_without_a_note_nothing_outlives_the_object(proven: Path) -> None:
    proofs = Proofs(proven)
    proofs.prove("a/b")
    proofs.save()
    assert "a/b" in proofs and "a/b" not in Proofs(proven)
    assert [p.name for p in proven.iterdir()] == ["a"], "the folder holds what is made, no more"


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b'{"a/b": 3}', b'{"a/b": ["x", 3]}', b"\xff"])
def test_a_note_that_cannot_be_read_proves_nothing(proven: Path, note: bytes) -> None:
    (note_of(proven)).write_bytes(note)
    assert later(proven).sha256("a/b") is None


def test_files_that_are_gone_leave_the_note(proven: Path) -> None:
    (proven / "c").write_bytes(b"c")
    (proven / "a" / "b").unlink()
    proofs = later(proven)
    proofs.prove("c")
    proofs.save()
    assert "a/b" not in (note_of(proven)).read_text()
