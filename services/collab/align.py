"""Which old things are which new ones: what is equal stays, what is alike is changed."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from rapidfuzz.distance import Indel

EXACT_CELLS_MAX = 200_000_000
"""Old times new things between two anchors up to which the longest common run is computed; at the
limit that takes 25 MB and some 0.1 s. Beyond it nothing between the anchors is taken for equal."""
PAIR_CELLS_MAX = 1_024
"""Old times new nodes of one gap up to which every pair is compared."""
ALIKE_MIN = 0.4
"""Two texts of which less is common are different blocks."""
COMPARED_CHARS_MAX = 2_000
"""Characters of each text that are compared to find what is alike."""

type Gap = tuple[int, int, int, int]


def equal_pairs(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Pair equal keys of *old* and *new*, in order; as many as possible, or nearly."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    pairs = [(at, at) for at in range(head)]
    pairs += _anchored(old, new, (head, len(old) - tail, head, len(new) - tail))
    pairs += [(len(old) - at, len(new) - at) for at in range(tail, 0, -1)]
    return pairs


def _anchored(old: Sequence[str], new: Sequence[str], gap: Gap) -> Iterator[tuple[int, int]]:
    """Pair what is unique on both sides first (patience), then what is between."""
    i, j, k, m = gap
    once = Counter(old[i:j])
    once_new = Counter(new[k:m])
    places = {key: at for at, key in enumerate(old[i:j], i) if once[key] == 1 == once_new[key]}
    anchors = _rising([(places[key], at) for at, key in enumerate(new[k:m], k) if key in places])
    last_old, last_new = i, k
    for at_old, at_new in [*anchors, (j, m)]:
        yield from _exact(old, new, (last_old, at_old, last_new, at_new))
        if at_old < j:
            yield at_old, at_new
        last_old, last_new = at_old + 1, at_new + 1


def _exact(old: Sequence[str], new: Sequence[str], gap: Gap) -> Iterator[tuple[int, int]]:
    i, j, k, m = gap
    if i >= j or k >= m or (j - i) * (m - k) > EXACT_CELLS_MAX:
        return
    for op in Indel.opcodes(old[i:j], new[k:m]):
        if op.tag == "equal":
            for step in range(op.src_end - op.src_start):
                yield i + op.src_start + step, k + op.dest_start + step


def _rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest run of *pairs*, whose second rises, in which the first rises too."""
    tails: list[int] = []
    tail_at: list[int] = []
    before: list[int] = []
    for at, (first, _) in enumerate(pairs):
        place = bisect_left(tails, first)
        before.append(tail_at[place - 1] if place else -1)
        if place == len(tails):
            tails.append(first)
            tail_at.append(at)
        else:
            tails[place] = first
            tail_at[place] = at
    found: list[tuple[int, int]] = []
    at = tail_at[-1] if tail_at else -1
    while at >= 0:
        found.append(pairs[at])
        at = before[at]
    return found[::-1]


def gaps(pairs: Sequence[tuple[int, int]], old: int, new: int) -> Iterator[Gap]:
    """Yield what lies between *pairs* in sequences of *old* and *new* nodes."""
    i = k = 0
    for j, m in [*pairs, (old, new)]:
        if j > i or m > k:
            yield i, j, k, m
        i, k = j + 1, m + 1


def likeness(one: str, other: str) -> float:
    """How much two texts have in common: 1 equal, 0 nothing."""
    if not one and not other:
        return 1.0
    return Indel.normalized_similarity(one[:COMPARED_CHARS_MAX], other[:COMPARED_CHARS_MAX])


def alike_pairs(gap: Gap, score: Callable[[int, int], float]) -> list[tuple[int, int]]:
    """Pair old and new nodes of *gap*, in order, so that the sum of their scores is highest.

    Args:
        gap: What is between two equal pairs.
        score: How alike an old and a new node are; 0 when one cannot become the other.
    """
    i, j, k, m = gap
    rows, columns = j - i, m - k
    if rows * columns > PAIR_CELLS_MAX:
        return [(i + n, k + n) for n in range(min(rows, columns)) if score(i + n, k + n) > 0]
    if rows == columns == 1:
        return [(i, k)] if score(i, k) > 0 else []
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    scores = [[score(i + row, k + column) for column in range(columns)] for row in range(rows)]
    for row in range(rows - 1, -1, -1):
        for column in range(columns - 1, -1, -1):
            both = scores[row][column]
            paired = best[row + 1][column + 1] + both if both >= ALIKE_MIN else 0.0
            best[row][column] = max(paired, best[row + 1][column], best[row][column + 1])
    pairs: list[tuple[int, int]] = []
    row = column = 0
    while row < rows and column < columns:
        both = scores[row][column]
        if both >= ALIKE_MIN and best[row][column] == best[row + 1][column + 1] + both:
            pairs.append((i + row, k + column))
            row, column = row + 1, column + 1
        elif best[row][column] == best[row + 1][column]:
            row += 1
        else:
            column += 1
    return pairs
