"""Texts and numbers for people, and values out of reports."""

from astro_assets.evaluation.pages.text import cleaned, number, percent, perplexity
from astro_assets.evaluation.pages.values import at, interval_at, measured, number_at


def test_numbers_are_written_for_people() -> None:
    assert cleaned(" a\n\tb ", 10) == "a b"
    assert cleaned("5\u202f%\u00a0x", 10) == "5\u202f%\u00a0x", "what must not break stays whole"
    assert cleaned("abcdef", 6) == "abcdef"
    assert cleaned("abcdefg", 6) == "abcdef… (7 characters in all)"
    assert [number(value) for value in (None, float("nan"), -1.5, 12345.0)] == [
        "–", "–", "−1.5", "1.234e+04",
    ]  # fmt: skip
    assert [perplexity(value) for value in (None, 6.5, 123.45, 2345.6)] == [
        "–", "6.50", "123.5", "2,346",
    ]  # fmt: skip
    assert percent(-0.325) == "−32.5\u202f%"


def test_what_a_report_lacks_is_none() -> None:
    report = {"a": {"b": [1, 2.5]}, "n": float("nan"), "models": {"tuned": {"x": 1}, "base": None}}
    assert at(report, "a", "c", "d") is None
    assert number_at(report, "n") is None
    assert interval_at(report, "a", "b") == (1.0, 2.5)
    assert interval_at(report, "a") is None
    assert measured(report["models"]) == ["tuned"]
