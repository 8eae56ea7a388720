"""Delimiters of emphasis between texts, each so that it opens or closes where it stands.

CommonMark decides by the characters on both sides of a run of delimiters whether it may open or
close. A character reference begins and ends with punctuation, so that writing a neighbour as one
makes any delimiter work.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.collab.formats.markdown import escape

_DELIMITERS = {"strikethrough": "~~", "bold": "**", "italic": "*"}
_UNDERSCORE = "_"


@dataclass(slots=True)
class Part:
    """A text, a finished *source*, or the delimiter of *mark*."""

    text: str
    source: str | None = None
    mark: str | None = None
    opens: bool = False
    spell_first: bool = False
    """The first character is written as a reference."""
    spell_last: bool = False


class Emphasis:
    """Writes *parts*, in which every mark that opens closes, and none opens within itself."""

    def __init__(self, parts: Sequence[Part], *, single: bool) -> None:
        """Keep *parts*; *single* is whether the block has only one row."""
        self._parts = parts
        self._single = single

    def source(self) -> str:
        """Return the source of the line."""
        marks = [part for part in self._parts if part.mark]
        italic = any(part.mark == "italic" for part in marks)
        for part in marks:
            part.source = _DELIMITERS[part.mark or ""]
        if italic and not self._is_unambiguous():
            for part in marks:
                if part.mark == "italic":
                    part.source = _UNDERSCORE
        self._fit_all()
        return "".join(self._written(at) for at in range(len(self._parts)))

    def _is_unambiguous(self) -> bool:
        """Whether no asterisks of two delimiters touch.

        Where they do not, CommonMark's rule about lengths that are a multiple of three keeps bold
        and italic apart.
        """
        last = None
        for part in self._parts:
            kind = part.mark in ("bold", "italic")
            if kind and last:
                return False
            last = kind
        return True

    def _fit_all(self) -> None:
        """Fit every delimiter; spelling a single letter changes what is beside the next one."""
        places = [at for at, part in enumerate(self._parts) if part.mark]
        changed = True
        while changed:
            changed = False
            for at in places:
                changed |= self._fit(at)
            places.reverse()

    def _before(self, at: int) -> str:
        """Return the character that stands before part *at*; a space at the beginning."""
        if not at:
            return " "
        part = self._parts[at - 1]
        if part.source is not None:
            return part.source[-1:] or " "
        return (
            ";" if part.spell_last or (part.spell_first and len(part.text) == 1) else part.text[-1]
        )

    def _after(self, at: int) -> str:
        if at + 1 == len(self._parts):
            return " "
        part = self._parts[at + 1]
        if part.source is not None:
            return part.source[:1] or " "
        return (
            "&" if part.spell_first or (part.spell_last and len(part.text) == 1) else part.text[0]
        )

    def _fit(self, at: int) -> bool:
        """Make the delimiter at *at* work; return whether a neighbour had to be spelled for it."""
        part = self._parts[at]
        outer, inner = self._before(at), self._after(at)
        if not part.opens:
            outer, inner = inner, outer
        changed = False
        if escape.is_space(inner):
            changed = self._spell(at, inside=True)
            inner = "&"
        beside_letter = not escape.is_space(outer) and not escape.is_punctuation(outer)
        if beside_letter and (escape.is_punctuation(inner) or part.source == _UNDERSCORE):
            changed |= self._spell(at, inside=False)
        return changed

    def _spell(self, at: int, *, inside: bool) -> bool:
        """Write the character beside the delimiter at *at* as a reference, unless it is already."""
        is_after = self._parts[at].opens == inside
        part = self._parts[at + 1 if is_after else at - 1]
        was = part.spell_first if is_after else part.spell_last
        if is_after:
            part.spell_first = True
        else:
            part.spell_last = True
        return not was

    def _written(self, at: int) -> str:
        part = self._parts[at]
        if part.source is not None:
            return part.source
        text, first, last = part.text, "", ""
        if part.spell_first:
            first, text = escape.reference(text[0]), text[1:]
        if part.spell_last and text:
            last, text = escape.reference(text[-1]), text[:-1]
        middle = escape.text(text)
        if "\n" in middle:
            middle = self._broken(middle, at, bool(first), bool(last))
        if middle.endswith("!") and (last or self._after(at)).startswith("["):
            middle = f"{middle[:-1]}\\!"
        return first + middle + last

    def _broken(self, text: str, at: int, before: bool, after: bool) -> str:
        """Return *text* whose line breaks are rows, or references where a row cannot begin.

        Args:
            text: The escaped text.
            at: Which part it is of.
            before: Whether something of the same part stands before it.
            after: Likewise, after it.
        """
        if self._single:
            return text.replace("\n", "&#10;")
        before = before or (at > 0 and self._before(at) != "\n")
        after = after or (at + 1 < len(self._parts) and self._after(at) != "\\")
        found: list[str] = []
        for place, letter in enumerate(text):
            if letter != "\n":
                found.append(letter)
                continue
            follows = text[place - 1] != "\n" if place else before
            precedes = text[place + 1] != "\n" if place + 1 < len(text) else after
            found.append("\n" if follows and precedes else "&#10;")
        return "".join(found)
