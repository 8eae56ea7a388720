"""Waiting for what must become true after a death."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx

from libs import errors
from tests.blobs.collection.support import Desk
from tests.blobs.support import Desk as Client
from tests.support.waiting import until

WAIT_S = 60.0


async def collected(desk: Desk, *shas: str) -> None:
    """Wait until the background has let these go."""

    async def gone() -> bool:
        return {await desk.state(each) for each in shas} == {"collected"}

    await until(gone)


async def emptied(desk: Desk, kept: int) -> None:
    """Wait until storage holds so many objects of the project, leases being over."""
    await desk.vault.owner.execute(
        "UPDATE doomed SET due_at = due_at - interval '1 day' WHERE project_id = $1",
        desk.project_id,
    )

    async def swept() -> bool:
        return len(desk.vault.keys(desk.project_id)) == kept

    await until(swept)


async def finished(client: Client, content: bytes, upload_id: UUID) -> None:
    """Go on with an upload that may be done."""
    begun = await client.begin(upload_id=upload_id)
    if begun.upload.blob is None:
        assert (await client.send(begun.ticket, content)).status_code == 200


async def insist(work: Any) -> Any:
    """Again until it is answered, as clients do."""
    async with asyncio.timeout(WAIT_S):
        while True:
            with suppress(errors.Unavailable, errors.Conflict, httpx.HTTPError, AssertionError):
                return await work()
            await asyncio.sleep(0.2)
