"""Templates: of one moment, for whom they are shared with."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.actor import Actor, Role
from libs.contracts.events import workspaces as w
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.workspaces.worker import JobWorker
from tests.events.support import World
from tests.events.workspaces import (
    ended,
    inside,
    stranger,
    without_scenes,
)

pytestmark = pytest.mark.usefixtures("worker")


async def template(world: World, **more: Any) -> w.Template:
    question = w.StartTemplate.model_validate({"jobId": new_id(), "name": "Gothic", **more})
    job = await ended(world, await world.caller.ask(w.START_TEMPLATE, question, world.actor))
    assert job.status == "done" and job.template_id and job.project_id is None
    return await world.caller.ask(
        w.READ_TEMPLATE, w.OneTemplate(template_id=job.template_id), world.actor
    )


async def instance(world: World, template_id: UUID) -> w.Job:
    question = w.StartInstance(job_id=new_id(), template_id=template_id, name="From it")
    actor = Actor(user_id=world.actor.user_id)
    return await ended(world, await world.caller.ask(w.START_INSTANCE, question, actor))


async def test_a_template_is_of_its_moment(world: World, pool: Pool, worker: JobWorker) -> None:
    """What happens to the project later is not in it, not even its end."""
    await without_scenes(world)
    made = await template(world, description="A start")
    await world.create("entity", world.project_id, type="item", name="Late")
    await world.remove("project", world.project_id)
    await pool.execute("UPDATE packages SET created_at = now() - interval '2 h'")
    await worker.expire()

    job = await instance(world, made.id)

    there = inside(world, job.project_id)
    assert made.kinds == {"book": 1, "chapter": 1, "entity": 1, "tag": 1, "tagging": 1}
    assert (made.name, made.description, made.owner_id) == (
        "Gothic",
        "A start",
        world.actor.user_id,
    )
    assert [each["name"] for each in await there.items("entity", there.project_id)] == ["Victor"]
    assert (await there.read("project", there.project_id))["name"] == "From it"


async def test_who_may_use_a_template(world: World) -> None:
    """Its owner; and when it is shared the members of its project, by themselves or a team."""
    kept, shared = await template(world), await template(world, shared=True)
    member, outsider = new_id(), stranger(world)
    await world.put_member(member, Role.READER)
    friend = replace(world, actor=Actor(user_id=member))

    async def listed(who: World) -> list[UUID]:
        found = await who.caller.ask(w.LIST_TEMPLATES, w.ListTemplates(), who.actor)
        return [each.id for each in found.items]

    assert await listed(world) == [shared.id, kept.id]
    assert await listed(friend) == [shared.id]
    assert await listed(outsider) == []
    assert (await instance(friend, shared.id)).status == "done"
    for who, which in ((friend, kept), (outsider, shared), (outsider, kept)):
        with pytest.raises(errors.NotFound):
            await instance(who, which.id)
        with pytest.raises(errors.NotFound):
            one = w.OneTemplate(template_id=which.id)
            await who.caller.ask(w.READ_TEMPLATE, one, who.actor)


async def test_templates_are_listed_in_pages(world: World) -> None:
    made = [(await template(world, name=f"T{n}")).id for n in range(3)]
    ask, actor = world.caller.ask, world.actor

    first = await ask(w.LIST_TEMPLATES, w.ListTemplates(limit=2), actor)
    rest = await ask(w.LIST_TEMPLATES, w.ListTemplates(limit=2, cursor=first.next_cursor), actor)

    assert [each.id for each in (*first.items, *rest.items)] == made[::-1]
    assert rest.next_cursor is None
    with pytest.raises(errors.Invalid):
        await ask(w.LIST_TEMPLATES, w.ListTemplates(cursor="x"), actor)


async def test_only_its_owner_deletes_a_template(
    world: World, pool: Pool, worker: JobWorker
) -> None:
    made = await template(world, shared=True)
    member = new_id()
    await world.put_member(member, Role.OWNER)
    one, ask = w.OneTemplate(template_id=made.id), world.caller.ask

    with pytest.raises(errors.Forbidden):
        await ask(w.DELETE_TEMPLATE, one, Actor(user_id=member))
    await ask(w.DELETE_TEMPLATE, one, world.actor)
    with pytest.raises(errors.NotFound):
        await ask(w.DELETE_TEMPLATE, one, world.actor)

    await pool.execute("UPDATE packages SET created_at = now() - interval '2 h'")
    await worker.expire()
    left = "SELECT count(*) FROM packages WHERE owner_id = $1"
    assert await pool.fetchval(left, world.actor.user_id) == 0
