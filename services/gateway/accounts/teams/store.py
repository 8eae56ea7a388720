"""The tables of teams. A stranger to a team is told that there is none."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from libs import errors
from libs.contracts.events.teams import TEAMS_ACCEPTED_MAX, TEAMS_UNASKED_MAX
from libs.contracts.versions import Expected, is_expected
from libs.postgres import Connection, Pool, load_queries
from services.gateway.accounts.teams.model import (
    TEAM_MEMBERS_MAX,
    Team,
    TeamMember,
    TeamPlace,
    Teams,
)

SQL = load_queries("services.gateway.accounts.teams")

NO_TEAM = "There is no such team, or you are not in it."


class TeamStore:
    """Speaks the SQL of teams."""

    def __init__(self, pool: Pool) -> None:
        """Work in *pool*."""
        self._pool = pool

    async def create(self, team_id: UUID, user_id: UUID, name: str) -> Team:
        """Create a team with its OWNER; a repeat under the same id finds it.

        Raises:
            LimitReached: They have made or accepted TEAMS_ACCEPTED_MAX teams.
            NotFound: The id is another one's team.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(SQL.create, team_id, name):
                await _hold(connection, user_id)
                await _require_room(connection, user_id)
                await connection.execute(SQL.put_member, team_id, user_id, TeamPlace.OWNER, True)
        return await self.read(team_id, user_id)

    async def page(self, user_id: UUID, after: UUID | None, limit: int) -> list[Team]:
        """Return a page of a person's teams, the oldest first."""
        rows = await self._pool.fetch(SQL.list, user_id, after, limit)
        return [Team.model_validate(dict(row)) for row in rows]

    async def read(self, team_id: UUID, user_id: UUID) -> Team:
        """Return a team as one who is in it sees it.

        Raises:
            NotFound: There is none, or they are not.
        """
        return await _seen(self._pool, team_id, user_id)

    async def rename(self, team_id: UUID, by: UUID, name: str, expected: Expected) -> Team:
        """Give a team another name.

        Raises:
            NotFound, Forbidden: *by* is not in it, or not its OWNER.
            PreconditionFailed: It is not at version *expected*.
        """
        async with self._held(team_id, by, expected) as (connection, team):
            _require_owner(team)
            if team.name != name:
                await connection.execute(SQL.rename, team_id, name)
            return await _seen(connection, team_id, by)

    async def delete(self, team_id: UUID, by: UUID, expected: Expected) -> list[UUID]:
        """Delete a team; returns who was in it. Raises as `rename`."""
        async with self._held(team_id, by, expected) as (connection, team):
            _require_owner(team)
            await connection.execute(SQL.delete, team_id)
            return await _remove(connection, team_id, None)

    async def members(self, team_id: UUID, after: UUID | None, limit: int) -> Sequence[TeamMember]:
        """Return a page of those in a team, by id. The caller knows who may."""
        rows = await self._pool.fetch(SQL.members, team_id, after, limit)
        return [TeamMember.model_validate(dict(row)) for row in rows]

    async def put_member(
        self, team_id: UUID, by: UUID, user_id: UUID, role: TeamPlace
    ) -> TeamMember:
        """Bring somebody into a team, or change what they are there.

        They need not ask for it, so it takes nothing of what they may choose themselves; see
        `accept` and `teams_of`.

        Raises:
            NotFound, Forbidden: *by* is not in it, or not its OWNER; or there is no such person.
            LastOwner: Nobody else would be its OWNER.
            LimitReached: TEAM_MEMBERS_MAX are in it.
        """
        async with self._held(team_id, by, None) as (connection, team):
            _require_owner(team)
            known = await connection.fetchrow(SQL.member, team_id, user_id)
            if known is None:
                if await connection.fetchval(SQL.count_members, team_id) >= TEAM_MEMBERS_MAX:
                    raise errors.LimitReached(f"A team has {TEAM_MEMBERS_MAX} members at most.")
                await _hold(connection, user_id)
                await connection.execute(SQL.put_member, team_id, user_id, role, False)
            elif known["role"] != role:
                if role is not TeamPlace.OWNER:
                    await _require_other_owner(connection, team_id, user_id)
                await connection.execute(SQL.put_member, team_id, user_id, role, False)
            found = await connection.fetchrow(SQL.member, team_id, user_id)
            assert found is not None
            return TeamMember.model_validate(dict(found))

    async def accept(self, team_id: UUID, user_id: UUID) -> Team:
        """Accept that somebody brought one into a team; once is enough.

        Raises:
            NotFound: There is no such team, or they are not in it.
            LimitReached: They have made or accepted TEAMS_ACCEPTED_MAX teams.
        """
        async with self._held(team_id, user_id, None) as (connection, team):
            if team.accepted:
                return team
            await _hold(connection, user_id)
            await _require_room(connection, user_id)
            await connection.execute(SQL.accept, team_id, user_id)
            return await _seen(connection, team_id, user_id)

    async def remove_member(self, team_id: UUID, by: UUID, user_id: UUID) -> None:
        """Take somebody out of a team; anybody may take themselves.

        Raises:
            NotFound, Forbidden: *by* is not in it, or not its OWNER; or *user_id* is not in it.
            LastOwner: Nobody else would be its OWNER.
        """
        async with self._held(team_id, by, None) as (connection, team):
            if user_id != by:
                _require_owner(team)
            known = await connection.fetchrow(SQL.member, team_id, user_id)
            if known is None:
                raise errors.NotFound("They are not in this team.")
            if known["role"] == TeamPlace.OWNER:
                await _require_other_owner(connection, team_id, user_id)
            await _remove(connection, team_id, user_id)

    async def teams_of(self, user_id: UUID) -> Teams:
        """Return which teams open something to a person; none when nobody is called that.

        Those that they accepted, and the first TEAMS_UNASKED_MAX that others brought them into:
        nobody can fill what is asked about somebody, nor take from them what they have.
        """
        row = await self._pool.fetchrow(SQL.teams_of, user_id, TEAMS_UNASKED_MAX)
        return Teams(row["version"], tuple(row["ids"])) if row else Teams(0, ())

    async def members_of(self, team_id: UUID) -> list[UUID]:
        """Return everybody in a team: TEAM_MEMBERS_MAX at most."""
        return [row["user_id"] for row in await self._pool.fetch(SQL.members_of, team_id)]

    async def names(self, team_ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return the names of teams, deleted ones, too."""
        rows = await self._pool.fetch(SQL.names, list(team_ids))
        return {row["id"]: row["name"] for row in rows}

    @asynccontextmanager
    async def _held(
        self, team_id: UUID, by: UUID, expected: Expected
    ) -> AsyncGenerator[tuple[Connection, Team]]:
        """Hold a team in a transaction, as *by* sees it now."""
        async with self._pool.acquire() as connection, connection.transaction():
            # Read once it is held: whoever was before us may have put us out.
            await connection.fetchval(SQL.lock, team_id)
            team = await _seen(connection, team_id, by)
            if not is_expected(team.version, expected):
                raise errors.PreconditionFailed(currentVersion=team.version)
            yield connection, team


async def _seen(connection: Pool | Connection, team_id: UUID, user_id: UUID) -> Team:
    row = await connection.fetchrow(SQL.read, team_id, user_id)
    if row is None:
        raise errors.NotFound(NO_TEAM)
    return Team.model_validate(dict(row))


async def _hold(connection: Connection, user_id: UUID) -> None:
    """Hold a person whose teams are about to change: two changes of theirs take turns."""
    if not await connection.fetch(SQL.changed, [user_id]):
        raise errors.NotFound("There is no such person.")


async def _require_room(connection: Connection, user_id: UUID) -> None:
    if await connection.fetchval(SQL.count_accepted, user_id) >= TEAMS_ACCEPTED_MAX:
        raise errors.LimitReached(f"A person makes and accepts {TEAMS_ACCEPTED_MAX} teams at most.")


async def _remove(connection: Connection, team_id: UUID, user_id: UUID | None) -> list[UUID]:
    rows = await connection.fetch(SQL.remove_members, team_id, user_id)
    gone = [row["user_id"] for row in rows]
    await connection.execute(SQL.changed, gone)
    return gone


def _require_owner(team: Team) -> None:
    if team.role is not TeamPlace.OWNER:
        raise errors.Forbidden("Only an OWNER of the team may do that.")


async def _require_other_owner(connection: Connection, team_id: UUID, user_id: UUID) -> None:
    if not await connection.fetchval(SQL.other_owners, team_id, user_id):
        raise errors.LastOwner("A team always has an OWNER; name another one first.")
