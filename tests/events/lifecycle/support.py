"""Words for tests of the end of things."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from libs.contracts.events import lifecycle as c
from libs.contracts.events.resources import Kind
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.lifecycle.purger import Purger
from services.events.rebuild.__main__ import rebuild
from services.events.store import Store
from services.events.store.log import read_chains, read_heads
from tests.events.support import Json, World

STEPS_MAX = 500

MARK = "Winterreise"
"""A word that is in everything somebody wrote, so that it can be looked for afterwards."""


@dataclass(frozen=True)
class Ending:
    """What a person does to end things."""

    world: World

    async def archive(self, archived: bool = True) -> Json:
        question = c.SetArchived(command_id=new_id(), archived=archived)
        return (await self.world.caller.ask(c.SET_ARCHIVED, question, self.world.actor)).resource

    async def purge(self, kind: Kind, id: Any, **more: Any) -> c.PurgeProgress:  # noqa: A002
        question = c.Purge(command_id=new_id(), kind=kind, id=id, **more)
        return await self.world.caller.ask(c.PURGE, question, self.world.actor)

    async def progress(self, purge_id: UUID) -> c.PurgeProgress:
        question = c.ReadPurge(id=purge_id)
        return await self.world.caller.ask(c.READ_PURGE, question, self.world.actor)


async def furnished(world: World, mark: str = MARK) -> dict[str, Json]:
    """Make one of each kind, all of them tied together, with *mark* in every text."""
    made: dict[str, Json] = {}
    project = world.project_id
    made["book"] = await world.book(mark)
    made["chapter"] = await world.chapter(made["book"], mark)
    made["scene"] = await world.scene(made["chapter"], title=mark, summary=mark)
    hero = await world.create("entity", project, type="character", name=mark)
    task = await world.create("entity", project, type="task", name=mark)
    made["entity"], made["task"] = hero, task
    made["tag"] = await world.create("tag", project, name=mark)
    made["relation"] = await world.create(
        "relation",
        project,
        source_entity_id=hero["id"],
        target_entity_id=task["id"],
        type="relates_to",
        note=mark,
    )
    made["tagging"] = await world.create(
        "tagging", project, entity_id=hero["id"], tag_id=made["tag"]["id"]
    )
    made["appearance"] = await world.create(
        "appearance",
        project,
        entity_id=hero["id"],
        scene_id=made["scene"]["id"],
        role="POV",
        notes=mark,
    )
    made["canon_fact"] = await world.create(
        "canon_fact",
        project,
        entity_id=task["id"],
        fact=mark,
        reveal_state="REVEALED",
        reveal_scene_id=made["scene"]["id"],
    )
    made["style_guide"] = await world.create("style_guide", project, name=mark, guide={"a": mark})
    made["context_rule"] = await world.create(
        "context_rule", project, name=mark, style_guide_id=made["style_guide"]["id"]
    )
    made["persona"] = await world.create("persona", project, name=mark)
    made["prompt_preset"] = await world.create(
        "prompt_preset",
        project,
        name=mark,
        persona_id=made["persona"]["id"],
        context_rule_id=made["context_rule"]["id"],
    )
    definition: Json = {"kind": "text", "root": mark}
    made["editor_definition"] = await world.create(
        "editor_definition", project, name=mark, definition=definition
    )
    for kind in ("book", "scene"):
        made[kind] = await world.change(kind, made[kind]["id"], editor=mark)
    return made


def purger(pool: Pool, **more: Any) -> Purger:
    """A replica that purges."""
    return Purger(pool, Store(pool), **more)


async def finish(pool: Pool, purge_id: UUID) -> None:
    """Let a replica work until a purge is done."""
    working = purger(pool)
    for _ in range(STEPS_MAX):
        await working.step()
        row = await pool.fetchrow("SELECT state, failure FROM purges WHERE purge_id = $1", purge_id)
        assert row is not None
        assert row["state"] != "failed", row["failure"]
        if row["state"] == "done":
            return
        await pool.execute("UPDATE purges SET not_before = now() WHERE purge_id = $1", purge_id)
    raise AssertionError("the purge does not end")


async def flaws(owner: Pool, project_id: UUID) -> list[Any]:
    """What of a project's log does not continue its chain."""
    found: list[Any] = []
    async with (
        owner.acquire() as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        page = await read_heads(connection, None, project_id=project_id)
        assert page
        async for piece in read_chains(connection, page):
            found += piece.findings
    return found


async def require_equal(owner: Pool) -> None:
    """The projections are the fold of the log, and the log is whole."""
    answer = await rebuild(owner, into=None, do_swap=False, force=False)
    assert answer["equal"], answer["shown"]
    assert answer["flaws"] == []


async def tables_with(owner: Pool, word: str) -> dict[str, int]:
    """All tables in which a word is found, in any column, and in how many rows."""
    found: dict[str, int] = {}
    for row in await _tables(owner):
        name = row["table_name"]
        count = await owner.fetchval(
            f'SELECT count(*) FROM "{name}" t WHERE strpos(t::text, $1) > 0', word
        )
        if count:
            found[name] = count
    return found


async def events_of_project(owner: Pool, project_id: UUID) -> list[asyncpg.Record]:
    return await owner.fetch("SELECT * FROM event_log WHERE project_id = $1", project_id)


async def _tables(owner: Pool) -> list[asyncpg.Record]:
    return await owner.fetch(
        "SELECT table_name FROM information_schema.tables "
        "WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
