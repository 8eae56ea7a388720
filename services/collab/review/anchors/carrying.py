"""Anchors through an edit: kept, carried over, orphaned, found again. No I/O.

An anchor knows the ids of all its characters. When an edit deletes some of them, it is carried
over to those that are still there (`passage`); one that loses all is orphaned, and remembers what
was cut, because cut text is often pasted, and deleted text restored.
"""

from collections.abc import Iterable, Iterator, Sequence

from libs.contracts.collab.anchors import AnchorStatus
from services.collab.review.anchors.model import (
    CUT_SIDE_CHARS,
    CUTS_MAX,
    Cut,
    Held,
    Row,
    ids_in,
    pieces_of,
)
from services.collab.review.anchors.passage import Passage, Sameness, long_stretches
from services.collab.review.characters import Change, CharacterDocument, Ranges

APART_CHARS_MAX = 32
"""Parts of an anchor that end up further apart than this, and than the anchor is long, part."""
EXACT_SHARE_MIN = 0.5
"""An anchor of whose characters less than this live is no longer called exact."""
RETURN_CHARS_MIN = 8
"""A cut passage shorter than this is not known again without what stood around it."""
RETURN_SHARE_MIN = 0.5
"""Of cut words that come back in pieces: less of them is not enough."""
RETURN_SIDE_CHARS = 16
"""Text on one side by which shorter passages are known again, where it is the only such place."""


class Carrier:
    """Follows the anchors of a document, edit by edit."""

    def __init__(self, document: CharacterDocument, anchors: Iterable[Held]) -> None:
        """Begin where *document* is; each of *anchors* takes edits after its own version."""
        self._document = document
        self._anchors = list(anchors)
        self.changed: dict[int, Held] = {}
        """The anchors that changed, by their place in the list."""

        self._pieces: dict[int, list[tuple[int, int, int]]] = {}
        self._index()

    def take(self, row: Row) -> None:
        """Apply one edit.

        Raises:
            BadUpdate: It cannot be decoded.
        """
        change = self._document.apply(row.update)
        losing = self._losing(change, row.seq) if change.gone else []
        waiting = self._waiting(change, row.seq) if change.came else []
        if not losing and not waiting:
            return
        passage = Passage(self._document, change)
        for at in losing:
            _carry(self._anchors[at], passage, row)
        for at in waiting:
            if at not in losing and _return(self._anchors[at], passage):
                self.changed[at] = self._anchors[at]
        self.changed.update((at, self._anchors[at]) for at in losing)
        self._index()

    def settle(self, row: Row) -> None:
        """Look for anchors whose characters the document does not show and never showed.

        That happens where the log between their version and *row* is gone: only the words and
        what stood beside them, in one single place, tell where they are.
        """
        document = self._document
        lost = [
            at
            for at, anchor in enumerate(self._anchors)
            if not anchor.orphaned
            and anchor.first
            and anchor.last
            and not (document.shows(anchor.first) and document.shows(anchor.last))
        ]
        if not lost:
            return
        runs = [run for root in document.roots for run in document.runs(root)]
        text = "".join(run.text for run in runs)
        ids = [(run.client, run.clock + at) for run in runs for at in range(len(run.text))]
        for at in lost:
            anchor = self._anchors[at]
            # What a text shows between blocks is no character of the document.
            before, words, after = (
                part.replace("\n", "") for part in (anchor.before, anchor.quote, anchor.after)
            )
            sought = before + words + after
            self.changed[at] = anchor
            anchor.cuts = []
            anchor.generation += 1
            if text.count(sought) == 1:
                start = text.index(sought) + len(before)
                anchor.pieces = pieces_of(ids[start : start + len(words)])
                anchor.first, anchor.last = ids[start], ids[start + len(words) - 1]
                anchor.status = AnchorStatus.RECOVERED
            else:
                anchor.pieces, anchor.first, anchor.last = [], None, None
                anchor.status = AnchorStatus.ORPHANED
                anchor.deleted_at, anchor.deleted_by = row.at, row.by
        self._index()

    def _index(self) -> None:
        pieces: dict[int, list[tuple[int, int, int]]] = {}
        for at, anchor in enumerate(self._anchors):
            for client, clock, size in anchor.pieces:
                pieces.setdefault(client, []).append((clock, clock + size, at))
        self._pieces = {client: sorted(own) for client, own in pieces.items()}

    def _losing(self, change: Change, seq: int) -> list[int]:
        """Return anchors that this change took characters of."""
        gone = Ranges(change.gone)
        found = {
            at
            for client, own in self._pieces.items()
            if client in change.gone
            for first, end, at in own
            if gone.touch(client, first, end)
        }
        return sorted(at for at in found if self._anchors[at].followed_seq < seq)

    def _waiting(self, change: Change, seq: int) -> list[int]:
        """Return anchors whose cut words may be among what came."""
        came = max(end - first for own in change.came.values() for first, end in own)
        return [
            at
            for at, anchor in enumerate(self._anchors)
            if anchor.followed_seq < seq and any(len(cut.words) <= came for cut in anchor.cuts)
        ]


def _carry(anchor: Held, passage: Passage, row: Row) -> None:
    """Put an anchor on those of its characters that are still there."""
    before = sorted(
        offset
        for ident in ids_in(anchor.pieces)
        if (offset := passage.old_offset(ident)) is not None
    )
    ends = (passage.old_offset(ident) for ident in (anchor.first, anchor.last) if ident)
    lost_end = any(end is not None and not passage.carried(end) for end in ends)
    now = {offset: carried for offset in before if (carried := passage.carried(offset))}
    _remember(anchor, passage, [offset for offset in before if offset not in now])
    words = "".join(passage.after[after] for after, _ in now.values())
    if not _says_something(words, anchor.quote):
        _orphan(anchor, passage, row, before)
        return
    _stand(anchor, passage, [after for after, _ in now.values()])
    if (
        lost_end
        or anchor.living < EXACT_SHARE_MIN * len(anchor.quote)
        or any(sameness is Sameness.WORDS for _, sameness in now.values())
    ):
        anchor.status = AnchorStatus.RECOVERED


def _orphan(anchor: Held, passage: Passage, row: Row, before: Sequence[int]) -> None:
    anchor.first = anchor.last = passage.neighbour(before[0]) if before else None
    anchor.status = AnchorStatus.ORPHANED
    anchor.pieces = []
    anchor.deleted_at, anchor.deleted_by = row.at, row.by


def _stand(anchor: Held, passage: Passage, after: Iterable[int]) -> None:
    """Put an anchor on the characters at *after*, and show it where most of them are."""
    offsets = sorted(after)
    anchor.pieces = pieces_of(map(passage.new_id, offsets))
    together = _together(offsets, len(anchor.quote))
    ends = passage.new_id(together[0]), passage.new_id(together[-1])
    if (anchor.first, anchor.last) != ends or anchor.orphaned:
        anchor.generation += 1
    anchor.first, anchor.last = ends
    if len(together) < len(offsets) or anchor.orphaned:
        anchor.status = AnchorStatus.RECOVERED
    anchor.deleted_at = anchor.deleted_by = None


def _together(offsets: Sequence[int], size: int) -> list[int]:
    """Return those of *offsets* that are together: the most where they parted."""
    apart = max(APART_CHARS_MAX, size)
    groups: list[list[int]] = []
    for offset in offsets:
        if not groups or offset - groups[-1][-1] > apart:
            groups.append([])
        groups[-1].append(offset)
    return max(groups, key=len)


def _says_something(words: str, quote: str) -> bool:
    """Whether what is left of an anchor is more than punctuation."""
    return any(map(str.isalnum, words)) or (bool(words) and not any(map(str.isalnum, quote)))


def _remember(anchor: Held, passage: Passage, missing: Sequence[int]) -> None:
    """Keep what was cut out of an anchor, with what was deleted around it."""
    regions: dict[tuple[int, int], list[int]] = {}
    for offset in missing:
        regions.setdefault(passage.deleted_around(offset), []).append(offset)
    for region, offsets in regions.items():
        words = "".join(passage.before[offset] for offset in offsets)
        if not any(map(str.isalnum, words)):
            continue
        start, end = offsets[0], offsets[-1] + 1
        first, last = max(region[0], start - CUT_SIDE_CHARS), min(region[1], end + CUT_SIDE_CHARS)
        cut = Cut(
            text=passage.before[first:last],
            spans=list(_spans(offset - first for offset in offsets)),
            before=passage.before[max(0, start - RETURN_SIDE_CHARS) : start],
            after=passage.before[end : end + RETURN_SIDE_CHARS],
        )
        anchor.cuts = [*anchor.cuts, cut][-CUTS_MAX:]


def _spans(offsets: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield ranges of neighbouring *offsets*, which are sorted."""
    run: tuple[int, int] | None = None
    for offset in offsets:
        if run and run[1] == offset:
            run = run[0], offset + 1
            continue
        if run:
            yield run
        run = offset, offset + 1
    if run:
        yield run


def _return(anchor: Held, passage: Passage) -> bool:
    """Put an anchor on its words if they came back; returns whether it changed."""
    found: set[int] = set()
    left: list[Cut] = []
    for cut in anchor.cuts:
        start = _place_of(cut, passage)
        if start is not None:
            found.update(start + at for span in cut.spans for at in range(*span))
        elif pieces := _pieces_of(cut, passage):
            found.update(pieces)
        else:
            left.append(cut)
    if not found:
        return False
    living = (passage.new_offset(ident) for ident in ids_in(anchor.pieces))
    _stand(anchor, passage, found.union(offset for offset in living if offset is not None))
    anchor.status, anchor.cuts = AnchorStatus.RECOVERED, left
    return True


def _place_of(cut: Cut, passage: Passage) -> int | None:
    """Return where the passage of *cut* begins again; None where its words did not come back."""
    text, words = passage.after, cut.words
    if not any(words in text[first:end] for first, end in passage.came):
        return None
    if len(cut.text.strip()) >= RETURN_CHARS_MIN:
        places = list(_in_what_came(cut.text, cut.start, len(words), passage))
        if len(places) == 1:
            return places[0]
    for sought, offset in ((cut.before + words, len(cut.before)), (words + cut.after, 0)):
        if len(sought) >= RETURN_SIDE_CHARS and text.count(sought) == 1:
            at = text.find(sought) + offset
            if any(first <= at and at + len(words) <= end for first, end in passage.came):
                return at - cut.start
    return None


def _pieces_of(cut: Cut, passage: Passage) -> list[int]:
    """Return where characters of *cut* came back in pieces, if most of them did."""
    new = "".join(passage.after[first:end] for first, end in passage.came)
    places = [at for first, end in passage.came for at in range(first, end)]
    wanted = {at for span in cut.spans for at in range(*span)}
    found = [
        places[k + at]
        for i, k, size in long_stretches(cut.text, new)
        for at in range(size)
        if i + at in wanted
    ]
    return found if len(found) >= RETURN_SHARE_MIN * len(wanted) else []


def _in_what_came(sought: str, offset: int, size: int, passage: Passage) -> Iterator[int]:
    """Yield where *sought* stands so that the *size* characters from *offset* on are new."""
    for first, end in passage.came:
        begin = max(0, first - offset)
        until = end - offset - size + len(sought)
        at = passage.after.find(sought, begin, until)
        while at >= 0:
            yield at
            at = passage.after.find(sought, at + 1, until)
