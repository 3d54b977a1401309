"""Whether the newest release has outgrown the champion: figures in, an answer with them out.

What does not belong here: when it is asked, and who is asked to train (``defs.retraining``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from astro_assets.artifacts.manifest import Manifest, Store
from astro_assets.errors import BadReleaseError, MissingArtifactError, RegistryError
from astro_assets.months import Month
from astro_assets.releases.origin import every_manifest

if TYPE_CHECKING:
    from astro_assets.registry.versions import ModelVersion

BLOCKS, CHECKPOINT, BASE = "token_blocks", "lora_checkpoint", "base_model"
_RELEASE_TAG, _BLOCKS_TAG = "release", f"made_from.{BLOCKS}"
_N_TOKENS = "astro_train_tokens"


@dataclass(frozen=True)
class Growth:
    """A release beside the one that the champion was trained on."""

    release: Month
    n_tokens: int
    """Astronomy tokens on its train side."""
    champion_version: int
    champion_release: Month
    champion_n_tokens: int
    """The same of the champion; more than 0, for no training is done on none."""

    @property
    def n_more(self) -> int:
        """Return the tokens gained; negative where papers were withdrawn."""
        return self.n_tokens - self.champion_n_tokens

    @property
    def n_months(self) -> int:
        """Return the months from the champion's release to this one."""
        now, then = self.release, self.champion_release
        return (now.year - then.year) * 12 + now.number - then.number


def decide(growth: Growth, *, min_growth: float, max_months: int) -> tuple[bool, str]:
    """Tell whether a training is to be asked for, and why, with the figures.

    Args:
        growth: the figures.
        min_growth: share of tokens more (0.01 = 1 %) from which it is.
        max_months: months from which it is, whatever the growth.

    >>> g = Growth(Month(2026, 6), 1_012_000, 3, Month(2026, 3), 1_000_000)
    >>> print(decide(g, min_growth=0.01, max_months=12)[1])
    Grown enough: release 2026-06 has 1,012,000 astro training tokens, 1.20 % more than the \
1,000,000 of release 2026-03 that the champion (version 3) was trained on; 3 months lie between \
them. Asked for is from 1 % or 12 months on.
    """
    figures = f"{_figures(growth)} Asked for is from {min_growth * 100:g} % or {max_months} months"
    if growth.n_months < 0:
        return False, f"Nothing to do, the champion is of a later release: {figures} on."
    # Exactly: 0.07 * 100 is a little more than 7 in floating point.
    if growth.n_more >= Fraction(str(min_growth)) * growth.champion_n_tokens:
        return True, f"Grown enough: {figures} on."
    if growth.n_months >= max_months:
        return True, f"Long enough ago: {figures} on."
    return False, f"Nothing to do: {figures} on."


def _figures(growth: Growth) -> str:
    share = f"{abs(growth.n_more) / growth.champion_n_tokens * 100:.2f} %"
    comparison = f"{share} {'more' if growth.n_more > 0 else 'fewer'} than"
    if growth.n_more == 0:
        comparison = "as many as"
    months = "1 month lies" if abs(growth.n_months) == 1 else f"{abs(growth.n_months)} months lie"
    return (
        f"release {growth.release} has {growth.n_tokens:,} astro training tokens, {comparison} the "
        f"{growth.champion_n_tokens:,} of release {growth.champion_release} that the champion "
        f"(version {growth.champion_version}) was trained on; {months} between them."
    )


def growth_of(store: Store, release: Month, champion: ModelVersion) -> Growth:
    """Return a release's growth since the blocks that a model version was trained on.

    Raises:
        RegistryError: the version does not say what it was trained on.
        MissingArtifactError: the release has no blocks, this home no longer knows the champion's,
            or they were made with another tokenizer; nothing can be compared then.
    """
    trained_on = champion.tags.get(_BLOCKS_TAG)
    now, then = store.require(BLOCKS, str(release)), store.find_content(BLOCKS, trained_on or "")
    since = _release_of(champion)
    if then is None:
        raise MissingArtifactError(
            f"{champion.name} version {champion.version}, the champion, was trained on blocks "
            f"{(trained_on or 'unknown')[:12]}… of release {since}; this home no longer holds "
            "their manifest, so growth cannot be told.",
            do=_train_by_hand(release),
        )
    if now.parameters["tokenizer"] != then.parameters["tokenizer"]:
        raise MissingArtifactError(
            f"{champion.name} version {champion.version}, the champion, was trained on blocks of "
            f"another tokenizer than those of release {release}; token counts of two tokenizers "
            "do not compare, so growth cannot be told.",
            do=_train_by_hand(release),
        )
    return Growth(
        release=release,
        n_tokens=now.counts[_N_TOKENS],
        champion_version=champion.version,
        champion_release=since,
        champion_n_tokens=then.counts[_N_TOKENS],
    )


def trained_already(store: Store, release: Month, recipe: Mapping[str, Any]) -> Manifest | None:
    """Return a checkpoint made of the release's present blocks and base with this very recipe."""
    blocks, base = store.current(BLOCKS, str(release)), store.current(BASE, None)
    if blocks is None or base is None:
        return None
    parents = {BLOCKS: blocks.fingerprint, BASE: base.fingerprint}
    wanted = json.loads(json.dumps(dict(recipe)))
    for checkpoint in every_manifest(store, CHECKPOINT):
        same_parents = parents.items() <= checkpoint.parents.items()
        if same_parents and checkpoint.parameters["recipe"] == wanted:
            return checkpoint
    return None


def _release_of(champion: ModelVersion) -> Month:
    said = champion.tags.get(_RELEASE_TAG, "")
    try:
        return Month.parse(said)
    except BadReleaseError as error:
        raise RegistryError(
            f"{champion.name} version {champion.version}, the champion, does not say which release "
            f"it was trained on ({said[:40]!r}).",
            expected="a version registered by lora_checkpoint.",
            do="Give the alias champion to one that is: `astro-assets models show` lists them.",
        ) from error


def _train_by_hand(release: Month) -> str:
    return f"Train once by hand: `astro-assets run --release {release}`."
