"""What packages keep in blobs: as long as a template is there, and not for longer."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from libs.bus import Caller, connect_broker, serve
from libs.contracts.actor import Actor
from libs.contracts.blobs.copies import COPY_BLOB, RELEASE_BLOBS
from libs.contracts.blobs.operations import Fate
from libs.contracts.blobs.transfers import CLAIM_BLOB, ClaimBlob, Claimed
from libs.contracts.events import workspaces as w
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.blobs.store import blob_of
from services.events.workspaces.files import PackageBytes
from services.events.workspaces.handlers import WorkspaceJobHandlers
from services.events.workspaces.importing import imported_id
from services.events.workspaces.job_steps import JobSteps
from services.events.workspaces.templates import TemplateHandlers
from services.events.workspaces.texts import SceneTexts
from services.events.workspaces.worker import JobWorker
from tests.blobs.collection.support import DAY, LONG, Desk, Vault, check
from tools.stack import Stack


@pytest.fixture(scope="module")
async def worker(stack: Stack, events: Pool, vault: Vault) -> AsyncIterator[JobWorker]:
    """Works on jobs when it is told to; blobs answers from this process."""

    async def claim(question: ClaimBlob, actor: Actor) -> Claimed:
        row = await vault.store.claim(actor.scope(), actor.user_id, question)
        return Claimed(blob=blob_of(row))

    answering, _ = await connect_broker(stack.nats_url("blobs"), service="blobs", replica="test")
    serve(answering, COPY_BLOB, vault.room.copying.copy)
    serve(answering, RELEASE_BLOBS, vault.room.following.release)
    serve(answering, CLAIM_BLOB, claim)
    await answering.start()
    asking, client = await connect_broker(
        stack.nats_url("events"), service="events", replica="jobs"
    )
    files = PackageBytes(Caller(client))
    yield JobWorker(events, JobSteps(events, SceneTexts(Caller(client)), files), files)
    await asking.stop()
    await answering.stop()


def at(desk: Desk, project_id: UUID) -> Desk:
    """The same person in another project, or place."""
    actor = desk.actor.model_copy(update={"project_id": project_id})
    return replace(desk, world=replace(desk.world, actor=actor))


async def template(desk: Desk, worker: JobWorker, events: Pool) -> UUID:
    """Make a template of the desk's project; returns its place."""
    question = w.StartTemplate(job_id=new_id(), name="Kept")
    await WorkspaceJobHandlers(events, worker.wake).template(question, desk.actor)
    assert await worker.once()
    return question.job_id


async def test_a_template_keeps_its_bytes_and_lets_them_go(
    desk: Desk, worker: JobWorker, events: Pool
) -> None:
    """Through any number of collections, though no reference is written down; then they go."""
    entity, sha256 = await desk.entity(), await desk.upload(b"T")
    await desk.give(entity, sha256)
    place = at(desk, await template(desk, worker, events))
    await desk.detach(entity)
    for _ in range(2):
        await place.pass_time(LONG)
        await place.fates()
        await place.pass_time(2 * DAY)
        await place.fates()
        assert await place.read(sha256) == b"T"
    await check(place)

    one = w.OneTemplate(template_id=imported_id(place.project_id, 0))
    await TemplateHandlers(events).delete(one, desk.actor)
    await events.execute("UPDATE packages SET created_at = now() - interval '2 h'")
    await worker.expire()
    await place.fates()
    await place.pass_time(2 * DAY)

    assert await place.fates() == {Fate.COLLECT: 1}
    assert await events.fetchval("SELECT count(*) FROM released_places") == 0
    await check(place)


async def test_bytes_of_a_copy_that_failed_are_let_go(
    desk: Desk, worker: JobWorker, events: Pool
) -> None:
    """A second file does not fit into the quota: the project never is, nor what it would have."""
    for content in (b"1", b"2"):
        await desk.give(await desk.entity(), await desk.upload(content))
    question = w.StartClone(job_id=new_id())
    job = await WorkspaceJobHandlers(events, worker.wake).clone(question, desk.actor)
    assert job.project_id
    there = at(desk, job.project_id)
    await desk.vault.store.set_quota(there.project_id, 1)

    assert await worker.once()

    job = await WorkspaceJobHandlers(events, worker.wake).job(w.ReadJob(job_id=job.id), desk.actor)
    assert job.error and job.error["code"] == "QUOTA_EXCEEDED"
    await worker.expire()
    assert (await there.fates())[Fate.CONDEMN] == 1
    await there.pass_time(2 * DAY)
    assert (await there.fates())[Fate.COLLECT] == 1
    await check(there)


async def test_a_claim_that_was_refused_is_made_anew(
    desk: Desk, worker: JobWorker, events: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was frozen between claims and commit refers to nothing; its next try does."""
    sha256 = await desk.upload(b"F")
    await desk.give(await desk.entity(), sha256)
    question = w.StartClone(job_id=new_id())
    job = await WorkspaceJobHandlers(events, worker.wake).clone(question, desk.actor)
    assert job.project_id
    there = at(desk, job.project_id)
    claimed = PackageBytes.claim_all
    fates: list[dict[Fate, int]] = []

    async def frozen(*given: Any, **more: Any) -> dict[int, UUID]:
        claims = await claimed(*given, **more)
        if not fates:
            fates.append(await there.end())
        return claims

    monkeypatch.setattr(PackageBytes, "claim_all", frozen)
    assert await worker.once()
    assert fates == [{Fate.COLLECT: 1}]
    running = await WorkspaceJobHandlers(events, worker.wake).job(
        w.ReadJob(job_id=job.id), desk.actor
    )
    assert running.status == "running"

    await events.execute("UPDATE workspace_jobs SET due_at = now() WHERE job_id = $1", job.id)
    assert await worker.once()

    ended = await WorkspaceJobHandlers(events, worker.wake).job(
        w.ReadJob(job_id=job.id), desk.actor
    )
    assert (ended.status, ended.missing_files) == ("done", 0)
    assert await there.read(sha256) == b"F"
    await there.pass_time(LONG)
    await there.fates()
    await there.pass_time(2 * DAY)
    await there.fates()
    assert await there.read(sha256) == b"F"
    await check(there)
