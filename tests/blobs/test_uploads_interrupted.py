"""Uploads that end in the middle: by a cut line, a death, a lease, their time, or on purpose."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.blobs import transfers as blobs
from libs.contracts.blobs.transfers import FindUpload
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.blobs.support import Desk, stored_keys, swept
from tests.support.waiting import until
from tools.stack import Stack


async def test_an_interrupted_upload_leaves_nothing(desk: Desk, owner: Pool, stack: Stack):
    """Whoever hangs up in the middle has uploaded nothing."""
    begun = await desk.begin()

    async def body() -> AsyncIterator[bytes]:
        yield os.urandom(3 << 20)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await desk.send(begun.ticket, body())

    async def gone() -> bool:
        return not await stored_keys(stack, desk)

    await until(gone)
    assert (await desk.usage()).blobs == 0
    found = await desk.ask(blobs.FIND_UPLOAD, FindUpload(upload_id=begun.upload.id))
    assert found.upload.blob is None
    await swept(owner, desk)


async def test_a_killed_service_leaves_nothing(desk: Desk, stack: Stack, owner: Pool):
    """SIGKILL in the middle: nothing is visible, and the lease tells the next one to clean up."""
    begun = await desk.begin()
    sent = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield os.urandom(4 << 20)
        await sent.wait()
        yield b"never"

    sending = asyncio.create_task(desk.send(begun.ticket, body()))

    async def is_there() -> bool:
        return bool(await stored_keys(stack, desk))

    await until(is_there)
    stack.kill("blobs-1")
    sent.set()
    with pytest.raises(httpx.HTTPError):
        await sending
    await stack.wait_ready("blobs-1")

    assert {name.rpartition(".")[2] for name in await stored_keys(stack, desk)} == {"part"}
    assert (await desk.usage()).blobs == 0
    await swept(owner, desk)
    assert await stored_keys(stack, desk) == set()
    assert (await desk.send(begun.ticket, b"again")).status_code == 200


async def test_a_writer_that_was_taken_for_dead_is_refused(desk: Desk, stack: Stack, owner: Pool):
    """Its lease was over and the sweeper came: it is told so, and no blob has no bytes."""
    begun = await desk.begin()
    swept_away = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield os.urandom(3 << 20)
        await swept_away.wait()
        yield b"end"

    sending = asyncio.create_task(desk.send(begun.ticket, body()))

    async def is_there() -> bool:
        return bool(await stored_keys(stack, desk))

    await until(is_there)
    await swept(owner, desk)
    swept_away.set()

    assert (await sending).status_code == 503
    assert (await desk.usage()).blobs == 0
    # The same when only the row is gone, and the object is stored before that is known.
    late = await desk.begin()
    swept_away.clear()
    sending = asyncio.create_task(desk.send(late.ticket, body()))
    await until(is_there)
    await owner.execute("DELETE FROM doomed WHERE project_id = $1", desk.project_id)
    swept_away.set()
    assert (await sending).status_code == 503
    assert (await desk.usage()).blobs == 0
    await swept(owner, desk)
    assert await stored_keys(stack, desk) == set()


async def test_an_upload_ends_with_its_time(desk: Desk, owner: Pool, stack: Stack):
    """What arrived of it goes, too."""
    begun = await desk.begin(resumable=True, size=100)
    assert begun.ticket
    await desk.patch(begun.ticket, 0, b"x" * 10)
    assert len(await stored_keys(stack, desk)) == 1

    await owner.execute("UPDATE uploads SET expires_at = now() WHERE id = $1", begun.upload.id)

    async def gone() -> bool:
        return not await stored_keys(stack, desk)

    await until(gone)
    with pytest.raises(errors.NotFound):
        await desk.ask(blobs.FIND_UPLOAD, FindUpload(upload_id=begun.upload.id))


async def test_a_cancelled_upload_is_forgotten(desk: Desk, owner: Pool, stack: Stack):
    begun = await desk.begin(resumable=True)
    assert begun.ticket
    await desk.patch(begun.ticket, 0, b"x" * 10)

    stranger = replace(desk, actor=Actor(user_id=new_id(), project_id=desk.project_id))
    await stranger.ask(blobs.CANCEL_UPLOAD, blobs.CancelUpload(upload_id=begun.upload.id))
    await desk.ask(blobs.FIND_UPLOAD, FindUpload(upload_id=begun.upload.id))
    await desk.ask(blobs.CANCEL_UPLOAD, blobs.CancelUpload(upload_id=begun.upload.id))

    with pytest.raises(errors.NotFound):
        await desk.ask(blobs.FIND_UPLOAD, FindUpload(upload_id=begun.upload.id))
    await swept(owner, desk)
    assert await stored_keys(stack, desk) == set()
