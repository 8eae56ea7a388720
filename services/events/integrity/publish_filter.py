"""Between the outbox and the stream: corrupt events are withheld, a lost stream is refilled."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from libs.bus import FilteredFacts, QueuedFact
from libs.contracts import subjects
from libs.contracts.events.integrity import RefillLeft, Republish, Republished
from libs.postgres import Connection, Pool, own_id
from services.events.integrity.quarantine import log_row_to_json, quarantine_findings
from services.events.integrity.store import SQL
from services.events.model.chain import LogRow, digest
from services.events.model.log import canonical_content
from services.events.store.log import read_whole_chains

log = structlog.get_logger(__name__)

REFILL_ROWS = 20_000
"""Facts that one statement queues."""

_AS_WRITTEN = re.compile(
    r'\{"aggregateId":"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})",.*'
    r',"version":(?P<version>[1-9][0-9]{0,17}),"checksum":"(?P<checksum>[0-9a-f]{64})"\}',
    re.DOTALL,
)
"""An announcement as `ChainedEvent.announced` makes it: the content that its checksum covers."""

_withheld = Counter("scriptorium_events_withheld_total", "Facts that were kept from subscribers.")
_refill = Gauge("scriptorium_events_refill_rows", "Facts that wait to be announced once more.")


class _FactLink(NamedTuple):
    """A fact as a link of its aggregate's chain.

    Args:
        aggregate_id: The aggregate.
        version: The version of the event.
        checksum: The checksum in the fact.
        text: The payload before the checksum; None when the checksum is not its last member.
        payload: The complete payload, as JSON.
    """

    aggregate_id: UUID
    version: int
    checksum: str
    text: str | None
    payload: str

    def continues(self, previous: str) -> bool:
        """Return whether the fact continues the checksum *previous*."""
        if self.text and self.checksum == digest(previous, f"{self.text}}}".encode()):
            return True
        # The payload may be another encoding of the same event, as one that was read from the log.
        said = json.loads(self.payload)
        return said.pop("checksum") == digest(previous, canonical_content(said))


class ChainPublishFilter:
    """Withholds facts of corrupt events from the relay."""

    def __init__(self, pool: Pool) -> None:
        """Compare facts with the log in *pool*."""
        self._pool = pool

    async def screen(self, connection: Connection, due: Sequence[QueuedFact]) -> FilteredFacts:
        """Return the facts that may be published, and the positions of the others.

        A payload that does not continue its chain is replaced by the event in the log, if that one
        does. Otherwise the fact is withheld, and with it every later fact of its aggregate, so
        that subscribers never see a gap. A decision releases them in their order.
        """
        links = [_link(each.payload) for each in due]
        misfits, waits = await self._look(connection, [link for link in links if link])
        if not misfits and not waits:
            return FilteredFacts(list(due), [])
        ids = list({link.aggregate_id for link in links if link})
        async with connection.transaction():
            # Read again with a lock, so that no fact is released in the meantime.
            waiting = {row["aggregate_id"] for row in await connection.fetch(SQL.withheld, ids)}
            trusted = await self._trusted(misfits)
            kept: list[QueuedFact] = []
            held: list[tuple[QueuedFact, UUID]] = []
            for each, link in zip(due, links, strict=True):
                if link is None:
                    kept.append(each)
                    continue
                owner, place = link.aggregate_id, (link.aggregate_id, link.version)
                if owner in waiting or (owner in misfits and place not in trusted):
                    waiting.add(owner)
                    held.append((each, owner))
                elif place in trusted:
                    kept.append(each.with_payload(json.dumps(log_row_to_json(trusted[place]))))
                else:
                    kept.append(each)
            await connection.execute(
                SQL.withhold, [each.event_id for each, _ in held], [owner for _, owner in held]
            )
        if held:
            _withheld.inc(len(held))
            log.error("facts withheld", count=len(held))
        return FilteredFacts(kept, [each.position for each, _ in held])

    async def _look(
        self, connection: Connection, links: Sequence[_FactLink]
    ) -> tuple[set[UUID], bool]:
        """Return the aggregates of facts that break their chain, and whether facts are withheld."""
        known = {(link.aggregate_id, link.version): link.checksum for link in links}
        before = [(owner, version - 1) for owner, version in known if version > 1]
        unknown = [place for place in before if place not in known]
        rows = await connection.fetch(
            SQL.links,
            [place[0] for place in unknown],
            [place[1] for place in unknown],
            list({owner for owner, _ in known}),
        )
        waits = any(row["version"] is None for row in rows)
        known |= {(row["aggregate_id"], row["version"]): row["checksum"] for row in rows}
        wrong: set[UUID] = set()
        for link in links:
            place = link.aggregate_id, link.version - 1
            previous = known.get(place) if link.version > 1 else ""
            if previous is None or not link.continues(previous):
                wrong.add(link.aggregate_id)
        return wrong, waits

    async def _trusted(self, ids: set[UUID]) -> Mapping[tuple[UUID, int], LogRow]:
        if not ids:
            return {}
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            whole = await read_whole_chains(connection, ids)
        await quarantine_findings(self._pool, whole.findings, found_by="relay")
        return {(event.aggregate_id, event.version): event for event in whole.events}

    async def more(self, connection: Connection, limit: int) -> Sequence[QueuedFact]:
        """Return facts that are to be published again, the oldest first."""
        rows = await connection.fetch(SQL.refill_due, limit)
        return [_due(row) for row in rows]

    async def done(self, connection: Connection, positions: Sequence[int]) -> None:
        """Note that facts were published again."""
        await connection.execute(SQL.refill_done, positions)


class RefillHandlers:
    """Handlers of requests that refill the stream from the log."""

    def __init__(self, pool: Pool) -> None:
        """Queue facts in *pool*."""
        self._pool = pool

    async def begin(self, question: Republish, _: object) -> Republished:
        """Queue every fact since a time; the relay publishes them between newer ones.

        Facts keep their positions. They get another message id than the first time, because the
        server may still know the first one and would drop them.
        """
        after = None
        while True:
            after = await self._pool.fetchval(
                SQL.queue_refill, question.since, after, REFILL_ROWS, f"{subjects.FACTS}.events"
            )
            if after is None:
                break
        await self._pool.execute(SQL.wake_relay)
        return await self.left(RefillLeft(), None)

    async def left(self, _: RefillLeft, __: object) -> Republished:
        """Return the number of facts that still wait."""
        count = await self._pool.fetchval(SQL.refill_count) or 0
        _refill.set(count)
        return Republished(queued=count)


def _link(payload: str) -> _FactLink | None:
    """Return the link that a payload is; None when it is not about an aggregate."""
    if found := _AS_WRITTEN.fullmatch(payload):
        text = payload[: found.end("version")]
        return _FactLink(
            own_id(found["id"]), int(found["version"]), found["checksum"], text, payload
        )
    said = json.loads(payload)
    if "aggregateId" not in said:
        return None
    return _FactLink(own_id(said["aggregateId"]), said["version"], said["checksum"], None, payload)


def _due(row: asyncpg.Record) -> QueuedFact:
    return QueuedFact(row["position"], row["event_id"], row["subject"], row["payload"], {}, None)
