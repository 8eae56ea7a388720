"""The part of a chunk that a hit shows, with the words that matched."""

from collections.abc import Sequence

from services.indexer.model.chunking import utf16_length

SNIPPET_CHARS_MAX = 240
_ELLIPSIS = "…"

type Span = tuple[int, int]


def snippet_of(text: str, places: Sequence[Span]) -> tuple[str, list[Span]]:
    """Return a stretch of *text* with most of *places* in it, and where they are there.

    *places* are offsets of characters, in order; the answer's are UTF-16 offsets into the snippet.
    """
    start, end = _window(text, places)
    head = _ELLIPSIS if start else ""
    tail = _ELLIPSIS if end < len(text) else ""
    shift = len(head)
    shown = [
        (
            shift + utf16_length(text[start:first]),
            shift + utf16_length(text[start:last]),
        )
        for first, last in places
        if start <= first and last <= end
    ]
    return head + text[start:end] + tail, shown


def _window(text: str, places: Sequence[Span]) -> Span:
    if len(text) <= SNIPPET_CHARS_MAX:
        return 0, len(text)
    if not places:
        return 0, _word_end(text, SNIPPET_CHARS_MAX)
    best, best_count, upto = places[0][0], 0, 0
    for number, (first, _) in enumerate(places):
        while upto < len(places) and places[upto][1] <= first + SNIPPET_CHARS_MAX:
            upto += 1
        if upto - number > best_count:
            best, best_count = first, upto - number
    last = max(end for at, end in places if best <= at and end <= best + SNIPPET_CHARS_MAX)
    spare = SNIPPET_CHARS_MAX - (last - best)
    start = max(0, min(best - spare // 2, len(text) - SNIPPET_CHARS_MAX))
    if start and (space := text.find(" ", start, best)) >= 0:
        start = space + 1
    return start, _word_end(text, max(start + SNIPPET_CHARS_MAX, last))


def _word_end(text: str, end: int) -> int:
    if end >= len(text):
        return len(text)
    space = text.rfind(" ", 0, end)
    return space if space > end - SNIPPET_CHARS_MAX // 2 else end
