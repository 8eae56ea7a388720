"""The log of a project for export: aggregate by aggregate, in the form of the checksums."""

from collections.abc import Iterable
from uuid import UUID

import asyncpg
import zstandard

from libs.contracts.actor import Actor
from libs.contracts.events.workspaces import LogPage, ReadLog
from services.events.common.commands import require_visible
from services.events.integrity import drop_corrupt_events
from services.events.model.aggregates import PROJECT
from services.events.model.chain import LogRow, content_bytes, log_row_of
from services.events.model.page import fitting
from services.events.store import Reader, Store, events_from_rows
from services.events.workspaces.store import SQL

THINGS_AT_ONCE = 100
EVENTS_AT_ONCE = 100
"""Events of a page, or fewer: a page fits into a message, compressed or not."""
ZSTD_LEVEL = 3


class HistoryHandlers:
    """Handlers of requests that export the history of a project."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store

    async def page(self, question: ReadLog, actor: Actor) -> LogPage:
        """Show the next events; corrupt events are left out."""
        project_id = actor.scope()

        async def query_page(reader: Reader) -> LogPage:
            require_visible(await reader.row(PROJECT, project_id))
            heads = await reader.connection.fetch(
                SQL.log_heads, project_id, question.after, THINGS_AT_ONCE
            )
            ids = _some(heads)
            rows = await reader.connection.fetch(
                SQL.log_page, ids, question.after, question.version, EVENTS_AT_ONCE
            )
            events = await drop_corrupt_events(reader.connection, events_from_rows(rows))
            lines = [_line(log_row_of(event)) for event in events]
            count = fitting(map(len, lines))
            body = zstandard.compress(b"".join(lines[:count]), ZSTD_LEVEL)
            after, version = None, 0
            if count < len(events):
                after, version = events[count - 1].aggregate_id, events[count - 1].version
            elif len(rows) == EVENTS_AT_ONCE:
                after, version = rows[-1]["aggregate_id"], rows[-1]["version"]
            elif len(ids) < len(heads) or len(heads) == THINGS_AT_ONCE:
                # These aggregates are complete; others come after the last one.
                after, version = UUID(int=ids[-1].int + 1), 0
            return LogPage.model_construct(body=body, after=after, version=version)

        return await self._store.run_read(query_page, project_id=project_id)


def _some(heads: Iterable[asyncpg.Record]) -> list[UUID]:
    """Return as many aggregates as fill a page."""
    ids: list[UUID] = []
    events = 0
    for row in heads:
        if events >= EVENTS_AT_ONCE:
            break
        ids.append(row["aggregate_id"])
        events += row["version"]
    return ids


def _line(event: LogRow) -> bytes:
    return content_bytes(event)[:-1] + f',"checksum":"{event.checksum}"}}\n'.encode()
