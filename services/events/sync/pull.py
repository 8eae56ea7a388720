"""Pull: the events of a project in commit order, and its open conflicts."""

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.event import Announcement, Event
from libs.contracts.events.sync import (
    CHECKPOINT_OPERATIONS_MAX,
    Conflicts,
    KeptConflict,
    ListConflicts,
    Pull,
    Pulled,
)
from services.events.common.commands import require_visible
from services.events.integrity import drop_corrupt_events
from services.events.model.aggregates import PROJECT
from services.events.model.page import cursor_after, cursor_key, fitting
from services.events.model.refusal import field_refusal
from services.events.retention import forgotten_after
from services.events.store import Reader, Store
from services.events.sync.store import SQL


class PullHandlers:
    """Handlers of requests that pull events and list conflicts."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store

    async def pull(self, question: Pull, actor: Actor) -> Pulled:
        """Show the next events after a position.

        Raises:
            errors.NotFound: The project does not exist, or is deleted.
            errors.Gone: The next events were deleted, and `position` is where to continue; or the
                log does not reach the position, as after a back-up was restored.
        """
        project_id = actor.scope()

        async def query_pull(reader: Reader) -> Pulled:
            require_visible(await reader.row(PROJECT, project_id))
            if await reader.connection.fetchval(SQL.is_ahead, question.after):
                raise errors.Gone(
                    "The log does not reach this position. Load the current project and pull"
                    " from the beginning."
                )
            rows = await reader.connection.fetch(
                SQL.pull, project_id, question.after, CHECKPOINT_OPERATIONS_MAX + 1
            )
            page, more = rows[:CHECKPOINT_OPERATIONS_MAX], len(rows) > CHECKPOINT_OPERATIONS_MAX
            items, end = cut_page(await announcements_of(reader, project_id, page))
            horizon = await forgotten_after(reader.connection, project_id, question.after)
            if horizon is not None:
                raise errors.Gone(
                    "The next events were deleted by retention. Load the current project and pull"
                    " after `position`.",
                    position=horizon,
                )
            return Pulled(
                items=items,
                next=end or (page[-1]["position"] if page else question.after),
                more=more or end is not None,
                checksum=checksum_of(items),
            )

        return await self._store.run_read(query_pull, project_id=project_id)

    async def conflicts(self, question: ListConflicts, actor: Actor) -> Conflicts:
        """Show open conflicts, or resolved ones, or all; the oldest first."""
        project_id = actor.scope()
        key = cursor_key(question.cursor)
        try:
            after = UUID(key) if key else None
        except ValueError:
            raise field_refusal("cursor", "is not a cursor of this list") from None

        async def query_conflicts(reader: Reader) -> list[asyncpg.Record]:
            require_visible(await reader.row(PROJECT, project_id))
            page = project_id, after, question.limit + 1
            if question.resolved == "false":
                return await reader.connection.fetch(SQL.open_conflicts, *page)
            every = question.resolved == "all"
            return await reader.connection.fetch(SQL.past_conflicts, *page, every)

        rows = await self._store.run_read(query_conflicts, project_id=project_id)
        items = [kept_conflict(row) for row in rows[: question.limit]]
        items = items[: fitting(len(item.to_wire()) for item in items)]
        end = cursor_after(str(items[-1].id)) if len(items) < len(rows) else None
        return Conflicts(items=items, next_cursor=end)


def cut_page(items: Sequence[Announcement]) -> tuple[list[Announcement], int | None]:
    """Return as many events as fit on a page, and the position to continue from if any do not."""
    count = fitting(len(item.to_wire()) for item in items)
    return [*items[:count]], items[count - 1].position if count < len(items) else None


def checksum_of(items: Sequence[Announcement]) -> str:
    """Return the checksum of a pulled checkpoint."""
    lines = "".join(f"{each.position} {each.event.checksum}\n" for each in items)
    return hashlib.sha256(lines.encode()).hexdigest()


def kept_conflict(row: Any) -> KeptConflict:
    """Return a conflict as clients see it."""
    return KeptConflict(
        id=row["conflict_id"],
        session_id=row["session_id"],
        checkpoint=row["checkpoint"],
        user_id=row["user_id"],
        operation=row["operation"],
        resolved_at=row["resolved_at"],
        resolved_by=row["resolved_by"],
        bundle_id=row["bundle_id"],
        conflicts=row["told"]["conflicts"],
    )


async def announcements_of(
    reader: Reader, project_id: UUID, page: Sequence[asyncpg.Record]
) -> list[Announcement]:
    """Return the events of rows of `pull`, archived ones too; corrupt ones are left out."""
    events: dict[UUID, Event] = {}
    for row in page:
        if row["id"] is not None:
            columns = {name: row[name] for name in Event.model_fields}
            events[row["id"]] = Event.model_validate(columns)
    if missing := [row for row in page if row["id"] is None]:
        moments = [row["placed_at"] for row in missing]
        archived = await reader.connection.fetch(
            SQL.archived,
            project_id,
            [row["event_id"] for row in missing],
            min(moments),
            max(moments),
        )
        without_position = [{name: row[name] for name in Event.model_fields} for row in archived]
        events |= {e.id: e for e in map(Event.model_validate, without_position)}
    # Corrupt events are quarantined and left out.
    events = {e.id: e for e in await drop_corrupt_events(reader.connection, list(events.values()))}
    return [
        Announcement(position=row["position"], event=events[row["event_id"]])
        for row in page
        if row["event_id"] in events
    ]
