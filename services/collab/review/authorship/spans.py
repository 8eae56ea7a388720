"""Spans of a text by their authors. No I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.collab.review.authorship.clocks import Clocks
from services.collab.review.authorship.parts import By, Edit, Origins, Part, coalesced
from services.collab.review.authorship.places import Offsets
from services.collab.review.characters import Run


@dataclass(frozen=True, slots=True)
class Bounds:
    """Authors beyond the log, and the clocks that the requested version reaches."""

    seq: int
    time_ms: int | None = None
    """When version *seq* came to be; None when it is not known."""
    fallback: Edit | None = None
    """The edit of whatever no row names: the only author there can be. None when there is none."""


@dataclass(slots=True)
class Span:
    """Text by one author in one run; `seq` and `time_ms` are those of its newest edit."""

    start: int
    end: int
    by: By | None
    seq: int | None = None
    time_ms: int | None = None


def spans_of(runs: Iterable[Run], origins: Origins, bounds: Bounds) -> list[Span]:
    """Return the spans of *runs* in raw characters, neighbours of one author joined."""
    found: list[Span] = []
    at = 0
    for run in runs:
        for first, end, edit in origins.pieces(run.client, run.clock, run.clock + len(run.text)):
            size = end - first
            _take(found, at, at + size, edit or bounds.fallback, bounds)
            at += size
    return found


def _take(found: list[Span], start: int, end: int, edit: Edit | None, bounds: Bounds) -> None:
    """Append a span or lengthen the last one."""
    by = edit.by if edit else None
    last = found[-1] if found else None
    if last is None or last.by != by:
        last = Span(start, end, by)
        found.append(last)
    last.end = end
    if edit is not None and (last.seq is None or edit.seq > last.seq):
        # What is kept names the newest of several edits; a snapshot may stand between them.
        last.seq = min(edit.seq, bounds.seq)
        last.time_ms = edit.time_ms
        if bounds.time_ms is not None:
            last.time_ms = min(edit.time_ms, bounds.time_ms)


def placed(found: Iterable[Span], offsets: Offsets) -> list[Span]:
    """Return spans in offsets of the text; those that show nothing in it are left out."""
    shown: list[Span] = []
    reached = 0
    for span in found:
        start = max(offsets(span.start), reached)
        # Behind the last character, for a line may end there; or where the next one stands, when
        # the last one is not shown.
        end = min(offsets(span.end - 1) + 1, offsets(span.end))
        if start >= end:
            continue
        reached = end
        last = shown[-1] if shown else None
        if last is None or last.by != span.by:
            shown.append(Span(start, end, span.by, span.seq, span.time_ms))
            continue
        last.end = end
        if (span.seq or 0) > (last.seq or 0):
            last.seq, last.time_ms = span.seq, span.time_ms
    return shown


def earliest(parts: Sequence[Part]) -> Origins:
    """Return the edits of several logs, a part for each, that brought each clock first in time."""
    ordered = sorted(
        (time_ms, number, at)
        for number, part in enumerate(parts)
        for at, time_ms in enumerate(part.times_ms)
    )
    part, numbers = Part(), dict[By, int]()
    for _, number, at in ordered:
        one = parts[number]
        author = numbers.setdefault(one.people[one.authors[at]], len(numbers))
        clocks = one.clients[at], one.firsts[at], one.firsts[at] + one.sizes[at]
        part.add(clocks, one.seqs[at], one.times_ms[at], author)
    part.people = list(numbers)
    return Origins.of([part])


def together(logs: Sequence[Sequence[Part]], born_seq: int | None) -> Origins:
    """Return the edits of the first of *logs*, of which the others are a part; see `rebased`."""
    resolved: list[Part] = []
    for at, parts in enumerate(logs):
        # Text that is written again in one of them may have been written first in another.
        before = [part for other in (*logs[:at], *logs[at + 1 :]) for part in other]
        resolved.append(coalesced(parts, before, within_s=0))
    return rebased(Origins.of(resolved[:1]), earliest(resolved[1:]), born_seq)


def rebased(own: Origins, others: Origins, born_seq: int | None) -> Origins:
    """Return *own* with authors and times of edits of *others* that brought the same before.

    A merged branch brings what others wrote there. A branch begins with what the scene's authors
    wrote, as its version *born_seq*; it is None when the document is no branch.
    """
    part, numbers = Part(), dict[By, int]()

    def add(clocks: Clocks, seq: int, edit: Edit) -> None:
        number = numbers.setdefault(edit.by, len(numbers))
        part.add(clocks, seq, edit.time_ms, number)

    for (client, first, end), edit in own.stretches():
        for begin, stop, other in others.pieces(client, first, end):
            before = other is not None and other.time_ms < edit.time_ms
            add((client, begin, stop), edit.seq, other if other and before else edit)
    if born_seq is not None:
        for (client, first, end), edit in others.stretches():
            for begin, stop, known in own.pieces(client, first, end):
                if known is None:
                    add((client, begin, stop), born_seq, edit)
    part.people = list(numbers)
    return Origins.of([part])
