"""What somebody asks for in the text of a query: words, and phrases between double quotes. Pure."""

import re
import unicodedata
from dataclasses import dataclass

PHRASES_MAX = 5
PHRASE_CHARS_MIN = 2
_QUOTED = re.compile(
    '"([^"]{1,500})"|\u201c([^\u201d]{1,500})\u201d|\u201e([^\u201c]{1,500})\u201c'
    "|\u00ab([^\u00bb]{1,500})\u00bb"
)
_APOSTROPHES = "'\u2019\u2018"
_QUOTES = '"\u201c\u201d\u201e'


@dataclass(frozen=True, slots=True)
class Asked:
    """The text of a query without its quotes, and its phrases."""

    text: str
    phrases: tuple[str, ...]

    def like(self) -> list[str]:
        """Return patterns for ILIKE that each text with the phrases matches, and some others."""
        return [f"%{'%'.join(map(_like, phrase.split()))}%" for phrase in self.phrases]

    def is_in(self, text: str) -> bool:
        """Whether a text has all phrases, as whole words and without regard to case and space."""
        normal = unicodedata.normalize("NFC", text)
        return all(_pattern(phrase).search(normal) for phrase in self.phrases)


def parse(q: str) -> Asked:
    """Return what a query asks for; what is no phrase is words."""
    text = " ".join(_without_controls(q).split())
    phrases: list[str] = []
    for found in _QUOTED.finditer(text):
        phrase = " ".join(next(group for group in found.groups() if group is not None).split())
        says = len(phrase) >= PHRASE_CHARS_MIN and any(map(str.isalnum, phrase))
        if says and len(phrases) < PHRASES_MAX:
            phrases.append(unicodedata.normalize("NFC", phrase))
    words = _QUOTED.sub(lambda found: f" {found[0][1:-1]} ", text) if phrases else text
    return Asked(" ".join(words.split()), tuple(phrases))


def _without_controls(text: str) -> str:
    return "".join(" " if unicodedata.category(one) in ("Cc", "Cs") else one for one in text)


def _like(word: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", word)
    # Either form of an apostrophe or a quote stands for the other one.
    return re.sub(f"[{_APOSTROPHES}{_QUOTES}]", "_", escaped)


def _pattern(phrase: str) -> re.Pattern[str]:
    words = [_word(word) for word in phrase.split()]
    begin = r"(?<!\w)" if phrase[0].isalnum() else ""
    end = r"(?!\w)" if phrase[-1].isalnum() else ""
    return re.compile(begin + r"\s+".join(words) + end, re.IGNORECASE)


def _word(word: str) -> str:
    quoted = re.escape(word)
    quoted = re.sub(f"[{_APOSTROPHES}]", f"[{_APOSTROPHES}]", quoted)
    return re.sub(f"[{_QUOTES}]", f"[{_QUOTES}]", quoted)
