import numpy as np
import pytest

from astro_assets.corpus.categories import (
    SUBFIELDS,
    carries,
    comes_first,
    has_role,
    pack_categories,
)


@pytest.mark.parametrize(
    ("listed", "carried", "first"),
    [
        ("astro-ph", {"astro-ph"}, "astro-ph"),
        ("astro-ph.CO gr-qc astro-ph.GA", {"astro-ph.CO", "astro-ph.GA"}, "astro-ph.CO"),
        ("astro-ph astro-ph.SR", {"astro-ph", "astro-ph.SR"}, "astro-ph"),
        ("  hep-ph\nastro-ph.HE ", {"astro-ph.HE"}, None),
        ("astro-ph.XX", {"astro-ph (other)"}, "astro-ph (other)"),
        ("plasm-ph atom-ph astro-phys not-astro-ph", set(), None),
        ("", set(), None),
    ],
)
def test_packed_categories_say_what_was_listed(listed, carried, first) -> None:
    packed = pack_categories([listed])
    assert {n for k, n in enumerate(SUBFIELDS) if carries(packed, k)[0]} == carried
    assert {n for k, n in enumerate(SUBFIELDS) if comes_first(packed, k)[0]} == {first} - {None}
    assert bool(comes_first(packed)[0]) is (first is not None)


def test_all_categories_at_once_fit_two_bytes() -> None:
    everything = " ".join([*SUBFIELDS[:-1], "astro-ph.ZZ"])
    packed = pack_categories([everything, ""])
    assert packed.dtype == np.uint16
    assert packed.tolist() == [0x1FF, 0]


def test_numbers_are_in_files_and_never_move() -> None:
    assert pack_categories(SUBFIELDS[:7]).tolist() == [
        0x101, 0x202, 0x304, 0x408, 0x510, 0x620, 0x740
    ]  # fmt: skip


def test_the_role_of_a_general_paper_is_kept_and_does_not_look_like_a_subfield() -> None:
    packed = pack_categories(["cs.LG", "math.AG gr-qc", "math.PR cs.IT", "gr-qc astro-ph.CO"])
    assert packed.tolist() == [0x1000, 0x2000, 0, 0x2]
    assert has_role(packed, "measured").tolist() == [True, False, False, False]
    assert has_role(packed, "replayed").tolist() == [False, True, False, False]
    assert not comes_first(packed).any()
    assert not comes_first(packed, 0).any()
