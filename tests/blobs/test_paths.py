"""Logical paths and claims: what refers to a blob, and what keeps it."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.blobs import transfers as blobs
from libs.contracts.blobs.transfers import (
    BlobState,
    ClaimBlob,
    DeletePath,
    ListPaths,
    PathHistory,
    PutPath,
    ReadPath,
)
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.blobs.model.paths import require_path
from tests.blobs.support import Desk, sha256

USER = "01a1f9f1-9957-7228-b093-bf886d212f56"


async def put(desk: Desk, path: str, data: bytes, **more: Any) -> blobs.BlobPath:
    blob = await desk.upload(data)
    return await desk.ask(blobs.PUT_PATH, PutPath(path=path, sha256=blob.sha256, **more))


async def refs(owner: Pool, desk: Desk) -> list[str]:
    query = "SELECT sha256 FROM refs WHERE project_id = $1 ORDER BY sha256"
    return [row[0] for row in await owner.fetch(query, desk.project_id)]


async def test_a_path_is_pointed_elsewhere_and_remembers(desk: Desk, owner: Pool):
    """The newest version is what it refers to; all versions are told."""
    first = await put(desk, "project/logo.png", b"one", file_name="Logo.png", asset_type="logo")
    second = await put(desk, "project/logo.png", b"two", base_version=1)

    assert (first.version, first.size, first.file_name) == (1, 3, "Logo.png")
    assert (second.version, second.sha256) == (2, sha256(b"two"))
    assert await refs(owner, desk) == [sha256(b"two")]
    history = await desk.ask(blobs.PATH_HISTORY, PathHistory(path="project/logo.png"))
    assert [each.sha256 for each in history.paths] == [sha256(b"two"), sha256(b"one")]
    then = await desk.ask(blobs.READ_PATH, ReadPath(path="project/logo.png", version=1))
    assert then == first


async def test_the_same_again_changes_nothing(desk: Desk):
    first = await put(desk, "project/x", b"one", base_version=0)
    again = await put(desk, "project/x", b"one", base_version=0)

    assert again == first


async def test_an_older_version_is_no_base(desk: Desk):
    await put(desk, "project/x", b"one")
    await put(desk, "project/x", b"two")

    for base in (0, 1, 3):
        with pytest.raises(errors.ConcurrencyConflict) as outrun:
            await put(desk, "project/x", b"three", base_version=base)
        assert outrun.value.data == {"version": 2}


async def test_all_who_put_at_once_are_in_the_history(desk: Desk, owner: Pool):
    """New or not, without a base the last one wins, and nobody is lost."""
    data = [str(number).encode() for number in range(8)]
    for each in data:
        await desk.upload(each)

    await asyncio.gather(
        *(desk.ask(blobs.PUT_PATH, PutPath(path="project/x", sha256=sha256(each))) for each in data)
    )

    history = await desk.ask(blobs.PATH_HISTORY, PathHistory(path="project/x"))
    assert [each.version for each in history.paths] == list(range(8, 0, -1))
    assert {each.sha256 for each in history.paths} == {sha256(each) for each in data}
    assert await refs(owner, desk) == [history.paths[0].sha256]


async def test_a_deleted_path_keeps_its_history(desk: Desk, owner: Pool):
    await put(desk, "project/x", b"one")

    gone = await desk.ask(blobs.DELETE_PATH, DeletePath(path="project/x", reason="old"))

    assert (gone.version, gone.sha256) == (2, None)
    assert await refs(owner, desk) == []
    again = await desk.ask(blobs.DELETE_PATH, DeletePath(path="project/x"))
    assert again == gone
    with pytest.raises(errors.NotFound):
        await desk.ask(blobs.READ_PATH, ReadPath(path="project/x"))
    history = await desk.ask(blobs.PATH_HISTORY, PathHistory(path="project/x"))
    assert [each.version for each in history.paths] == [2, 1]
    types = await owner.fetch(
        "SELECT payload ->> 'eventType' FROM outbox WHERE payload ->> 'aggregateType' = 'path'"
        " AND payload ->> 'projectId' = $1 ORDER BY seq",
        str(desk.project_id),
    )
    assert [row[0] for row in types] == ["path.put", "path.deleted"]
    assert (await put(desk, "project/x", b"two", base_version=0)).version == 3


async def test_paths_are_listed_below_a_prefix_page_by_page(desk: Desk):
    await desk.upload(b"x")
    names = [f"project/a/{number:02}" for number in range(5)] + ["project/ab", "project/b_c"]
    for name in names:
        await desk.ask(blobs.PUT_PATH, PutPath(path=name, sha256=sha256(b"x")))
    await desk.ask(blobs.DELETE_PATH, DeletePath(path="project/a/03"))

    async def listed(**wanted: Any) -> tuple[list[str], bool]:
        page = await desk.ask(blobs.LIST_PATHS, ListPaths(**wanted))
        return [each.path for each in page.paths], page.more

    assert await listed(prefix="project/a/", limit=3) == (
        ["project/a/00", "project/a/01", "project/a/02"],
        True,
    )
    assert await listed(prefix="project/a/", after="project/a/02") == (["project/a/04"], False)
    assert (await listed(prefix="project/a/", include_deleted=True))[0] == names[:5]
    assert await listed(prefix="project/b%") == ([], False)
    assert await listed(prefix="project/b_") == (["project/b_c"], False)


async def test_a_users_paths_are_theirs(desk: Desk):
    """Other members of the project neither see nor touch them."""
    mine = f"users/{desk.actor.user_id}/notes/diary.md"
    await put(desk, mine, b"dear diary")
    other = replace(desk, actor=Actor(user_id=new_id(), project_id=desk.project_id))

    for method, question in (
        (blobs.READ_PATH, ReadPath(path=mine)),
        (blobs.PATH_HISTORY, PathHistory(path=mine)),
        (blobs.DELETE_PATH, DeletePath(path=mine)),
        (blobs.PUT_PATH, PutPath(path=mine, sha256=sha256(b"dear diary"))),
    ):
        with pytest.raises(errors.NotFound):
            await other.ask(method, question)
    assert (await other.ask(blobs.LIST_PATHS, ListPaths())).paths == []
    assert [each.path for each in (await desk.ask(blobs.LIST_PATHS, ListPaths())).paths] == [mine]


async def test_projects_have_paths_of_their_own(desk: Desk):
    await put(desk, "project/x", b"one")
    other = replace(desk, actor=Actor(user_id=desk.actor.user_id, project_id=new_id()))

    with pytest.raises(errors.NotFound):
        await other.ask(blobs.READ_PATH, ReadPath(path="project/x"))
    assert (await other.ask(blobs.LIST_PATHS, ListPaths())).paths == []
    assert (await put(other, "project/x", b"two")).version == 1


@pytest.mark.parametrize(
    "path",
    [
        "",
        "x",
        "project",
        "project/",
        "project//x",
        "project/../x",
        "project/./x",
        "/project/x",
        "project/x/",
        "project/a\\b",
        "project/a\0b",
        "project/a\nb",
        "project/a\u202eb",
        "project/ x",
        "project/\ud800",
        "project/" + "a" * 256,
        "project/" + "é" * 200,
        "project/" + "/".join("a" * 100 for _ in range(11)),
        "project/" + "a/" * 40 + "a",
        "users/x/notes/y",
        f"users/{USER}/notes",
        f"users/{USER.upper()}/notes/x",
        f"users/{USER}/secrets/x",
        f"users/{USER.replace('-', '')}/notes/x",
        "elsewhere/x",
    ],
)
def test_what_is_no_path_is_refused(path: str):
    with pytest.raises(errors.Invalid) as refused:
        require_path(path)
    assert refused.value.data["errors"][0]["field"] == "path"


@pytest.mark.parametrize(
    "path", ["project/x", "project/Kapitel 1/Größe.md", "project/...", f"users/{USER}/exports/a/b"]
)
def test_what_is_a_path_is_taken(path: str):
    owner = require_path(path)
    assert (owner is None) == path.startswith("project/")


def a_claim(data: bytes, claim_id: UUID | None = None) -> ClaimBlob:
    return ClaimBlob(
        claim_id=claim_id or new_id(), sha256=sha256(data), source="entity", source_id=new_id()
    )


async def test_a_claim_rescues_and_may_be_repeated(desk: Desk, owner: Pool):
    await desk.upload(b"claimed")
    await owner.execute(
        "UPDATE blobs SET state = 'condemned', condemned_at = now() WHERE project_id = $1",
        desk.project_id,
    )
    claim = a_claim(b"claimed")

    answers = [await desk.ask(blobs.CLAIM_BLOB, claim) for _ in range(2)]

    assert {each.blob.state for each in answers} == {BlobState.LIVE}
    query = "SELECT count(*) FROM claims WHERE project_id = $1"
    assert await owner.fetchval(query, desk.project_id) == 1
    with pytest.raises(errors.Conflict):
        await desk.ask(blobs.CLAIM_BLOB, claim.model_copy(update={"source_id": new_id()}))


async def test_what_is_gone_cannot_be_claimed(desk: Desk, owner: Pool):
    """Nor pointed at: a reference is never to nothing."""
    await desk.upload(b"gone")
    await owner.execute(
        "UPDATE blobs SET state = 'collected', collected_at = now(), key = NULL"
        " WHERE project_id = $1", desk.project_id,
    )  # fmt: skip

    with pytest.raises(errors.BlobUnavailable):
        await desk.ask(blobs.CLAIM_BLOB, a_claim(b"gone"))
    with pytest.raises(errors.BlobUnavailable):
        await desk.ask(blobs.PUT_PATH, PutPath(path="project/x", sha256=sha256(b"gone")))
    assert await refs(owner, desk) == []


async def test_a_refused_claim_stays_refused(desk: Desk, owner: Pool):
    await desk.upload(b"claimed")
    claim = a_claim(b"claimed")
    await desk.ask(blobs.CLAIM_BLOB, claim)
    await owner.execute(
        "UPDATE claims SET settled_at = now(), used = false WHERE id = $1", claim.claim_id
    )

    with pytest.raises(errors.Conflict):
        await desk.ask(blobs.CLAIM_BLOB, claim)


async def test_a_claim_is_drawn_now(desk: Desk):
    """Its age is in its id, by which old ones are refused."""
    await desk.upload(b"claimed")
    old = new_id()
    shifted = (old.int >> 80) - 3 * 86_400_000
    for claim_id in (uuid4(), UUID(int=(shifted << 80) | (old.int & ((1 << 80) - 1)))):
        with pytest.raises(errors.Invalid):
            await desk.ask(blobs.CLAIM_BLOB, a_claim(b"claimed", claim_id=claim_id))
