"""Handlers of requests about the past of a project."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events import audit
from libs.contracts.events.audit import AuditFilter, AuditLine, HourCount
from libs.contracts.events.event import Event
from libs.contracts.pages import Page
from services.events.audit.lines import audit_line, quarantined_line
from services.events.audit.store import SQL, AuditMark, AuditQuery, current_names, read_page
from services.events.common.commands import require_visible
from services.events.integrity import drop_corrupt_events
from services.events.model.aggregates import PROJECT
from services.events.model.listing import SortKey
from services.events.model.page import cursor_at, cursor_mark, fitting
from services.events.model.refusal import field_refusal
from services.events.store import Reader, Store

LIVE_HOURS = 2
"""Hours counted when they are read: the current one, and the one whose count may be late."""

_KEY = SortKey("timestamp", "timestamptz")


class AuditHandlers:
    """Handlers of requests about the audit trail; the gateway checks permissions."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store

    async def list(self, question: audit.ListAudit, actor: Actor) -> Page[AuditLine]:
        """Show a page of the trail, the newest first."""
        project_id = actor.scope()
        order = f"audit-{project_id.hex}"
        filters = AuditFilter(**question.model_dump(include={*AuditFilter.model_fields}))
        asked = AuditQuery(project_id, filters, _before(question.cursor, order))

        async def query_list(reader: Reader) -> Page[AuditLine]:
            connection = reader.connection
            await _require_project(reader, project_id)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                found = await read_page(connection, asked, limit=question.limit)
            items = await _lines(reader, project_id, found.events, filters)
            shown = fitting(len(item.to_wire()) for item in items)
            end = found.next
            if shown < len(items):
                end = (items[shown - 1].timestamp, items[shown - 1].id)
            return Page(items=items[:shown], next_cursor=cursor_at(order, *end) if end else None)

        return await self._store.run_read(query_list, project_id=project_id)

    async def activity(self, question: audit.ReadActivity, actor: Actor) -> audit.ProjectActivity:
        """Count the events of the actor's project by the hour."""
        project_id = actor.scope()
        live_from = _hour(datetime.now(UTC)) - timedelta(hours=LIVE_HOURS - 1)

        async def query_activity(reader: Reader) -> audit.ProjectActivity:
            require_visible(await reader.row(PROJECT, project_id))
            rows = await reader.connection.fetch(
                SQL.activity,
                project_id,
                _hour(question.since),
                _hour(question.until - datetime.resolution) + timedelta(hours=1),
                live_from,
                audit.ACTIVITY_ROWS_MAX,
            )
            items = [HourCount.model_validate(dict(row)) for row in rows]
            if len(items) < audit.ACTIVITY_ROWS_MAX:
                return audit.ProjectActivity(items=items)
            last = items[-1].hour  # perhaps not whole
            whole = [each for each in items if each.hour < last]
            return audit.ProjectActivity(items=whole, more_from=last)

        return await self._store.run_read(query_activity, project_id=project_id)


async def _require_project(reader: Reader, project_id: UUID) -> None:
    """Return when the project exists, deleted or not: its deletion is in the trail, too."""
    if await reader.row(PROJECT, project_id) is None:
        raise errors.NotFound


def _before(cursor: str | None, order: str) -> AuditMark | None:
    mark = cursor_mark(cursor, order, _KEY)
    if mark is not None and mark[0] is None:
        raise field_refusal("cursor", "is not a cursor of this list")
    return mark


async def _lines(
    reader: Reader, project_id: UUID, events: Sequence[Event], filters: AuditFilter
) -> list[AuditLine]:
    """Return events as lines; decisions of people about corrupt events count."""
    sound = {
        (each.aggregate_id, each.version): each
        for each in await drop_corrupt_events(reader.connection, events)
    }
    trusted = [sound.get((each.aggregate_id, each.version)) for each in events]
    called = await current_names(reader, project_id, [each for each in trusted if each])
    lines: list[AuditLine] = []
    for stored, event in zip(events, trusted, strict=True):
        if event is None:
            lines.append(quarantined_line(stored))
        elif event == stored or _matches(event, filters):
            # At the place of the stored row, also when the recovered event has another time.
            at = {"id": stored.id, "timestamp": stored.timestamp}
            lines.append(audit_line(event, called).model_copy(update=at))
    return lines


def _matches(event: Event, filters: AuditFilter) -> bool:
    """Return whether an event that replaces another one matches the filters, too."""
    said = filters.model_dump(exclude_none=True, exclude={"since", "until"})
    return all(getattr(event, name) == value for name, value in said.items())


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
