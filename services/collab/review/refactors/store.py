"""Refactors in PostgreSQL."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.collab.facts import RefactorFact
from libs.contracts.collab.refactors import (
    Refactor,
    RefactorCounts,
    RefactorFailure,
    RefactorProgress,
    RefactorScope,
)
from libs.contracts.ids import new_id
from libs.postgres import Connection, Pool, load_queries
from libs.postgres.pool import UNREACHABLE
from services.collab.review.anchors.store import Draft
from services.collab.review.edits import Edit
from services.collab.review.facts import fact, tell
from services.collab.review.hunks.planning import Applied, Plan, Planned
from services.collab.review.refactors.jobs import FoundField, FoundScene

SQL = load_queries("services.collab.review.refactors")

type Row = asyncpg.Record

_UNPLANNED = (None, None, True, None)
_NO_HITS = RefactorCounts(hits=0, sure=0, chosen=0, skipped=0)


class RefactorStore:
    """Speaks SQL to the tables of refactors."""

    def __init__(self, pool: Pool) -> None:
        """Use *pool*."""
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Run what is inside in one transaction.

        Raises:
            errors.Unavailable: The database is away.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection
        except UNREACHABLE as error:
            raise errors.Unavailable from error

    async def rows(self, query: str, *arguments: Any) -> list[Row]:
        """Return the rows of a query.

        Raises:
            errors.Unavailable: The database is away.
        """
        try:
            return await self._pool.fetch(query, *arguments)
        except UNREACHABLE as error:
            raise errors.Unavailable from error

    async def row(self, query: str, *arguments: Any) -> Row | None:
        """Return the first row of a query, if any. Raises as `rows`."""
        rows = await self.rows(query, *arguments)
        return rows[0] if rows else None

    async def there(self, refactor: UUID, project: UUID, *, deleted: bool = False) -> Row:
        """Return a refactor.

        Raises:
            errors.NotFound: The project has none, or it is deleted and *deleted* is false.
        """
        row = await self.row(SQL.refactor, refactor, project)
        if row is None or (row["deleted_at"] is not None and not deleted):
            raise errors.NotFound
        return row

    async def shown(self, rows: Sequence[Row]) -> list[Refactor]:
        """Return refactors as clients see them."""
        found = await self.rows(SQL.counts, [row["id"] for row in rows])
        counts = {
            each["id"]: RefactorCounts(**{name: each[name] for name in RefactorCounts.model_fields})
            for each in found
        }
        return [Refactor(**values_of(row, counts.get(row["id"], _NO_HITS))) for row in rows]


def values_of(row: Row, counts: RefactorCounts) -> dict[str, Any]:
    """Return the fields of `Refactor`."""
    own = {name: row[name] for name in Refactor.model_fields if name in row}
    asked, failure = row["asked"], row["failure"]
    return own | {
        "entity_id": asked.get("entityId"),
        "from_": asked.get("from"),
        "to": asked.get("to"),
        "field": asked.get("field"),
        "scope": RefactorScope.model_validate(asked.get("scope") or {}),
        "progress": RefactorProgress(done=row["scenes_done"], total=row["scenes_total"]),
        "counts": counts,
        "failure": RefactorFailure(code=failure["code"], detail=failure["detail"])
        if failure
        else None,
    }


async def announce(connection: Connection, what: str, row: Row | None, *, by: UUID | None) -> None:
    """Announce what happened to a refactor with the transaction of *connection*."""
    assert row is not None
    data = RefactorFact(
        kind=row["kind"],
        state=row["state"],
        title=row["title"],
        progress=RefactorProgress(done=row["scenes_done"], total=row["scenes_total"]),
        bundle_id=row["bundle_id"],
        run_id=row["run_id"],
    )
    told = fact(
        f"refactor.{what}",
        row["id"],
        project=row["project_id"],
        by=by,
        version=row["version"],
        data=data,
    )
    await tell(connection, told)


async def keep_found(
    connection: Connection,
    row: Row,
    found: FoundScene,
    drafts: Sequence[Draft | None],
    values: Mapping[str, Any],
) -> bool:
    """Store the hits of a scene; False when another replica did. Anchors are stored already.

    *values* are the scene, its title and number, and the version in which hits were found.
    """
    scene: UUID = values["scene"]
    ids = [new_id() for _ in found.hits]
    sure = [one for one, hit in zip(ids, found.hits, strict=True) if hit.sure and hit.stood]
    plan = plan_columns(found.planned, values["seq"], sure) if found.planned else _UNPLANNED
    first = await connection.fetchval(
        SQL.found, row["id"], scene, values["seq"], found.left_out, values["title"], *plan
    )
    if first is None:
        return False
    hits = zip(ids, found.hits, drafts, strict=True)
    await connection.executemany(
        SQL.add_hit,
        [
            (
                one,
                row["id"],
                row["project_id"],
                scene,
                number,
                draft.id if draft else None,
                hit.kind,
                stored(hit.base),
                hit.text,
                hit.side,
                stored(hit.before),
                stored(hit.after),
                hit.sure,
                hit.sure and draft is not None,
                hit.reason,
            )
            for number, (one, hit, draft) in enumerate(hits)
        ],
    )
    await keep_fields(connection, row, ("scene", scene, values["number"]), found.fields)
    return True


async def keep_fields(
    connection: Connection,
    row: Row,
    thing: tuple[str, UUID, int],
    fields: Sequence[FoundField],
) -> None:
    """Store the fields that change of a thing: its kind, its id, and its number in the list."""
    kind, one, number = thing
    await connection.executemany(
        SQL.add_field,
        [
            (
                new_id(),
                row["id"],
                row["project_id"],
                one if kind == "scene" else None,
                number,
                kind,
                one,
                each.field,
                each.old,
                each.new,
                each.sure,
                each.reason,
            )
            for each in fields
        ],
    )


def plan_columns(
    planned: Planned, seq: int, hits: Sequence[UUID]
) -> tuple[int, bytes, bool, dict[str, Any]]:
    """Return the columns that keep an edit, with the result of each of *hits*."""
    edit = planned.plan.edit
    results = [one.as_json() if isinstance(one, Applied) else None for one in planned.results]
    plan: dict[str, Any] = {
        "precise": planned.plan.precise,
        "inserted": edit.inserted,
        "deleted": edit.deleted,
        "touches": edit.touches,
        "hits": dict(zip(map(str, hits), results, strict=True)),
    }
    return seq, edit.update, None not in results, plan


def update_only(row: Row) -> Plan:
    """Return the kept edit of a scene in which nobody wrote since; it is right for nothing else."""
    return Plan(Edit(row["planned_update"], [], [], []), precise=False)


def plan_of(row: Row) -> Plan | None:
    """Return the edit that the columns of a scene keep, if one is kept."""
    plan = row["plan"]
    if row["planned_update"] is None:
        return None

    def pieces(name: str) -> list[tuple[int, int, int]]:
        return [(client, clock, size) for client, clock, size in plan[name]]

    touches = [(client, clock) for client, clock in plan["touches"]]
    edit = Edit(row["planned_update"], pieces("inserted"), pieces("deleted"), touches)
    return Plan(edit, plan["precise"])


def stored(text: str) -> str:
    """Return text as PostgreSQL can hold it."""
    return text.replace("\0", "\ufffd")
