"""Scenes with logs of any age, a line to both replicas, and a hand in the database."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4
from zlib import crc32

import asyncpg
import httpx
from pycrdt import Doc, Text, TransactionEvent

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from libs.contracts.collab import upkeep
from libs.contracts.collab.content import READ_CONTENT, ContentFormat, ReadContent
from libs.postgres import Pool, connect
from tools.stack import Stack

WAIT_S = 30.0
OLD = timedelta(days=2)
PAST_RETENTION = timedelta(days=40)
COLLABS = ("collab-1", "collab-2")
_COLUMNS = ("scene_id", "seq", "yjs_update", "client_id", "created_by", "created_at", "checksum")


@dataclass
class Desk:
    """Everything a test needs at one stack."""

    stack: Stack
    caller: Caller
    owner: Pool
    """Collab's database past all its triggers, to look and to break."""

    @classmethod
    @asynccontextmanager
    async def open(cls, stack: Stack) -> AsyncGenerator["Desk"]:
        broker, client = await connect_broker(
            stack.nats_url("gateway"), service="gateway", replica="desk"
        )
        owner = await connect(
            stack.postgres_url("collab", "postgres"), application="desk", size_max=3
        )
        await owner.execute("ALTER ROLE postgres SET session_replication_role = replica")
        await owner.expire_connections()
        try:
            yield cls(stack, Caller(client), owner)
        finally:
            await owner.close()
            await broker.stop()

    async def log(
        self,
        rows: Sequence[bytes],
        age: timedelta,
        *,
        scene: UUID | None = None,
        authors: Sequence[UUID] = (UUID(int=7),),
        apart: timedelta = timedelta(seconds=1),
    ) -> UUID:
        """Append *rows* to a scene's log as if the last was written *age* ago."""
        scene = scene or uuid4()
        first = 1 + await self.owner.fetchval(
            "SELECT coalesce(max(seq), 0) FROM scene_versions WHERE scene_id = $1", scene
        )
        began = datetime.now(UTC) - age - apart * len(rows)
        await self.owner.copy_records_to_table(
            "scene_versions",
            records=[
                (
                    scene,
                    first + number,
                    row,
                    1,
                    authors[number % len(authors)],
                    began + apart * number,
                    crc32(row),
                )
                for number, row in enumerate(rows)
            ],
            columns=_COLUMNS,
        )
        return scene

    async def text(self, scene: UUID) -> str:
        question = ReadContent(scene_id=scene, format=ContentFormat.TEXT)
        return (await self.caller.ask(READ_CONTENT, question, ACTOR)).body.decode()

    async def compact(
        self, scene: UUID, *, force: bool = True, patient: bool = True
    ) -> upkeep.CompactedScene:
        """Compact a scene; *patient* waits for the walk of a replica to have left it."""
        question = upkeep.CompactScene(scene_id=scene, force=force)
        ask = partial(self.caller.ask, upkeep.COMPACT, question, ACTOR, deadline_s=WAIT_S)
        return (
            await _once_free(ask, lambda done: done.outcome == "busy") if patient else await ask()
        )

    async def verify(self, scene: UUID) -> upkeep.SceneVerification:
        """Check a scene; while a replica works on it nothing would be looked at."""
        question = upkeep.AboutScene(scene_id=scene)
        ask = partial(self.caller.ask, upkeep.VERIFY, question, ACTOR, deadline_s=WAIT_S)
        return await _once_free(ask, lambda done: done.busy)

    async def repair(self, scene: UUID) -> upkeep.SceneRepair:
        """Repair a scene, once no replica works on it."""
        question = upkeep.AboutScene(scene_id=scene)
        ask = partial(self.caller.ask, upkeep.REPAIR, question, ACTOR, deadline_s=WAIT_S)
        return await _once_free(ask, lambda done: done.busy)

    async def inspect(self, scene: UUID) -> upkeep.SceneInspection:
        question = upkeep.AboutScene(scene_id=scene)
        return await self.caller.ask(upkeep.INSPECT, question, ACTOR)

    async def ledger(self, scene: UUID) -> list[asyncpg.Record]:
        return await self.owner.fetch(
            "SELECT * FROM compactions WHERE scene_id = $1 ORDER BY seq", scene
        )

    async def marked(self, scene: UUID) -> asyncpg.Record | None:
        """The only compaction of a scene, once its originals are marked."""
        done = await self.ledger(scene)
        return done[0] if done and done[-1]["marked_at"] else None

    async def pruned(self, scene: UUID) -> asyncpg.Record | None:
        """The newest compaction of a scene, once its originals are gone."""
        done = await self.ledger(scene)
        return done[-1] if done and done[-1]["pruned_at"] else None

    async def seqs(self, scene: UUID, *, compacted: bool = False) -> list[int]:
        rows = await self.owner.fetch(
            "SELECT seq FROM scene_versions WHERE scene_id = $1 AND is_compacted = $2 ORDER BY seq",
            scene,
            compacted,
        )
        return [row["seq"] for row in rows]

    async def sessions(self, scene: UUID) -> list[dict[str, Any]]:
        rows = await self.owner.fetch(
            "SELECT * FROM scene_sessions($1, interval '30 minutes')", scene
        )
        return [dict(row) for row in rows]

    async def findings(self, scene: UUID) -> list[asyncpg.Record]:
        return await self.owner.fetch(
            "SELECT * FROM repairs WHERE scene_id = $1 ORDER BY found_at", scene
        )

    async def flip_row(self, scene: UUID, seq: int, *, compacted: bool = False) -> None:
        """Invert a byte in the middle of a row, as a failing disk does."""
        done = await self.owner.execute(
            """
            UPDATE scene_versions SET yjs_update = set_byte(
                yjs_update, octet_length(yjs_update) / 2,
                255 - get_byte(yjs_update, octet_length(yjs_update) / 2)
            ) WHERE scene_id = $1 AND seq = $2 AND is_compacted = $3
            """,
            scene,
            seq,
            compacted,
        )
        assert done == "UPDATE 1"

    async def flip_head(self, scene: UUID) -> None:
        done = await self.owner.execute(
            """
            UPDATE docs SET snapshot = set_byte(
                snapshot, octet_length(snapshot) / 2,
                255 - get_byte(snapshot, octet_length(snapshot) / 2)
            ) WHERE scene_id = $1
            """,
            scene,
        )
        assert done == "UPDATE 1"

    async def head(self, scene: UUID) -> asyncpg.Record | None:
        return await self.owner.fetchrow("SELECT * FROM docs WHERE scene_id = $1", scene)

    async def metric(self, name: str) -> float:
        """The sum of a metric over both replicas; *name* may end with labels."""
        total = 0.0
        async with httpx.AsyncClient() as http:
            for part in COLLABS:
                page = (await http.get(f"{self.stack.ops_url(part)}/metrics")).text
                for line in page.splitlines():
                    if line.startswith(name):
                        total += float(line.split()[-1])
        return total


ACTOR = Actor(user_id=UUID(int=7))


def typed(edits: int, *, seed: int = 1, after: bytes | None = None) -> list[bytes]:
    """Edits of one text by two people, one update each, deletions among them."""
    rnd = random.Random(seed)
    docs: list[Doc[Any]] = [Doc(client_id=seed * 10 + 1), Doc(client_id=seed * 10 + 2)]
    rows: list[bytes] = []
    if after:
        for doc in docs:
            doc.apply_update(after)
    watching = [doc.observe(partial(_keep, rows)) for doc in docs]
    for number in range(edits):
        doc = docs[number // 10 % 2]
        if number % 10 == 0:
            # What arrives is not an edit of one's own.
            known = len(rows)
            doc.apply_update(docs[1 - number // 10 % 2].get_update(doc.get_state()))
            del rows[known:]
        text = doc.get("content", type=Text)
        if len(text) > 20 and rnd.random() < 0.25:
            start = rnd.randrange(len(text) - 3)
            del text[start : start + 2]
        else:
            text.insert(rnd.randrange(len(text) + 1), rnd.choice(["a", "bc ", "word "]))
    for doc, each in zip(docs, watching, strict=True):
        doc.unobserve(each)
    return rows


def _keep(rows: list[bytes], event: TransactionEvent) -> None:
    rows.append(event.update)


def text_of(rows: Sequence[bytes]) -> str:
    """What a document reads that took all of *rows*."""
    doc: Doc[Any] = Doc()
    for row in rows:
        doc.apply_update(row)
    return str(doc.get("content", type=Text))


async def _once_free[T](ask: Callable[[], Awaitable[T]], busy: Callable[[T], bool]) -> T:
    """Ask until no replica's walk is at the scene asked about."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if not busy(done := await ask()):
                return done
            await asyncio.sleep(0.05)
