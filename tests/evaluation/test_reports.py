import json

import pytest

from astro_assets.evaluation.reports import built_report, rounded, write_report


def test_numbers_that_differ_beyond_nine_digits_have_one_fingerprint(tmp_path):
    a, b, c = (rounded({"nll": value}) for value in (1.2345678901, 1.2345678904, 1.23456788))
    assert built_report(tmp_path, a, {}).fingerprint == built_report(tmp_path, b, {}).fingerprint
    assert built_report(tmp_path, a, {}).fingerprint != built_report(tmp_path, c, {}).fingerprint


def test_the_file_holds_what_is_returned_text_untouched(tmp_path):
    written = write_report(tmp_path, {"title": "<é>", "counts": (1, True, None), "share": 1 / 3})
    assert written == {"title": "<é>", "counts": [1, True, None], "share": 0.333333333}
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == written


def test_a_number_that_is_none_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        write_report(tmp_path, {"nll": float("nan")})
