"""Counting words: work for `workers`. docs/formats.md tells what counts as one.

A scene has the words of its plain text, as `format=text` shows it: of all roots, all blocks, all
editors. A word is what Unicode's word boundaries (UAX 29, without a dictionary) enclose, if a
letter or a digit is in it.
"""

from collections.abc import Sequence

from unicode_segmentation_rs import unicode_words

from libs.contracts.collab.content import ContentFormat
from services.collab import formats, stored, updates
from services.collab.formats import lines, slate
from services.collab.formats.tree import BadContent

RULES = 1
"""Raise it when a text counts otherwise than before: every scene is counted anew then."""


def count(states: Sequence[bytes]) -> list[int | None]:
    """Return how many words each of *states* has; None for one that cannot be read."""
    return [_count(state) for state in states]


def _count(state: bytes) -> int | None:
    try:
        return words_of(formats.render(state, ContentFormat.TEXT).decode())
    except updates.BadUpdate:
        return None


def count_blocks(packed: bytes, size: int) -> int | None:
    """Return how many words imported blocks have; None when they cannot be read.

    Args:
        packed: The blocks as zstd of Slate JSON.
        size: Their length when decompressed.
    """
    plain = stored.unpack(packed, size)
    if plain is None:
        return None
    try:
        return words_of(lines.render(slate.parse(plain)))
    except (BadContent, RecursionError):
        return None


def words_of(text: str) -> int:
    """Return how many words *text* has."""
    return len(unicode_words(text))
