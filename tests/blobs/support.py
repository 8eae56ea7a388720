"""Words for what a gateway does with blobs."""

import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.blobs import transfers as blobs
from libs.contracts.blobs.transfers import BeginUpload, Blob, Ticket, Upload
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.support.waiting import until
from tools.stack import Stack

WAIT_S = 30.0


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def text(size: int) -> bytes:
    """Bytes that compress."""
    line = b"It was a dark and stormy night; the rain fell in torrents. %d\n"
    return b"".join(line % number for number in range(size // 60 + 1))[:size]


def authorized(ticket: Ticket, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Ticket {ticket.ticket}", **headers}


@dataclass
class Desk:
    """Somebody in a project."""

    caller: Caller
    http: httpx.AsyncClient
    actor: Actor

    @property
    def project_id(self) -> UUID:
        return self.actor.scope()

    async def ask(self, method: Any, question: Any, *, deadline_s: float = 30) -> Any:
        return await self.caller.ask(method, question, self.actor, deadline_s=deadline_s)

    async def begin(self, **wanted: Any) -> blobs.Begun:
        wanted = {"upload_id": new_id(), **wanted}
        return await self.ask(blobs.BEGIN_UPLOAD, BeginUpload(**wanted))

    async def send(
        self, ticket: Ticket | None, data: bytes | AsyncIterator[bytes]
    ) -> httpx.Response:
        assert ticket is not None
        return await self.http.put(ticket.url, content=data, headers=authorized(ticket))

    async def patch(self, ticket: Ticket, start: int, data: Any) -> httpx.Response:
        """Send the next bytes of a resumable upload."""
        headers = authorized(ticket, **{"Upload-Offset": str(start)})
        return await self.http.patch(ticket.url, content=data, headers=headers)

    async def set_quota(self, quota_bytes: int | None) -> None:
        wanted = blobs.SetQuota(project_id=self.project_id, quota_bytes=quota_bytes)
        operator = Actor(user_id=self.actor.user_id)
        await self.caller.ask(blobs.SET_QUOTA, wanted, operator)

    async def upload(self, data: bytes, **wanted: Any) -> Blob:
        """Upload *data* whole."""
        begun = await self.begin(**wanted)
        answer = await self.send(begun.ticket, data)
        assert answer.status_code == 200, answer.text
        upload = Upload.model_validate_json(answer.content)
        assert upload.blob is not None
        return upload.blob

    async def open(self, digest: str, **wanted: Any) -> blobs.Opened:
        return await self.ask(blobs.OPEN_BLOB, blobs.OpenBlob(sha256=digest, **wanted))

    async def read(
        self, digest: str, *, headers: dict[str, str] | None = None, **wanted: Any
    ) -> httpx.Response:
        """Ask for a blob's bytes, as far as leave is given."""
        opened = await self.open(digest, **wanted)
        assert opened.ticket is not None
        return await self.http.get(
            opened.ticket.url, headers=authorized(opened.ticket, **(headers or {}))
        )

    async def stat(self, digest: str) -> Blob:
        return await self.ask(blobs.STAT_BLOB, blobs.StatBlob(sha256=digest))

    async def usage(self) -> blobs.Usage:
        return await self.ask(blobs.READ_USAGE, blobs.ReadUsage())


async def stored_keys(stack: Stack, desk: Desk) -> set[str]:
    """What is in storage for a project, whole or not."""
    root = stack.data_dir / "blobs" / str(desk.project_id)
    return {name for _, _, names in os.walk(root) for name in names}


async def swept(owner: Pool, desk: Desk) -> None:
    """Return when nothing of the project waits to be deleted; leases count as over."""
    await owner.execute("UPDATE doomed SET due_at = now() WHERE project_id = $1", desk.project_id)

    async def none_left() -> bool:
        query = "SELECT NOT EXISTS (SELECT FROM doomed WHERE project_id = $1)"
        return await owner.fetchval(query, desk.project_id)

    await until(none_left)
