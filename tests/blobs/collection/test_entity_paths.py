"""The path of an entity's file is a path like any other, and follows the entity."""

import pytest

from libs import errors
from libs.contracts.blobs.operations import Fate, Reconcile
from libs.contracts.blobs.transfers import BlobPath, EntityFile, ListPaths, PathHistory
from libs.contracts.ids import new_id
from tests.blobs.collection.support import DAY, Desk, check
from tests.blobs.collection.test_following import fact

UPLOADED = "file_uploaded"


def folder(desk: Desk) -> str:
    return f"users/{desk.actor.user_id}"


async def listed(desk: Desk) -> dict[str, str | None]:
    page = await desk.vault.store.paths.list(
        desk.project_id, desk.actor.user_id, ListPaths(prefix=folder(desk))
    )
    return {each.path: each.sha256 for each in page.paths}


async def history(desk: Desk, path: str) -> list[BlobPath]:
    page = await desk.vault.store.paths.history(desk.project_id, PathHistory(path=path))
    return page.paths


async def test_it_is_pointed_and_ends_with_the_file(desk: Desk) -> None:
    """What it pointed at is its history; what is told twice is in it once."""
    hear, entity, path = desk.vault.room.following, new_id(), f"{folder(desk)}/notes/a.md"
    old, new = await desk.upload(b"old"), await desk.upload(b"new")
    for _ in range(2):
        await hear.on_uploaded(fact(desk, entity, 2, UPLOADED, checksum=old, path=path))
    assert await listed(desk) == {path: old}
    for _ in range(2):
        await hear.on_uploaded(fact(desk, entity, 3, UPLOADED, checksum=new, path=path))
        await hear.on_uploaded(fact(desk, entity, 2, UPLOADED, checksum=old, path=path))
    assert await listed(desk) == {path: new}
    for _ in range(2):
        await hear.on_ended(fact(desk, entity, 4, "file_deleted"))

    assert await listed(desk) == {}
    told = [(each.version, each.sha256, each.updated_by) for each in await history(desk, path)]
    who = desk.actor.user_id
    assert told == [(3, None, who), (2, new, who), (1, old, who)]
    await desk.pass_time(100 * DAY)
    assert await desk.fates() == {Fate.CONDEMN: 2}
    await check(desk)


async def test_a_file_has_one_name(desk: Desk) -> None:
    """Under another name the one before it ends; a purge ends the last."""
    hear, entity = desk.vault.room.following, new_id()
    sha256 = await desk.upload(b"the same bytes")
    one, two = (f"{folder(desk)}/attachments/{entity}/{name}" for name in ("1.bin", "2.bin"))
    await hear.on_uploaded(fact(desk, entity, 2, UPLOADED, checksum=sha256, path=one))
    await hear.on_uploaded(fact(desk, entity, 3, UPLOADED, checksum=sha256, path=two))
    assert await listed(desk) == {two: sha256}
    await hear.on_ended(fact(desk, entity, 4, "purged"))

    assert await listed(desk) == {}
    await desk.end()
    assert await desk.state(sha256) == "collected"
    await check(desk)


async def test_nobody_else_moves_it(desk: Desk) -> None:
    """By hand it would say something else than the entity does; free again, it is anybody's."""
    hear, entity, path = desk.vault.room.following, new_id(), f"{folder(desk)}/notes/mine.md"
    mine, given = await desk.upload(b"mine"), await desk.upload(b"given")
    await desk.put_path(path, mine)
    await hear.on_uploaded(fact(desk, entity, 2, UPLOADED, checksum=given, path=path))
    with pytest.raises(errors.Conflict) as refused:
        await desk.put_path(path, mine)
    assert refused.value.data == {"entityId": str(entity)}
    with pytest.raises(errors.Conflict):
        await desk.delete_path(path)
    assert await listed(desk) == {path: given}
    await hear.on_ended(fact(desk, entity, 3, "file_deleted"))
    await desk.put_path(path, mine)

    assert [each.sha256 for each in await history(desk, path)] == [mine, None, given, mine]


async def test_of_two_entities_the_later_has_the_name(desk: Desk) -> None:
    """Only a peer or a package could bring this about; the end of the first takes nothing away."""
    hear, path = desk.vault.room.following, f"{folder(desk)}/notes/both.md"
    one, two, sha256 = new_id(), new_id(), await desk.upload(b"both")
    await hear.on_uploaded(fact(desk, one, 2, UPLOADED, checksum=sha256, path=path))
    await hear.on_uploaded(fact(desk, two, 2, UPLOADED, checksum=sha256, path=path))
    await hear.on_ended(fact(desk, one, 3, "file_deleted"))

    assert await listed(desk) == {path: sha256}


@pytest.mark.parametrize("path", ["/etc/passwd", "users/x/notes/a", "project/../a", "project"])
async def test_what_is_no_path_here_names_nothing(desk: Desk, path: str) -> None:
    """The event stays what it is, and its bytes are kept."""
    sha256 = await desk.upload(b"kept")
    heard = fact(desk, new_id(), 2, UPLOADED, checksum=sha256, path=path)
    await desk.vault.room.following.on_uploaded(heard)

    paths = await desk.vault.owner.fetch(
        "SELECT path FROM paths WHERE project_id = $1", desk.project_id
    )
    assert paths == []
    assert await desk.end() == {}


async def test_a_collection_learns_it_when_it_asks(desk: Desk) -> None:
    """No fact need come for it, and one that comes late finds it done."""
    entity, sha256 = await desk.entity(), await desk.upload(b"asked for")
    await desk.give(entity, sha256)
    await desk.end()
    path = f"{folder(desk)}/attachments/{entity}/a"
    assert await listed(desk) == {path: sha256}
    late = fact(desk, entity, 2, UPLOADED, checksum=sha256, path=path)
    await desk.vault.room.following.on_uploaded(late)

    assert len(await history(desk, path)) == 1


async def test_reconciling_names_files_that_are_older_than_names(desk: Desk) -> None:
    """And takes away those of files that are no more."""
    hear, entity, gone = desk.vault.room.following, await desk.entity(), new_id()
    sha256 = await desk.upload(b"old")
    await desk.give(entity, sha256)
    known = EntityFile(entity_id=entity, sha256=sha256, version=2)
    await hear.learn(desk.project_id, [known])
    path = f"{folder(desk)}/notes/gone.md"
    await hear.on_uploaded(fact(desk, gone, 2, UPLOADED, checksum=sha256, path=path))
    assert await listed(desk) == {path: sha256}
    await hear.reconcile(Reconcile(project_id=desk.project_id), desk.actor)

    assert await listed(desk) == {f"{folder(desk)}/attachments/{entity}/a": sha256}


async def test_a_purged_project_has_none(desk: Desk) -> None:
    hear, path = desk.vault.room.following, f"{folder(desk)}/notes/a.md"
    sha256 = await desk.upload(b"purged")
    await hear.on_uploaded(fact(desk, new_id(), 2, UPLOADED, checksum=sha256, path=path))
    await hear.on_project_purged(fact(desk, desk.project_id, 9, "purged"))

    assert await listed(desk) == {}
    assert await desk.fates() == {Fate.CONDEMN: 1}
