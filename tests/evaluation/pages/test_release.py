import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from astro_assets.evaluation.figures.style import STYLE_NAMES
from astro_assets.evaluation.pages.content import (
    PageCorpus,
    PageLineage,
    PageModel,
    PageVerdict,
    ReleasePage,
)
from astro_assets.evaluation.pages.release import render_release_page
from tests.evaluation.pages.content import full_page
from tests.evaluation.pages.reports import (
    completion_report,
    embedding_report,
    knowledge_report,
    perplexity_report,
    reports_from_before,
)

ATTACKS = [  # each short enough for the narrowest place
    "<script>alert(1)</script>",
    '"><img src=x onerror=a()>{{ 7 * 191 }}',
    "</style><svg/onload=a()>javascript:a()",
]
VOID = {"meta", "link", "img", "br", "path", "use"}
KNOWN_TAGS = set(
    re.findall(
        r"\w+",
        "html head meta title style body header main footer section article nav p h1 h2 h3 h4 a em"
        " strong small code dl dt dd div ul li figure figcaption table caption thead tbody tr th td"
        " span svg g defs path use text clippath rect details summary",
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


def only(**parts: Any) -> ReleasePage:
    """Return a page with these parts alone: figures take time to draw."""
    return ReleasePage(release="2026-06", **parts)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the full page, which no test changes."""
    folder = tmp_path_factory.mktemp("page")
    rendered(full_page(), folder)
    return folder


@pytest.fixture(scope="module")
def html(full: Path) -> str:
    return (full / "page.html").read_text("utf-8")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The poisoned page's markup, were its texts no poison."""
    return rendered(poisoned("plain words"), tmp_path_factory.mktemp("plain"))


def assert_harmless(html: str) -> Page:
    page = Page(html)
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag in KNOWN_TAGS, tag
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            target = attributes.get(name)
            assert target is None or re.fullmatch(r"#[\w-]+|[\w.-]+\.(html|json)", target), target
    assert "@import" not in html
    assert set(re.findall(r"url\(([^)]*)\)", html)) <= set(re.findall(r"url\((#[^)]*)\)", html))
    return page


def test_a_full_page_is_whole_and_shows_every_part(html: str) -> None:
    page = assert_harmless(html)
    for told in (
        "Release 2026-06", "astrollama, version 4", "Promoted: this model is the champion",
        "25,331", "19,241", "5,512,233", "256 in the median", "the text of an earlier paper",
        "1.2431 to 1.1512 (−7.4 %)", "81.25 to 61.50 (−24.3 %)", "1.1452 to 1.1572", "63.00",
        "That is a training number", "ours, training blocks 80.00 57.52 28.1 %",
        "32.5 %", "tuned − champion −0.0061", "Tokens measured: astro 1,204,331",
        "At most 2,000,000", "2026 431 1.2287", "not shown: 4 by year, 1 by subfield",
        "no recipe replays (cs, physics): 4,252 of 9,892 general test papers",
        "Left out: 12 astro and 1,032 general test papers", "near copies of training papers",
        "The champion of 2024-12 is going stale", "lost 0.0189 bits per byte", "2,700",
        "Within bounds: on far fields perplexity changed by +1.9 % (allowed +5.0 %)",
        "+0.147 nats per token", "Far fields: abstracts of computing",
        "TF-IDF, 4,096 words", "A modified Coulomb law", "−71 %", "AstroLLaMA", "0.36",
        "A title finds its own abstract, the words they share masked", "BM25",
        "always the largest subfield: 27.0 %", "gpt-x", "as the authors wrote it",
        "Word 4-grams that repeat 31.0 % 12.0 %", "Another of the tuned.",
        "60 multiple-choice", "whole answer 35.0 %", "chance is 25.0 %",
        "Named equations to LaTeX", "Objects to their constellations", "not that probe",
        "astro_ph_papers", "bbbbbbbbbbbb", "texts may be newer",
    ):  # fmt: skip
        assert told in page.text, told
    assert page.text.count("was not made in this run") == 0
    assert [tag for tag, _ in page.tags].count("svg") == 2 * 12, "each for a desk and a phone"


def test_bits_per_byte_come_before_perplexity(html: str) -> None:
    first = Page(html).text.split("texts may be newer")[1]
    assert first.index("Bits per byte, astronomy 1.1512") < first.index("Perplexity, astronomy")


def test_each_figure_is_said_in_words(html: str) -> None:
    said = [attributes for tag, attributes in Page(html).tags if tag == "svg"]
    assert all(found["role"] == "img" for found in said)
    told = {found["aria-label"] for found in said}
    assert len(told) == 12
    assert any("tuned 1.1512" in (words or "") for words in told)
    assert [found["class"] for found in said] == ["desk", "phone"] * 12


def test_every_number_stands_beside_the_page_as_json(full: Path, html: str) -> None:
    numbers = json.loads((full / "page.json").read_text())
    assert 'href="page.json"' in html
    assert numbers["perplexity_report"] == json.loads(json.dumps(perplexity_report()))
    assert numbers["embedding_report"]["retrieval"]["title"]["bm25"]["n"] == 500
    assert numbers["completion_report"]["measures"]["gpt-x"]["rouge_l"] == 0.22
    assert numbers["knowledge_report"]["verdict"] == "undecided"
    assert (numbers["corpus"]["papers"], numbers["verdict"]["promoted"]) == (25_331, True)


def test_reports_from_before_still_have_a_page(tmp_path: Path) -> None:
    page = assert_harmless(rendered(only(**reports_from_before()), tmp_path))
    for told in ("1.6250 to 1.2300", "81.25 to 61.50", "were not measured in this report",
                 "Not measured yet", "ours, held-out blocks 60.00 60.00",
                 "General perplexity changed",
                 "the the", "see stars.", "right answers 35.0 % 33.3 %",
                 "A title finds its own abstract, nothing masked"):  # fmt: skip
        assert told in page.text, told
    assert (
        "champion" not in page.text.split("Perplexity Tuning took")[1].split("Not measured yet")[0]
    )


def test_a_single_model_has_a_page(tmp_path: Path) -> None:
    """Evaluate-only: one model, nothing to compare it with."""
    perplexity, embeddings = perplexity_report(), embedding_report()
    perplexity["models"] = {"model": perplexity["models"]["tuned"]}
    for name in ("reductions", "reduction_astro", "rise_general", "tuned_minus_base",
                 "tuned_minus_champion", "forward"):  # fmt: skip
        perplexity[name] = None
    for ring in perplexity["forgetting"]["rings"].values():
        ring["tuned_minus_base"] = None
    perplexity["forgetting"] |= {"rise_far": None, "drift_nats_per_token": None}
    perplexity["strata"] = None
    embeddings["models"] = ["model"]
    embeddings["bins"] = [b | {"model": b["tuned"]} for b in embeddings["bins"]]
    knowledge = knowledge_report(verdict=None)
    for found in (knowledge, *knowledge["methods"].values()):
        found["models"] = {"model": found["models"]["tuned"]}
        found["difference"] = None
    completions = completion_report(completions={"model": ["One."]})
    parts = {"perplexity": perplexity, "embeddings": embeddings, "knowledge": knowledge,
             "completions": completions}  # fmt: skip
    page = assert_harmless(rendered(only(**parts), tmp_path))
    assert "Held-out astronomy: model 1.1512 bits per byte" in page.text
    assert "nothing to compare it with" in page.text
    assert "The rings of forgetting were not measured" in page.text


def test_the_same_content_gives_the_same_bytes(html: str, full: Path, tmp_path: Path) -> None:
    assert rendered(full_page(), tmp_path) == html
    assert (tmp_path / "page.json").read_bytes() == (full / "page.json").read_bytes()


def test_parts_that_were_not_made_are_named(tmp_path: Path) -> None:
    page = assert_harmless(rendered(ReleasePage(release="2026-06"), tmp_path))
    assert re.findall(r"The ([a-z ]+) was not made in this run", page.text) == [
        "promotion decision", "corpus", "learning curve", "perplexity report", "embedding report",
        "completion report", "knowledge report", "lineage",
    ]  # fmt: skip
    assert page.text.count("This measurement was not made in this run") == 3
    assert "svg" not in {tag for tag, _ in page.tags}


def test_a_refusal_shows_which_rule_failed(tmp_path: Path) -> None:
    verdict = PageVerdict(False, ("passed: no blocking check failed.", "failed: it has forgotten."))
    html = rendered(only(verdict=verdict), tmp_path)
    assert "Not promoted" in html
    assert '<li class="passed">no blocking check failed.</li>' in html
    assert '<li class="failed">it has forgotten.</li>' in html


def poisoned(text: str) -> ReleasePage:
    """Put one hostile text wherever text from outside can come to stand."""
    embeddings = embedding_report() | {"baseline": text}
    embeddings["examples"][0]["titles"] = [text, text]
    embeddings["paper_pairs"][0]["titles"] = [text, text]
    perplexities = perplexity_report() | {"notes": [text]}
    perplexities["models"][text] = perplexities["models"]["tuned"]
    for kind in ("year", "subfield", "place"):
        perplexities["strata"][kind][-1] |= {"name": text, "models": {text: 1.0, "base": 1.1}}
    perplexities["forward"] |= {"label": text, "cut": text}
    perplexities["forward"]["months"][0]["month"] = text
    perplexities["forgetting"]["rings"]["far"]["what"] = text
    perplexities["n_tokens_used"] = {text: 1}
    perplexities["general_fields"]["measured"] = [text]
    knowledge = knowledge_report(verdict=text) | {"source": text, "notes": [text]}
    knowledge["methods"][text] = knowledge["methods"]["full_answer"] | {"what": text}
    knowledge["headline"] = text
    knowledge["equations"]["models"][text] = knowledge["equations"]["models"]["base"]
    completions: dict[str, Any] = completion_report(
        id=text, title=text, prompt=text, truth=text, others={text: text},
        completions={"base": [text], "tuned": [text, text], text: [text]},
    )  # fmt: skip
    completions["measures"] = {"base": {text: 1.0}, "tuned": {text: 2.0}, text: {text: 1.0}}
    completions["others"]["file"] = text
    return full_page(
        model=PageModel(text, 4, (text,), text, text),
        verdict=PageVerdict(False, (text, f"failed: {text}")),
        corpus=PageCorpus(1, 1, 1, {text: 3}),
        perplexity=perplexities, embeddings=embeddings, completions=completions,
        knowledge=knowledge, lineage=[PageLineage(text, text, text)], run_ids={text: text},
        warnings=[text],
    )  # fmt: skip


def _shown_tags(page: Page) -> list[str]:
    """Return the tags but for those of figures: letters differ in the lines they take there."""
    return [tag for tag, _ in page.tags if tag not in ("g", "defs", "path", "use", "text")]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_can_become_markup(attack: str, plain: str, tmp_path: Path) -> None:
    page = assert_harmless(rendered(poisoned(attack), tmp_path))
    assert _shown_tags(page) == _shown_tags(Page(plain))
    assert page.text.count(" ".join(attack.split())) > 10


def test_control_characters_become_visible_and_dollars_are_no_formula(tmp_path: Path) -> None:
    text = "a\x00b\x1bc\u202ed\u2066e\x85f\ud800g$\\frac{1}{$ odd $$"
    html = rendered(poisoned(text), tmp_path)
    assert_harmless(html)
    assert not set("\x00\x1b\u202e\u2066\x85") & set(html)
    assert "a\ufffdb\ufffdc\ufffdd\ufffde" in html
    assert html.count("$ odd $$") > 10
    json.loads((tmp_path / "page.json").read_text())


def test_very_long_text_is_bounded(plain: str, tmp_path: Path) -> None:
    html = rendered(poisoned("word " * 400_000), tmp_path)
    assert len(html) < len(plain) + 80_000
    assert "(2,000,000 characters in all)" in html


def test_figures_take_their_colours_from_the_page(html: str) -> None:
    for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        colours = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", svg))
        assert colours <= {"none"} | {f"var(--{name})" for name in STYLE_NAMES.values()}
