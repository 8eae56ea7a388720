"""Jobs, packages, templates and libraries as other services ask for them; collab is away here."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import zstandard

from libs import errors
from libs.bus import Caller, connect_broker
from libs.contracts import workspaces as w
from libs.contracts.actor import Actor, Role
from libs.contracts.bundles import BundleType, Committed
from libs.contracts.ids import new_id
from libs.postgres import Pool
from libs.stack import Stack
from services.events.workspaces.subscription import subscribe_workspaces
from services.events.workspaces.texts import Texts
from services.events.workspaces.work import Work
from services.events.workspaces.worker import TRIES_MAX, Worker
from tests.events.bundling import ALL, Bundling, bundle_of
from tests.events.support import Json, World
from tests.events.test_log import require_replayed
from tests.events.test_workspaces import novel
from tests.events.test_world_replay import KINDS as BUSY_KINDS
from tests.events.workspaces import everything_of, ids_of

ENDS_WITHIN_S = 20.0


@pytest.fixture(scope="module", autouse=True)
async def worker(stack: Stack, pool: Pool) -> AsyncIterator[Worker]:
    """Serve workspaces from this process, and work on their jobs."""
    broker, client = await connect_broker(
        stack.nats_url("events"), service="events", replica="workspaces"
    )
    made = Worker(pool, Work(pool, Texts(Caller(client))))
    subscribe_workspaces(broker, pool, made)
    await broker.start()
    running = asyncio.create_task(made.run())
    yield made
    running.cancel()
    await broker.stop()


async def ended(world: World, job: w.Job) -> w.Job:
    """Wait until a job has ended."""
    async with asyncio.timeout(ENDS_WITHIN_S):
        while job.status == "running":
            await asyncio.sleep(0.02)
            job = await world.caller.ask(w.READ_JOB, w.ReadJob(job_id=job.id), world.actor)
    return job


def inside(world: World, project_id: UUID | None) -> World:
    assert project_id is not None
    return replace(world, actor=world.actor.model_copy(update={"project_id": project_id}))


def stranger(world: World) -> World:
    return replace(world, actor=Actor(user_id=new_id()))


async def without_scenes(world: World) -> World:
    """A project that needs nothing of collab."""
    await world.chapter()
    hero = await world.create("entity", world.project_id, type="character", name="Victor")
    tag = await world.create("tag", world.project_id, name="Cold")
    await world.create("tagging", world.project_id, entity_id=hero["id"], tag_id=tag["id"])
    return world


async def clone(world: World, **more: Any) -> w.Job:
    question = w.StartClone(job_id=more.pop("job_id", None) or new_id(), **more)
    return await world.caller.ask(w.START_CLONE, question, world.actor)


# Jobs ------------------------------------------------------------------------------------------


async def test_a_clone(world: World, pool: Pool, owner: Pool) -> None:
    await without_scenes(world)

    job = await ended(world, await clone(world, name="Second"))

    there = inside(world, job.project_id)
    project = await there.read("project", there.project_id)
    assert (job.status, job.error, job.template_id) == ("done", None, None)
    assert (project["name"], project["slug"][:6]) == ("Second", "second")
    assert [each["name"] for each in await there.items("entity", there.project_id)] == ["Victor"]
    assert [each.role for each in await there.members()] == ["OWNER"]
    assert await pool.fetchval("SELECT count(*) FROM packages WHERE package_id = $1", job.id) == 0
    text = await everything_of(owner, there.project_id)
    assert [each for each in await ids_of(owner, world.project_id) if each in text] == []
    await require_replayed(owner, there.project_id)


async def test_asked_twice_it_is_cloned_once(world: World, pool: Pool) -> None:
    await without_scenes(world)
    job_id = new_id()

    jobs = await asyncio.gather(*(clone(world, job_id=job_id) for _ in range(4)))
    done = [await ended(world, each) for each in jobs]
    again = await clone(world, job_id=job_id)

    assert {each.project_id for each in done} == {again.project_id}
    assert again.status == "done"
    count = "SELECT count(*) FROM projects WHERE created_by = $1"
    assert await pool.fetchval(count, world.actor.user_id) == 2
    with pytest.raises(errors.NotFound):
        await clone(inside(stranger(world), world.project_id), job_id=job_id)


async def test_many_workers_do_a_job_once(world: World, pool: Pool, worker: Worker) -> None:
    """Even when one believes that it still holds what another one took over."""
    await without_scenes(world)
    job = await clone(world)
    row = dict(await pool.fetchrow("SELECT * FROM workspace_jobs WHERE job_id = $1", job.id) or {})

    outcomes = await asyncio.gather(
        *(worker.work.carry_on(row) for _ in range(3)), return_exceptions=True
    )
    job = await ended(world, job)

    count = "SELECT count(*) FROM projects WHERE created_by = $1"
    assert [each for each in outcomes if each and not isinstance(each, errors.Unavailable)] == []
    assert job.status == "done"
    assert await pool.fetchval(count, world.actor.user_id) == 2


async def test_it_waits_while_collab_is_away(world: World, pool: Pool, worker: Worker) -> None:
    """It is tried again, later and later, and given up in the end; nothing of it is visible."""
    await world.scene()
    job = await clone(world)
    tries = "SELECT tries FROM workspace_jobs WHERE job_id = $1"
    async with asyncio.timeout(ENDS_WITHIN_S):
        while (await pool.fetchval(tries, job.id) or 0) < 2:  # noqa: ASYNC110 (sends no signal)
            await asyncio.sleep(0.05)
    job = await world.caller.ask(w.READ_JOB, w.ReadJob(job_id=job.id), world.actor)
    assert (job.status, job.step) == ("running", "reading")
    with pytest.raises(errors.NotFound):
        there = inside(world, job.project_id)
        await there.read("project", there.project_id)

    await pool.execute(
        "UPDATE workspace_jobs SET tries = $2, due_at = now() WHERE job_id = $1", job.id, TRIES_MAX
    )
    worker.wake()
    job = await ended(world, job)

    assert job.status == "failed"
    assert job.error and job.error["code"] == "INTERNAL"


async def test_only_who_began_it_sees_it(world: World) -> None:
    job = await clone(world)

    with pytest.raises(errors.NotFound):
        await world.caller.ask(w.READ_JOB, w.ReadJob(job_id=job.id), stranger(world).actor)
    await ended(world, job)


async def test_jobs_of_a_person_are_bounded(world: World, pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO workspace_jobs (job_id, user_id, kind, package_id, target_id, details, due_at)"
        " SELECT gen_random_uuid(), $1, 'clone', gen_random_uuid(), gen_random_uuid(), '{}',"
        " now() + interval '1 h' FROM generate_series(1, $2)",
        world.actor.user_id,
        w.JOBS_OPEN_MAX,
    )

    with pytest.raises(errors.LimitReached):
        await clone(world)
    await pool.execute("DELETE FROM workspace_jobs WHERE user_id = $1", world.actor.user_id)


async def test_a_deleted_project_is_not_cloned(world: World) -> None:
    await world.remove("project", world.project_id)

    job = await ended(world, await clone(world))

    assert job.error and job.error["code"] == "NOT_FOUND"


# Packages that are sent --------------------------------------------------------------------------


LINES: list[Json] = [
    {"kind": "entity", "id": 1, "fields": {"type": "character", "name": "Victor"}},
    {"kind": "entity", "id": 2, "fields": {"type": "location", "name": "Ship"}},
    {"kind": "tag", "id": 3, "fields": {"name": "Cold"}},
    {"kind": "tagging", "id": 4, "fields": {"entityId": 2, "tagId": 3}},
]
KINDS = {"entity": 2, "tag": 1, "tagging": 1}


async def sent(
    world: World,
    *parts: list[Json],
    kinds: dict[str, int] | None = None,
    texts: dict[int, bytes] | None = None,
) -> w.Job:
    """Send a package in parts, and begin."""
    package_id, ask, actor = new_id(), world.caller.ask, Actor(user_id=world.actor.user_id)
    head = w.Head(format=w.FORMAT, name="Sent", kinds=kinds or KINDS)
    await ask(w.OPEN_PACKAGE, w.OpenPackage(package_id=package_id, head=head), actor)
    for page, lines in enumerate(parts):
        body = b"".join(json.dumps(each).encode() + b"\n" for each in lines)
        question = w.PutPage.model_construct(
            package_id=package_id,
            page=page,
            first=lines[0]["id"],
            body=zstandard.compress(body),
        )
        for _ in range(2):  # a retry changes nothing
            await ask(w.PUT_PAGE, question, actor)
    for number, text in (texts or {}).items():
        put = w.PutText.model_construct(
            package_id=package_id, number=number, packed=zstandard.compress(text), size=len(text)
        )
        await ask(w.PUT_TEXT, put, actor)
    question = w.StartImport(job_id=new_id(), package_id=package_id)
    return await ended(world, await ask(w.START_IMPORT, question, actor))


async def test_what_is_sent_becomes_a_project(world: World, owner: Pool) -> None:
    job = await sent(world, LINES[:2], LINES[2:])

    there = inside(world, job.project_id)
    assert job.status == "done"
    assert (await there.read("project", there.project_id))["name"] == "Sent"
    assert len(await there.items("tagging", there.project_id)) == 1
    await require_replayed(owner, there.project_id)


@pytest.mark.parametrize(
    ("parts", "kinds"),
    [
        ([LINES[:3]], KINDS),
        ([LINES[2:]], KINDS),
        ([LINES[:1], LINES[2:]], KINDS),
        ([LINES], KINDS | {"tagging": 2}),
        ([], KINDS),
    ],
)
async def test_a_part_is_missing(
    world: World, parts: list[list[Json]], kinds: dict[str, int]
) -> None:
    with pytest.raises(errors.PackageDamaged):
        await sent(world, *parts, kinds=kinds)


async def test_more_than_was_said(world: World) -> None:
    with pytest.raises(errors.Invalid):
        await sent(world, LINES, kinds={"entity": 2, "tag": 1})


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"kind": "tag", "id": 4, "fields": {"name": "COLD"}}, "ALREADY_EXISTS"),
        (
            {"kind": "relation", "id": 3, "fields": {
                "sourceEntityId": 1, "targetEntityId": 1, "type": "contains"}},
            "RELATION_CYCLE",
        ),
    ],
)  # fmt: skip
async def test_what_the_database_refuses_leaves_nothing(
    world: World, pool: Pool, more: Json, code: str
) -> None:
    """Rules that only the database knows are asked before anything is written anywhere."""
    before = await pool.fetchval("SELECT count(*) FROM projects")
    lines = [*LINES[:2], more] if more["kind"] == "relation" else [*LINES[:3], more]
    kinds = {"entity": 2, more["kind"]: 1} if more["kind"] == "relation" else KINDS
    kinds = {"entity": 2, "tag": 2} if more["kind"] == "tag" else kinds

    job = await sent(world, lines, kinds=kinds)

    assert job.status == "failed" and job.step == "checking"
    assert job.error and job.error["code"] == code
    assert await pool.fetchval("SELECT count(*) FROM projects") == before


async def test_a_package_is_its_senders(world: World) -> None:
    package_id, ask = new_id(), world.caller.ask
    head = w.Head(format=w.FORMAT, name="Sent", kinds=KINDS)
    await ask(w.OPEN_PACKAGE, w.OpenPackage(package_id=package_id, head=head), world.actor)
    body = zstandard.compress(json.dumps(LINES[0]).encode())
    page = w.PutPage.model_construct(package_id=package_id, page=0, first=1, body=body)
    other = stranger(world).actor

    with pytest.raises(errors.NotFound):
        await ask(w.PUT_PAGE, page, other)
    with pytest.raises(errors.NotFound):
        await ask(w.START_IMPORT, w.StartImport(job_id=new_id(), package_id=package_id), other)
    await ask(w.DROP_PACKAGE, w.DropPackage(package_id=package_id), other)
    await ask(w.PUT_PAGE, page, world.actor)
    await ask(w.DROP_PACKAGE, w.DropPackage(package_id=package_id), world.actor)
    with pytest.raises(errors.NotFound):
        await ask(w.PUT_PAGE, page, world.actor)


async def test_hostile_pages_and_texts(world: World) -> None:
    """A bomb is not unpacked, and a text of no scene is not kept."""
    package_id, ask, actor = new_id(), world.caller.ask, world.actor
    head = w.Head(format=w.FORMAT, name="Sent", kinds=KINDS)
    await ask(w.OPEN_PACKAGE, w.OpenPackage(package_id=package_id, head=head), actor)
    bomb = zstandard.compress(bytes(100 << 20))
    put = w.PutText.model_construct(package_id=package_id, number=1, packed=bomb, size=5)

    for body in (bomb, b"", b"no zstd", zstandard.compress(b"")):
        page = w.PutPage.model_construct(package_id=package_id, page=0, first=1, body=body)
        with pytest.raises(errors.PackageDamaged):
            await ask(w.PUT_PAGE, page, actor)
    with pytest.raises(errors.PackageDamaged):
        await ask(w.PUT_TEXT, put, actor)


async def test_packages_of_a_person_are_bounded_and_go(
    world: World, pool: Pool, worker: Worker
) -> None:
    ask, actor = world.caller.ask, world.actor
    head = w.Head(format=w.FORMAT, name="Sent", kinds=KINDS)
    for _ in range(w.PACKAGES_OPEN_MAX):
        await ask(w.OPEN_PACKAGE, w.OpenPackage(package_id=new_id(), head=head), actor)
    with pytest.raises(errors.LimitReached):
        await ask(w.OPEN_PACKAGE, w.OpenPackage(package_id=new_id(), head=head), actor)
    with pytest.raises(errors.LimitReached):
        await ask(w.TAKE_PACKAGE, w.TakePackage(package_id=new_id()), actor)

    await pool.execute(
        "UPDATE packages SET created_at = now() - interval '2 h' WHERE owner_id = $1", actor.user_id
    )
    await worker.expire()

    await ask(w.TAKE_PACKAGE, w.TakePackage(package_id=new_id()), actor)


# Templates ---------------------------------------------------------------------------------------


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


async def test_a_template_is_of_its_moment(world: World, pool: Pool, worker: Worker) -> None:
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


async def test_only_its_owner_deletes_a_template(world: World, pool: Pool, worker: Worker) -> None:
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


# Libraries ---------------------------------------------------------------------------------------


async def library(world: World) -> World:
    actor = Actor(user_id=world.actor.user_id)
    found = await world.caller.ask(w.OPEN_LIBRARY, w.OpenLibrary(), actor)
    return inside(world, found.project_id)


def some(*things: tuple[str, Json]) -> list[w.Thing]:
    return [w.Thing.model_validate({"kind": kind, "id": row["id"]}) for kind, row in things]


async def save(world: World, *things: tuple[str, Json]) -> Committed:
    question = w.SaveToLibrary(command_id=new_id(), things=some(*things))
    return await world.caller.ask(w.SAVE_TO_LIBRARY, question, world.actor)


async def take_over(world: World, *things: tuple[str, Json], **more: Any) -> Committed:
    question = w.ImportFromLibrary(
        command_id=more.get("command_id") or new_id(),
        things=some(*things),
        may=more.get("may", ALL),
    )
    return await world.caller.ask(w.IMPORT_FROM_LIBRARY, question, world.actor)


async def test_a_person_has_one_library(world: World) -> None:
    """Also when asked for at once; it is in no list, and a new one follows a deleted one."""
    found = await asyncio.gather(*(library(world) for _ in range(5)))

    assert len({each.project_id for each in found}) == 1
    listed = await replace(world, actor=Actor(user_id=world.actor.user_id)).items("project")
    assert [each["id"] for each in listed] == [str(world.project_id)]
    await found[0].remove("project", found[0].project_id)
    assert (await library(world)).project_id != found[0].project_id


async def test_there_and_back(world: World, owner: Pool) -> None:
    """With what it refers to, its tags, and what connects it; as copies, to be undone at once."""
    old = await novel(world)
    await save(
        world, ("entity", old["hero"]), ("entity", old["ship"]), ("prompt_preset", old["preset"])
    )
    shelf = await library(world)
    kept = {kind: await shelf.items(kind, shelf.project_id) for kind in BUSY_KINDS}
    counts = {kind: len(rows) for kind, rows in kept.items() if rows}
    assert counts == {
        "entity": 2, "tag": 1, "tagging": 1, "relation": 1, "persona": 1, "context_rule": 1,
        "style_guide": 1, "prompt_preset": 1,
    }  # fmt: skip

    other = await another(world)
    theirs = await other.create("tag", other.project_id, name="COLD")
    taken = await other.create("entity", other.project_id, type="other", name="x", slug="victor")
    things = [("entity", each) for each in kept["entity"]]
    bundle = bundle_of(await take_over(other, *things))

    assert bundle.type is BundleType.IMPORT
    heroes = [
        each for each in await other.items("entity", other.project_id) if each["id"] != taken["id"]
    ]
    taggings = await other.items("tagging", other.project_id)
    assert {each["name"] for each in heroes} == {"Victor", "Ship"}
    assert {each["slug"] for each in heroes} == {None}
    assert [each["tagId"] for each in taggings] == [theirs["id"]]
    assert len(await other.items("relation", other.project_id)) == 1
    text = await everything_of(owner, other.project_id)
    others = await ids_of(owner, world.project_id) | await ids_of(owner, shelf.project_id)
    assert [each for each in others if each in text] == []

    await Bundling(other).undo(bundle.id)
    assert [each["id"] for each in await other.items("entity", other.project_id)] == [taken["id"]]
    assert [each["id"] for each in await other.items("tag", other.project_id)] == [theirs["id"]]
    await require_replayed(owner, other.project_id)
    await require_replayed(owner, shelf.project_id)


async def another(world: World) -> World:
    """A second project of the same person."""
    project_id = new_id()
    outside = replace(world, actor=Actor(user_id=world.actor.user_id))
    await outside.create("project", None, id=project_id, name="Other")
    return inside(world, project_id)


async def test_asked_twice_it_is_copied_once(world: World) -> None:
    persona = await world.create("persona", world.project_id, name="Mary", prompt="x")
    await save(world, ("persona", persona))
    shelf = await library(world)
    kept = (await shelf.items("persona", shelf.project_id))[0]
    command = new_id()

    first = await take_over(world, ("persona", kept), command_id=command)
    again = await take_over(world, ("persona", kept), command_id=command)

    assert first == again
    assert len(await world.items("persona", world.project_id)) == 2


async def test_nobody_takes_what_is_not_theirs(world: World, caller: Caller) -> None:
    """Things of another project are not there, and what a role may not make is not made."""
    other = await World.begin(caller)
    foreign = await other.create("persona", other.project_id, name="Theirs", prompt="x")
    persona = await world.create("persona", world.project_id, name="Mary", prompt="x")
    await save(world, ("persona", persona))
    shelf = await library(world)
    kept = (await shelf.items("persona", shelf.project_id))[0]

    with pytest.raises(errors.NotFound):
        await save(world, ("persona", foreign))
    with pytest.raises(errors.NotFound):
        await take_over(world, ("persona", persona))
    with pytest.raises(errors.Forbidden):
        await take_over(world, ("persona", kept), may=frozenset({"entity.create"}))
    with pytest.raises(errors.Conflict):
        await save(shelf, ("persona", kept))
    assert len(await world.items("persona", world.project_id)) == 1
