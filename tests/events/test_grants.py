"""Teams in projects: one role for each, and the strongest of a person's roles counts."""

import asyncio
from dataclasses import dataclass
from random import Random
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor, Role
from libs.contracts.events import bundles as b
from libs.contracts.events import manuscript as m
from libs.contracts.events import teams as t
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.events.bundling import Bundling, delete
from tests.events.support import World

STRENGTH = {role: number for number, role in enumerate(reversed(Role), start=1)}
EXAMPLES = 25


@dataclass(frozen=True)
class Granting:
    """What a person does about the teams of their project."""

    world: World

    async def all(self) -> dict[UUID, Role]:
        found = await self.world.caller.ask(t.LIST_GRANTS, t.ListGrants(), self.world.actor)
        return {each.team_id: each.role for each in found.items}

    async def put(self, team_id: UUID, role: Role, command_id: UUID | None = None) -> t.TeamGrant:
        question = t.PutGrant(command_id=command_id or new_id(), team_id=team_id, role=role)
        return await self.world.caller.ask(t.PUT_GRANT, question, self.world.actor)

    async def remove(self, team_id: UUID) -> None:
        question = t.RemoveGrant(command_id=new_id(), team_id=team_id)
        await self.world.caller.ask(t.REMOVE_GRANT, question, self.world.actor)


@pytest.fixture
def granting(world: World) -> Granting:
    return Granting(world)


async def standing(world: World, user_id: UUID, *team_ids: UUID) -> Role | None:
    question = m.Authorize(user_id=user_id, kind="project", id=world.project_id, team_ids=team_ids)
    return (await world.caller.ask(m.AUTHORIZE, question, Actor(user_id=user_id))).role


async def projects(world: World, user_id: UUID, *team_ids: UUID) -> dict[str, str]:
    question = m.List(kind="project", team_ids=team_ids, limit=500)
    page = await world.caller.ask(m.LIST, question, Actor(user_id=user_id))
    assert len({each["id"] for each in page.items}) == len(page.items), "each project once"
    return {each["id"]: each["role"] for each in page.items}


async def test_put_change_and_remove_are_events(granting: Granting, owner: Pool) -> None:
    team = new_id()
    added = await granting.put(team, Role.WRITER)
    changed = await granting.put(team, Role.READER)
    same = await granting.put(team, Role.READER)

    assert (added.role, added.version) == (Role.WRITER, 1)
    assert (changed.id, changed.role, changed.version) == (added.id, Role.READER, 2)
    assert same == changed
    assert await granting.all() == {team: Role.READER}
    await granting.remove(team)
    assert await granting.all() == {}
    rows = await owner.fetch(
        "SELECT event_type, data FROM events WHERE aggregate_id = $1 ORDER BY version", added.id
    )
    which = {"teamId": str(team)}
    assert [(row["event_type"], row["data"]) for row in rows] == [
        ("team_grant.added", which | {"role": "WRITER"}),
        ("team_grant.role_changed", which | {"from": "WRITER", "to": "READER"}),
        ("team_grant.removed", which | {"role": "READER"}),
    ]


async def test_a_retried_grant_happens_once_even_after_it_was_taken_back(
    granting: Granting,
) -> None:
    """A repeat that comes late must not open what somebody has closed since."""
    team, command = new_id(), new_id()
    await granting.put(team, Role.WRITER, command)
    await granting.remove(team)

    with pytest.raises(errors.NotFound):
        await granting.put(team, Role.WRITER, command)

    assert await granting.all() == {}


async def test_a_team_is_never_owner(granting: Granting, owner: Pool) -> None:
    """Neither by a request, nor by a bug that comes past its model."""
    with pytest.raises(ValidationError):
        t.PutGrant(command_id=new_id(), team_id=new_id(), role=Role.OWNER)
    grant = await granting.put(new_id(), Role.READER)

    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute("UPDATE team_grants SET role = 'OWNER' WHERE id = $1", grant.id)


async def test_same_team_added_at_once_is_one_grant(granting: Granting) -> None:
    team = new_id()

    answers = await asyncio.gather(*(granting.put(team, Role.WRITER) for _ in range(8)))

    assert len({each.id for each in answers}) == 1


async def test_there_is_a_limit_of_teams(
    granting: Granting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.events.resources.grants.GRANTS_MAX", 2)
    first = new_id()
    await granting.put(first, Role.READER)
    await granting.put(new_id(), Role.READER)

    with pytest.raises(errors.LimitReached):
        await granting.put(new_id(), Role.READER)
    await granting.put(first, Role.WRITER)


async def test_grants_are_of_the_actors_project(granting: Granting, caller: Caller) -> None:
    stranger = Granting(await World.begin(caller))
    team = new_id()
    await granting.put(team, Role.WRITER)

    with pytest.raises(errors.NotFound):
        await stranger.remove(team)
    await stranger.put(team, Role.READER)
    assert await stranger.all() == {team: Role.READER}
    assert await granting.all() == {team: Role.WRITER}
    nowhere = Granting(World(caller, Actor(user_id=new_id(), project_id=new_id())))
    for attempt in (nowhere.all(), nowhere.put(team, Role.READER), nowhere.remove(team)):
        with pytest.raises(errors.NotFound):
            await attempt


async def test_bundles_give_no_roles(granting: Granting) -> None:
    """Whoever may write, may write no grants: a bundle is not a way around the gateway."""
    grant = await granting.put(new_id(), Role.READER)
    bundling = Bundling(granting.world)

    with pytest.raises(errors.Invalid):
        await bundling.commit(delete("team_grant", grant.id))
    with pytest.raises(errors.Conflict):
        bundles = await granting.world.caller.ask(
            b.LIST_BUNDLES, b.ListBundles(aggregate_id=grant.id), granting.world.actor
        )
        await bundling.undo(bundles.items[0].id)


async def test_a_deleted_project_gives_no_roles_anew(granting: Granting) -> None:
    world = granting.world
    await world.remove("project", world.project_id)

    with pytest.raises(errors.NotFound):
        await granting.put(new_id(), Role.READER)


ROLES_OR_NONE = st.sampled_from([None, *Role])
BELOW_OR_NONE = st.sampled_from([None, *(role for role in Role if role is not Role.OWNER)])


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(own=ROLES_OR_NONE, granted=st.lists(BELOW_OR_NONE, max_size=4), rnd=st.randoms())
async def test_the_strongest_role_counts(
    caller: Caller, own: Role | None, granted: list[Role | None], rnd: Random
) -> None:
    """Of a person's own and those of the teams they are in; other teams' roles are nothing."""
    world = await World.begin(caller)
    other = await World.begin(caller)
    granting, person = Granting(world), new_id()
    if own:
        await world.put_member(person, own)
    teams = [new_id() for _ in granted]
    for team, role in zip(teams, granted, strict=True):
        if role:
            await granting.put(team, role)
        await Granting(other).put(team, Role.READER)
    await granting.put(new_id(), Role.MAINTAINER)
    mine = [team for team in teams if rnd.random() < 0.6]

    through = [role for team, role in zip(teams, granted, strict=True) if role and team in mine]
    roles = [role for role in (own, *through) if role]
    strongest = max(roles, key=lambda role: STRENGTH[role]) if roles else None
    assert await standing(world, person, *mine) == strongest
    seen = await projects(world, person, *mine)
    assert seen.pop(str(other.project_id), None) == ("READER" if mine else None)
    assert seen == ({str(world.project_id): strongest} if strongest else {})


async def test_projects_of_teams_are_paged_among_ones_own(world: World, caller: Caller) -> None:
    """Each once, in one order, whichever way one has it."""
    team, person = new_id(), world.actor.user_id
    others = [await World.begin(caller) for _ in range(4)]
    for each in others:
        await Granting(each).put(team, Role.READER)
    await others[0].put_member(person, Role.WRITER)
    seen: list[str] = []
    cursor = None
    while True:
        question = m.List(kind="project", team_ids=(team,), limit=2, cursor=cursor)
        page = await caller.ask(m.LIST, question, Actor(user_id=person))
        seen += [each["id"] for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == sorted(seen)
    assert set(seen) == {str(world.project_id), *(str(each.project_id) for each in others)}
    assert (await projects(world, person, team))[str(others[0].project_id)] == "WRITER"
