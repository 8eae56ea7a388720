"""Words for tests of workspaces: packages taken and planted, and what is in them."""

import asyncio
import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import zstandard

from libs.contracts.actor import Actor
from libs.contracts.events import workspaces as w
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.model.log import CommandContext
from services.events.store import Store, Transaction
from services.events.workspaces.exporting import export_package
from services.events.workspaces.importing import import_package, imported_id
from tests.events.support import Json, World

ENDS_WITHIN_S = 20.0

_TABLES = """
SELECT c.table_name FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'public' AND c.column_name = 'project_id' AND t.table_type = 'BASE TABLE'
"""


async def taken(pool: Pool, project_id: UUID, owner_id: UUID | None = None) -> UUID:
    """Take a package; returns its id."""
    package_id = new_id()
    await export_package(pool, package_id, project_id, owner_id or new_id())
    return package_id


async def planted(pool: Pool, package_id: UUID, user_id: UUID, name: str = "Copy") -> UUID:
    """Plant a package; returns the id of the new project."""
    seed = new_id()
    context = CommandContext(
        project_id=imported_id(seed, 0),
        user_id=user_id,
        bundle_id=seed,
        correlation_id=seed.hex,
    )

    async def work(tx: Transaction) -> None:
        await import_package(tx, context, package_id, seed, name=name)

    await Store(pool).run_command(context, work)
    return context.project_id


async def pages(pool: Pool, package_id: UUID) -> list[bytes]:
    """Return the pages of a package."""
    rows = await pool.fetch(
        "SELECT body FROM package_pages WHERE package_id = $1 ORDER BY page", package_id
    )
    return [zstandard.decompress(row["body"]) for row in rows]


async def things(pool: Pool, package_id: UUID) -> list[Json]:
    """Return the things of a package."""
    return [
        json.loads(line) for page in await pages(pool, package_id) for line in page.splitlines()
    ]


async def ids_of(owner: Pool, project_id: UUID) -> set[str]:
    """Return the ids of everything that a project has or had."""
    rows = await owner.fetch(
        "SELECT aggregate_id FROM aggregates WHERE project_id = $1", project_id
    )
    return {str(row["aggregate_id"]) for row in rows} | {str(project_id)}


async def everything_of(owner: Pool, project_id: UUID) -> str:
    """Return all rows of a project in all tables as one text."""
    found: list[Any] = []
    for (table,) in await owner.fetch(_TABLES):
        if table.startswith(("packages", "workspace_jobs", "templates")):
            continue  # they say where something was taken, and belong to no project
        query = f'SELECT to_jsonb(t)::text FROM "{table}" t WHERE project_id = $1'
        found += [row[0] for row in await owner.fetch(query, project_id)]
    query = "SELECT payload::text FROM outbox WHERE payload ->> 'projectId' = $1"
    found += [row[0] for row in await owner.fetch(query, str(project_id))]
    return "\n".join(found)


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
