"""Reading the log; the place of every event in its chain is checked."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.events.event import Event
from libs.postgres import Connection, Pool
from services.events.model.aggregate import Row
from services.events.model.aggregates import AGGREGATES
from services.events.model.beginning import row_from_json
from services.events.model.chain import (
    AggregateHead,
    Chain,
    ChainFinding,
    ChainStart,
    LogRow,
    QuarantineDecision,
    content_bytes,
    digest,
    log_row_of,
    purged_link,
)
from services.events.store.statements import SQL

PAGE_AGGREGATES_MAX = 2000
PAGE_EVENTS = 10_000
PIECE_EVENTS_MAX = 500
"""Events that are checked before other tasks of the process get their turn: a few ms."""

_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class ChainPiece:
    """A part of the trusted events of an aggregate.

    Args:
        head: The end of its chain.
        events: The events, in order.
        first: Whether they are the first of the aggregate.
        last: Whether they are the last.
        findings: The corrupt events of the aggregate; empty before the last part.
        beginning: The start of the chain, if its first events were deleted.
    """

    head: AggregateHead
    events: Sequence[LogRow]
    first: bool
    last: bool
    findings: Sequence[ChainFinding] = ()
    beginning: ChainStart | None = None

    @property
    def before(self) -> Row | None:
        """The row of the aggregate before the first of all its events."""
        if self.beginning is None or self.beginning.row is None:
            return None
        return row_from_json(AGGREGATES[self.head.aggregate_type], self.beginning.row)


@dataclass(frozen=True, slots=True)
class CheckedEvents:
    """Events that continue their chains, in the given order, and findings about others."""

    events: list[LogRow]
    findings: list[ChainFinding] = field(default_factory=list[ChainFinding])


def head_of(row: asyncpg.Record) -> AggregateHead:
    """Return a row of `aggregates` as the end of a chain."""
    return AggregateHead(**dict(row))


async def heads_of(connection: Connection, ids: Iterable[UUID]) -> list[AggregateHead]:
    """Return the ends of the chains of some aggregates, of those that the log knows."""
    return [head_of(row) for row in await connection.fetch(SQL.chain_heads, list(ids))]


async def count_lost_heads(connection: Connection | Pool, project_id: UUID | None = None) -> int:
    """Return how many aggregates of a project, or of all, have events but no end of their chain."""
    return await connection.fetchval(SQL.lost_chain_heads, project_id) or 0


async def log_size(connection: Connection, project_id: UUID | None = None) -> tuple[int, int]:
    """Return how many aggregates and how many events there are in a project, or in all."""
    row = await connection.fetchrow(SQL.log_size, project_id)
    assert row is not None
    return row["aggregates"], row["events"]


async def stored_rows_of(connection: Connection, aggregate_id: UUID) -> list[LogRow]:
    """Return the rows of an aggregate in the order of versions, unchecked."""
    return log_rows(await connection.fetch(SQL.events_of_chains, [aggregate_id]))


async def read_heads(
    connection: Connection,
    after: AggregateHead | tuple[UUID, UUID] | None,
    *,
    project_id: UUID | None = None,
    events: int = PAGE_EVENTS,
) -> list[AggregateHead]:
    """Return the next page of chains, together of about *events* events."""
    if isinstance(after, AggregateHead):
        after = (after.project_id, after.aggregate_id)
    rows = await connection.fetch(
        SQL.chain_heads_page, *(after or (_FIRST, _FIRST)), project_id, PAGE_AGGREGATES_MAX, events
    )
    return [head_of(row) for row in rows]


async def decisions_of(
    connection: Connection, ids: Sequence[UUID]
) -> dict[UUID, dict[int, QuarantineDecision]]:
    """Return the decisions of people about events of some aggregates, by version."""
    found: dict[UUID, dict[int, QuarantineDecision]] = {}
    for row in await connection.fetch(SQL.chain_decisions, ids):
        given = row["recovered"]
        recovered = log_row_of(Event.model_validate(given)) if given else None
        decision = QuarantineDecision(row["state"], recovered)
        found.setdefault(row["aggregate_id"], {})[row["version"]] = decision
    return found


async def chain_starts_of(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, ChainStart]:
    """Return the starts of the chains whose first events were deleted."""
    rows = await connection.fetch(SQL.chain_starts, ids)
    return {
        row["aggregate_id"]: ChainStart(row["version"], row["checksum"], row["row"]) for row in rows
    }


async def read_chains(
    connection: Connection, chains: Sequence[AggregateHead]
) -> AsyncGenerator[ChainPiece]:
    """Yield the trusted events of some aggregates, one aggregate after the other.

    It needs a repeatable-read transaction; otherwise a concurrent append would look
    like a flaw.
    """
    wanted = {head.aggregate_id: head for head in chains}
    decided = await decisions_of(connection, list(wanted))
    beginnings = await chain_starts_of(connection, list(wanted))
    walk: Chain | None = None
    seen: set[UUID] = set()
    shown: set[UUID] = set()
    trusted: list[LogRow] = []

    def begun(aggregate_id: UUID) -> Chain:
        head = wanted[aggregate_id]
        seen.add(aggregate_id)
        chain = Chain(head.project_id, aggregate_id, decided.get(aggregate_id, {}))
        if beginning := beginnings.get(aggregate_id):
            chain.begin_after(beginning.version, beginning.checksum)
        return chain

    def piece(chain: Chain, events: list[LogRow], *, last: bool = False) -> ChainPiece:
        key = chain.aggregate_id
        first = key not in shown
        shown.add(key)
        findings = chain.findings if last else ()
        return ChainPiece(wanted[key], events, first, last, findings, beginnings.get(key))

    def ended(chain: Chain, rest: list[LogRow]) -> ChainPiece:
        return piece(chain, [*rest, *chain.end(wanted[chain.aggregate_id])], last=True)

    cursor = await connection.cursor(SQL.events_of_chains, list(wanted))
    while rows := await cursor.fetch(PIECE_EVENTS_MAX):
        for row in rows:
            event = LogRow._make(row)
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
    # Chains without any remaining event.
    for aggregate_id in wanted.keys() - seen:
        yield ended(begun(aggregate_id), [])


async def read_whole_chains(connection: Connection, ids: Iterable[UUID]) -> CheckedEvents:
    """Read all events of some aggregates; needs the same transaction as `read_chains`."""
    chains = await heads_of(connection, ids)
    whole = CheckedEvents([])
    async for piece in read_chains(connection, chains):
        whole.events.extend(piece.events)
        whole.findings.extend(piece.findings)
    return whole


async def check_events(connection: Connection, events: Sequence[LogRow]) -> CheckedEvents:
    """Return the events that continue their chains; decisions of people count.

    Only their predecessors are read; an aggregate with a corrupt event is read completely. It needs
    the same transaction as `read_chains`.
    """
    known = {(e.aggregate_id, e.version): e.checksum for e in events}
    before = [(e.aggregate_id, e.version - 1) for e in events if e.version > 1]
    unknown = [place for place in before if place not in known]
    rows = await connection.fetch(
        SQL.checksums_at, [u[0] for u in unknown], [u[1] for u in unknown]
    )
    known |= {(row["aggregate_id"], row["version"]): row["checksum"] for row in rows}
    misfits = {event.aggregate_id for event in events if not _fits(event, known)}
    if not misfits:
        return CheckedEvents(list(events))
    whole = await read_whole_chains(connection, misfits)
    trusted = {(e.aggregate_id, e.version): e for e in whole.events}
    kept = (
        trusted.get((e.aggregate_id, e.version)) if e.aggregate_id in misfits else e for e in events
    )
    return CheckedEvents([event for event in kept if event], whole.findings)


async def events_after(
    connection: Connection, project_id: UUID, bases: Mapping[UUID, int]
) -> dict[UUID, list[LogRow]]:
    """Return the events of aggregates after given versions, in order.

    The aggregates must be locked, so that no event is appended meanwhile.

    Raises:
        errors.Conflict: An event was deleted by retention, or is damaged or lost and no operator
            has decided about it: the changes of others are not known completely.
    """
    rows = await connection.fetch(SQL.events_after, project_id, list(bases), list(bases.values()))
    ends = await heads_of(connection, bases)
    counts = {head.aggregate_id: head.version - bases[head.aggregate_id] for head in ends}
    found = _by_version((await check_events(connection, log_rows(rows))).events)
    torn = [key for key, count in counts.items() if len(found.get(key, ())) < count]
    if torn:  # a recovered event may be in no row
        whole = (await read_whole_chains(connection, torn)).events
        found |= _by_version(e for e in whole if e.version > bases[e.aggregate_id])
    torn = [key for key in torn if len(found.get(key, ())) < counts[key]]
    beginnings = await chain_starts_of(connection, torn)
    if any(bases[key] < beginning.version for key, beginning in beginnings.items()):
        raise errors.Conflict(
            "The events since the base version were deleted by retention; read it again."
        )
    if torn:
        raise errors.Conflict(
            "An event since the base version is damaged or lost; an operator must decide about it."
        )
    return {key: [*events.values()] for key, events in found.items()}


def _by_version(events: Iterable[LogRow]) -> dict[UUID, dict[int, LogRow]]:
    found: dict[UUID, dict[int, LogRow]] = {}
    for event in events:
        found.setdefault(event.aggregate_id, {})[event.version] = event
    return found


def _fits(event: LogRow, checksums: Mapping[tuple[UUID, int], str]) -> bool:
    link = checksums.get((event.aggregate_id, event.version - 1)) if event.version > 1 else ""
    if link is None:
        link = purged_link(event)
    return link is not None and event.checksum == digest(link, content_bytes(event))


def log_rows(rows: Iterable[asyncpg.Record]) -> list[LogRow]:
    """Return rows of the log, with or without more columns."""
    return [LogRow(*(row[name] for name in LogRow._fields)) for row in rows]
