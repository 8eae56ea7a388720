"""The smallest edit between two texts, as replacements at UTF-8 byte offsets."""

import re
from collections.abc import Iterator, Sequence

from rapidfuzz.distance import Indel

from services.collab import align, offsets

EXACT_CELLS_MAX = 4_000_000
"""Characters of one side times the other up to which the exact difference is computed."""

_PIECES = re.compile(r"\n|[^\n]+")
_WORDS = re.compile(r"\s+|[^\s]+")
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Scripts without spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
_TOKENS = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|\s|[^\w\s]")

type Edit = tuple[int, int, str]
"""Replace the bytes [start, end) by the text."""


def edits(old: str, new: str) -> list[Edit]:
    """Return replacements, ordered and apart, that turn *old* into *new*.

    Exact (fewest characters inserted and deleted) within changed regions of ordinary size; larger
    regions are first aligned by lines and words, which is what a person changed anyway.
    """
    found: list[Edit] = []
    for start, end, first, last in regions(old, new):
        found.append((start, end, new[first:last]))
    return list(_in_bytes(old, found))


def regions(old: str, new: str) -> Iterator[tuple[int, int, int, int]]:
    """Yield what `edits` replaces, in characters: (old start, old end, new start, new end)."""
    head, tail = _common(old, new)
    yield from _aligned(
        old[head : len(old) - tail], new[head : len(new) - tail], head, head, (_PIECES, _WORDS)
    )


def word_regions(old: str, new: str) -> Iterator[tuple[int, int, int, int]]:
    """Yield what was replaced by what as `regions` does, in whole words.

    A letter that two different words have in common does not stay. Characters of scripts that
    write without spaces are words by themselves.
    """
    head, tail = _common(old, new)
    # Back to where both begin and end a word.
    while head and not (is_bounded(old, head) and is_bounded(new, head)):
        head -= 1
    while tail and not (is_bounded(old, len(old) - tail) and is_bounded(new, len(new) - tail)):
        tail -= 1
    gone, came = old[head : len(old) - tail], new[head : len(new) - tail]
    words, others = _TOKENS.findall(gone), _TOKENS.findall(came)
    if len(words) * len(others) > EXACT_CELLS_MAX:
        yield from regions(old, new)
        return
    starts, ends = _starts(words), _starts(others)
    region: list[int] | None = None
    for op in Indel.opcodes(words, others):
        if op.tag == "equal":
            if region:
                yield region[0], region[1], region[2], region[3]
            region = None
            continue
        if region is None:
            region = [head + starts[op.src_start], 0, head + ends[op.dest_start], 0]
        region[1], region[3] = head + starts[op.src_end], head + ends[op.dest_end]
    if region:
        yield region[0], region[1], region[2], region[3]


def is_bounded(text: str, at: int) -> bool:
    """Whether a word ends or begins before the character *at*."""
    if at in (0, len(text)):
        return True
    pair = _TOKENS.match(text[at - 1 : at + 1])
    return pair is None or pair.end() == 1


def _aligned(
    old: str, new: str, at_old: int, at_new: int, grains: Sequence[re.Pattern[str]]
) -> Iterator[tuple[int, int, int, int]]:
    if not old or not new:
        if old or new:
            yield at_old, at_old + len(old), at_new, at_new + len(new)
        return
    if len(old) * len(new) <= EXACT_CELLS_MAX:
        yield from _exact(old, new, at_old, at_new)
        return
    if not grains:
        yield at_old, at_old + len(old), at_new, at_new + len(new)
        return
    parts_old, parts_new = grains[0].findall(old), grains[0].findall(new)
    starts_old, starts_new = _starts(parts_old), _starts(parts_new)
    pairs = align.equal_pairs(parts_old, parts_new)
    for i, j, k, m in align.gaps(pairs, len(parts_old), len(parts_new)):
        yield from _aligned(
            old[starts_old[i] : starts_old[j]],
            new[starts_new[k] : starts_new[m]],
            at_old + starts_old[i],
            at_new + starts_new[k],
            grains[1:],
        )


def _exact(old: str, new: str, at_old: int, at_new: int) -> Iterator[tuple[int, int, int, int]]:
    region: list[int] | None = None
    for op in Indel.opcodes(old, new):
        if op.tag == "equal":
            if region:
                yield region[0], region[1], region[2], region[3]
            region = None
            continue
        if region is None:
            region = [op.src_start + at_old, 0, op.dest_start + at_new, 0]
        region[1], region[3] = op.src_end + at_old, op.dest_end + at_new
    if region:
        yield region[0], region[1], region[2], region[3]


def _common(one: str, other: str) -> tuple[int, int]:
    """Length of the common prefix, and of the common suffix of what is after it.

    Both are found by halving, so that equal megabytes cost little.
    """
    size, size_other = len(one), len(other)
    head, high = 0, min(size, size_other)
    while head < high:
        middle = (head + high + 1) // 2
        if one[head:middle] == other[head:middle]:
            head = middle
        else:
            high = middle - 1
    tail, high = 0, min(size, size_other) - head
    while tail < high:
        middle = (tail + high + 1) // 2
        if one[size - middle : size - tail] == other[size_other - middle : size_other - tail]:
            tail = middle
        else:
            high = middle - 1
    return head, tail


def _starts(parts: Sequence[str]) -> list[int]:
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part))
    return starts


def _in_bytes(old: str, found: Sequence[Edit]) -> Iterator[Edit]:
    ends = offsets.to_utf8(old, (at for start, end, _ in found for at in (start, end)))
    for (_, _, text), start, end in zip(found, ends, ends, strict=True):
        yield start, end, text
