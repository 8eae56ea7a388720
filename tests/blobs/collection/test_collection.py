"""Bytes go when nothing refers to them, after retention and grace; and never otherwise."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from libs import errors
from libs.bus import Caller
from libs.contracts.blobs.operations import Collect, Fate, Inspect, Undelete
from libs.contracts.blobs.transfers import AssetType
from libs.contracts.ids import new_id
from services.blobs.operating.handlers import Operations
from tests.blobs.collection.support import DAY, LONG, Desk, Vault, check
from tools.stack import Stack


def operations(desk: Desk) -> Operations:
    return desk.vault.room.operations


async def test_unreferenced_bytes_go_after_retention_and_grace(desk: Desk) -> None:
    """Each wait is kept to; the row stays with what is known, and the audit tells all of it."""
    sha256 = await desk.upload(b"forgotten")
    assert await desk.fates() == {}
    await desk.pass_time(LONG)
    assert await desk.fates() == {Fate.CONDEMN: 1}
    assert await desk.fates() == {}
    assert await desk.read(sha256) == b"forgotten"
    await desk.pass_time(2 * DAY)
    assert await desk.fates() == {Fate.COLLECT: 1}
    await check(desk)
    assert desk.vault.keys(desk.project_id), "readers are given time"
    await desk.pass_time(DAY)
    await desk.vault.sweeper.once()

    assert desk.vault.keys(desk.project_id) == set()
    blob = await desk.vault.store.blob(desk.project_id, sha256)
    assert (blob["state"], blob["size"], blob["key"]) == ("collected", 9, None)
    with pytest.raises(errors.BlobUnavailable):
        await desk.claim(sha256, new_id())
    told = await operations(desk).inspect(
        Inspect(project_id=desk.project_id, sha256=sha256), desk.actor
    )
    assert [deed.action for deed in told.deeds] == ["collected", "condemned", "uploaded"]
    assert told.deeds[0].data["size"] == 9
    await check(desk)


async def test_dry_run_tells_what_would_go_and_why_and_changes_nothing(desk: Desk) -> None:
    old, kept = await desk.upload(b"old"), await desk.upload(b"kept")
    await desk.put_path("project/kept", kept)
    await desk.pass_time(LONG)

    report = await desk.collect(dry_run=True)

    assert {(each.sha256, each.fate) for each in report.items} == {(old, Fate.CONDEMN)}
    assert "attachment is kept 90 days" in report.items[0].why
    assert report.tallies[Fate.CONDEMN].bytes_ == 3
    assert report.looked_at == 2
    assert await desk.state(old) == "live"
    await desk.fates()
    await desk.pass_time(2 * DAY)
    assert await desk.fates(dry_run=True) == {Fate.COLLECT: 1}
    assert await desk.read(old) == b"old"


async def test_each_asset_type_has_its_own_retention(
    stack: Stack, desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    export = await desk.upload(b"an export", AssetType.EXPORT)
    logo = await desk.upload(b"a logo", AssetType.LOGO)
    await desk.pass_time(timedelta(days=8))

    folder = tmp_path_factory.mktemp("other")
    async with Vault.open(stack, folder, retention_export_s=7 * 86_400) as other:
        assert await desk.at(other).fates() == {Fate.CONDEMN: 1}

    assert (await desk.state(export), await desk.state(logo)) == ("condemned", "live")


@pytest.mark.parametrize("how", ["upload", "known", "path", "mended"])
async def test_what_is_many_things_is_kept_as_the_longest_kept(
    stack: Stack, desk: Desk, folder: Path, how: str
) -> None:
    """Whoever sent it first does not decide for those who use it as something else."""
    content = b"an export, and then a logo"
    sha256 = await desk.upload(content, AssetType.EXPORT)
    also = {"asset_type": AssetType.LOGO}
    match how:
        case "upload":
            await desk.upload(content, **also)
        case "known":
            await desk.upload(content, sha256=sha256, **also)
        case "path":
            await desk.put_path("project/logo", sha256, **also)
            await desk.delete_path("project/logo")
        case _:
            await desk.vault.owner.execute(
                "UPDATE blobs SET state = 'quarantined' WHERE project_id = $1", desk.project_id
            )
            await desk.upload(content, **also)
    async with Vault.open(stack, folder, retention_export_s=7 * 86_400) as other:
        short = desk.at(other)
        await desk.pass_time(8 * DAY)
        assert await short.fates() == {}
        await desk.pass_time(LONG)
        told = await short.collect()
        assert [each.why.partition("; ")[2] for each in told.items] == [
            "logo is kept 90 days, 0:00:00"
        ]
        await desk.pass_time(2 * DAY)
        assert await short.fates() == {Fate.COLLECT: 1}
        await desk.upload(content, AssetType.EXPORT)
        await desk.pass_time(8 * DAY)
        assert await short.fates() == {Fate.CONDEMN: 1}, "gone, it was forgotten what it was"


async def test_paths_and_files_keep_bytes_and_their_ends_begin_retention(desk: Desk) -> None:
    path, file = await desk.upload(b"path"), await desk.upload(b"file")
    entity = await desk.entity()
    await desk.put_path("project/a", path)
    await desk.give(entity, file)
    assert await desk.end() == {Fate.RESCUE: 1}, "no fact was delivered here: events was asked"
    assert await desk.end() == {}
    await desk.delete_path("project/a")
    assert await desk.fates() == {}, "retention begins at the end of the last reference"

    assert await desk.end() == {Fate.COLLECT: 1}
    assert await desk.state(path) == "collected"
    assert await desk.read(file) == b"file"
    await check(desk)


@pytest.mark.parametrize("how", ["upload", "claim", "path", "undelete"])
async def test_condemned_bytes_are_rescued_by_whoever_wants_them(desk: Desk, how: str) -> None:
    sha256 = await desk.upload(b"wanted again")
    await desk.pass_time(LONG)
    await desk.fates()
    assert await desk.state(sha256) == "condemned"
    match how:
        case "upload":
            await desk.upload(b"wanted again")
        case "claim":
            await desk.claim(sha256, new_id())
        case "path":
            await desk.put_path("project/again", sha256)
        case _:
            question = Undelete(
                project_id=desk.project_id, sha256=sha256, by="ops", reason="a mistake"
            )
            assert (await operations(desk).undelete(question, desk.actor)).state == "live"
    await desk.pass_time(2 * DAY)

    assert await desk.fates() == {}
    assert await desk.state(sha256) == "live"
    told = await operations(desk).inspect(
        Inspect(project_id=desk.project_id, sha256=sha256), desk.actor
    )
    assert "rescued" in [deed.action for deed in told.deeds]
    await check(desk)


async def test_undelete_comes_too_late_or_without_need(desk: Desk) -> None:
    sha256 = await desk.upload(b"gone")
    question = Undelete(project_id=desk.project_id, sha256=sha256, by="ops", reason="why not")
    with pytest.raises(errors.Conflict):
        await operations(desk).undelete(question, desk.actor)
    await desk.end()
    with pytest.raises(errors.BlobUnavailable):
        await operations(desk).undelete(question, desk.actor)
    other = question.model_copy(update={"project_id": new_id()})
    with pytest.raises(errors.NotFound):
        await operations(desk).undelete(other, desk.actor)


async def test_collected_bytes_come_back_when_uploaded_again(desk: Desk) -> None:
    sha256 = await desk.upload(b"phoenix")
    assert await desk.end() == {Fate.COLLECT: 1}
    assert await desk.upload(b"phoenix") == sha256

    assert await desk.read(sha256) == b"phoenix"
    await check(desk)


async def test_nothing_goes_while_events_is_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever cannot be asked stops a collection; the next one goes on."""
    sha256 = await desk.upload(b"who knows")
    await desk.pass_time(LONG)
    await desk.fates()
    await desk.pass_time(2 * DAY)

    async def away(*_: object, **__: object) -> None:
        raise errors.Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(Caller, "ask", away)
        with pytest.raises(errors.Unavailable):
            await desk.collect()
        assert await desk.state(sha256) == "condemned"
        with pytest.raises(errors.Unavailable):
            await desk.collect(dry_run=True)

    assert await desk.fates() == {Fate.COLLECT: 1}


async def test_collections_take_turns(stack: Stack, folder: Path, desk: Desk) -> None:
    """A second one does nothing while the first is at it, here or elsewhere; a dry run may."""
    await desk.upload(b"contended")
    await desk.pass_time(LONG)
    async with Vault.open(stack, folder) as other:
        for positions in (desk.vault.room.positions, other.room.positions):
            async with positions.turn("verify") as also, positions.turn("collect") as mine:
                assert mine and also
                assert (await desk.collect()).busy
                assert (await desk.at(other).collect()).busy
                assert await desk.fates(dry_run=True) == {Fate.CONDEMN: 1}
        # A replica that loses its connection loses its locks, and takes them up again.
        async with other.room.positions.turn("collect"):
            await desk.vault.pool.execute(
                "SELECT pg_terminate_backend(pid, 10_000) FROM pg_locks WHERE locktype = 'advisory'"
                " AND database = (SELECT oid FROM pg_database WHERE datname = 'blobs')"
            )
            assert await desk.fates() == {Fate.CONDEMN: 1}
        async with other.room.positions.turn("collect") as mine:
            assert mine


async def test_background_goes_on_where_another_replica_died(desk: Desk) -> None:
    """The place is kept; a finished round rests for the interval."""
    worker, owner = desk.vault.room.worker, desk.vault.owner
    await owner.execute("DELETE FROM task_positions")
    sha256 = await desk.upload(b"walked over")
    await desk.pass_time(LONG)
    # Somebody died behind this blob: the walk goes on from there, and the next one finds it.
    await owner.execute(
        "INSERT INTO task_positions (name, position) VALUES ('collect', $1)",
        "ffffffff-ffff-ffff-ffff-ffffffffffff/",
    )
    assert await worker.task.run_pass()
    assert await desk.state(sha256) == "live"
    assert not await worker.task.run_pass(), "it is not time yet"
    await owner.execute("UPDATE task_positions SET ended_at = ended_at - interval '2 hours'")

    assert await worker.task.run_pass()
    assert await desk.state(sha256) == "condemned"


async def test_writers_and_collections_race(desk: Desk) -> None:
    """Whoever refers to bytes that are just going has them or is told; over many races."""
    for turn in range(15):
        shas = [await desk.upload(f"{turn} {n}".encode()) for n in range(6)]
        await desk.pass_time(LONG)
        await desk.fates()
        await desk.pass_time(2 * DAY)

        async def refer(n: int, sha256: str, turn: int = turn) -> str:
            await asyncio.sleep(n * 0.002)
            try:
                match n % 3:
                    case 0:
                        await desk.put_path(f"project/{turn}/{n}", sha256)
                    case 1:
                        await desk.claim(sha256, new_id())
                    case _:
                        await desk.upload(f"{turn} {n}".encode())
            except errors.BlobUnavailable:
                return "told"
            return "kept"

        *answers, _ = await asyncio.gather(
            *(refer(n, sha256) for n, sha256 in enumerate(shas)), desk.fates()
        )

        for n, (sha256, answer) in enumerate(zip(shas, answers, strict=True)):
            state = await desk.state(sha256)
            assert state == ("live" if answer == "kept" else "collected"), (turn, n)
            if answer == "kept":
                assert await desk.read(sha256) == f"{turn} {n}".encode()
    await desk.vault.sweeper.once()
    await check(desk)


async def test_another_project_is_never_touched(desk: Desk, caller: Caller) -> None:
    """The same bytes in two projects are two blobs, and one collection is about one of them."""
    other = await Desk.begin(desk.vault, caller)
    sha256 = await desk.upload(b"shared")
    assert await other.upload(b"shared") == sha256
    await other.pass_time(LONG)
    await desk.end()

    assert await desk.state(sha256) == "collected"
    assert await other.state(sha256) == "live"
    report = await operations(desk).collect(Collect(project_id=other.project_id), other.actor)
    assert {each.project_id for each in report.items} == {other.project_id}
