"""Everything that can happen to runs, and what was announced of it."""

import json
from uuid import UUID, uuid4

import asyncpg
import httpx
import nats
from nats.aio.client import Client

from libs.contracts.streams import AI
from tests.ai.desk import Desk
from tests.gateway.support import Json, Person
from tests.support.waiting import until
from tools.stack import Stack

LAST = "ai.run_cancelled"


async def everything_run(stack: Stack) -> list[Json]:
    """Let a run complete, fail and be cancelled; returns what the stream has of it, in order."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as http:
        desk = await Desk.begin(await Person.register(http, "Mary"))
        await desk.write("Ship", "Walton stood at the helm. “Ice,” said Walton.")
        await desk.done("enrich")
        nowhere = await desk.begin_run("continuity", sceneId=str(uuid4()))
        assert (await desk.ended(nowhere["id"]))["status"] == "failed"
        waiting = await _waiting(stack, nowhere["id"])
        cancelled = await desk.owner.post(f"/api/ai/runs/{waiting}/cancel")
        assert cancelled.json()["status"] == "cancelled", cancelled.text
    client = await nats.connect(stack.nats_url("admin"))
    try:
        return await _announced(client, desk.project)
    finally:
        await client.close()


async def _waiting(stack: Stack, like: str) -> UUID:
    """Queue a run that no worker takes up for an hour."""
    run = uuid4()
    connection = await asyncpg.connect(stack.postgres_url("ai", "ai"))
    try:
        await connection.execute(
            "INSERT INTO runs (id, project_id, kind, engine, config, config_hash, due_at,"
            " created_by, updated_by) SELECT $1, project_id, kind, engine, config, config_hash,"
            " now() + interval '1 hour', created_by, updated_by FROM runs WHERE id = $2",
            run,
            UUID(like),
        )
    finally:
        await connection.close()
    return run


async def _announced(client: Client, project: str) -> list[Json]:
    """Return the messages about a project, up to the cancelled run."""
    jetstream = client.jetstream()

    async def all_of_it() -> list[Json]:
        state = (await jetstream.stream_info(AI.name)).state
        found = [
            json.loads((await jetstream.get_msg(AI.name, seq=seq)).data or b"{}")
            for seq in range(state.first_seq, state.last_seq + 1)
        ]
        mine = [each for each in found if each["event"]["projectId"] == project]
        types = [each["event"]["eventType"] for each in mine]
        return mine if LAST in types else []

    return await until(all_of_it)
