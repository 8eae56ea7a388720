"""Reading the log with every event's place in its chain checked."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.events.event import Event
from libs.postgres import Connection, load_queries
from services.events.integrity.chain import (
    Beginning,
    Chain,
    Decision,
    Finding,
    Head,
    Stored,
    content_bytes,
    digest,
    erased_link,
    stored_of,
)
from services.events.model.aggregate import Row
from services.events.model.aggregates import AGGREGATES
from services.events.model.beginning import row_of

SQL = load_queries("services.events.integrity")

PAGE_AGGREGATES_MAX = 2000
PAGE_EVENTS = 10_000
PIECE_EVENTS_MAX = 500
"""Checked between two looks at the rest of the process: a few milliseconds."""

_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of an aggregate's trusted events.

    Args:
        head: The end of its chain.
        events: In order.
        first: Whether they are the first.
        last: Whether they are the last; then *findings* is what is wrong with others.
        findings: None before that.
        beginning: What was before the first of all, when that was forgotten.
    """

    head: Head
    events: Sequence[Stored]
    first: bool
    last: bool
    findings: Sequence[Finding] = ()
    beginning: Beginning | None = None

    @property
    def before(self) -> Row | None:
        """The row of the aggregate before the first of all its events."""
        if self.beginning is None or self.beginning.row is None:
            return None
        return row_of(AGGREGATES[self.head.aggregate_type], self.beginning.row)


@dataclass(frozen=True, slots=True)
class Sound:
    """Events that continue their chains, in the order given, and what was found on the way."""

    events: list[Stored]
    findings: list[Finding] = field(default_factory=list[Finding])


def head_of(row: asyncpg.Record) -> Head:
    """Return a row of `aggregates` as the end of a chain."""
    return Head(**dict(row))


async def heads(
    connection: Connection,
    after: Head | tuple[UUID, UUID] | None,
    *,
    project_id: UUID | None = None,
    events: int = PAGE_EVENTS,
) -> list[Head]:
    """Return the next page of chains, together of about *events* events."""
    if isinstance(after, Head):
        after = (after.project_id, after.aggregate_id)
    rows = await connection.fetch(
        SQL.heads, *(after or (_FIRST, _FIRST)), project_id, PAGE_AGGREGATES_MAX, events
    )
    return [head_of(row) for row in rows]


async def decisions_of(
    connection: Connection, ids: Sequence[UUID]
) -> dict[UUID, dict[int, Decision]]:
    """Return what people decided about events of some aggregates, by version."""
    found: dict[UUID, dict[int, Decision]] = {}
    for row in await connection.fetch(SQL.decisions, ids):
        given = row["recovered"]
        recovered = stored_of(Event.model_validate(given)) if given else None
        decision = Decision(row["state"], recovered)
        found.setdefault(row["aggregate_id"], {})[row["version"]] = decision
    return found


async def beginnings_of(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Beginning]:
    """Return where those of some aggregates begin whose first events were forgotten."""
    rows = await connection.fetch(SQL.beginnings, ids)
    return {
        row["aggregate_id"]: Beginning(row["version"], row["checksum"], row["row"]) for row in rows
    }


async def read(connection: Connection, chains: Sequence[Head]) -> AsyncGenerator[Piece]:
    """Yield the events of some aggregates, one aggregate after the other, only trusted ones.

    Needs a transaction that sees one moment (repeatable read), or an append meanwhile would look
    like a flaw.
    """
    wanted = {head.aggregate_id: head for head in chains}
    decided = await decisions_of(connection, list(wanted))
    beginnings = await beginnings_of(connection, list(wanted))
    walk: Chain | None = None
    seen: set[UUID] = set()
    shown: set[UUID] = set()
    trusted: list[Stored] = []

    def begun(aggregate_id: UUID) -> Chain:
        head = wanted[aggregate_id]
        seen.add(aggregate_id)
        chain = Chain(head.project_id, aggregate_id, decided.get(aggregate_id, {}))
        if beginning := beginnings.get(aggregate_id):
            chain.begin_after(beginning.version, beginning.checksum)
        return chain

    def piece(chain: Chain, events: list[Stored], *, last: bool = False) -> Piece:
        key = chain.aggregate_id
        first = key not in shown
        shown.add(key)
        findings = chain.findings if last else ()
        return Piece(wanted[key], events, first, last, findings, beginnings.get(key))

    def ended(chain: Chain, rest: list[Stored]) -> Piece:
        return piece(chain, [*rest, *chain.end(wanted[chain.aggregate_id])], last=True)

    cursor = await connection.cursor(SQL.events_of, list(wanted))
    while rows := await cursor.fetch(PIECE_EVENTS_MAX):
        for row in rows:
            event = Stored._make(row)
            if walk is None or walk.aggregate_id != event.aggregate_id:
                if walk is not None:
                    yield ended(walk, trusted)
                walk, trusted = begun(event.aggregate_id), []
            trusted += walk.follow(event)
        if walk is not None and trusted:
            yield piece(walk, trusted)
            trusted = []
    if walk is not None:
        yield ended(walk, trusted)
    # Chains none of whose events is there any more.
    for aggregate_id in wanted.keys() - seen:
        yield ended(begun(aggregate_id), [])


async def examine(connection: Connection, ids: Iterable[UUID]) -> Sound:
    """Read some aggregates whole; same demand on the transaction as `read`."""
    chains = [head_of(row) for row in await connection.fetch(SQL.heads_of, list(ids))]
    whole = Sound([])
    async for piece in read(connection, chains):
        whole.events.extend(piece.events)
        whole.findings.extend(piece.findings)
    return whole


async def sound(connection: Connection, events: Sequence[Stored]) -> Sound:
    """Return those of *events* that continue their chains, with what was decided about others.

    Looks only at their predecessors; an aggregate that has a misfit is read whole. Same demand on
    the transaction as `read`.
    """
    known = {(e.aggregate_id, e.version): e.checksum for e in events}
    before = [(e.aggregate_id, e.version - 1) for e in events if e.version > 1]
    unknown = [place for place in before if place not in known]
    rows = await connection.fetch(SQL.checksums, [u[0] for u in unknown], [u[1] for u in unknown])
    known |= {(row["aggregate_id"], row["version"]): row["checksum"] for row in rows}
    misfits = {event.aggregate_id for event in events if not _fits(event, known)}
    if not misfits:
        return Sound(list(events))
    whole = await examine(connection, misfits)
    trusted = {(e.aggregate_id, e.version): e for e in whole.events}
    kept = (
        trusted.get((e.aggregate_id, e.version)) if e.aggregate_id in misfits else e for e in events
    )
    return Sound([event for event in kept if event], whole.findings)


async def since(
    connection: Connection, project_id: UUID, bases: Mapping[UUID, int]
) -> dict[UUID, list[Stored]]:
    """Return all that happened to aggregates after given versions, in order.

    The aggregates must be held, so that nothing happens to them meanwhile.

    Raises:
        errors.Conflict: Some of it is damaged or lost, and nobody has decided about that, or was
            forgotten: what others did is not known, so that nothing can be decided by it.
    """
    rows = await connection.fetch(SQL.since, project_id, list(bases), list(bases.values()))
    ends = await connection.fetch(SQL.heads_of, list(bases))
    counts = {row["aggregate_id"]: row["version"] - bases[row["aggregate_id"]] for row in ends}
    found = _by_version((await sound(connection, stored_rows(rows))).events)
    torn = [key for key, count in counts.items() if len(found.get(key, ())) < count]
    if torn:  # what a person brought back may be in no row
        whole = (await examine(connection, torn)).events
        found |= _by_version(e for e in whole if e.version > bases[e.aggregate_id])
    torn = [key for key in torn if len(found.get(key, ())) < counts[key]]
    beginnings = await beginnings_of(connection, torn)
    if any(bases[key] < beginning.version for key, beginning in beginnings.items()):
        raise errors.Conflict("What happened since the base version was forgotten; read it anew.")
    if torn:
        raise errors.Conflict(
            "An event since the base version is damaged or lost; an operator must decide."
        )
    return {key: [*events.values()] for key, events in found.items()}


def _by_version(events: Iterable[Stored]) -> dict[UUID, dict[int, Stored]]:
    found: dict[UUID, dict[int, Stored]] = {}
    for event in events:
        found.setdefault(event.aggregate_id, {})[event.version] = event
    return found


def _fits(event: Stored, checksums: Mapping[tuple[UUID, int], str]) -> bool:
    link = checksums.get((event.aggregate_id, event.version - 1)) if event.version > 1 else ""
    if link is None:
        link = erased_link(event)
    return link is not None and event.checksum == digest(link, content_bytes(event))


def stored_rows(rows: Iterable[asyncpg.Record]) -> list[Stored]:
    """Return rows of the log, with or without more columns."""
    return [Stored(*(row[name] for name in Stored._fields)) for row in rows]
