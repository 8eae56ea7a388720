"""Between the outbox and the stream: nothing corrupt is announced; a lost stream is refilled."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from libs.bus import Due, Screened
from libs.contracts import subjects
from libs.contracts.integrity import RefillLeft, Republish, Republished
from libs.postgres import Connection, Pool
from services.events.integrity.chain import Stored, digest
from services.events.integrity.log import SQL as LOG
from services.events.integrity.log import examine
from services.events.integrity.quarantine import as_json, set_aside
from services.events.model.log import written

log = structlog.get_logger(__name__)

REFILL_ROWS = 20_000
"""Queued by one statement."""

_withheld = Counter("scriptorium_events_withheld_total", "Facts that were kept from subscribers.")
_refill = Gauge("scriptorium_events_refill_rows", "Facts that wait to be announced once more.")


class Screen:
    """Looks at facts before the relay publishes them."""

    def __init__(self, pool: Pool) -> None:
        """Check against the log in *pool*."""
        self._pool = pool

    async def screen(self, connection: Connection, due: Sequence[Due]) -> Screened:
        """Return what may be announced, and the places of what may not.

        A payload that does not continue its chain is replaced by what the log holds there, if
        that does; else the fact is withheld, and with it every later one of its aggregate, so
        that a subscriber never meets a hole. A decision lets them go, in their order.
        """
        facts = {key: each.payload for each in due if (key := _key(each.payload))}
        misfits, waits = await self._look(connection, facts)
        if not misfits and not waits:
            return Screened(list(due), [])
        ids = list({aggregate_id for aggregate_id, _ in facts})
        async with connection.transaction():
            # Again, and locked, so that none is released meanwhile.
            waiting = {row["aggregate_id"] for row in await connection.fetch(LOG.withheld, ids)}
            trusted = await self._trusted(misfits)
            kept: list[Due] = []
            held: list[Due] = []
            for each in due:
                key = _key(each.payload)
                if key is None:
                    kept.append(each)
                elif key[0] in waiting or (key[0] in misfits and key not in trusted):
                    waiting.add(key[0])
                    held.append(each)
                elif key in trusted:
                    kept.append(each.with_payload(as_json(trusted[key])))
                else:
                    kept.append(each)
            await connection.execute(
                LOG.withhold,
                [each.event_id for each in held],
                [UUID(each.payload["aggregateId"]) for each in held],
            )
        if held:
            _withheld.inc(len(held))
            log.error("facts withheld", count=len(held))
        return Screened(kept, [each.position for each in held])

    async def _look(
        self, connection: Connection, facts: Mapping[tuple[UUID, int], Mapping[str, Any]]
    ) -> tuple[set[UUID], bool]:
        """Return the aggregates of facts that do not continue their chain, and if any waits."""
        known: dict[tuple[UUID, int], str] = {k: fact["checksum"] for k, fact in facts.items()}
        before = [(key, version - 1) for key, version in known if version > 1]
        unknown = [place for place in before if place not in known]
        rows = await connection.fetch(
            LOG.links,
            [place[0] for place in unknown],
            [place[1] for place in unknown],
            list({key for key, _ in known}),
        )
        waits = any(row["version"] is None for row in rows)
        known |= {(row["aggregate_id"], row["version"]): row["checksum"] for row in rows}
        wrong: set[UUID] = set()
        for (aggregate_id, version), fact in facts.items():
            link = known.get((aggregate_id, version - 1)) if version > 1 else ""
            said = {name: value for name, value in fact.items() if name != "checksum"}
            if link is None or fact["checksum"] != digest(link, written(said)):
                wrong.add(aggregate_id)
        return wrong, waits

    async def _trusted(self, ids: set[UUID]) -> Mapping[tuple[UUID, int] | None, Stored]:
        if not ids:
            return {}
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            whole = await examine(connection, ids)
        await set_aside(self._pool, whole.findings, found_by="relay")
        return {(event.aggregate_id, event.version): event for event in whole.events}

    async def more(self, connection: Connection, limit: int) -> Sequence[Due]:
        """Return facts that are to be announced once more, the oldest first."""
        rows = await connection.fetch(LOG.refill_due, limit)
        return [_due(row) for row in rows]

    async def done(self, connection: Connection, positions: Sequence[int]) -> None:
        """Note that they were."""
        await connection.execute(LOG.refill_done, positions)


class Refill:
    """Answers about refilling the stream from the log."""

    def __init__(self, pool: Pool) -> None:
        """Queue in *pool*."""
        self._pool = pool

    async def begin(self, question: Republish, _: object) -> Republished:
        """Queue every fact since a time; the relay announces them between newer ones.

        Facts keep their positions. They carry another message id than the first time, because the
        server may still remember that one and would drop them.
        """
        after = None
        while True:
            after = await self._pool.fetchval(
                LOG.queue_refill, question.since, after, REFILL_ROWS, f"{subjects.FACTS}.events"
            )
            if after is None:
                break
        await self._pool.execute(LOG.wake_relay)
        return await self.left(RefillLeft(), None)

    async def left(self, _: RefillLeft, __: object) -> Republished:
        """Count what still waits."""
        count = await self._pool.fetchval(LOG.refill_count) or 0
        _refill.set(count)
        return Republished(queued=count)


def _key(payload: Mapping[str, Any]) -> tuple[UUID, int] | None:
    if "aggregateId" not in payload:
        return None
    return UUID(payload["aggregateId"]), payload["version"]


def _due(row: asyncpg.Record) -> Due:
    return Due(row["position"], row["event_id"], row["subject"], row["payload"], {}, None)
