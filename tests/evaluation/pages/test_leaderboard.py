"""The leaderboard: same papers together, best first, harmless, and the same as JSON."""

import json
from html.parser import HTMLParser
from pathlib import Path

from astro_assets.evaluation.pages.leaderboard import (
    Group,
    Scorecard,
    leaderboard_as_json,
    render_leaderboard,
)

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """What a browser would make of the page: its tags, and its text outside of style sheets."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: set[str] = set()
        self.words: list[str] = []
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.inside = tag
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.targets |= {value or "" for name, value in attrs if name in ("src", "href")}

    def handle_data(self, data: str) -> None:
        if self.inside != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def read(path: Path) -> Page:
    """The page, which must load nothing and run nothing."""
    page = Page(path.read_text())
    assert not page.tags & {"script", "img", "link", "iframe", "object"}
    assert page.targets <= {"index.html", "leaderboard.json"}
    return page


def card(name: str, bits: float | None = None, **figures) -> Scorecard:
    known = {"role": "evaluated", "digest": name} | figures
    return Scorecard(name=name, bits_per_byte=bits, **known)


def test_fewest_bits_come_first_and_unmeasured_models_last(tmp_path: Path) -> None:
    group = Group("2026-06", 10, 700, (card("none"), card("worse", 1.5), card("better", 0.5)))
    page = read(render_leaderboard([group], tmp_path))
    places = [page.text.index(name) for name in ("better", "worse", "none")]
    assert places == sorted(places)
    assert "the same 10 held-out abstracts (700 bytes)" in page.text
    told = json.loads((tmp_path / "leaderboard.json").read_text())
    (shown,) = told["groups"]
    assert [one["name"] for one in shown["cards"]] == ["better", "worse", "none"]
    assert (shown["release"], shown["n_documents"], shown["n_bytes"]) == ("2026-06", 10, 700)


def test_the_newest_release_comes_first_and_of_one_release_the_most_papers() -> None:
    groups = [
        Group("2026-05", 99, 9, ()),
        Group("2026-06", 10, 9, ()),
        Group("2026-06", 20, 9, ()),
    ]
    told = leaderboard_as_json(groups)["groups"]
    order = [(one["release"], one["n_documents"]) for one in told]
    assert order == [("2026-06", 20), ("2026-06", 10), ("2026-05", 99)]


def test_every_figure_stands_on_the_page(tmp_path: Path) -> None:
    whole = card(
        "astrollama 4", 0.71234, role="tuned", base="scratch", n_parameters=1_000_576,
        quantisation="nf4", bits_per_byte_low=0.701, bits_per_byte_high=0.722,
        general_bits_per_byte=0.8123, far_bits_per_byte=0.9234, rise_far=0.021,
        drift_nats_per_token=0.147, retrieval_mrr=0.456, accuracy=0.425, chance=0.25,
        n_questions=60, repeated_4grams=0.0321, loops=0.5, dtype="bfloat16", n_retrieval=1_234,
    )  # fmt: skip
    group = Group("2026-06", 10, 700, (whole,), question_method="letter_with_blank")
    page = read(render_leaderboard([group], tmp_path))
    for told in (
        "astrollama 4", "tuned · 1.0 M on scratch · nf4 · bfloat16", "0.7123", "0.701 to 0.722",
        "0.8123", "0.9234", "+2.1 %", "+0.147 nats", "0.456", "42.5 %", "chance 25 %, n 60",
        "3.2 %", "50 % loop", "n 1,234", "Questions letter with blank",
    ):  # fmt: skip
        assert told in page.text.replace("\u202f", " "), told


def test_what_does_not_compare_is_a_dash_without_a_number_under_it(tmp_path: Path) -> None:
    other = card("other", 1.0, chance=0.25, n_questions=152, n_retrieval=99, dtype="float32")
    group = Group("2026-06", 10, 700, (other,), "full_answer", 60, 9)
    page = read(render_leaderboard([group], tmp_path))
    assert "152" not in page.text and "n 99" not in page.text
    told = json.loads((tmp_path / "leaderboard.json").read_text())["groups"][0]
    assert (told["question_method"], told["n_questions"], told["n_retrieval"]) == (
        "full_answer", 60, 9,
    )  # fmt: skip
    assert told["cards"][0]["accuracy"] is None and told["cards"][0]["n_questions"] == 152


def test_names_from_outside_stay_text(tmp_path: Path) -> None:
    group = Group(ATTACK, 1, 1, (card(ATTACK, 1.0, role=ATTACK, base=ATTACK, quantisation=ATTACK),))
    path = render_leaderboard([group], tmp_path)
    assert ATTACK in read(path).text
    assert "<script" not in path.read_text() and "&lt;script&gt;" in path.read_text()


def test_the_index_is_linked_where_releases_have_pages(tmp_path: Path) -> None:
    assert 'href="index.html"' not in render_leaderboard([], tmp_path).read_text()
    (tmp_path / "2026-06.html").write_text("")
    page = render_leaderboard([], tmp_path).read_text()
    assert 'href="index.html"' in page and "No model has been measured yet" in page


def test_equal_models_give_equal_bytes(tmp_path: Path) -> None:
    cards = (card("b", 1.0), card("a", 1.0))
    first = render_leaderboard([Group("2026-06", 1, 1, cards)], tmp_path).read_bytes()
    again = render_leaderboard([Group("2026-06", 1, 1, cards[::-1])], tmp_path / "x").read_bytes()
    assert first == again
