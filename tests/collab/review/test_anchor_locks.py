"""Transactions that change anchors while other replicas follow them."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from libs.contracts.collab.anchors import AnchorStatus
from libs.postgres import connect
from services.collab.review.anchors.store import AnchorStore, Draft
from services.collab.review.anchors.view import Stood
from tests.support.people import Person
from tests.support.waiting import until
from tools.stack import Stack


async def is_waiting(owner: asyncpg.Connection, pid: int) -> bool:
    """Whether somebody waits for what the session *pid* holds."""
    return await owner.fetchval(
        "SELECT EXISTS (SELECT FROM pg_locks"
        " WHERE NOT granted AND $1::int = ANY (pg_blocking_pids(pid)))",
        pid,
    )


def drafted(at: int) -> Draft:
    """An anchor on one word; no test here follows the log, so the ids need not be real."""
    stood = Stood([(7, at, 5)], (7, at), (7, at + 4), "words", "", "", [], at)
    return Draft(stood, seq=0)


@pytest.mark.parametrize("change", ["remove", "retire", "replace"])
async def test_changing_and_following_anchors_do_not_wait_for_each_other(
    ada: Person, stack: Stack, owner: asyncpg.Connection, change: str
) -> None:
    """A transaction changes one anchor and adds another while a step of following is stored."""
    project = UUID(await ada.project("Frankenstein"))
    scene, by = UUID(await ada.scene(str(project))), UUID(ada.id)
    url = stack.postgres_url("collab", "collab")
    pool = await connect(url, application="anchor-locks", size_max=3)
    store, old, new = AnchorStore(pool), drafted(0), drafted(20)
    try:
        async with pool.acquire() as connection, connection.transaction():
            await store.insert(connection, project, scene, [old], by=by, run_id=None)
        [held] = await store.to_follow(scene)
        held.status = AnchorStatus.RECOVERED
        async with pool.acquire() as connection, connection.transaction():
            pid = connection.get_server_pid()
            if change == "replace":
                await store.replace(connection, project, scene, old.id, drafted(40))
            else:
                await getattr(store, change)(connection, project, [old.id])
            step = asyncio.create_task(store.follow(scene, 0, 1, [held]))
            await until(lambda: is_waiting(owner, pid))
            await store.insert(connection, project, scene, [new], by=by, run_id=None)
        assert await step
        assert await store.followed(scene) == 1
        known = {one.id for one in await store.read(project, scene, [old.id, new.id])}
        assert known == ({new.id} if change == "remove" else {old.id, new.id})
    finally:
        await pool.close()
