"""Offsets into text: one place that converts between the three ways of counting.

- **Characters** (code points) are how Python counts.
- **UTF-16 code units** are how browsers and Yjs count, and every public surface of ours.
- **UTF-8 bytes** are how pycrdt counts.
"""

from collections.abc import Iterable, Iterator


def utf8_length(text: str) -> int:
    """Length of *text* in UTF-8 bytes."""
    return len(text) if text.isascii() else len(text.encode())


def utf16_length(text: str) -> int:
    """Length of *text* in UTF-16 code units, as `text.length` in JavaScript."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def to_utf8(text: str, offsets: Iterable[int]) -> Iterator[int]:
    """Convert ascending character *offsets* of *text* into UTF-8 bytes, in one pass."""
    seen = seen_bytes = 0
    for offset in offsets:
        seen_bytes += utf8_length(text[seen:offset])
        seen = offset
        yield seen_bytes


def to_utf16(text: str, offset: int) -> int:
    """Convert a character *offset* into UTF-16 code units."""
    return utf16_length(text[:offset])
