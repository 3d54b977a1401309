"""Objects of the sky, and whether a model knows in which constellation they lie.

After Galactica's probe of galaxy clusters (arXiv:2211.09085, "galaxy clusters to constellations"),
an analogue of it: not its table. All 88 names the IAU knows are compared by log-likelihood per
UTF-8 byte. The tables are probes/constellations.csv (no object names its own constellation; Messier
102 is taken to be NGC 5866) and probes/iau_constellations.csv.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from astro_assets.evaluation.knowledge.fitting import n_needed
from astro_assets.evaluation.knowledge.prompts import Prompt
from astro_assets.evaluation.knowledge.ranks import mean_reciprocal, ranks
from astro_assets.evaluation.knowledge.reader import Reader
from astro_assets.evaluation.statistics import wilson_interval

PROBES = Path(__file__).parent / "probes"


def load_constellations() -> dict[str, str]:
    """Return abbreviation -> name of the 88 constellations."""
    return {row["abbreviation"]: row["name"] for row in _rows("iau_constellations.csv")}


def load_objects() -> dict[str, str]:
    """Return object -> abbreviation of its constellation."""
    return {row["object"]: row["constellation"] for row in _rows("constellations.csv")}


def measure_constellations(
    reader: Reader, objects: Mapping[str, str], constellations: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return how often one model finds the constellation; None where its context is too short."""
    prompts = constellation_prompts(list(objects), list(constellations.values()))
    if n_needed(prompts, reader.tokenizer) > reader.max_positions:
        reader.notes.append(
            f"Constellations were not asked of {reader.label}: its context of "
            f"{reader.max_positions} tokens is too short."
        )
        return None
    n_bytes = np.asarray([len(name.encode()) for name in constellations.values()])
    scores = np.stack(reader.nats(prompts, "constellations")) / n_bytes
    place = {abbreviation: index for index, abbreviation in enumerate(constellations)}
    rank = ranks(scores, [place[abbreviation] for abbreviation in objects.values()])
    n_right = int((rank == 1).sum())
    low, high = wilson_interval(n_right, len(rank))
    return {
        "right": n_right / len(rank),
        "n_right": n_right,
        "low": low,
        "high": high,
        "mrr": mean_reciprocal(rank),
    }


def most_frequent_share(objects: Mapping[str, str]) -> float:
    """Return the share of objects in the fullest constellation: always naming it is that right.

    >>> most_frequent_share({"a": "Sgr", "b": "Sgr", "c": "Vir", "d": "Leo"})
    0.5
    """
    return max(Counter(objects.values()).values()) / len(objects)


def constellation_prompts(objects: Sequence[str], names: Sequence[str]) -> list[Prompt]:
    """Return a prompt per object that compares all names."""
    every = tuple(f" {name}" for name in names)
    return [Prompt((), name, " is in the constellation", every) for name in objects]


def _rows(file: str) -> list[dict[str, str]]:
    with (PROBES / file).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
