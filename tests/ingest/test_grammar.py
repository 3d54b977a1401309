from random import Random

import pytest

from astro_assets.ingest import grammar
from astro_assets.ingest.grammar import FOLDER, Phrases, Slot, Text, load

TOPICS = sorted(p.stem for p in FOLDER.glob("*.txt") if p.stem not in ("frames", "people"))


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Return a function that writes a phrase file and loads it."""
    monkeypatch.setattr(grammar, "FOLDER", tmp_path)

    def write(text: str) -> Phrases:
        (tmp_path / "small.txt").write_text(text)
        load.cache_clear()
        return load("small")

    yield write
    load.cache_clear()


def _all(phrases, rule, n=40):
    return {Text(phrases, Random(i)).phrase(rule) for i in range(n)}


def test_notes_rules_comments_and_continued_lines(small):
    phrases = small(
        "# why\nprimary: a.B c.D\n[one]\nfirst\n# not me\nsecond,\n  third\n\n[two]\nx: y\n"
    )
    assert phrases.notes == {"primary": ("a.B", "c.D")}
    assert phrases.rules == {"one": (("first",), ("second,\n  third",)), "two": (("x: y",),)}


def test_slots_are_filled(small):
    phrases = small("[s]\nwe see <thing>\n[thing]\nstars\n")
    assert _all(phrases, "s") == {"we see stars"}


def test_numbers_keep_their_range_and_decimals(small):
    phrases = small("[i]\n<n:2:4>\n[d]\n<x:0.5:0.7>\n[dd]\n$z < <x:0.50:0.52>$\n")
    assert _all(phrases, "i", 200) == {"2", "3", "4"}
    assert _all(phrases, "d", 200) == {"0.5", "0.6", "0.7"}
    assert _all(phrases, "dd", 200) == {"$z < 0.50$", "$z < 0.51$", "$z < 0.52$"}


def test_a_kept_slot_is_the_same_all_through_a_text(small):
    phrases = small("[s]\n<=thing> and <=thing>\n[thing]\nstars\ngalaxies\nplanets\n")
    assert _all(phrases, "s") == {f"{x} and {x}" for x in ("stars", "galaxies", "planets")}
    text = Text(phrases, Random(1), thing="the Sun")
    assert text.phrase("s") == "the Sun and the Sun"


def test_a_phrase_is_not_used_twice_while_there_is_another(small):
    phrases = small("[s]\n" + "\n".join("abcdefgh") + "\n")
    n_repeats = 0
    for seed in range(200):
        text = Text(phrases, Random(seed))
        n_repeats += text.phrase("s") == text.phrase("s")
    assert n_repeats <= 3  # without care it would be about 25


def test_articles_and_capitals(small):
    phrases = small("[s]\na <x>, a <y>, a <z>\n[x]\nolive\n[y]\nunit\n[z]\n8-m dish\n")
    assert Text(phrases, Random(0)).sentence("s") == "An olive, a unit, an 8-m dish"


def test_rules_of_one_name_are_joined(small):
    one = small("note: n\n[a]\nx\n")
    two = small("[a]\ny\n[b]\nz\n")
    assert one.over(two) == Phrases({"note": ("n",)}, {"a": (("x",), ("y",)), "b": (("z",),)})


def test_fifteen_topics_lie_there():
    assert len(TOPICS) == 15


@pytest.mark.parametrize("name", TOPICS)
def test_every_slot_of_a_topic_has_a_rule_and_every_rule_a_use(name):
    rules = load(name).over(load("frames")).rules
    used = {
        part.rule for made in rules.values() for phrase in made for part in phrase
        if isinstance(part, Slot)
    }  # fmt: skip
    assert used <= set(rules)
    assert set(rules) - used == {"context", "aim", "approach", "result", "close", "title"}


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_is_rich_and_says_its_categories(name):
    topic = load(name)
    assert {"primary", "crossed"} <= set(topic.notes)
    n_phrases = {rule: len(made) for rule, made in topic.rules.items()}
    for rule in ("noun", "modifier", "property", "cause", "claim"):
        assert n_phrases[rule] >= 11, rule
    for rule in ("place", "data", "method", "value"):
        assert n_phrases[rule] >= 8, rule


@pytest.mark.parametrize("name", TOPICS)
def test_no_phrase_is_left_with_a_slot_that_was_not_understood(name):
    for made in load(name).over(load("frames")).rules.values():
        for phrase in made:
            literal = "".join(part for part in phrase if isinstance(part, str))
            assert ">" not in literal.replace("$p > ", "").replace("_* > ", ""), literal
