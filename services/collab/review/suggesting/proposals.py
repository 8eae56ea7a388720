"""Changes of a scene's text as suggestions: the words that each stands on. No I/O.

An anchor stands on characters, and a line end between two blocks is none. So a change that begins
or ends with a line end is said with the words beside it.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from libs.contracts.collab.suggestions import TEXT_CHARS_MAX
from services.collab.offsets import to_utf16
from services.collab.review.anchors.view import Stood, View
from services.collab.review.structs import whole
from services.collab.review.suggesting.regions import Region
from services.collab.review.suggesting.styling import Style

BESIDE_CHARS_MAX = 40
"""Of the word beside which an insertion stands; a longer one is not shown whole."""

_WORD_BEFORE = re.compile(r"\S+[^\S\n]*\Z")
_WORD_AFTER = re.compile(r"\s*\S+")
_NO_TEXT = re.compile(r"[\x00\r\ufffc]")

type Kind = Literal["replace", "insert", "delete", "attributes"]
type Side = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change as a suggestion says it, and the anchor that it stands on."""

    region: Region
    kind: Kind
    side: Side
    base: str
    text: str
    stood: Stood
    attributes: dict[str, dict[str, Any]] | None = None


def styling(view: View, text: str, style: Style) -> Proposal | None:
    """Say a change of formatting; None where it is of no word, or of too many."""
    region = Region(style.start, style.end, "")
    said = _standing(view, text, region, ("attributes", "after", ""), (style.start, style.end))
    return said and replace(said, attributes=style.attributes)


def proposal(view: View, text: str, region: Region) -> Proposal | None:
    """Say *region* of *text*, the view's text in characters; None where there is no way to.

    There is none beside no word at all, for more than a suggestion may hold, and for what is no
    text.
    """
    if region.inserts and (side := _side(text, region.start)):
        start, end = _beside(text, region.start, side)
        return _standing(view, text, region, ("insert", side, region.text), (start, end))
    start, end = _with_words(text, region)
    changed = text[start : region.start] + region.text + text[region.end : end]
    kind: Kind = "replace" if changed else "delete"
    return _standing(view, text, region, (kind, "after", changed), (start, end))


def _standing(
    view: View, text: str, region: Region, said: tuple[Kind, Side, str], place: tuple[int, int]
) -> Proposal | None:
    (kind, side, changed), (start, end) = said, place
    base = text[start:end]
    too_much = max(len(changed), len(base)) > TEXT_CHARS_MAX
    if not base or too_much or _NO_TEXT.search(changed) or _NO_TEXT.search(base):
        return None
    stood = view.on_text(to_utf16(text, start), to_utf16(text, end))
    if not isinstance(stood, Stood) or whole(stood.quote) != base:
        return None
    return Proposal(region, kind, side, base, changed, stood)


def _side(text: str, at: int) -> Side | None:
    """Return on which side of a word of its line an insertion at *at* stands; None without one."""
    if at > 0 and text[at - 1] != "\n":
        return "after"
    return "before" if at < len(text) and text[at] != "\n" else None


def _beside(text: str, at: int, side: Side) -> tuple[int, int]:
    """Return from where to where the word beside *at* stands."""
    if side == "after":
        first = max(0, at - BESIDE_CHARS_MAX)
        found = _WORD_BEFORE.search(text[first:at])
        return (first + found.start() if found else at - 1), at
    found = _WORD_AFTER.match(text[at : at + BESIDE_CHARS_MAX])
    return at, at + (found.end() if found and "\n" not in found[0] else 1)


def _with_words(text: str, region: Region) -> tuple[int, int]:
    """Return from where to where *region* is said, so that both ends are no line ends."""
    start, end = region.start, region.end
    if start == end or text[start] == "\n":
        while start and text[start - 1] == "\n":
            start -= 1
        start, _ = _beside(text, start, "after") if start else (start, start)
    if region.start == region.end or text[region.end - 1] == "\n":
        while end < len(text) and text[end] == "\n":
            end += 1
        _, end = _beside(text, end, "before") if end < len(text) else (end, end)
    return start, end
