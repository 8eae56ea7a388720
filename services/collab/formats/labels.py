"""Elements that read as a label in plain text, kept whole where the text beside them changed.

A comparison by words takes a label and the letters that touch it for one word, and a word within a
label for the same word elsewhere. The element would go, though what it reads as was not changed.
"""

from collections.abc import Iterable, Iterator, Sequence

type Region = tuple[int, int, int, int]
"""A replacement: start and end in the old text, start and end in the new text."""
type Span = tuple[int, int]


def kept_whole(
    regions: Iterable[Region], texts: tuple[str, str], labels: Sequence[Span]
) -> Iterator[Region]:
    """Yield *regions* so that each of *labels* that the new text has is in none of them.

    Args:
        regions: What was replaced in the old text, in order.
        texts: The old and the new text.
        labels: Where labels stand in the old text, in order.
    """
    if not labels:
        yield from regions
        return
    for region in _widened(regions, labels):
        yield from _parted(region, texts, labels)


def _widened(regions: Iterable[Region], labels: Sequence[Span]) -> list[Region]:
    """Return *regions* of which none begins or ends within a label."""
    found: list[Region] = []
    for i, j, k, m in regions:
        first = next((a for a, b in labels if a < i < b), i)
        last = next((b for a, b in labels if a < j < b), j)
        wide = first, last, k - (i - first), m + (last - j)
        if found and wide[0] < found[-1][1]:
            # The end of the one before was counted as if nothing were replaced in between.
            before = found.pop()
            wide = before[0], wide[1], before[2], wide[3]
        found.append(wide)
    return found


def _parted(region: Region, texts: tuple[str, str], labels: Sequence[Span]) -> Iterator[Region]:
    """Yield what of *region* is between the labels that are still there."""
    (old, new), (i, j, k, m) = texts, region
    for a, b in labels:
        if not i <= a < b <= j:
            continue
        label = old[a:b]
        same = k + (a - i)
        stays = old[i:a] == new[k:same] and new[same : min(same + len(label), m)] == label
        at = same if stays else new.find(label, k, m)
        if at < 0:
            continue
        if a > i or at > k:
            yield i, a, k, at
        i, k = b, at + len(label)
    if j > i or m > k:
        yield i, j, k, m
