import pytest

from astro_assets.evaluation.completions.numbers import numbers_of


@pytest.mark.parametrize(
    "text",
    [
        "1000 stars",
        "1,000 stars",
        "1{,}000 stars",
        r"1\,000 stars",
        "(1000.0)",
        "It is 1000.",
        "10^{3}",
        "10^3 of them",
        "10$^{3}$ M$_\\odot$",
        "a few x10^{3}",
        "1e3",
        "1.0E+3",
        r"$1\times10^{3}$",
        r"1 $\times$ 10$^{3}$",
        "0.1 x 10^4",
        "1 X 10$^3$",
        "10**3",
    ],
)
def test_one_value_is_one_number_however_it_is_written(text):
    assert numbers_of(text) == numbers_of("1000")


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("from 1998 to 2003", ["1998", "2003"]),
        ("in the 1980s", ["1980"]),
        ("1998--2003", ["1998", "2003"]),
        ("z~0.50, .5 and 5%", ["0.5", "0.5", "5"]),
        (r"1.5$^{+0.3}_{-0.2}$ mag", ["1.5", "0.3", "0.2"]),
        (r"$10^{+2}_{-3}$ and 10^{-3}", ["10", "2", "3", "0.001"]),
        (r"(1-3)\times10^{5}", ["1", "3", "100000"]),
        (r"\sim5 and \approx 70", ["5", "70"]),
        ("NGC 1275", ["1275"]),
        ("007 and 0.0", ["7", "0"]),
        ("2^{10}", ["2", "10"]),
    ],
)
def test_what_is_a_number(text, same_as):
    assert numbers_of(text) == [number for one in same_as for number in numbers_of(one)]


@pytest.mark.parametrize(
    "text",
    [
        "M31, SN1987A, J0437-4715 and H2O",
        "km s$^{-1}$ Mpc^{-1}",
        r"M_{200}, \sigma_8, $R_{\mathrm{500}}$ and \log_{10}(M)",
        "$^{12}$CO",
        "three stars",
        "",
    ],
)
def test_names_units_and_words_are_no_numbers(text):
    assert numbers_of(text) == []


def test_a_power_that_is_no_whole_number_is_a_number_of_its_own():
    assert numbers_of("10^{10.5}") == numbers_of("10$^{10.50}$")
    assert numbers_of("10^{10.5}") != numbers_of("10^{10}")


@pytest.mark.parametrize("piece", ["1", "a", "1,", "_{", "^{{}", "10^{", "a1-", "1 $ ", "_{{a}"])
def test_a_long_text_of_anything_ends(piece):
    assert len(numbers_of(piece * 5_000)) <= 5_000
