"""Finding names and words in a text, and the form in which others take their place. No I/O.

An occurrence is *sure* when it stands as a word of its own, in the case of a name. Otherwise it has
a *doubt*: it is shown, and changed only when somebody wants that.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.collab.review.refactors.forms import (
    APOSTROPHES,
    PossessiveStyle,
    article_of,
    is_common,
    is_date,
    is_english,
    plural_ending,
    possessive_of,
)

SUBSTRING_CHARS_MIN = 4
"""Shorter terms are not shown within words of another case: `Ed` is in every past tense."""
LOWER_MIN = 2
"""A name that is so often in a text in lower case is taken for an ordinary word there."""
BESIDE_CHARS = 40
"""Of the text beside an occurrence that is looked at."""
CUE_CHARS_MAX = 120


class Doubt(StrEnum):
    """Reasons why an occurrence may be something else."""

    PART_OF_WORD = "part_of_word"
    OTHER_CASE = "other_case"
    COMMON_WORD = "common_word"
    COMPOUND = "compound"
    PLURAL = "plural"
    POSSESSIVE_OR_QUOTE = "possessive_or_quote"
    ADDRESS = "address"
    OTHER_NAME = "other_name"
    PART_OF_NAME = "part_of_name"
    NICKNAME = "nickname"


@dataclass(frozen=True, slots=True)
class Term:
    """Words to look for, and the words that take their place.

    *doubt* holds for all of its occurrences.
    """

    words: str
    to: str
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How terms are looked for.

    *others* are names of other people and things: within them a term is not meant.
    """

    possessive: PossessiveStyle = "keep"
    screenplay: bool = False
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An occurrence of a term, in characters of the text, and the text that takes its place."""

    start: int
    end: int
    quote: str
    text: str
    doubt: Doubt | None

    @property
    def sure(self) -> bool:
        """Whether it is beyond doubt."""
        return self.doubt is None


PLAIN = Rules()


def find(text: str, terms: Sequence[Term], rules: Rules = PLAIN) -> list[Occurrence]:
    """Return the occurrences of *terms*, in order; where two overlap, that of the longer one."""
    taken: list[Occurrence] = []
    for term in sorted(terms, key=lambda term: (-len(term.words), term.doubt is not None)):
        if not term.words.strip() or term.words == term.to:
            continue
        for found in _Search(text, term, rules).run():
            if not any(one.start < found.end and found.start < one.end for one in taken):
                taken.append(found)
    return sorted(taken, key=lambda found: found.start)


def replaced(text: str, found: Sequence[Occurrence]) -> str:
    """Return *text* with the words of all of *found* replaced."""
    parts: list[str] = []
    upto = 0
    for one in found:
        parts += [text[upto : one.start], one.text]
        upto = one.end
    return "".join([*parts, text[upto:]])


@dataclass(slots=True)
class _Match:
    """One match on its way to an occurrence: *form* is the new word without its endings."""

    start: int
    end: int
    form: str
    doubts: list[Doubt]
    ending: str = ""
    owns: bool = False


_SPACES = r"[ \t\u00a0\u2007\u2009\u202f]+"
_HYPHENS = "-\u2010\u2011"
_ELISIONS = frozenset({"d", "l", "qu", "j", "n", "m", "s", "t", "c", "jusqu", "lorsqu", "puisqu"})
_COUNTING = re.compile(
    r"\b(?:the|two|three|four|five|six|seven|both|many|all|these|those|few|several|other)\s+$",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"(?<![\w'\u2019-])(an?)([ \t\u00a0]+)$", re.IGNORECASE)
_BEGINNING = re.compile(
    r"(?:^|[.!?\u2026:;\u2014\u2013])[\s\"'\u201c\u201d\u2018\u2019\u00ab\u00bb\u2039\u203a\u201e\u201a()\[\]*_#>\u2014\u2013-]*$"
)
_OPENED = re.compile(r"[\"\u201c\u2018\u00ab\u2039\u201e\u201a][*_]*$")
_MARK = re.compile(
    r"(?P<opens>(?<!\w)['\u2018](?=\w))|(?P<closes>(?<=[\w.,!?\u2026])['\u2019](?!\w))"
)
_EXTENSION = re.compile(r"\s*(?:\([^()]*\)\s*)+\^?\s*$")


class _Search:
    """Looks for one term in one text."""

    def __init__(self, text: str, term: Term, rules: Rules) -> None:
        self._text, self._term, self._rules = text, term, rules
        self._others = list(_names_around(text, term.words, rules.others))
        single = len(term.words.split()) == 1
        self._common = single and (is_common(term.words) or self._is_often_lower())

    def run(self) -> Iterator[Occurrence]:
        for found in re.finditer(_pattern(self._term.words), self._text, re.IGNORECASE):
            match = self._cased(found.start(), found.end())
            if self._term.doubt:
                match.doubts.append(self._term.doubt)
            if self._is_within_word(match):
                if not self._is_shown_within(found[0]):
                    continue
                match.doubts.insert(0, Doubt.PART_OF_WORD)
            else:
                self._add_endings(match)
                self._doubt_neighbours(match)
                self._doubt_common(match, found[0])
            if any(start <= found.start() and found.end() <= end for start, end in self._others):
                match.doubts.append(Doubt.OTHER_NAME)
            yield self._occurrence(match)

    def _is_often_lower(self) -> bool:
        words = self._term.words
        if words.islower():
            return False
        lower = re.compile(rf"(?<!\w){_pattern(words.lower())}(?!\w)")
        return sum(1 for _ in lower.finditer(self._text)) >= LOWER_MIN

    def _cased(self, start: int, end: int) -> _Match:
        """Return the match with the new words in its case."""
        seen, words, to = _plain(self._text[start:end]), _plain(self._term.words), self._term.to
        if seen == words:
            return _Match(start, end, to, [])
        if seen.isupper() and sum(map(str.isalpha, seen)) > 1:
            return _Match(start, end, to.upper(), [])
        if words.islower() and seen == _capitalised(words):
            return _Match(start, end, _capitalised(to), [])
        form = to.lower() if seen.islower() else to
        return _Match(start, end, form, [Doubt.OTHER_CASE])

    def _is_within_word(self, match: _Match) -> bool:
        text, end = self._text, match.end
        if _is_letter(text, match.start - 1):
            return True
        return _is_letter(text, end) and not self._plural_at(end)

    def _is_shown_within(self, seen: str) -> bool:
        if sum(map(str.isalpha, seen)) >= SUBSTRING_CHARS_MIN:
            return True
        return seen == self._term.words and seen[0].isupper()

    def _plural_at(self, end: int) -> str:
        """Return the ending of a plural that stands at *end*; empty when there is none."""
        ending = plural_ending(self._term.words)
        seen = self._text[end : end + len(ending)]
        there = seen in (ending, ending.upper())
        return seen if there and not _is_letter(self._text, end + len(ending)) else ""

    def _add_endings(self, match: _Match) -> None:
        """Take the endings of a plural and of a possessive into the match, for the new word."""
        text = self._text
        if plural := self._plural_at(match.end):
            counted = _COUNTING.search(text[max(0, match.start - 12) : match.start])
            if not counted or self._common:
                match.doubts.append(Doubt.PLURAL)
            ending = plural_ending(match.form)
            match.form += ending.upper() if plural.isupper() else ending
            match.end += len(plural)
        mark = text[match.end : match.end + 1]
        if not mark or mark not in APOSTROPHES:
            return
        after = text[match.end + 1 : match.end + 2]
        style = self._rules.possessive
        if after and after in "sS" and not _is_letter(text, match.end + 2):
            match.form = possessive_of(match.form, mark, style, short=False)
            match.end += 2
            match.owns = True
        elif text[match.end - 1] in "sS" and not _is_letter(text, match.end + 1):
            self._own_shortly(match, mark, is_plural=bool(plural))

    def _own_shortly(self, match: _Match, mark: str, *, is_plural: bool) -> None:
        """Decide about `James'`, which owns something or ends a quotation."""
        line_start = self._text.rfind("\n", 0, match.start) + 1
        line_end = self._text.find("\n", match.end)
        before = self._text[line_start : match.start]
        after = self._text[match.end + 1 : None if line_end < 0 else line_end]
        if _opened(before) > 0:
            if not re.search(r"\w['\u2019](?!\w)", after):
                return  # It closes the quotation.
            match.doubts.append(Doubt.POSSESSIVE_OR_QUOTE)
        match.owns = True
        match.end += 1
        style = self._rules.possessive
        if is_plural and match.form[-1:] in "sS":
            match.form += mark
        else:
            match.form = possessive_of(match.form, mark, style, short=True)

    def _doubt_neighbours(self, match: _Match) -> None:
        """Doubt a match that a hyphen, an apostrophe or a sign of an address joins to more."""
        text, start, end = self._text, match.start, match.end
        left, right = text[start - 1 : start], text[end : end + 1]
        if left and left in _HYPHENS and _is_letter(text, start - 2):
            word = re.search(r"\w+$", text[max(0, start - BESIDE_CHARS) : start - 1])
            if word and word[0][0].isupper():
                match.doubts.append(Doubt.COMPOUND)
        if right and right in _HYPHENS and text[end + 1 : end + 2].isupper():
            match.doubts.append(Doubt.COMPOUND)
        if left and left in APOSTROPHES and _is_letter(text, start - 2):
            word = re.search(r"\w+$", text[max(0, start - 12) : start - 1])
            if word and word[0].casefold() not in _ELISIONS:
                match.doubts.append(Doubt.COMPOUND)
        cue = self._rules.screenplay and left == "@" and text[start - 2 : start - 1] in ("", "\n")
        joined = bool(left) and left in "@#/\\_" and not cue
        joined = joined or (left in (".", ":") and _is_letter(text, start - 2))
        joined = joined or (bool(right) and right in "@_\\")
        if joined or (right == "." and _is_letter(text, end + 1)):
            match.doubts.append(Doubt.ADDRESS)

    def _doubt_common(self, match: _Match, seen: str) -> None:
        """Doubt a name that is an ordinary word where it may be that word."""
        if not self._common or match.owns:
            return
        text = self._text
        line_start = text.rfind("\n", 0, match.start) + 1
        before = text[max(line_start, match.start - BESIDE_CHARS) : match.start]
        if self._is_cue(line_start, seen):
            return
        shouted = seen.isupper() and len(seen) > 1 and not self._term.words.isupper()
        if (
            shouted
            or _BEGINNING.search(before)
            or _OPENED.search(before)
            or is_date(seen, before, text[match.end : match.end + 8])
        ):
            match.doubts.append(Doubt.COMMON_WORD)

    def _is_cue(self, line_start: int, seen: str) -> bool:
        """Whether a line is the name of a character who speaks, as `MARA (V.O.)`."""
        end = self._text.find("\n", line_start)
        if (end if end >= 0 else len(self._text)) - line_start > CUE_CHARS_MAX:
            return False
        line = self._text[line_start : None if end < 0 else end].strip()
        bare, extended = _EXTENSION.subn("", line)
        bare = bare.removeprefix("@").rstrip("^ ")
        return bool(seen.isupper() and bare == seen and (extended or self._rules.screenplay))

    def _occurrence(self, match: _Match) -> Occurrence:
        text, start, new = self._text, match.start, match.form
        before = _ARTICLE.search(text[max(0, start - 6) : start])
        if before and before[1].casefold() == article_of(text[start : match.end]):
            article = article_of(new)
            if article != before[1].casefold() and is_english(self._text):
                if new.isupper() and before[1][0].isupper():
                    article = article.upper()
                elif before[1][0].isupper():
                    article = _capitalised(article)
                new = article + before[2] + new
                start -= len(before[0])
        doubt = match.doubts[0] if match.doubts else None
        return Occurrence(start, match.end, text[start : match.end], new, doubt)


def _pattern(words: str) -> str:
    """Return a pattern of words, however their spaces, hyphens and accents are typed."""
    parts: list[str] = []
    for each in unicodedata.normalize("NFC", words.strip()):
        if each.isspace():
            if parts[-1:] != [_SPACES]:
                parts.append(_SPACES)
        elif each in _HYPHENS:
            parts.append(f"[{re.escape(_HYPHENS)}]")
        elif each in APOSTROPHES:
            parts.append(f"[{APOSTROPHES}]")
        else:
            forms = {each, unicodedata.normalize("NFD", each)}
            if len(each.upper()) > 1:
                forms.add(each.upper())
            longest = sorted(forms, key=len, reverse=True)
            parts.append(f"(?:{'|'.join(map(re.escape, longest))})")
    return "".join(parts)


def _plain(words: str) -> str:
    """Return words as they are compared: with plain spaces, hyphens and apostrophes."""
    words = unicodedata.normalize("NFC", words)
    words = re.sub(f"[{re.escape(_HYPHENS)}]", "-", words)
    return " ".join(re.sub(f"[{APOSTROPHES}]", "'", words).split())


def _capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]


def _is_letter(text: str, at: int) -> bool:
    """Whether there is a character of a word at a place of a text: a letter, its mark, a digit."""
    return 0 <= at < len(text) and (text[at] == "_" or unicodedata.category(text[at])[0] in "LMN")


def _opened(line: str) -> int:
    """Return how many single quotation marks are open at the end of *line*."""
    count = 0
    for mark in _MARK.finditer(line):
        if mark.lastgroup == "opens":
            count += 1
        else:
            count = max(0, count - 1)
    return count


def _names_around(text: str, words: str, others: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where names stand that have *words* in them and are those of others."""
    inner = re.compile(rf"(?<!\w){_pattern(words)}(?!\w)", re.IGNORECASE)
    for name in others:
        if not inner.search(name):
            continue
        for found in re.finditer(rf"(?<!\w){_pattern(name)}(?!\w)", text, re.IGNORECASE):
            yield found.span()
