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


def from_utf16(text: str, units: int) -> int:
    """Convert an offset in UTF-16 code units into characters.

    Raises:
        ValueError: It lies outside the text or between the two halves of a character.
    """
    if text.isascii():
        if not 0 <= units <= len(text):
            raise ValueError("offset outside the text")
        return units
    data = text.encode("utf-16-le")
    if not 0 <= 2 * units <= len(data):
        raise ValueError("offset outside the text")
    try:
        return len(data[: 2 * units].decode("utf-16-le"))
    except UnicodeDecodeError:
        raise ValueError("offset inside a character") from None


def to_utf16(text: str, offset: int) -> int:
    """Convert a character *offset* into UTF-16 code units."""
    return utf16_length(text[:offset])


def utf16_to_utf8(text: str, units: int) -> int:
    """Convert an offset in UTF-16 code units into UTF-8 bytes.

    Raises:
        ValueError: As `from_utf16`.
    """
    return utf8_length(text[: from_utf16(text, units)])
