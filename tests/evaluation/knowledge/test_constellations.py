import csv
import re

import numpy as np
import pytest

from astro_assets.evaluation.knowledge.constellations import (
    load_constellations,
    load_objects,
    measure_constellations,
)
from astro_assets.evaluation.knowledge.ranks import ranks
from tests.evaluation.knowledge.planted_questions import reader_of, teach
from tests.evaluation.planted import ignorant_model

FEW = {"Messier 31": "And", "Messier 42": "Ori"}


def test_there_are_88_constellations_and_all_messier_objects():
    names, objects = load_constellations(), load_objects()
    assert len(names) == len(set(names.values())) == 88
    assert {f"Messier {i}" for i in range(1, 111)} < set(objects)
    assert len(objects) >= 140
    assert set(objects.values()) < set(names)


def test_no_object_gives_its_constellation_away():
    names = load_constellations()
    for thing, abbreviation in load_objects().items():
        for word in names[abbreviation].split():
            assert word[:4].lower() not in thing.lower(), thing


def test_the_table_agrees_with_a_catalogue(shared):
    """A catalogue of another hand; Serpens is in two parts there, and Messier 102 disputed."""
    path = shared / "probes" / "messier_and_named_constellations.csv"
    if not path.is_file():
        pytest.skip(f"no catalogue at {path}")
    theirs = {}
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            where = re.sub(r"Se\d", "Ser", row["constellation"])
            numbered = re.fullmatch(r"(NGC|IC)0*(\d+)", row["name"])
            if numbered:
                theirs[f"{numbered[1]} {numbered[2]}"] = where
            if row["messier"]:
                theirs[f"Messier {int(row['messier'][1:])}"] = where
    ours = load_objects()
    both = set(ours) & set(theirs)
    assert len(both) > 120
    assert {thing: ours[thing] for thing in both} == {thing: theirs[thing] for thing in both}


def test_what_is_known_by_heart_is_found_among_all_88(tiny_base):
    reader = reader_of(tiny_base)
    texts = [
        "Messier 31 is in the constellation Andromeda",
        "Messier 42 is in the constellation Orion",
    ]
    taught = reader_of(tiny_base, teach(reader.model, texts, reader.tokenizer))
    found = measure_constellations(taught, FEW, load_constellations())
    assert (found["right"], found["n_right"], found["mrr"]) == (1.0, 2, 1.0)
    swapped = measure_constellations(taught, {"Messier 31": "Ori"}, load_constellations())
    assert swapped["n_right"] == 0 and 0 <= swapped["low"] < swapped["high"]


def test_equal_scores_are_no_knowledge():
    """Of four equal entries the mean rank is 2.5: none is first."""
    assert ranks(np.zeros((2, 4)), [0, 3]).tolist() == [2.5, 2.5]
    assert ranks(np.array([[0.0, 1e-9, -1.0]]), [1]).tolist() == [1.5]


def test_a_context_too_short_is_told(tiny_base):
    reader = reader_of(tiny_base, ignorant_model())
    assert measure_constellations(reader, FEW, load_constellations()) is None
    assert "context of 16 tokens is too short" in reader.notes[0]
