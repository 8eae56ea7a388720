"""Words for tests of the end of bytes: people with files, time that passes, what storage holds."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import nats
from nats.aio.client import Client

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from libs.contracts.blobs.operations import Collection, Fate
from libs.contracts.blobs.transfers import (
    AssetType,
    BeginUpload,
    BlobPath,
    ClaimBlob,
    DeletePath,
    PutPath,
)
from libs.contracts.events.files import ATTACH_FILE, DETACH_FILE, AttachFile, DetachFile, StoredFile
from libs.contracts.events.world import FileType
from libs.contracts.ids import new_id
from libs.postgres import AdvisoryLocks, Pool, connect, migrate
from libs.tasks import Pace, TaskPositions
from services.blobs.collection.settings import UpkeepSettings
from services.blobs.finishing import Finishing
from services.blobs.operating.room import Room
from services.blobs.reading import Reading
from services.blobs.storage import Storage
from services.blobs.storage.local import LocalStorage
from services.blobs.store import Store
from services.blobs.sweeping import Sweeper
from services.blobs.uploads import Uploads
from services.events.api import serve_bundles, serve_resources
from services.events.store import Store as EventStore
from services.events.upkeep import PARTITION_MONTHS_AHEAD
from tests.events.support import World
from tools.stack import Stack

DAY = timedelta(days=1)
LONG = timedelta(days=91)
"""Longer than retention."""


def settings(**given: Any) -> UpkeepSettings:
    """As in production, whatever the environment of these tests."""
    return UpkeepSettings(postgres_url="-", nats_url="-", ops_port=1, **given)


async def databases(stack: Stack) -> None:
    """Make the tables of both services."""
    for name in ("events", "blobs"):
        await migrate(stack.postgres_url(name, f"{name}_owner"), f"services.{name}", role=name)


@asynccontextmanager
async def events_served(stack: Stack) -> AsyncGenerator[Pool]:
    """Events answers from this process; yields its database."""
    pool = await connect(stack.postgres_url("events", "events"), application="e", size_max=8)
    await pool.fetchval("SELECT ensure_event_partitions($1)", PARTITION_MONTHS_AHEAD)
    broker, _ = await connect_broker(stack.nats_url("events"), service="events", replica="test")
    serve_resources(broker, EventStore(pool), pool)
    serve_bundles(broker, EventStore(pool))
    await broker.start()
    try:
        yield pool
    finally:
        await broker.stop()
        await pool.close()


@dataclass(frozen=True)
class Vault:
    """The blobs service without its listener, in this process."""

    pool: Pool
    owner: Pool
    client: Client
    store: Store
    storages: dict[str, Storage]
    finishing: Finishing
    uploads: Uploads
    reading: Reading
    room: Room
    sweeper: Sweeper

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        stack: Stack,
        folder: Path,
        *,
        hot: Storage | None = None,
        cold: Storage | None = None,
        **given: Any,
    ) -> AsyncGenerator["Vault"]:
        pool = await connect(stack.postgres_url("blobs", "blobs"), application="b", size_max=12)
        owner = await connect(
            stack.postgres_url("blobs", "blobs_owner"), application="o", size_max=3
        )
        client = await nats.connect(
            stack.nats_url("blobs"), inbox_prefix=b"_INBOX_blobs", max_reconnect_attempts=-1
        )
        for tier in ("hot", "cold"):
            (folder / tier).mkdir(parents=True, exist_ok=True)
        storages: dict[str, Storage] = {
            "hot": hot or LocalStorage(str(folder / "hot")),
            "cold": cold or LocalStorage(str(folder / "cold")),
        }
        store = Store(pool)
        locks, reading = AdvisoryLocks(pool), Reading(store, storages)
        finishing = Finishing(store, storages["hot"], locks)
        uploads = Uploads(store, storages["hot"], finishing)
        room = Room(
            pool=pool,
            client=client,
            store=store,
            storages=storages,
            reading=reading,
            uploads=uploads,
            positions=TaskPositions(pool, locks),
            settings=settings(**given),
        )
        sweeper = Sweeper(store, storages)
        try:
            yield cls(
                pool, owner, client, store, storages, finishing, uploads, reading, room, sweeper
            )
        finally:
            await client.close()
            await owner.close()
            await pool.close()

    def keys(self, project_id: UUID) -> set[str]:
        """All that storage holds of a project."""
        return {
            each.key
            for storage in self.storages.values()
            for each in storage.list(prefix=f"{project_id}/", limit=100_000)
        }


@dataclass(frozen=True)
class Desk:
    """A person in a project with blobs."""

    vault: Vault
    world: World

    @classmethod
    async def begin(cls, vault: Vault, caller: Caller) -> "Desk":
        return cls(vault, await World.begin(caller))

    def at(self, vault: Vault) -> "Desk":
        """The same person at another replica."""
        return replace(self, vault=vault)

    @property
    def project_id(self) -> UUID:
        return self.world.project_id

    @property
    def actor(self) -> Actor:
        return self.world.actor

    async def upload(
        self, content: bytes, asset_type: AssetType = AssetType.ATTACHMENT, **more: Any
    ) -> str:
        """Upload bytes; returns their SHA-256."""
        upload_id = more.pop("upload_id", None) or new_id()
        wanted = BeginUpload(upload_id=upload_id, asset_type=asset_type, **more)
        _, upload = await self.vault.store.uploads.begin(
            self.project_id, self.actor.user_id, wanted, life_s=3600, direct_key=None
        )
        if upload.blob is None:
            await self.vault.uploads.put(self.project_id, upload_id, once(content))
        return hashlib.sha256(content).hexdigest()

    async def read(self, sha256: str) -> bytes:
        blob = await self.vault.store.blob(self.project_id, sha256)
        parts = [part async for part in self.vault.reading.frames(blob, 0, blob["size"])]
        return b"".join(parts)

    async def state(self, sha256: str) -> str:
        return (await self.vault.store.blob(self.project_id, sha256))["state"]

    async def put_path(self, path: str, sha256: str, **more: Any) -> BlobPath:
        return await self.vault.store.paths.put(
            self.project_id, self.actor.user_id, PutPath(path=path, sha256=sha256, **more)
        )

    async def delete_path(self, path: str) -> BlobPath:
        return await self.vault.store.paths.delete(
            self.project_id, self.actor.user_id, DeletePath(path=path)
        )

    async def claim(self, sha256: str, entity_id: UUID) -> UUID:
        """Say that an entity will soon refer to a blob."""
        claim_id = new_id()
        claim = ClaimBlob(claim_id=claim_id, sha256=sha256, source="entity", source_id=entity_id)
        await self.vault.store.claim(self.project_id, self.actor.user_id, claim)
        return claim_id

    async def entity(self) -> UUID:
        entity = await self.world.create(
            "entity", self.project_id, name=f"E {new_id()}", type="note"
        )
        return UUID(entity["id"])

    async def attach(
        self, entity_id: UUID, sha256: str, claim_id: UUID, command_id: UUID | None = None
    ) -> None:
        """The command to events that carries the claim; the same again with its *command_id*."""
        path = f"users/{self.actor.user_id}/attachments/{entity_id}/a"
        file = StoredFile(path=path, size=1, type=FileType.OTHER, checksum=sha256)
        command_id = command_id or new_id()
        question = AttachFile(id=entity_id, command_id=command_id, claim_id=claim_id, file=file)
        await self.world.caller.ask(ATTACH_FILE, question, self.actor)

    async def give(self, entity_id: UUID, sha256: str) -> None:
        """Let an entity have a file, as the gateway does."""
        await self.attach(entity_id, sha256, await self.claim(sha256, entity_id))

    async def detach(self, entity_id: UUID) -> None:
        question = DetachFile(id=entity_id, command_id=new_id())
        await self.world.caller.ask(DETACH_FILE, question, self.actor)

    async def pass_time(self, time: timedelta) -> None:
        """Let everything that is known of this project have been so for longer."""
        owner = self.vault.owner
        for table, columns in (
            ("blobs", ("touched_at", "condemned_at")),
            ("claims", ("claimed_at",)),
            ("doomed", ("due_at",)),
        ):
            changes = ", ".join(f"{name} = {name} - $2::interval" for name in columns)
            await owner.execute(
                f"UPDATE {table} SET {changes} WHERE project_id = $1", self.project_id, time
            )

    async def collect(self, *, dry_run: bool = False) -> Collection:
        return await self.vault.room.collector.collect(
            Pace(1), project_id=self.project_id, dry_run=dry_run, items_max=100
        )

    async def fates(self, *, dry_run: bool = False) -> dict[Fate, int]:
        """Collect, and say how many blobs met which fate."""
        report = await self.collect(dry_run=dry_run)
        return {fate: tally.blobs for fate, tally in report.tallies.items()}

    async def end(self) -> dict[Fate, int]:
        """A whole collection with all its waits; returns what the second half did."""
        await self.pass_time(LONG)
        await self.fates()
        await self.pass_time(2 * DAY)
        return await self.fates()


async def once(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1 << 18):
        yield content[start : start + (1 << 18)]


async def check(desk: Desk) -> None:
    """What must hold of a project at any time, whatever happened."""
    owner, project_id = desk.vault.owner, desk.project_id
    rows = await owner.fetch("SELECT * FROM blobs WHERE project_id = $1", project_id)
    account = await owner.fetchrow("SELECT * FROM accounts WHERE project_id = $1", project_id)
    kept = [row for row in rows if row["state"] != "collected"]
    sums = (
        len(kept),
        sum(row["size"] for row in kept),
        sum(row["stored_size"] for row in kept),
    )
    assert (
        (account["blobs"], account["bytes"], account["stored_bytes"]) == sums
        if account
        else (not kept)
    )
    named = {row["key"] for row in kept} | {
        row["key"]
        for row in await owner.fetch(
            "SELECT key FROM upload_pieces WHERE project_id = $1", project_id
        )
    }
    doomed = {
        row["key"]
        for row in await owner.fetch("SELECT key FROM doomed WHERE project_id = $1", project_id)
    }
    held = desk.vault.keys(project_id)
    assert named <= held, "a row names an object that is not there"
    assert held <= named | doomed, "an object is named by nobody"
    assert not named & doomed
    dangling = await owner.fetch(
        "SELECT r.sha256, b.state FROM refs r JOIN blobs b USING (project_id, sha256)"
        " WHERE project_id = $1 AND b.state = 'collected'",
        project_id,
    )
    assert not dangling, "a reference to nothing"
    frames = await owner.fetch(
        "SELECT DISTINCT sha256 FROM blob_frames WHERE project_id = $1", project_id
    )
    assert {row["sha256"] for row in frames} <= {row["sha256"] for row in kept}
