"""A person at work, with a line to collab's methods and a look behind the scenes."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import zstandard

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from libs.contracts.collab.persistence import CHECK_DIVERGENCE, CheckDivergence, DivergenceReport
from libs.postgres import Pool, connect
from services.collab.editors import SceneEditors
from services.collab.scenes import Scenes
from services.collab.settings import CollabSettings
from services.collab.snapshots.room import Room
from services.collab.store import Store
from services.collab.workers import Workers
from tests.support.people import Person
from tests.support.scenery import Scenery
from tests.support.stack import TwoCollabs

WAIT_S = 20.0
HARDLY = 1e-4
"""A share of the time that leaves ten seconds and more of rest after anything that is done."""
REPLICAS = ("collab-1", "collab-2")


@dataclass
class Desk:
    """Everything a test needs at one stack."""

    stack: TwoCollabs
    scenery: Scenery
    caller: Caller
    owner: Pool
    """Collab's database as its owner, to look and to break."""

    @classmethod
    @asynccontextmanager
    async def open(cls, stack: TwoCollabs) -> AsyncGenerator["Desk"]:
        scenery = await Scenery.begin(stack)
        broker, client = await connect_broker(
            stack.nats_url("gateway"), service="gateway", replica="desk"
        )
        url = stack.postgres_url("collab", "collab_owner")
        owner = await connect(url, application="desk", size_max=3)
        try:
            yield cls(stack, scenery, Caller(client), owner)
        finally:
            await owner.close()
            await broker.stop()
            await scenery.close()

    @property
    def person(self) -> Person:
        return self.scenery.person

    @property
    def actor(self) -> Actor:
        return Actor(user_id=UUID(self.person.id))

    async def write(self, text: str, scene: UUID | None = None) -> UUID:
        """Make a scene read *text*; a new one when none is given."""
        scene = scene or await self.scenery.scene()
        answer = await self.person.http.put(
            f"/api/scenes/{scene}/content", json={"format": "text", "content": text}
        )
        answer.raise_for_status()
        return scene

    async def snap(self, scene: UUID, *, key: str = "", **how: bool) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.person.http.post(
            f"/api/scenes/{scene}/snapshot", json=how, headers=headers
        )

    async def check(self, scene: UUID, *, repair: bool = False) -> DivergenceReport:
        question = CheckDivergence(scene_id=scene, repair=repair)
        return await self.caller.ask(CHECK_DIVERGENCE, question, self.actor)

    async def snapshot(self, scene: UUID) -> asyncpg.Record | None:
        return await self.owner.fetchrow("SELECT * FROM scene_snapshots WHERE scene_id = $1", scene)

    async def blocks(self, scene: UUID) -> list[dict[str, Any]]:
        """What the stored snapshot of a scene says."""
        row = await self.snapshot(scene)
        assert row
        return json.loads(zstandard.decompress(row["content_blocks"]))

    async def history(self, scene: UUID) -> list[asyncpg.Record]:
        return await self.owner.fetch(
            "SELECT * FROM scene_snapshot_metadata WHERE scene_id = $1 ORDER BY created_at", scene
        )

    async def repairs(self, scene: UUID) -> list[asyncpg.Record]:
        return await self.owner.fetch(
            "SELECT * FROM repairs WHERE scene_id = $1 ORDER BY found_at", scene
        )

    async def rewrite(self, scene: UUID, blocks: list[dict[str, Any]]) -> None:
        """Change a stored snapshot behind everybody's back."""
        plain = json.dumps(blocks).encode()
        await self.owner.execute(
            "UPDATE scene_snapshots SET content_blocks = $2, content_bytes = $3"
            " WHERE scene_id = $1",
            scene,
            zstandard.compress(plain),
            len(plain),
        )

    async def flip(self, scene: UUID) -> None:
        """Invert a byte in the middle of a stored snapshot, as a failing disk does."""
        await self.owner.execute(
            "UPDATE scene_snapshots SET content_blocks = set_byte(content_blocks, at,"
            " 255 - get_byte(content_blocks, at))"
            " FROM (SELECT octet_length(content_blocks) / 2 AS at FROM scene_snapshots"
            " WHERE scene_id = $1) AS middle WHERE scene_id = $1",
            scene,
        )

    @asynccontextmanager
    async def told(self, parts: Sequence[str], **settings: object) -> AsyncGenerator[None]:
        """Restart *parts* with other settings; at the end they have their own again."""
        environments = self.stack.environments
        usual = {part: dict(environments[part]) for part in parts}
        other = {f"SCRIPTORIUM_{name.upper()}": str(value) for name, value in settings.items()}
        for part in parts:
            environments[part].update(other)
        await asyncio.gather(*map(self.stack.restart, parts))
        try:
            yield
        finally:
            for part in parts:
                environments[part].clear()
                environments[part].update(usual[part])
            await asyncio.gather(*map(self.stack.restart, parts))

    @asynccontextmanager
    async def nobody_writes(
        self, table: str
    ) -> AsyncGenerator[Callable[[], Awaitable[str | None]]]:
        """Keep everybody from writing *table*; gives which replica waits for it, if one does."""
        url = self.stack.postgres_url("collab", "postgres")
        # Only a superuser sees what others wait for.
        admin = await connect(url, application="admin", size_max=1)

        async def stuck() -> str | None:
            return await admin.fetchval(
                "SELECT application_name FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND application_name LIKE 'collab-%' AND datname = 'collab'"
            )

        try:
            async with self.owner.acquire() as blocker, blocker.transaction():
                await blocker.execute(f"LOCK TABLE {table} IN SHARE MODE")
                yield stuck
        finally:
            await admin.close()


@asynccontextmanager
async def replica(desk: Desk, workers: Workers, **settings: Any) -> AsyncGenerator[Room]:
    """What one replica does about snapshots, with a pool of its own; nothing runs yet."""
    url = desk.stack.postgres_url("collab", "collab")
    pool = await connect(url, application="paces", size_max=3)
    store = Store(pool)
    chosen = CollabSettings(postgres_url=url, nats_url="nats://unused", ops_port=1, **settings)
    try:
        scenes = Scenes(store, workers, cache_bytes_max=1 << 20)
        editors = SceneEditors(desk.caller)
        yield Room(pool, store, scenes, editors, workers=workers, settings=chosen)
    finally:
        await pool.close()
