import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from astro_assets.evaluation.figures import release as figures
from astro_assets.evaluation.figures.learning_curve import learning_curve
from astro_assets.evaluation.figures.style import STYLE_NAMES
from astro_assets.evaluation.pages import rows as page_rows
from astro_assets.evaluation.pages.release import (
    IndexEntry,
    PageCorpus,
    PageLineage,
    PageModel,
    PageVerdict,
    ReleasePage,
    render_index,
    render_release_page,
)
from astro_assets.evaluation.pages.text import cleaned, number, percent, perplexity
from tests.evaluation.pages.content import (
    completion_report,
    curve,
    embedding_report,
    full_page,
    heldout_curve,
    knowledge_report,
    perplexity_report,
)

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><svg/onload=alert(1)>",
    "{{ 7 * 191 }}{% raw %}",
    "javascript:alert(1)",
]
VOID = {"meta", "link", "img", "br", "path", "use"}
KNOWN_TAGS = set(
    re.findall(
        r"\w+",
        "html head meta title style body header main footer section article nav p h1 h2 h3 h4 a em"
        " strong small code dl dt dd div ul li figure figcaption table caption thead tbody tr th td"
        " span svg g defs path use text clippath rect",
    )
)


class Page(HTMLParser):
    """What a browser would make of the page: tags, attributes, text outside of the style sheet."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def rendered(content: ReleasePage, folder: Path) -> str:
    return render_release_page(content, folder / "page.html").read_text(encoding="utf-8")


def assert_harmless(html: str) -> Page:
    page = Page(html)
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag in KNOWN_TAGS, tag
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            target = attributes.get(name)
            assert target is None or re.fullmatch(r"#[\w-]+|[\w.-]+\.html", target), target
    assert "@import" not in html
    assert set(re.findall(r"url\(([^)]*)\)", html)) <= set(re.findall(r"url\((#[^)]*)\)", html))
    return page


def test_a_full_page_is_whole_and_shows_every_part(tmp_path: Path) -> None:
    page = assert_harmless(rendered(full_page(), tmp_path))
    for told in (
        "Release 2026-06", "astrollama, version 4", "Promoted: this model is the champion",
        "25,331", "19,241", "5,512,233", "256 in the median", "the text of an earlier paper",
        "81.25", "61.50", "−24.3 %", "63.00", "1.6250", "training perplexity of 6.55", "32.5",
        "not the same number", "TF-IDF, 4,096 words", "−0.0061 nats per byte", "60 multiple-choice",
        "as the authors wrote it", "astro_ph_papers", "bbbbbbbbbbbb", "texts may be newer",
        "A modified Coulomb law", "share of word 4-grams that repeat",
    ):  # fmt: skip
        assert told in page.text, told
    assert page.text.count("was not made in this run") == 0
    assert [tag for tag, _ in page.tags].count("svg") == 5


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    assert rendered(full_page(), tmp_path) == rendered(full_page(), tmp_path / "elsewhere")


def test_parts_that_were_not_made_are_named(tmp_path: Path) -> None:
    page = assert_harmless(rendered(ReleasePage(release="2026-06"), tmp_path))
    assert re.findall(r"The ([a-z ]+) was not made in this run", page.text) == [
        "promotion decision", "corpus", "learning curve", "perplexity report", "embedding report",
        "completion report", "knowledge report", "lineage",
    ]  # fmt: skip
    assert "svg" not in {tag for tag, _ in page.tags}


def test_a_refusal_shows_which_rule_failed(tmp_path: Path) -> None:
    verdict = PageVerdict(False, ("passed: no blocking check failed.", "failed: it has forgotten."))
    html = rendered(full_page(verdict=verdict), tmp_path)
    assert "Not promoted" in html
    assert '<li class="passed">no blocking check failed.</li>' in html
    assert '<li class="failed">it has forgotten.</li>' in html


def poisoned(text: str) -> ReleasePage:
    """Put one hostile text wherever text from outside can come to stand."""
    embeddings = embedding_report() | {"baseline": text}
    embeddings["examples"][0]["titles"] = [text, text]
    perplexities = perplexity_report() | {"notes": [text]}
    knowledge = knowledge_report(verdict=text) | {"source": text}
    completions: dict[str, Any] = completion_report(
        id=text, title=text, prompt=text, truth=text
    )  # fmt: skip
    for item in completions["items"]:
        item["completions"] = {"base": text, "tuned": text}
    completions["measures"] = {"base": {text: 1.0}, "tuned": {text: 2.0}}
    return full_page(
        model=PageModel(text, 4, (text,), text, text),
        verdict=PageVerdict(False, (text, f"failed: {text}")),
        corpus=PageCorpus(1, 1, 1, {text: 3}),
        perplexity=perplexities, embeddings=embeddings, completions=completions,
        knowledge=knowledge, lineage=[PageLineage(text, text, text)], run_ids={text: text},
        warnings=[text],
    )  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_can_become_markup(attack: str, tmp_path: Path) -> None:
    harmless = Page(rendered(poisoned("plain words"), tmp_path))
    page = assert_harmless(rendered(poisoned(attack), tmp_path))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert attack in page.text


def test_control_and_direction_characters_become_visible(tmp_path: Path) -> None:
    html = rendered(poisoned("a\x00b\x1bc\u202ed\u2066e\x85f\ud800g"), tmp_path)
    assert not set("\x00\x1b\u202e\u2066\x85") & set(html)
    assert "a\ufffdb\ufffdc\ufffdd\ufffde" in html


def test_dollars_are_no_formula_to_the_figures(tmp_path: Path) -> None:
    page = assert_harmless(rendered(poisoned(r"$\frac{1}{$ unbalanced $$"), tmp_path))
    assert page.text.count("unbalanced") > 10


def test_very_long_text_is_bounded(tmp_path: Path) -> None:
    plain = len(rendered(poisoned("plain words"), tmp_path))
    html = rendered(poisoned("word " * 400_000), tmp_path)
    assert len(html) < plain + 60_000
    assert "(2,000,000 characters in all)" in html


def test_the_forgetting_sentence_follows_the_rise() -> None:
    said = {
        rise: page_rows.forgetting_sentence({"rise_general": rise}, 0.05)
        for rise in (-0.6, -0.02, 0.03, 0.2)
    }
    assert "has never seen such prose" in said[-0.6]
    assert "Nothing was forgotten" in said[-0.02]
    assert "no more than is allowed" in said[0.03]
    assert "has forgotten" in said[0.2]


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("not worse", "is not worse than its base by more than 5"),
        ("worse", "is worse than its base by more than 5"),
        ("undecided", "not decided"),
        ("not measurable", "not answer better than by chance"),
    ],
)
def test_the_knowledge_verdict_is_put_into_words(verdict: str, words: str) -> None:
    assert words in page_rows.knowledge_sentence(knowledge_report(verdict))


def test_only_some_completions_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    report = completion_report()
    report["items"] = report["items"] * 10
    page = Page(rendered(full_page(completions=report), tmp_path))
    assert [tag for tag, _ in page.tags].count("article") == page_rows.MAX_COMPLETIONS == 12
    assert "18 more are in the completion report" in page.text


def test_a_report_without_a_champion_has_no_champion_on_its_page(tmp_path: Path) -> None:
    report = perplexity_report()
    report["models"]["champion"] = report["tuned_minus_champion"] = None
    page = Page(rendered(full_page(perplexity=report, verdict=None), tmp_path))
    perplexities = page.text.split("Held-out abstracts, one at a time")[1].split("Similarity")[0]
    assert "champion" not in perplexities.replace("champion: packed blocks", "")


def test_figures_take_their_colours_from_the_page() -> None:
    for svg in (
        learning_curve(curve(), heldout_curve()),
        figures.perplexity_bars(
            {"astro": {"base": 80.0, "tuned": 60.0}, "general": {"base": 70.0}}
        ),
        figures.papers_per_year({2024: 10, 2025: 12_000}),
    ):
        colours = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", svg))
        assert colours <= {"none"} | {f"var(--{name})" for name in STYLE_NAMES.values()}


def test_the_index_lists_newest_first_and_marks_the_champion(tmp_path: Path) -> None:
    entries = [
        IndexEntry("2026-04", "2026-04.html"),
        IndexEntry(
            "2026-06", "2026-06.html", "astrollama 4", False, False, 25_331, 81.25, 61.5, 0.3
        ),
        IndexEntry(
            "2026-05", "2026-05.html", "<b>astrollama 3", True, True, 24_100, 81.1, 64.2, 0.01
        ),
    ]
    page = assert_harmless(render_index(entries, tmp_path / "index.html").read_text("utf-8"))
    assert re.findall(r"2026-0\d", page.text) == ["2026-06", "2026-05", "2026-04"]
    rows = page.text.split("2026-0")
    assert "not promoted" in rows[1]
    assert "champion" in rows[2]
    assert "<b>astrollama 3" in rows[2]
    assert "No release" in render_index([], tmp_path / "index.html").read_text("utf-8")


@pytest.mark.parametrize("page", ["javascript:alert(1)", "../x.html", "//evil.example/a.html", "a"])
def test_the_index_links_to_files_beside_it_only(page: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no file name of a page"):
        render_index([IndexEntry("2026-06", page)], tmp_path / "index.html")
    assert not (tmp_path / "index.html").exists()


def test_numbers_are_written_for_people() -> None:
    assert cleaned(" a\n\tb ", 10) == "a b"
    assert cleaned("abcdef", 6) == "abcdef"
    assert cleaned("abcdefg", 6) == "abcdef… (7 characters in all)"
    assert [number(value) for value in (None, float("nan"), -1.5, 12345.0)] == [
        "–", "–", "−1.5", "1.234e+04",
    ]  # fmt: skip
    assert [perplexity(value) for value in (None, 6.5, 123.45, 2345.6)] == [
        "–", "6.50", "123.5", "2,346",
    ]  # fmt: skip
    assert percent(-0.325) == "−32.5\u202f%"


def test_the_page_says_which_fields_forgetting_is_measured_on(tmp_path: Path) -> None:
    fields = {"rules": "1", "measured": ["cs", "physics"], "replayed": ["math"],
              "n_test_papers": 9_892, "n_measured_papers": 4_252}  # fmt: skip
    report = perplexity_report() | {"general_fields": fields}
    text = render_release_page(full_page(perplexity=report), tmp_path / "p.html").read_text()
    assert "no recipe replays (cs, physics): 4,252 of 9,892 general test papers" in text
    before = render_release_page(full_page(), tmp_path / "q.html").read_text()
    assert "no recipe replays" not in before


def test_the_page_says_how_many_near_copies_were_left_out(tmp_path: Path) -> None:
    perplexity = {**perplexity_report(), "near_copies_left_out": {"astro": 12, "general": 1_032}}
    parts = {
        "perplexity": perplexity,
        "embeddings": {**embedding_report(), "near_copies_left_out": 12},
        "completions": {**completion_report(), "near_copies_left_out": None},
    }
    text = render_release_page(full_page(**parts), tmp_path / "page.html").read_text()
    assert "Left out: 12 astro and 1,032 general test papers" in text
    assert "Left out: 12 test papers" in text
    assert text.count("were kept (ASTRO_NEAR_COPIES=keep)") == 1
    before = render_release_page(full_page(), tmp_path / "page.html").read_text()
    assert "Left out:" not in before, "a report from before does not say"
