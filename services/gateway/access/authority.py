"""Where a thing belongs and what a person is there: asked of events, roles cached for all gateways.

What a thing is hardly changes, so that is kept here; see `permission_cache` for roles and teams.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from nats.aio.client import Client
from prometheus_client import Counter

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor, Role
from libs.contracts.editors import EditorInUse
from libs.contracts.events.manuscript import AUTHORIZE, Authorize, Standing
from libs.contracts.events.resources import Kind
from libs.contracts.streams import PERMISSIONS
from libs.postgres.pool import UNREACHABLE
from services.gateway.access.permission_cache import CachedRole, PermissionCache
from services.gateway.access.permissions import Access
from services.gateway.accounts.identity.model import Identity
from services.gateway.accounts.teams.model import Teams

THINGS_MAX = 100_000
DELETED_FRESH_S = 1.0
"""How long "not deleted" or "not archived", and a scene's editor, is believed without asking."""
DELETED_USABLE_S = PERMISSIONS.ttl_s
"""The same while events is away: as long as a role."""
ASK_DEADLINE_S = 2.0
DROPS_AT_ONCE = 50

_decisions = Counter(
    "scriptorium_permission_decisions_total", "Decisions, by where they came from.", ["source"]
)


class Identifies(Protocol):
    """A source of identities: it finds the person of a token."""

    async def identify(self, token: str) -> Identity:
        """Return whom *token* stands for; raises Unauthenticated."""
        ...


class KnowsTeams(Protocol):
    """A source of team memberships; it raises the database's errors when that is away."""

    async def teams_of(self, user_id: UUID) -> Teams:
        """Return the teams that a person is in."""
        ...

    async def members_of(self, team_id: UUID) -> list[UUID]:
        """Return who is in a team."""
        ...


@dataclass(frozen=True, slots=True)
class _Thing:
    project_id: UUID
    deleted: bool
    schema_version: int | None
    editor: EditorInUse | None
    archived: bool
    seen: float
    """When events was asked, not when it answered: a doubt that came between stands."""

    def access(self, role: Role, identity: Identity) -> Access:
        return Access(
            self.project_id,
            role,
            self.deleted,
            identity.scopes,
            self.schema_version,
            self.archived,
            self.editor,
        )


class Authority:
    """Answers who may enter where."""

    def __init__(
        self, *, client: Client, caller: Caller, identities: Identifies, teams: KnowsTeams
    ) -> None:
        """Ask over *caller* and *teams*, cache in the bucket that *client* reaches."""
        self._cache = PermissionCache(client)
        self._caller = caller
        self._identities = identities
        self._teams = teams
        self._things: OrderedDict[tuple[Kind, UUID], _Thing] = OrderedDict()
        self._doubted = float("-inf")

    async def identify(self, token: str) -> Identity:
        """Return whom *token* stands for.

        Raises:
            Unauthenticated: The token is not valid.
        """
        return await self._identities.identify(token)

    async def access(
        self, identity: Identity, kind: Kind, thing_id: UUID, *, deleted_matters: bool = True
    ) -> Access:
        """Return what *identity* is to the thing called *thing_id*.

        Args:
            identity: Who asks.
            kind: What the thing is.
            thing_id: Which one it is.
            deleted_matters: Whether `deleted` must be no older than DELETED_FRESH_S; a caller
                whose next question goes to events anyway can do without.

        Raises:
            NotFound: There is no such thing, or they are a stranger to its project.
            Unavailable: The authority cannot be reached, and its answer is not known.
        """
        thing = self._known(kind, thing_id)
        if thing is None:
            teams = await self.teams_of(identity.user_id)
            return await self._ask(identity, kind, thing_id, teams)
        age_s = self._age(thing)
        (revision, cached), teams = await asyncio.gather(
            self._cache.role(thing.project_id, identity.user_id),
            self.teams_of(identity.user_id),
        )
        role = cached.role if cached and cached.teams_version == teams.version else None
        # Every caller asks again about an entry in doubt: the project may have been archived.
        if role and age_s < (DELETED_FRESH_S if deleted_matters else float("inf")):
            _decisions.labels("cache").inc()
            return thing.access(role, identity)
        try:
            access = await self._ask(identity, kind, thing_id, teams)
        except errors.Unavailable:
            if role and age_s < DELETED_USABLE_S:
                _decisions.labels("stale").inc()
                return thing.access(role, identity)
            raise
        if role is None and revision is not None:
            entry = CachedRole(access.role, teams.version)
            await self._cache.put_role(access.project_id, identity.user_id, entry, revision)
        return access

    async def teams_of(self, user_id: UUID) -> Teams:
        """Return which teams a person is in.

        Raises:
            Unavailable: The database is away, and they are not cached.
        """
        revision, teams = await self._cache.teams(user_id)
        if teams is not None:
            return teams
        try:
            teams = await self._teams.teams_of(user_id)
        except UNREACHABLE as error:
            raise errors.Unavailable("Permissions cannot be checked at the moment.") from error
        if revision is not None:
            await self._cache.put_teams(user_id, teams, revision)
        return teams

    async def role_of(self, identity: Identity, project_id: UUID, user_id: UUID) -> Role | None:
        """Return another person's own role in a project, as events knows it now."""
        standing = await self._standing(identity, "project", project_id, user_id, Teams(0, ()))
        return standing.role

    def learn(self, kind: Kind, thing_id: UUID, project_id: UUID) -> None:
        """Note where a thing that was just created belongs; not of scenes, which have an editor."""
        if kind == "scene":
            return
        # Nothing is made in an archived project.
        thing = _Thing(
            project_id, False, schema_version=None, editor=None, archived=False, seen=_now()
        )
        self._note((kind, thing_id), thing)

    def doubt(self) -> None:
        """Ask again whether a thing is deleted, and of what editor, before believing what was seen.

        Of all things, because what is below a deleted one is not known here.
        """
        self._doubted = _now()

    async def forget_role(self, project_id: UUID, user_id: UUID) -> None:
        """Drop a cached decision, for all gateways at once.

        Raises:
            nats.errors.Error, nats.js.errors.Error: The cache cannot be reached.
        """
        await self._cache.drop_role(project_id, user_id)

    async def forget_teams(self, user_id: UUID) -> None:
        """Drop which teams a person is in, and what they were let to do by them."""
        await self._cache.drop_teams(user_id)

    async def forget_team(self, project_id: UUID, team_id: UUID) -> None:
        """Drop what is cached of everybody in a team about a project.

        Raises:
            nats.errors.Error, nats.js.errors.Error: The cache cannot be reached.
            asyncpg.PostgresError, OSError: Nor the database that knows who that is.
        """
        people = await self._teams.members_of(team_id)
        for start in range(0, len(people), DROPS_AT_ONCE):
            some = people[start : start + DROPS_AT_ONCE]
            await asyncio.gather(*(self.forget_role(project_id, each) for each in some))

    async def _ask(self, identity: Identity, kind: Kind, thing_id: UUID, teams: Teams) -> Access:
        # Never shared with a question asked earlier: its answer may be from before a change that
        # this caller was just told about.
        asked = _now()
        standing = await self._standing(identity, kind, thing_id, identity.user_id, teams)
        _decisions.labels("events").inc()
        if standing.project_id is None:
            raise errors.NotFound
        thing = _Thing(
            standing.project_id,
            standing.deleted,
            standing.schema_version,
            standing.editor,
            standing.archived,
            asked,
        )
        self._note((kind, thing_id), thing)
        if standing.role is None:
            raise errors.NotFound
        return thing.access(standing.role, identity)

    async def _standing(
        self, identity: Identity, kind: Kind, thing_id: UUID, user_id: UUID, teams: Teams
    ) -> Standing:
        try:
            return await self._caller.ask(
                AUTHORIZE,
                Authorize(user_id=user_id, kind=kind, id=thing_id, team_ids=teams.ids),
                Actor(user_id=identity.user_id),
                deadline_s=ASK_DEADLINE_S,
            )
        except errors.NotFound:
            return Standing()
        except errors.AppError as error:
            # Whatever failed there, the answer is unknown, and unknown is never "no".
            raise errors.Unavailable("Permissions cannot be checked at the moment.") from error

    def _known(self, kind: Kind, thing_id: UUID) -> _Thing | None:
        thing = self._things.get((kind, thing_id))
        if thing:
            self._things.move_to_end((kind, thing_id))
        return thing

    def _age(self, thing: _Thing) -> float:
        """Return for how many seconds *thing* was not looked at; for ever once doubted."""
        return _now() - thing.seen if thing.seen > self._doubted else float("inf")

    def _note(self, key: tuple[Kind, UUID], thing: _Thing) -> None:
        self._things[key] = thing
        self._things.move_to_end(key)
        while len(self._things) > THINGS_MAX:
            self._things.popitem(last=False)


def _now() -> float:
    return time.monotonic()
