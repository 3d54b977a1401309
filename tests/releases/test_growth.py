"""When a release has outgrown the champion, and what is said where that cannot be told."""

import re
from pathlib import Path

import pytest

from astro_assets.artifacts.home import Home
from astro_assets.artifacts.manifest import Built, Store, Work
from astro_assets.errors import AstroError, MissingArtifactError, RegistryError
from astro_assets.months import Month
from astro_assets.registry.versions import ModelVersion
from astro_assets.releases.growth import Growth, decide, growth_of, trained_already

MARCH, JUNE = Month(2026, 3), Month(2026, 6)
RECIPE = {"name": "tiny", "betas": (0.9, 0.95)}


def growth(n_tokens: int, *, release: Month = JUNE, champion_n_tokens: int = 100) -> Growth:
    return Growth(release, n_tokens, 7, MARCH, champion_n_tokens)


@pytest.mark.parametrize(
    ("n_tokens", "min_growth", "asks"),
    [
        (101, 0.01, True),
        (100, 0.01, False),
        (107, 0.07, True),  # in floating point 0.07 * 100 lies above 7
        (106, 0.07, False),
        (110, 0.1, True),
        (50, 0.01, False),
        (100_000, 0.01, True),
    ],
)
def test_it_asks_from_that_growth_on_and_not_before(n_tokens: int, min_growth: float, asks: bool):
    asked, why = decide(growth(n_tokens), min_growth=min_growth, max_months=12)
    assert asked is asks
    assert why.startswith("Grown enough: " if asks else "Nothing to do: ")


@pytest.mark.parametrize(("max_months", "asks"), [(2, True), (3, True), (4, False)])
@pytest.mark.parametrize("n_tokens", [100, 40], ids=["same", "shrunk"])
def test_it_asks_after_that_many_months_whatever_the_growth(
    n_tokens: int, max_months: int, asks: bool
):
    asked, why = decide(growth(n_tokens), min_growth=0.01, max_months=max_months)
    assert asked is asks
    assert why.startswith("Long enough ago: " if asks else "Nothing to do: ")


def test_months_are_counted_over_the_turn_of_a_year():
    since_november = Growth(Month(2027, 1), 100, 7, Month(2026, 11), 100)
    assert since_november.n_months == 2
    assert decide(since_november, min_growth=0.01, max_months=2)[0]


def test_an_older_release_than_the_champion_s_is_never_asked_for():
    asked, why = decide(growth(200, release=Month(2026, 1)), min_growth=0.01, max_months=1)
    assert not asked and "champion is of a later release" in why


@pytest.mark.parametrize(
    ("n_tokens", "said"),
    [
        (1_012_345, "1,012,345 astro training tokens, 1.23 % more than the 1,000,000 of"),
        (1_000_000, "1,000,000 astro training tokens, as many as the 1,000,000 of"),
        (985_000, "985,000 astro training tokens, 1.50 % fewer than the 1,000,000 of"),
    ],
)
def test_the_figures_are_said(n_tokens: int, said: str):
    _, why = decide(growth(n_tokens, champion_n_tokens=1_000_000), min_growth=0.015, max_months=12)
    assert f"release 2026-06 has {said} release 2026-03" in why
    assert "champion (version 7)" in why and "3 months lie between them" in why
    assert why.endswith("Asked for is from 1.5 % or 12 months on.")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(Home(tmp_path / "home"))


def blocks(store: Store, release: Month, n_tokens: int, *, tokenizer: str = "t") -> str:
    """Keep a release's token blocks and return their fingerprint."""
    store.home.tokens.mkdir(parents=True, exist_ok=True)
    content = f"{release}-{tokenizer}-{n_tokens}".ljust(64, "0")
    work = Work("token_blocks", str(release), {"tokenizer": tokenizer, "of": content}, {})
    counts = {"astro_train_tokens": n_tokens, "general_train_tokens": 9}
    store.commit(work, Built(content, store.home.tokens, counts=counts))
    return content


def champion(**tags: str) -> ModelVersion:
    named = {name.replace("made_from_", "made_from."): value for name, value in tags.items()}
    return ModelVersion("astrollama", 7, ("champion",), named, None, "", 0)


def test_growth_is_counted_from_the_blocks_the_champion_was_trained_on(store: Store):
    trained_on = blocks(store, MARCH, 100)
    # March was made again since, of another snapshot: the champion has not seen that.
    blocks(store, MARCH, 150)
    blocks(store, JUNE, 160)
    version = champion(release="2026-03", made_from_token_blocks=trained_on)
    assert growth_of(store, JUNE, version) == growth(160)


def refusal(store: Store, version: ModelVersion, kind: type[AstroError]) -> str:
    blocks(store, JUNE, 160)
    with pytest.raises(kind) as caught:
        growth_of(store, JUNE, version)
    return " ".join(str(caught.value).split())


@pytest.mark.parametrize("tags", [{}, {"made_from_token_blocks": "f" * 64}], ids=["none", "gone"])
def test_blocks_that_nobody_knows_any_more_are_named(store: Store, tags: dict[str, str]):
    told = refusal(store, champion(release="2026-03", **tags), MissingArtifactError)
    assert "astrollama version 7, the champion" in told and "release 2026-03" in told
    assert "growth cannot be told" in told and "astro-assets run --release 2026-06" in told


def test_tokens_of_two_tokenizers_are_not_compared(store: Store):
    trained_on = blocks(store, MARCH, 100, tokenizer="other")
    version = champion(release="2026-03", made_from_token_blocks=trained_on)
    assert "another tokenizer" in refusal(store, version, MissingArtifactError)


@pytest.mark.parametrize("tags", [{}, {"release": "the last one"}], ids=["none", "no month"])
def test_a_champion_that_was_not_made_here_is_refused(store: Store, tags: dict[str, str]):
    trained_on = blocks(store, MARCH, 100)
    version = champion(made_from_token_blocks=trained_on, **tags)
    assert re.search("does not say which release", refusal(store, version, RegistryError))


def checkpoint(store: Store, release: Month, on: str, *, base: str, name: str = "tiny") -> None:
    recipe = {**RECIPE, "name": name, "betas": [0.9, 0.95]}
    parents = {"token_blocks": on, "base_model": base}
    work = Work("lora_checkpoint", str(release), {"recipe": recipe}, parents)
    store.commit(work, Built("c" * 64, store.home.adapters))


def test_a_checkpoint_of_the_same_blocks_base_and_recipe_is_found_whatever_its_release(
    store: Store,
):
    present = blocks(store, JUNE, 100)
    assert trained_already(store, JUNE, RECIPE) is None
    store.commit(Work("base_model", None, {}, {}), Built("b" * 64, store.home.tokens))
    for on, base, name in (
        ("0" * 64, "b" * 64, "tiny"),
        (present, "0" * 64, "tiny"),
        (present, "b" * 64, "other"),
    ):
        checkpoint(store, JUNE, on, base=base, name=name)
    assert trained_already(store, JUNE, RECIPE) is None
    checkpoint(store, MARCH, present, base="b" * 64)
    known = trained_already(store, JUNE, RECIPE)
    assert known is not None and known.release == "2026-03"
