"""The pages in a real browser: Debian's Chromium, headless, through Playwright.

Skipped with a word where there is none; on the build machine (CI is set) that is a failure. With
ASTRO_TEST_REPORTS=folder, every page of that folder is opened as well (``-k real``: these alone).
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from astro_assets.evaluation.pages.index import render_index
from astro_assets.evaluation.pages.leaderboard import Group, Scorecard, render_leaderboard
from astro_assets.evaluation.pages.release import render_release_page
from tests.evaluation.pages.content import full_page, index_entries
from tests.evaluation.pages.reports import completion_report, embedding_report

pytestmark = pytest.mark.slow

CHROMIUM = Path("/usr/bin/chromium")
ATTACK = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>"
WIDTHS = (360, 1280)
FIGURES = {"release.html": 12, "index.html": 3, "leaderboard.html": 0}
"""Planted page -> figures on it."""
REPORTS = os.environ.get("ASTRO_TEST_REPORTS")
REAL = sorted(Path(REPORTS).resolve().glob("*.html")) if REPORTS else []
PAGES = [
    *(pytest.param(name, id=name.removesuffix(".html")) for name in FIGURES),
    *(pytest.param(str(path), id=f"real-{path.stem}") for path in REAL),
]
"""Names below the planted folder, and whole paths of real pages."""
SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""Where to leave screenshots to be looked at; by default nowhere."""

BOXES = """() => [...document.querySelectorAll('svg')].filter(
  svg => getComputedStyle(svg).display !== 'none').map(svg => {
    const frame = svg.getBoundingClientRect();
    const outside = [...svg.querySelectorAll('text')].map(t => [t, t.getBoundingClientRect()])
      .filter(([t, b]) => b.left < frame.left - 4 || b.right > frame.right + 4
                          || b.top < frame.top - 4 || b.bottom > frame.bottom + 4)
      .map(([t]) => t.textContent);
    const sizes = [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect().height);
    return {width: frame.width, height: frame.height, outside, smallest: Math.min(...sizes),
            said: svg.getAttribute('aria-label')};
  })"""
CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const channels = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = rgb => rgb.map(c => c / 255).map(
    c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce(
    (sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)' && colour !== 'transparent') return colour;
    }
    return 'white';
  };
  const contrast = (element, property) => {
    const pair = [getComputedStyle(element)[property], behind(element)].map(channels).map(light);
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  };
  const found = {};
  for (const name of ['h1', '.lede', 'h2', 'p', '.note', 'figcaption', 'td', 'thead th', 'small',
                      'nav a', '.figures dd', '.figures dt', 'a', 'td.best', '.rules li']) {
    const element = document.querySelector(name);
    if (element) found[name] = contrast(element, 'color');
  }
  const text = [...document.querySelectorAll('svg text')];
  found['svg text'] = Math.min(...text.map(t => contrast(t, 'fill')));
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser, or a skip that says what is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _absent("Playwright is not installed")
    if not CHROMIUM.is_file():
        _absent(f"there is no {CHROMIUM}")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


def _absent(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"no browser on the build machine: {why}")
    pytest.skip(f"no browser: {why}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages, with hostile texts in titles, completions, names and verdicts."""
    made = tmp_path_factory.mktemp("reports")
    embeddings = embedding_report() | {"baseline": ATTACK}
    embeddings["examples"][0]["titles"] = [ATTACK, ATTACK]
    completions = completion_report(
        title=ATTACK, prompt=ATTACK, truth=ATTACK, completions={"base": [ATTACK], "tuned": [ATTACK]}
    )
    content = full_page(embeddings=embeddings, completions=completions, warnings=[ATTACK])
    render_release_page(content, made / "release.html")
    entries = index_entries()
    for entry in entries:
        shutil.copy(made / "release.html", made / entry.page)
    (made / "index.html").touch()  # each of these two links the other where it lies there
    render_leaderboard(_groups(), made)
    render_index(entries, made / "index.html")
    return made


def _groups() -> list[Group]:
    """Two releases: models with every figure, one with few, and one with hostile names."""
    full = Scorecard(
        "astrollama 4", "tuned", "a" * 64, base="meta-llama/Llama-2-7b-hf",
        n_parameters=6_738_415_616, quantisation="nf4", bits_per_byte=0.71234,
        bits_per_byte_low=0.701, bits_per_byte_high=0.722, general_bits_per_byte=0.8123,
        far_bits_per_byte=0.9234, rise_far=0.021, drift_nats_per_token=0.147, retrieval_mrr=0.456,
        n_retrieval=1000, accuracy=0.425, question_method="full_answer", chance=0.25,
        n_questions=60, repeated_4grams=0.0321, loops=0.5,
    )  # fmt: skip
    base = Scorecard("scratch-1f2e", "base", "b" * 64, n_parameters=1_000_576, bits_per_byte=1.25)
    hostile = Scorecard(ATTACK, ATTACK, "c" * 64, base=ATTACK, quantisation=ATTACK)
    cards = (base, full, hostile)
    return [Group("2026-05", 990, 701_000, cards[:1]), Group("2026-06", 1_000, 700_000, cards)]


class Visit:
    """A page opened in a window of its own, and all that it asked for or complained of."""

    def __init__(self, browser: Any, path: Path, *, width: int, scheme: str) -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        if SCREENSHOTS:
            target = Path(SCREENSHOTS) / f"{path.stem}-{width}-{scheme}.png"
            self.page.screenshot(path=str(target), full_page=True)

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_errors_and_fits(
    browser: Any, folder: Path, name: str, *, width: int, scheme: str
) -> None:
    path = folder / name
    with Visit(browser, path, width=width, scheme=scheme) as visit:
        assert visit.complaints == []
        assert visit.requests == [path.as_uri()], "a page asks for nothing but itself"
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert visit.page.evaluate("window.ran") is None
        figures = visit.page.evaluate(BOXES)
        if name in FIGURES:
            assert len(figures) == FIGURES[name]
        else:
            assert figures or path.name == "leaderboard.html"
        for figure in figures:
            assert figure["width"] > 250 and figure["height"] > 60, figure["said"]
            assert figure["outside"] == [], figure["said"]
            assert figure["smallest"] >= 7.5, figure["said"]


@pytest.mark.parametrize("name", PAGES)
def test_light_and_dark_differ_and_both_can_be_read(browser: Any, folder: Path, name: str) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        with Visit(browser, folder / name, width=1280, scheme=scheme) as visit:
            grounds[scheme] = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
            contrasts = visit.page.evaluate(CONTRASTS)
            assert {k: v for k, v in contrasts.items() if v < 4.5} == {}, scheme
    assert grounds["light"] != grounds["dark"]


def test_a_page_shows_one_drawing_of_each_figure(browser: Any, folder: Path) -> None:
    for width, shown in ((360, "phone"), (1280, "desk")):
        with Visit(browser, folder / "release.html", width=width, scheme="light") as visit:
            kinds = visit.page.evaluate(
                "[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width)"
                ".map(s => s.getAttribute('class'))"
            )
            assert set(kinds) == {shown} and len(kinds) == 12


@pytest.mark.parametrize(("name", "n_attacks"), [("release.html", 6), ("leaderboard.html", 3)])
def test_hostile_text_is_shown_as_text(
    browser: Any, folder: Path, name: str, n_attacks: int
) -> None:
    with Visit(browser, folder / name, width=1280, scheme="light") as visit:
        shown = visit.page.evaluate("document.body.innerText").count("<script>window.ran")
        assert shown >= n_attacks
        assert visit.page.evaluate("document.scripts.length + document.images.length") == 0


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_what_is_there(browser: Any, folder: Path, name: str) -> None:
    path = folder / name
    with Visit(browser, path, width=1280, scheme="light") as visit:
        ids = visit.page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        links = visit.page.evaluate(
            "[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))"
        )
        assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
        for link in (link for link in links if not link.startswith("#")):
            assert (path.parent / link).is_file(), link
