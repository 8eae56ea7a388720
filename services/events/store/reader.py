"""Reading the log and its projections, within one project."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from libs import errors
from libs.contracts.events.event import Event
from libs.postgres import Connection
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.chain import event_of
from services.events.model.page import PageMark
from services.events.store import log
from services.events.store.lists import ListQuery, list_statement
from services.events.store.statements import SQL, statement


@dataclass(frozen=True, slots=True)
class RankGap:
    """The gap for a child between the ranks of two siblings; `index` is its index there."""

    low: str | None
    high: str | None
    index: int


class Reader:
    """Reads of the log and its projections, always within one project or for one person."""

    def __init__(self, connection: Connection, project_id: UUID | None) -> None:
        """Read over *connection* within a project; None for reads that need no project."""
        self._connection = connection
        self._project_id = project_id

    @property
    def connection(self) -> Connection:
        """The connection, for areas with statements of their own."""
        return self._connection

    def within(self, project_id: UUID) -> "Reader":
        """Return a reader of another project."""
        return Reader(self._connection, project_id)

    async def row(self, spec: AggregateSpec, aggregate_id: UUID) -> Row | None:
        """Return the row of an aggregate from its view, deleted or not."""
        found = await self._connection.fetchrow(
            statement("read", spec), self._project_id, aggregate_id
        )
        return dict(found) if found else None

    async def rows(self, spec: AggregateSpec, ids: Iterable[UUID]) -> dict[UUID, Row]:
        """Return the rows of aggregates from their view, deleted or not, by id."""
        found = await self._connection.fetch(
            statement("read_many", spec), self._project_id, list(ids)
        )
        return {row["id"]: dict(row) for row in found}

    async def ids_by_name(self, spec: AggregateSpec, names: Sequence[str]) -> dict[str, UUID]:
        """Return the ids of aggregates that are not deleted, by name."""
        found = await self._connection.fetch(
            statement("called", spec), self._project_id, list(names)
        )
        return {row["name"]: row["id"] for row in found}

    async def page(
        self,
        spec: AggregateSpec,
        parent_id: UUID,
        *,
        after: str | None,
        limit: int,
        include_deleted: bool,
    ) -> list[Row]:
        """Return children in their order."""
        rows = await self._connection.fetch(
            statement("page", spec), self._project_id, parent_id, after, include_deleted, limit
        )
        return [dict(row) for row in rows]

    async def book_scenes(
        self, book_id: UUID, *, after: tuple[str, str] | None, limit: int
    ) -> list[Row]:
        """Return scenes in reading order after the ranks of a chapter and a scene."""
        chapter, scene = after or (None, None)
        rows = await self._connection.fetch(
            SQL.book_scenes, self._project_id, book_id, chapter, scene, limit
        )
        return [dict(row) for row in rows]

    async def tree(self, scenes_max: int) -> str | None:
        """Return the project's books, chapters and scenes as JSON text; None for too many.

        Raises:
            errors.NotFound: The project is deleted, or there is none.
        """
        found = await self._connection.fetchrow(SQL.tree, self._project_id, scenes_max)
        if found is None:
            raise errors.NotFound
        return found["tree"]

    async def listed(self, spec: AggregateSpec, wanted: ListQuery) -> list[Row]:
        """Return the rows of a page of a list."""
        assert self._project_id is not None
        text, parameters = list_statement(spec, self._project_id, wanted)
        return [dict(row) for row in await self._connection.fetch(text, *parameters)]

    async def appearances_of(
        self, entity_id: UUID, *, role: str | None, after: PageMark | None, limit: int
    ) -> list[Row]:
        """Return the appearances of an entity, with the scenes, in manuscript order."""
        key, last_id = after or (None, None)
        rows = await self._connection.fetch(
            SQL.appearances_of, self._project_id, entity_id, role, key, last_id, limit
        )
        return [dict(row) for row in rows]

    async def knowledge_at(
        self, scene_id: UUID, *, entity_id: UUID | None, after: PageMark | None, limit: int
    ) -> list[Row]:
        """Return the facts revealed up to a scene in manuscript order, with the people present."""
        key, last_id = after or (None, None)
        rows = await self._connection.fetch(
            SQL.knowledge_at, self._project_id, scene_id, entity_id, key, last_id, limit
        )
        return [dict(row) for row in rows]

    async def projects_of(
        self,
        user_id: UUID,
        team_ids: Sequence[UUID],
        *,
        after: UUID | None,
        limit: int,
        include_deleted: bool,
    ) -> list[Row]:
        """Return the projects of a person and of their teams, with their role, by id."""
        rows = await self._connection.fetch(
            SQL.projects_of, user_id, after, include_deleted, limit, team_ids
        )
        return [dict(row) for row in rows]

    async def standing(
        self, spec: AggregateSpec, aggregate_id: UUID, user_id: UUID, team_ids: Sequence[UUID]
    ) -> Row | None:
        """Return the project of an aggregate and the role of a person there, by teams too."""
        found = await self._connection.fetchrow(
            statement("standing", spec), aggregate_id, user_id, team_ids
        )
        return dict(found) if found else None

    async def editors_of_scenes(self, scenes: Sequence[UUID], *, definitions: bool) -> list[Row]:
        """Return what scenes of any projects are written with, with *definitions* if wanted."""
        rows = await self._connection.fetch(SQL.editors_of_scenes, list(scenes), definitions)
        return [dict(row) for row in rows]

    async def role(self, user_id: UUID) -> str | None:
        """Return a person's own role in a project."""
        return await self._connection.fetchval(SQL.role, self._project_id, user_id)

    async def members(self, role: str | None, after: PageMark | None, limit: int) -> list[Row]:
        """Return the next members of a project, the oldest first."""
        moment, member_id = after or (None, None)
        rows = await self._connection.fetch(
            SQL.members, self._project_id, role, moment, member_id, limit
        )
        return [dict(row) for row in rows]

    async def grants(self) -> list[Row]:
        """Return the teams that have a role in a project, the oldest first."""
        return [dict(row) for row in await self._connection.fetch(SQL.grants, self._project_id)]

    async def grant_id(self, team_id: UUID) -> UUID | None:
        """Return the id of a team's grant."""
        return await self._connection.fetchval(SQL.grant_id, self._project_id, team_id)

    async def member_id(self, user_id: UUID) -> UUID | None:
        """Return the id of a person's membership."""
        return await self._connection.fetchval(SQL.member_id, self._project_id, user_id)

    async def people(
        self, wanted: Iterable[UUID], teams: Sequence[tuple[UUID, UUID]]
    ) -> frozenset[UUID]:
        """Return the people in *wanted* who are in the project; *teams* pairs people and teams."""
        rows = await self._connection.fetch(
            SQL.people,
            self._project_id,
            list(wanted),
            [person for person, _ in teams],
            [team for _, team in teams],
        )
        return frozenset(row["user_id"] for row in rows)

    async def recorded_command(self, command_id: UUID) -> Row | None:
        """Return the author, digest and target of a command that was recorded."""
        row = await self._connection.fetchrow(SQL.claimed, command_id)
        return dict(row) if row else None

    async def entity_files(
        self, sha256s: Sequence[str] | None, *, after: UUID, limit: int
    ) -> list[Row]:
        """Return the entities that have files, deleted ones too; only of these bytes if given."""
        rows = await self._connection.fetch(SQL.files, self._project_id, sha256s, after, limit)
        return [dict(row) for row in rows]

    async def other_owners(self, user_id: UUID) -> int:
        """Return how many owners there are besides a person."""
        return await self._connection.fetchval(SQL.other_owners, self._project_id, user_id) or 0

    async def free_slug(self, wishes: Sequence[str]) -> str | None:
        """Return the first slug that no project has."""
        return await self._connection.fetchval(SQL.free_slug, list(wishes))

    async def gap(
        self,
        spec: AggregateSpec,
        parent_id: UUID,
        *,
        child_id: UUID,
        index: int,
    ) -> RankGap:
        """Return the gap for a child at *index*; the parent must be locked."""
        found = await self._connection.fetchrow(
            statement("gap", spec), self._project_id, parent_id, child_id, index
        )
        assert found is not None
        return RankGap(found["low"], found["high"], found["index"])

    async def field_history(
        self, spec: AggregateSpec, aggregate_id: UUID, names: Sequence[str], *, since: int
    ) -> list[Event]:
        """Return the changes of fields after version *since*, as `history` does."""
        types = [f"{spec.kind}.{name}_changed" for name in names]
        return await self.history(aggregate_id, types, since=since)

    async def history(self, aggregate_id: UUID, types: Sequence[str], *, since: int) -> list[Event]:
        """Return an aggregate's events of some *types* after version *since*, in order.

        The aggregate must be locked.

        Raises:
            errors.Conflict: The events since are not known completely.
        """
        assert self._project_id is not None
        bases = {aggregate_id: since}
        found = await log.events_after(self._connection, self._project_id, bases)
        return [event_of(each) for each in found[aggregate_id] if each.event_type in types]
