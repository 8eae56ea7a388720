"""Forms of English words: articles, plurals, possessives, and names that are words, too. No I/O."""

import re
from functools import lru_cache
from importlib import resources
from typing import Literal

type PossessiveStyle = Literal["keep", "s", "apostrophe"]
"""How a name that ends with s owns something: as it is written so far, James's, or James'."""

APOSTROPHES = "'\u2019\u02bc"

COMMON_WORDS = frozenset(
    resources.files(__package__ or "").joinpath("common_words.txt").read_text("utf-8").split()
)
"""Words that are first or last names, too: at the beginning of a sentence they may be either."""

_MONTHS = frozenset(
    {"april", "may", "june", "august", "march", "january", "july", "september", "october"}
)
_DATE_WORDS = frozenset(
    {"in", "of", "by", "since", "until", "till", "last", "next", "this", "early", "late", "mid"}
    | {"every", "each", "from", "during", "before"}
)
_AN = re.compile(
    r"(?:hour|honest|hono[u]?r|heir|[aio]|e(?!u|we)|u(?!kr|lys|n[ai](?!m|n)|ran|s[aeiu]|t[aei])|y[^aeiou])",
    re.IGNORECASE,
)
_ONE = re.compile(r"on(?:e|ce)(?![a-z])", re.IGNORECASE)
_SPELT = re.compile(r"[AEFHILMNORSX](?:[B-DF-HJ-NP-TV-Z]{1,4})(?![A-Za-z])")
_HISS = re.compile(r"(?:s|x|z|ch|sh)$", re.IGNORECASE)
_ENGLISH = re.compile(r"\b(?:the|and|of|was|is|to|said|with|her|his|she|he)\b", re.IGNORECASE)
_OTHERS = re.compile(
    r"\b(?:que|de|la|el|los|le|les|des|est|et|und|der|die|das|não|uma|il|di|che|een|het)\b",
    re.IGNORECASE,
)


def article_of(word: str) -> Literal["a", "an"]:
    """Return the indefinite article that a word takes, by the rules of English spelling."""
    if _ONE.match(word):
        return "a"
    return "an" if _SPELT.match(word) or _AN.match(word) else "a"


def plural_ending(word: str) -> str:
    """Return the ending that makes the plural of a name; a name never changes its own letters."""
    return "es" if _HISS.search(word) else "s"


def possessive_of(name: str, apostrophe: str, style: PossessiveStyle, *, short: bool) -> str:
    """Return the form of a name that owns something.

    *short* says that the form it takes the place of had no s after its apostrophe.
    """
    ends = name[-1:] in "sS"
    if ends and (style == "apostrophe" or (style == "keep" and short)):
        return name + apostrophe
    return f"{name}{apostrophe}{'S' if _is_shouted(name) else 's'}"


def is_common(word: str) -> bool:
    """Whether a name is an ordinary word, too."""
    return word.casefold() in COMMON_WORDS


def is_date(word: str, before: str, after: str) -> bool:
    """Whether a name between two texts is the month of that name."""
    if word.casefold() not in _MONTHS:
        return False
    words = re.findall(r"\w+", before[-20:])
    return bool(re.match(r",?\s+\d", after)) or bool(
        words and (words[-1].casefold() in _DATE_WORDS or words[-1].isdigit())
    )


@lru_cache(maxsize=8)
def is_english(text: str) -> bool:
    """Whether a text may be English; elsewhere `a` is no article."""
    return len(_ENGLISH.findall(text)) >= len(_OTHERS.findall(text))


def _is_shouted(word: str) -> bool:
    return word.isupper() and sum(map(str.isalpha, word)) > 1
