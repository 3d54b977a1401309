r"""Abstracts without the words of their own titles, and what counts as one word.

A title shares words with its abstract, so a list of words already finds the one by the other. With
the shared words taken out, and ranked among abstracts that share no word with the title either
(candidates), only the meaning is left to find it by: what a space of vectors is for, and what a
ranking by words (bm25) cannot do.

Two words are shared when they fold to one: case, accents (also TeX's, ``Poincar\'e``) and a plain
plural do not count. What does not belong here: ranking (retrieval, bm25).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_STOP_WORDS = """
a about above across after again against all almost alone along already also although always am
among an and another any are around as at be became because become been before being below
between both but by can cannot could did do does doing done down due during each either else
enough even ever every few first for found from further get give given had has have having he
hence her here hers him his how however i if in indeed instead into is it its itself just least
less like made make many may me might more moreover most mostly much must my namely neither next
no nor not nothing now of off often on once one only onto or other others our ours ourselves out
over own per perhaps quite rather same second seem seems several shall she should show since so
some still such than that the their them themselves then there therefore these they third this
those though three through throughout thus to together too toward towards two under until up
upon us use used using very via was we well were what when where whether which while who whole
whom whose why will with within without would yet you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Words that say nothing of a subject: never masked, never ranked by."""

_ACCENT = r"""(?:\\['"`^~=.][A-Za-z]|\\['"`^~=.]\{\\?[A-Za-z]\}|\{\\['"`^~=.]\\?[A-Za-z]\})"""
_GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|"
    "upsilon|phi|chi|psi|omega"
)
_PLAIN = rf"(?:[^\W_]|{_ACCENT})+(?:['’]s(?![^\W_]))?"
_WORD = re.compile(
    rf"""(?P<greek>\$\\(?:var)?(?:{_GREEK})\$|\\(?:var)?(?:{_GREEK})(?![A-Za-z]))
    |(?P<command>\\[A-Za-z]+)
    |(?P<number>\d+\.\d+)
    |(?P<plain>{_PLAIN})""",
    re.VERBOSE | re.IGNORECASE,
)
_TEX_MARKS = re.compile(r"""\\['"`^~=.]|[{}$\\]|['’]s$""")
_LONE_HYPHENS = re.compile(r"(?<!\S)[-–]+(?!\S)")
_BEFORE_POINT = re.compile(r" +([,;:.)])(?!\d)")
_IRREGULAR = {
    "radii": "radius",
    "nuclei": "nucleus",
    "spectra": "spectrum",
    "maxima": "maximum",
    "minima": "minimum",
    "nebulae": "nebula",
    "novae": "nova",
    "supernovae": "supernova",
    "lens": "lens",
    "bias": "bias",
    "atlas": "atlas",
    "chaos": "chaos",
}


def mask_shared(title: str, abstract: str) -> str:
    r"""Return the abstract without the words it shares with its title; nothing else is lost.

    Stop words and single letters stay, and TeX commands and punctuation, so that what is left can
    be read. A Greek letter is a word; numbers of two digits and more are too.

    >>> mask_shared("A census of Galaxies", "We count galaxies: every galaxy of the census, once.")
    'We count: every of the, once.'
    >>> mask_shared(r"H-alpha in M 31", r"The H$\alpha$ line of M 31 is $\sim 5$ times as bright.")
    'The H line of M is $\\sim 5$ times as bright.'
    """
    own = set(content_words(title))
    kept = _WORD.sub(lambda found: _gap(found) if _folded(found) in own else found[0], abstract)
    return _BEFORE_POINT.sub(r"\1", " ".join(_LONE_HYPHENS.sub(" ", kept).split()))


def content_words(text: str) -> list[str]:
    """Return the words of a text in order, folded, without stop words, letters and TeX commands.

    >>> content_words("The radii of 2 Be stars: Poincaré's maps")
    ['radius', 'star', 'poincare', 'map']
    """
    return [word for found in _WORD.finditer(text) if (word := _folded(found))]


def _gap(found: re.Match[str]) -> str:
    """Return what stands where a word stood: nothing, or a blank so that no new word is made."""
    text, begin, end = found.string, found.start(), found.end()
    glues = begin > 0 and end < len(text) and text[begin - 1].isalnum() and text[end].isalnum()
    return " " if glues else ""


def _folded(found: re.Match[str]) -> str | None:
    """Return the form that equal words share; None for what is no word of a subject."""
    return None if found["command"] else fold(found[0])


@lru_cache(maxsize=1 << 16)
def fold(word: str) -> str | None:
    r"""Return a word without case, accents and a plain plural; None for stop words and letters.

    Plural as Harman's S stemmer has it (1991), a little wider so that mass, masses and galaxy,
    galaxies meet. It may join unlike words (Mar, Mars): rarely, and never parts like ones.

    >>> [fold(word) for word in ("Galaxies", "galaxy", "masses", "mass", "phases", "phase")]
    ['galaxi', 'galaxi', 'mass', 'mass', 'phas', 'phas']
    >>> fold("the"), fold("$\\alpha$"), fold("Poincar\\'e's")
    (None, 'alpha', 'poincare')
    """
    bare = unicodedata.normalize("NFKD", _TEX_MARKS.sub("", word))
    plain = "".join(c for c in bare if not unicodedata.combining(c)).casefold()
    if len(plain) < 2 or plain in STOP_WORDS:
        return None
    return _IRREGULAR.get(plain) or _singular(plain.removeprefix("var"))


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("sis"):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and word[-2] not in "sui":
        word = word[:-1]
    if word.endswith("ie") or (len(word) > 3 and word.endswith("y")):
        return word[:-1] if word.endswith("ie") else word[:-1] + "i"
    return word[:-1] if word.endswith(("se", "xe", "ze", "che", "she")) else word
