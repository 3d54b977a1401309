"""Made-up arXiv records: any number, seeded, in the snapshot's shape and with its quirks.

Belongs here: what a record consists of, and how often each quirk of real records turns up. Does not
belong here: the sentences (``grammar`` and its phrases), files (``snapshot``).

A record is a function of (seed, month, its number in the month) and of nothing else. So a later
``until``, or more records, leaves the records it shares with an earlier one as they were. For the
same reason everything that happens to a paper happens within its month.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any

from astro_assets.errors import BadSettingError
from astro_assets.ingest.grammar import Phrases, Text, load
from astro_assets.ingest.vintage import MONTH_NAMES
from astro_assets.months import FIRST_RELEASE, Month

GENERATOR_VERSION = "2"
"""Bumped when the same call gives other records; a file of another version is written anew."""

N_MONTHS = 60
ASTRO_SHARE = 0.45
_ELSEWHERE_SHARE = 0.25  # of astro papers, another primary category: as on arXiv
_SECOND_FIELD_SHARE = 0.4  # of an abstract's sentences: fields borrow from each other
_ASTRO_BORROWED_SHARE = 0.2  # of general papers, those whose second field is astronomy
_COPY_SHARE = 0.012
_WITHDRAWN_SHARE = 0.007
_MIN_WORDS, _MAX_WORDS = 60, 180
_ASTRO = ("galaxies", "stars", "exoplanets", "cosmology", "high_energy", "instruments", "solar")
_GENERAL = (
    "mathematics", "computing", "condensed_matter", "quantum",
    "biology", "strings", "plasma_and_atoms", "particles",
)  # fmt: skip
_FIVE_DIGITS, _NEW_IDS = Month(2015, 1), Month(2007, 4)
_SUBFIELDS = Month(2009, 1)  # before, astro-ph had none
_PHYSICS_ARCHIVE = Month(1997, 1)  # before, plasm-ph and atom-ph were archives of their own
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LICENSES = (
    "http://arxiv.org/licenses/nonexclusive-distrib/1.0/",
    "http://creativecommons.org/licenses/by/4.0/",
    "http://creativecommons.org/licenses/by-nc-sa/4.0/",
)


def generate(n: int, *, until: Month, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield n records of the 60 months that end with ``until``, oldest month first.

    Every month holds n / 60 of them, the newest ones what is left over. Fewer months where arXiv
    is younger. Each record has the snapshot's 14 fields in its order.

    Raises:
        BadSettingError: no record, or more than a month's ids can number.
    """
    for month, n_papers in _quotas(n, until).items():
        for number in range(1, n_papers + 1):
            yield _record(month, number, seed)


def check_size(n: int, *, until: Month) -> None:
    """Refuse a number of records that ``generate`` cannot give.

    Raises:
        BadSettingError: says how many it can give.
    """
    _quotas(n, until)


def _quotas(n: int, until: Month) -> dict[Month, int]:
    months = list(max(FIRST_RELEASE, until.plus(1 - N_MONTHS)).through(until))
    most = min((10 ** _n_digits(month) - 1 for month in months), default=0) * len(months)
    if not 1 <= n <= most:
        raise BadSettingError(
            f"The generator cannot give {n:,} records up to {until}.",
            expected=f"1 to {most:,} (a month's ids are numbered with few digits)."
            if most
            else f"a month from {FIRST_RELEASE} on.",
        )
    each, rest = divmod(n, len(months))
    first_with_more = len(months) - rest
    return {month: each + (i >= first_with_more) for i, month in enumerate(months)}


def _n_digits(month: Month) -> int:
    return 5 if month >= _FIVE_DIGITS else 4 if month >= _NEW_IDS else 3


@dataclass(frozen=True)
class _Work:
    """What a paper is about: the part a copy shares with its original."""

    is_astro: bool
    phrases: Phrases
    title: str
    abstract: str


def _record(month: Month, number: int, seed: int) -> dict[str, Any]:
    random = Random(f"{seed}-{month}-{number}")
    work = _work(*_origin(month, number, random), seed)
    about = Text(load("people"), random, year=str(month.year))
    withdrawn = random.random() < _WITHDRAWN_SHARE
    categories = _categories(work, month, random)
    authors = [(about.phrase("given"), about.phrase("family")) for _ in range(_few(random))]
    versions = _instants(month, random)
    changed = min(versions[-1].date() + timedelta(days=_few(random) - 1), month.end.date())
    says_so = withdrawn and random.random() < 0.7  # else the comments alone do
    abstract = about.phrase("withdrawn") if says_so else work.abstract
    comments = about.phrase("withdrawn_comments" if withdrawn else "comments")
    has_journal = random.random() < 0.4
    return {
        "id": _id(month, number, categories[0]),
        "submitter": _mostly(" ".join(authors[0]), random, share=0.97),
        "authors": _author_line(authors, about, random),
        "title": _wrap(work.title, width=70, indent="  "),
        "comments": _mostly(comments, random, share=0.75),
        "journal-ref": about.phrase("journal_ref") if has_journal else None,
        "doi": f"10.5555/{month}.{number}" if has_journal else None,
        "report-no": _mostly(f"REP-{month.year}-{number}", random, share=0.06),
        "categories": " ".join(categories),
        "license": _mostly(_LICENSES[int(random.random() * 3)], random, share=0.9),
        "abstract": _blemish("  " + _wrap(abstract, width=78) + "\n", random),
        "versions": _mostly(
            [{"version": f"v{i}", "created": _stamp(at)} for i, at in enumerate(versions, 1)],
            random,
            share=0.985,
        ),
        "update_date": _mostly(changed.isoformat(), random, share=0.98),
        "authors_parsed": _mostly([[f, g, ""] for g, f in authors], random, share=0.95),
    }


def _origin(month: Month, number: int, random: Random) -> tuple[Month, int]:
    """Return whose work a paper is: its own, or now and then that of one posted before it."""
    chance = random.random()
    back = 1 + int(random.random() * 3)
    if chance < _COPY_SHARE / 2 and number > back:
        return month, number - back
    if chance >= 1 - _COPY_SHARE / 2:
        return month.plus(-1), back
    return month, number


def _work(month: Month, number: int, seed: int) -> _Work:
    random = Random(f"{seed}-{month}-{number}-text")
    is_astro = random.random() < ASTRO_SHARE
    phrases = _topic(_one_of(_ASTRO if is_astro else _GENERAL, random))
    borrows_astro = not is_astro and random.random() < _ASTRO_BORROWED_SHARE
    second = _topic(_one_of(_ASTRO if borrows_astro else _GENERAL, random))
    text = Text(phrases, random)
    title = text.sentence("title")
    return _Work(is_astro, phrases, title, _abstract(text, Text(second, random), random))


@cache
def _topic(name: str) -> Phrases:
    return load(name).over(load("frames"))


def _abstract(text: Text, second: Text, random: Random) -> str:
    """Return an abstract of 60 to 180 words: context, aim, approach, results, conclusion.

    What it aims at is its own field's; other sentences may be its second field's. So a model that
    read general abstracts only has met some astronomy, and astronomy some of the rest, as on arXiv.
    """

    def sentence(rule: str) -> str:
        borrowed = rule != "aim" and random.random() < _SECOND_FIELD_SHARE
        return (second if borrowed else text).sentence(rule)

    n_wanted = _MIN_WORDS + int(random.random() * 85)
    plan = ["context"] if random.random() < 0.7 else []
    plan += ["aim", "approach"] if random.random() < 0.8 else ["aim"]
    close = sentence("close") if random.random() < 0.7 else ""
    sentences = [sentence(rule) for rule in plan]
    n_words = sum(len(s.split()) for s in [*sentences, close])
    while n_words < n_wanted:
        result = sentence("result")
        n_words += len(result.split())
        if n_words <= _MAX_WORDS:
            sentences.append(result)
    return " ".join([*sentences, close]).rstrip()


def _categories(work: _Work, month: Month, random: Random) -> list[str]:
    """Return the category tokens, the primary one first."""
    notes = work.phrases.notes
    tokens = [_one_of(notes["primary"], random)]
    if random.random() < 0.38:
        tokens.append(_one_of(notes["crossed"], random))
    if work.is_astro:
        chance = random.random()
        if chance < 0.02:
            tokens = ["astro-ph"]
        elif chance < 0.04:
            tokens.append("astro-ph")
        if random.random() < _ELSEWHERE_SHARE:
            tokens.insert(0, _one_of(notes["elsewhere"], random))
    return list(dict.fromkeys(_as_named_in(month, token) for token in tokens))


def _as_named_in(month: Month, token: str) -> str:
    """Return what a category was called in a month."""
    if token.startswith("astro-ph.") and month < _SUBFIELDS:
        return "astro-ph"
    if token in ("physics.plasm-ph", "physics.atom-ph") and month < _PHYSICS_ARCHIVE:
        return token.removeprefix("physics.")
    return token


def _id(month: Month, number: int, primary: str) -> str:
    digits = f"{number:0{_n_digits(month)}d}"
    yymm = f"{month.year % 100:02d}{month.number:02d}"
    return f"{yymm}.{digits}" if month >= _NEW_IDS else f"{primary.split('.')[0]}/{yymm}{digits}"


def _instants(month: Month, random: Random) -> list[datetime]:
    """Return when the versions came, in order; half of the papers have one."""
    n_versions = _few(random)
    span = (month.end - month.start).total_seconds()
    moments = sorted(int(random.random() * span) for _ in range(n_versions))
    return [month.start + timedelta(seconds=seconds) for seconds in moments]


def _stamp(at: datetime) -> str:
    """Return an instant as the snapshot writes it: the day not padded, names in English."""
    day, month = _DAYS[at.weekday()], MONTH_NAMES[at.month - 1]
    return f"{day}, {at.day} {month} {at.year} {at:%H:%M:%S} GMT"


def _author_line(authors: list[tuple[str, str]], about: Text, random: Random) -> str:
    names = ", ".join(f"{given[0]}. {family}" for given, family in authors)
    return f"{names} ({about.phrase('place_of_work')})" if random.random() < 0.3 else names


def _wrap(text: str, *, width: int, indent: str = "") -> str:
    """Break lines hard, as arXiv's submission form did."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


def _blemish(abstract: str, random: Random) -> str:
    """Damage one abstract in a hundred the way real ones are damaged."""
    chance = random.random()
    middle = len(abstract) // 2
    if chance < 0.004:
        return abstract.replace("$", "", 1)  # unbalanced
    if chance < 0.007:
        return abstract[:middle] + "\x0b" + abstract[middle:]
    if chance < 0.010:
        return abstract.replace("'", "\u00e2\u0080\u0099").replace("--", "\u00e2\u0080\u0093")
    return abstract


def _mostly(value: Any, random: Random, *, share: float) -> Any:
    return value if random.random() < share else None


def _few(random: Random) -> int:
    """Return 1 to 5, each less likely than the one before."""
    return 1 + int(5 * random.random() * random.random())


def _one_of(tokens: tuple[str, ...], random: Random) -> str:
    return tokens[int(random.random() * len(tokens))]
