import re

import pytest

from astro_assets.evaluation.knowledge.equations import (
    Equation,
    edit_distance,
    load_equations,
    measure_equations,
    plain_latex,
)
from tests.evaluation.knowledge.planted_questions import reader_of, teach
from tests.evaluation.planted import ignorant_model

THREE = (
    Equation("mass-energy equivalence", "E = m c^2"),
    Equation("ideal gas law", "P V = N k T"),
    Equation("Hubble-Lemaitre law", "v = H_0 d"),
)


def test_the_table_holds_forty_equations_or_more_all_different():
    table = load_equations()
    assert len(table) >= 40
    assert len({one.name for one in table}) == len({plain_latex(one.latex) for one in table})
    assert len({one.name for one in table}) == len(table)


def test_the_table_is_latex():
    for one in load_equations():
        assert one.latex.count("{") == one.latex.count("}"), one.name
        assert one.latex.count(r"\left") == one.latex.count(r"\right"), one.name
        assert "$" not in one.latex and re.search(r"=|\\geq|\\propto", one.latex), one.name


def test_matplotlib_can_set_every_equation():
    """A second reader of LaTeX: a mistyped command would be an error."""
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    for one in load_equations():
        parser.parse(f"${one.latex}$")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (r"E = m c^2", r"E=mc^{2}."),
        (r"\frac{a}{b}", r"\dfrac{a}{b}"),
        (r"\left( x \right)\, y", "(x)y"),
        (r"a \quad b", "a~b"),
    ],
)
def test_what_only_looks_different_is_equal(ours, theirs):
    assert plain_latex(ours) == plain_latex(theirs)


def test_what_means_something_else_stays_different():
    assert plain_latex(r"a \leftarrow b") != plain_latex("a arrow b")
    assert plain_latex("x^{12}") != plain_latex("x^12")


def plain_distance(a: str, b: str) -> int:
    """Levenshtein's table, as it stands in textbooks."""
    table = [[i + j for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
                table[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
            )
    return table[-1][-1]


@pytest.mark.parametrize(
    ("a", "b"),
    [("", "x"), ("", ""), ("abc", "abc"), ("kitten", "sitting"), ("E=mc^2", "PV=NkT"), ("ab", "b")],
)
def test_the_edit_distance_is_levenshtein_s(a, b):
    longest = max(len(a), len(b), 1)
    assert edit_distance(a, b) == pytest.approx(plain_distance(a, b) / longest)
    assert edit_distance(a, b) == edit_distance(b, a)


def test_equations_known_by_heart_are_first_and_written_out(tiny_base):
    reader = reader_of(tiny_base)
    ignorant = measure_equations(reader, THREE)
    assert ignorant["edit_distance"] > 0.5 and ignorant["n_exact"] == 0
    texts = [f"Equation: {one.name}\nLaTeX: ${one.latex}$\n" for one in THREE]
    taught = reader_of(tiny_base, teach(reader.model, texts, reader.tokenizer))
    assert measure_equations(taught, THREE) == {
        "rank_1": 1.0,
        "low": pytest.approx(3 / (3 + 1.959964**2)),  # Wilson's score interval of 3 of 3
        "high": 1.0,
        "mrr": 1.0,
        "median_rank": 1.0,
        "edit_distance": 0.0,
        "n_exact": 3,
    }


def test_a_context_too_short_is_told(tiny_base):
    reader = reader_of(tiny_base, ignorant_model())
    assert measure_equations(reader, THREE) is None
    assert "does not fit into its context of 16 tokens" in reader.notes[0]
