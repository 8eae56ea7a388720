"""Cutting blocks and cards into chunks."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from libs.contracts.collab.passages import Passage

PARAGRAPH_CHARS_MAX = 900
"""A longer paragraph is cut into windows: MiniLM reads 256 tokens, about 1,000 characters."""
WINDOW_CHARS_MAX = 700
BLOCK_TYPE_CHARS_MAX = 100

type CharacterId = tuple[int, int]

_SENTENCE_END = re.compile(r"[.!?\u2026][\"'\u201d\u2019\u00bb)\]]*\s+")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk as the text has it now, before it is known which chunk it is.

    `start` and `end` are UTF-16 offsets into the text of the scene; `first` and `last` the ids of
    the characters at the ends of its paragraph, None for a card.
    """

    chunk_type: str
    block_type: str
    part: int
    index: int
    text: str
    start: int = 0
    end: int = 0
    first: CharacterId | None = None
    last: CharacterId | None = None

    @property
    def hash(self) -> bytes:
        """SHA-256 of the text."""
        return hash_of(self.text)


def hash_of(text: str) -> bytes:
    """Return the SHA-256 of a chunk's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def pieces_of(passages: Iterable[Passage]) -> list[Piece]:
    """Return the chunks of a scene: its paragraphs, long ones in windows."""
    found: list[Piece] = []
    for passage in passages:
        start = passage.from_
        offset = 0
        for part, (at, text) in enumerate(windows(passage.text)):
            start += utf16_length(passage.text[offset:at])
            end = start + utf16_length(text)
            found.append(
                Piece(
                    chunk_type="PARAGRAPH",
                    block_type=passage.type[:BLOCK_TYPE_CHARS_MAX],
                    part=part,
                    index=len(found),
                    text=text,
                    start=start,
                    end=end,
                    first=(passage.first.client, passage.first.clock),
                    last=(passage.last.client, passage.last.clock),
                )
            )
            start, offset = end, at + len(text)
    return found


def card_of(title: str | None, texts: Iterable[str]) -> list[Piece]:
    """Return what a thing says about itself as chunks: its title first, then its texts."""
    lines = [line for line in (title, *texts) if line and line.strip()]
    if not lines:
        return []
    text = storable("\n".join(lines))
    return [
        Piece(chunk_type="CARD", block_type="card", part=part, index=part, text=window)
        for part, (_, window) in enumerate(windows(text))
    ]


def windows(text: str) -> Iterator[tuple[int, str]]:
    """Yield *text*, without white space at its ends, in stretches with the offset of each."""
    text = storable(text)
    at, end = len(text) - len(text.lstrip()), len(text.rstrip())
    longest = PARAGRAPH_CHARS_MAX
    while end - at > longest:
        # Windows of the rest are shorter, so that the last one is no mere remnant.
        longest = WINDOW_CHARS_MAX
        cut = _cut(text, at, at + WINDOW_CHARS_MAX)
        yield at, text[at:cut].rstrip()
        at = cut + len(text[cut:end]) - len(text[cut:end].lstrip())
    if at < end:
        yield at, text[at:end]


def storable(text: str) -> str:
    """Return *text* with a blank in place of each NUL, which PostgreSQL cannot store."""
    return text.replace("\0", " ")


def _cut(text: str, at: int, limit: int) -> int:
    """Return where to cut: after the last sentence that fits, or else the last word."""
    half = at + (limit - at) // 2
    for pattern in (_SENTENCE_END, _SPACE):
        ends = [found.end() for found in pattern.finditer(text, half, limit)]
        if ends:
            return ends[-1]
    return limit


def utf16_length(text: str) -> int:
    """Return how many UTF-16 code units *text* has."""
    return len(text) + sum(character > "\uffff" for character in text)
