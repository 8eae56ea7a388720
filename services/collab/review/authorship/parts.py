"""Stretches of a log as clocks with their edits, in columns that are small to keep. No I/O."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

import zstandard

from libs.contracts.collab.yprotocol import Malformed, read_varuint, varuint
from services.collab.review.authorship.clocks import Clocks
from services.collab.review.authorship.rewriting import Copy

KEPT_TIME_S = 600
"""Parts that outlive the log join edits of one author within this time."""
ZSTD_LEVEL = 19
"""Written once and kept for ever; a day of writing is some hundred bytes."""
PART_BYTES_MAX = 64 << 20
"""Of a kept part, decompressed: more than any log that is compacted at once can make."""

type By = tuple[UUID, UUID | None]
"""A person or an agent, and the run in which they wrote."""


def _column() -> "array[int]":
    return array("q")


@dataclass(slots=True)
class Part:
    """Clocks and the edits that brought them: position i of each column is one stretch."""

    clients: "array[int]" = field(default_factory=_column)
    firsts: "array[int]" = field(default_factory=_column)
    sizes: "array[int]" = field(default_factory=_column)
    seqs: "array[int]" = field(default_factory=_column)
    times_ms: "array[int]" = field(default_factory=_column)
    """Milliseconds since 1970."""
    authors: "array[int]" = field(default_factory=_column)
    """Positions in `people`."""
    people: list[By] = field(default_factory=list[By])
    copies: dict[int, list[Copy]] = field(default_factory=dict[int, list[Copy]])
    """Text that an edit wrote again, by the position of the edit's first stretch."""

    def __len__(self) -> int:
        """How many stretches there are."""
        return len(self.clients)

    def add(self, clocks: Clocks, seq: int, time_ms: int, author: int) -> None:
        """Append a stretch."""
        client, first, end = clocks
        self.clients.append(client)
        self.firsts.append(first)
        self.sizes.append(end - first)
        self.seqs.append(seq)
        self.times_ms.append(time_ms)
        self.authors.append(author)

    def columns(self) -> "tuple[array[int], ...]":
        """Return all columns, in the order in which they are kept."""
        return self.clients, self.firsts, self.sizes, self.seqs, self.times_ms, self.authors


@dataclass(frozen=True, slots=True)
class Edit:
    """The known facts about an edit."""

    seq: int
    time_ms: int
    by: By


type Piece = tuple[int, int, Edit | None]
"""The first of some clocks, the one after the last, and their edit; None where it is not known."""


class _Lane:
    """The clocks of one client, in order, without overlaps."""

    __slots__ = ("edits", "ends", "firsts")

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.ends: list[int] = []
        self.edits: list[int] = []

    def add(self, first: int, end: int, edit: int) -> None:
        """Take in what is not known yet of *first* to *end*."""
        if not self.ends or first >= self.ends[-1]:
            self.firsts.append(first)
            self.ends.append(end)
            self.edits.append(edit)
            return
        at = bisect_right(self.ends, first)
        while first < end:
            stop = end if at == len(self.firsts) else min(end, self.firsts[at])
            if first < stop:
                self.firsts.insert(at, first)
                self.ends.insert(at, stop)
                self.edits.insert(at, edit)
                at += 1
            if at == len(self.firsts):
                return
            first = self.ends[at]
            at += 1


class Origins:
    """The first edit that brought each clock."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lanes: dict[int, _Lane] = {}
        self._edits = Part()
        self._people: dict[By, int] = {}

    @classmethod
    def of(cls, parts: Iterable[Part]) -> "Origins":
        """Take in *parts*, the oldest first."""
        origins = cls()
        for part in parts:
            origins.take(part)
        return origins

    def take(self, part: Part, before: "Origins | None" = None) -> None:
        """Take in what *part* brings that was not there, with what it copied from *before*."""
        people = [self._person(by) for by in part.people]
        lanes, edits = self._lanes, self._edits
        began = len(edits)
        for mine, other in zip(edits.columns()[:5], part.columns()[:5], strict=True):
            mine.extend(other)
        edits.authors.extend(people[author] for author in part.authors)
        copies = part.copies
        columns = zip(part.clients, part.firsts, part.sizes, strict=True)
        for at, (client, first, size) in enumerate(columns):
            if copies and at in copies:
                for copy in copies[at]:
                    self._copy(copy, before)
            lane = lanes.get(client)
            if lane is None:
                lane = lanes[client] = _Lane()
            lane.add(first, first + size, began + at)

    def _copy(self, copy: Copy, before: "Origins | None") -> None:
        lane = self._lanes.setdefault(copy.client, _Lane())
        shift = copy.clock - copy.old_clock
        end = copy.old_clock + copy.size
        for first, stop, number in [*self._numbers(copy.old_client, copy.old_clock, end)]:
            if number is not None:
                lane.add(first + shift, stop + shift, number)
                continue
            for begin, until, edit in before.pieces(copy.old_client, first, stop) if before else ():
                if edit is not None:
                    lane.add(begin + shift, until + shift, len(self._edits))
                    clocks = copy.client, begin + shift, until + shift
                    self._edits.add(clocks, edit.seq, edit.time_ms, self._person(edit.by))

    def pieces(self, client: int, first: int, end: int) -> Iterator[Piece]:
        """Yield whence *first* to *end* of *client* come, in order and without gaps."""
        for begin, stop, number in self._numbers(client, first, end):
            yield begin, stop, None if number is None else self._edit(number)

    def _numbers(self, client: int, first: int, end: int) -> Iterator[tuple[int, int, int | None]]:
        lane = self._lanes.get(client)
        if lane is not None:
            at = bisect_right(lane.ends, first)
            while first < end and at < len(lane.firsts) and lane.firsts[at] < end:
                if first < lane.firsts[at]:
                    yield first, lane.firsts[at], None
                    first = lane.firsts[at]
                stop = min(end, lane.ends[at])
                yield first, stop, lane.edits[at]
                first, at = stop, at + 1
        if first < end:
            yield first, end, None

    def stretches(self) -> Iterator[tuple[Clocks, Edit]]:
        """Yield all clocks with their edits, by client and clock."""
        for client in sorted(self._lanes):
            lane = self._lanes[client]
            for first, end, edit in zip(lane.firsts, lane.ends, lane.edits, strict=True):
                yield (client, first, end), self._edit(edit)

    def _person(self, by: By) -> int:
        number = self._people.get(by)
        if number is None:
            number = self._people[by] = len(self._edits.people)
            self._edits.people.append(by)
        return number

    def _edit(self, number: int) -> Edit:
        edits = self._edits
        by = edits.people[edits.authors[number]]
        return Edit(edits.seqs[number], edits.times_ms[number], by)


def coalesced(
    parts: Iterable[Part], before: Iterable[Part] = (), within_s: int = KEPT_TIME_S
) -> Part:
    """Return *parts* as one, with neighbouring clocks of one author joined within *within_s*.

    What they copied from *before*, parts of the same log, is of its first author.
    """
    known, origins = Origins.of(before), Origins()
    for part in parts:
        origins.take(part, known)
    found, numbers = Part(), dict[By, int]()
    began_ms = 0
    for clocks, edit in origins.stretches():
        client, first, end = clocks
        number = numbers.setdefault(edit.by, len(numbers))
        if (
            found
            and found.clients[-1] == client
            and found.firsts[-1] + found.sizes[-1] == first
            and found.authors[-1] == number
            and 0 <= edit.time_ms - began_ms <= within_s * 1000
        ):
            found.sizes[-1] += end - first
            found.seqs[-1] = max(found.seqs[-1], edit.seq)
            found.times_ms[-1] = max(found.times_ms[-1], edit.time_ms)
            continue
        found.add(clocks, edit.seq, edit.time_ms, number)
        began_ms = edit.time_ms
    found.people = list(numbers)
    return found


_NO_RUN = bytes(16)


def packed(part: Part) -> bytes:
    """Return *part* as compressed bytes: people, then each column as differences."""
    out = bytearray(varuint(len(part.people)))
    for author, run in part.people:
        out += author.bytes + (run.bytes if run else _NO_RUN)
    out += varuint(len(part))
    for column in part.columns():
        before = 0
        for value in column:
            step = value - before
            out += varuint(step << 1 if step >= 0 else (-step << 1) - 1)
            before = value
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compress(bytes(out))


def unpacked(body: bytes) -> Part | None:
    """Return what `packed` made *body* of; None when it is damaged."""
    try:
        if zstandard.frame_content_size(body) > PART_BYTES_MAX:
            return None
        return _read(zstandard.decompress(body, max_output_size=PART_BYTES_MAX))
    except (zstandard.ZstdError, Malformed, IndexError, ValueError, OverflowError):
        return None


def _read(data: bytes) -> Part:
    part = Part()
    count, at = read_varuint(data, 0)
    for _ in range(count):
        run = data[at + 16 : at + 32]
        part.people.append((UUID(bytes=data[at : at + 16]), UUID(bytes=run) if any(run) else None))
        at += 32
    count, at = read_varuint(data, at)
    for column in part.columns():
        value = 0
        for _ in range(count):
            step, at = read_varuint(data, at)
            value += -((step + 1) >> 1) if step & 1 else step >> 1
            column.append(value)
    if part.authors and not 0 <= min(part.authors) <= max(part.authors) < len(part.people):
        raise Malformed("an author that is not named")
    return part
