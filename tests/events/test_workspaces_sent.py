"""Packages that are sent: whole, in order, and by nobody but who began."""

import json

import pytest
import zstandard

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events import workspaces as w
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.workspaces.worker import JobWorker
from tests.events.support import Json, World
from tests.events.test_log import require_replayed
from tests.events.workspaces import (
    ended,
    inside,
    stranger,
)

pytestmark = pytest.mark.usefixtures("worker")


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
    world: World, pool: Pool, worker: JobWorker
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
