"""Back-ups that can be trusted: whose they are, what is in them, and what a refusal leaves."""

import gzip
import json
import shlex
import shutil
import struct
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.support.command import scriptorium
from tests.support.waiting import until
from tools.stack import ArchiveOfAnother, DirectoryUnusable, NothingToRestore, Stack, archive
from tools.stack import postgres as postgres_module
from tools.stack.backup import back_up
from tools.stack.restore import restore

SEGMENT_WAIT_S = 40
SEGMENT_BYTES = 16 << 20
SETTINGS = "SCRIPTORIUM_DELETED_KEPT_DAYS=365\n"


def quiet(_: str) -> None:
    """What is told is not the point here."""


@pytest.fixture(scope="module")
async def kept(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Stack, Path]]:
    """A stack without services, and its archive with a back-up and a log after it."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "data").mkdir(mode=0o700)
    (folder / "data" / "settings.env").write_text(SETTINGS)
    async with Stack(folder / "data", replicas={}, archive=folder / "archive") as stack:
        await write(stack, "before")
        await back_up(stack.data_dir, folder / "archive", quiet)
        await write(stack, "after")
        await finish_segment(stack)
        yield stack, folder / "archive"


@pytest.fixture
def copy(kept: tuple[Stack, Path], tmp_path: Path) -> Path:
    """A copy of the archive, to be damaged."""
    return shutil.copytree(kept[1], tmp_path / "archive", symlinks=True)


async def write(stack: Stack, word: str) -> None:
    owner = await asyncpg.connect(stack.postgres_url("collab", "collab_owner"))
    await owner.execute("CREATE TABLE IF NOT EXISTS words (word text)")
    await owner.execute("INSERT INTO words VALUES ($1)", word)
    await owner.close()


async def finish_segment(stack: Stack) -> None:
    database = await asyncpg.connect(stack.postgres_url("postgres", "postgres"))
    segment = await database.fetchval("SELECT pg_walfile_name(pg_switch_wal())")

    async def archived() -> bool:
        last = "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver"
        return await database.fetchval(last) >= segment

    await until(archived, SEGMENT_WAIT_S)
    await database.close()


async def words(data_dir: Path) -> list[str]:
    async with Stack(data_dir, replicas={}) as restored:
        owner = await asyncpg.connect(restored.postgres_url("collab", "collab_owner"))
        rows = await owner.fetch("SELECT word FROM words ORDER BY word DESC")
        await owner.close()
    return [row["word"] for row in rows]


async def test_an_archive_of_another_stack_is_refused_and_unharmed(
    kept: tuple[Stack, Path], tmp_path: Path
):
    """One variable in two crontabs must not cost the first stack its secrets."""
    mine = kept[1]
    before = {each: each.stat().st_mtime_ns for each in mine.rglob("*") if each.is_file()}

    async with Stack(tmp_path / "other", replicas={}):
        with pytest.raises(ArchiveOfAnother, match="belongs to another stack"):
            await back_up(tmp_path / "other", mine, quiet)
    with pytest.raises(ArchiveOfAnother, match="belongs to another stack"):
        await Stack(tmp_path / "other", replicas={}, archive=mine).start()

    assert {each: each.stat().st_mtime_ns for each in mine.rglob("*") if each.is_file()} == before


async def test_a_back_up_says_when_nothing_is_kept_after_it(tmp_path: Path):
    """A newcomer reads about --archive in one place and backs up in another."""
    data, mine, other = tmp_path / "data", tmp_path / "it's mine", tmp_path / "100% other"
    lacking = "moments after the back-up cannot be restored"

    async def said(into: Path) -> str:
        told = list[str]()
        await back_up(data, into, told.append)
        return "\n".join(told)

    async with Stack(data, replicas={}):
        told = await said(mine)
        assert f"started without an archive, so {lacking}" in told
        assert f"scriptorium up --archive {shlex.quote(str(mine))} --data-dir {data}" in told
    (tmp_path / "link").symlink_to(other)
    other.mkdir()
    async with Stack(data, replicas={}, archive=other):
        assert f"keeps its log in {other}, so {lacking}" in await said(mine)
        assert lacking not in await said(tmp_path / "link")


@pytest.mark.parametrize("holds", ["a back-up", "segments"])
async def test_an_archive_of_an_earlier_release_is_known_too(
    kept: tuple[Stack, Path], copy: Path, holds: str
):
    """It names its stack only in what PostgreSQL wrote into it."""
    (copy / archive.OWNER).unlink()
    if holds == "segments":
        shutil.rmtree(copy / "base")
        for segment in list(archive.segments(copy / "wal")):
            segment.with_suffix("").write_bytes(gzip.decompress(segment.read_bytes()))
            segment.unlink()
    else:
        shutil.rmtree(copy / "wal")

    with pytest.raises(ArchiveOfAnother):
        archive.claim(copy, "1")
    archive.claim(copy, archive.system_identifier(kept[0].data_dir / "postgres"))


async def test_a_back_up_of_an_earlier_release_comes_back(copy: Path, tmp_path: Path):
    """Its cluster lies in the folder itself, and secrets belong to the archive."""
    base = archive.bases(copy)[0]
    (copy / "secrets").unlink()
    (copy / "secrets").mkdir()
    for name in ("stack.json", "keys"):
        (base.folder / name).rename(copy / "secrets" / name)
    (base.folder / "settings.env").unlink()
    base.cluster.rename(copy / "old")
    base.folder.rmdir()
    (copy / "old").rename(base.folder)
    for segment in archive.segments(copy / "wal"):
        segment.with_suffix("").write_bytes(gzip.decompress(segment.read_bytes()))
        segment.unlink()

    await restore(copy, tmp_path / "new", None, quiet)

    assert await words(tmp_path / "new") == ["before", "after"]


async def test_secrets_and_settings_come_back_with_their_back_up(
    kept: tuple[Stack, Path], tmp_path: Path
):
    stack, mine = kept
    new = tmp_path / "deep" / "new"
    told: list[str] = []

    await restore(mine, new, None, told.append)

    secrets = [json.loads((each / "stack.json").read_text()) for each in (stack.data_dir, new)]
    assert secrets[0]["passwords"] == secrets[1]["passwords"]
    assert (new / "settings.env").read_text() == SETTINGS
    assert (mine / "secrets" / "stack.json").exists()
    assert any("bytes of files" in line for line in told)
    assert await words(new) == ["before", "after"]


async def test_a_back_up_alone_comes_back(copy: Path, tmp_path: Path):
    """Without the log after it, as of a stack that was started without `--archive`."""
    shutil.rmtree(copy / "wal")
    await restore(copy, tmp_path / "restored", None, quiet)
    assert await words(tmp_path / "restored") == ["before"]


async def test_no_more_back_ups_than_wanted_are_kept(tmp_path: Path):
    """What is left can be restored, and nothing else of the log is."""
    mine = tmp_path / "archive"
    async with Stack(tmp_path / "data", replicas={}, archive=mine) as stack:
        for word in ("a", "b", "c"):
            await write(stack, word)
            await finish_segment(stack)
            await back_up(stack.data_dir, mine, quiet, keep=2)
    left = archive.bases(mine)

    assert len(left) == 2
    assert min(archive.segments(mine / "wal").values()) == left[0].first_segment
    assert {each.name for each in (mine / "base").iterdir()} == {base.name for base in left}
    shutil.rmtree(left[1].folder)
    await restore(mine, tmp_path / "new", None, quiet)
    assert await words(tmp_path / "new") == ["c", "b", "a"]  # the last is in a later segment


async def test_segments_are_small(kept: tuple[Stack, Path]):
    """One with a row in it, finished after a minute, is nearly all zeros."""
    sizes = {each.name: each.stat().st_size for each in archive.segments(kept[1] / "wal")}
    newest = sizes[max(name for name in sizes if ".backup" not in name)]
    assert newest < SEGMENT_BYTES / 100


async def test_the_first_minute_after_a_start_is_archived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """PostgreSQL's checkpointer would sleep for five minutes before it first looks at the clock."""
    monkeypatch.setattr(postgres_module, "ARCHIVE_TIMEOUT_S", 1)
    async with Stack(tmp_path / "data", replicas={}, archive=tmp_path / "archive") as stack:
        for round_ in range(3):
            await write(stack, str(round_))
            seen = len(archive.segments(tmp_path / "archive" / "wal"))
            await until(
                lambda seen=seen: len(archive.segments(tmp_path / "archive" / "wal")) > seen,
                SEGMENT_WAIT_S,
            )


def base_damaged(mine: Path) -> None:
    file = archive.bases(mine)[0].cluster / "PG_VERSION"
    file.write_text(file.read_text() + "\n")


def manifest_lost(mine: Path) -> None:
    (archive.bases(mine)[0].cluster / "backup_manifest").unlink()


def secrets_lost(mine: Path) -> None:
    (archive.bases(mine)[0].folder / "stack.json").unlink()


def keys_lost(mine: Path) -> None:
    shutil.rmtree(archive.bases(mine)[0].folder / "keys")


def segment_lost(mine: Path) -> None:
    found = sorted(each for each in archive.segments(mine / "wal") if ".backup" not in each.name)
    shutil.copy(found[-1], found[-1].with_name(f"{'0' * 7}1{'0' * 14}20.gz"))


def segment_damaged(mine: Path) -> None:
    found = sorted(each for each in archive.segments(mine / "wal") if ".backup" not in each.name)
    found[-1].write_bytes(found[-1].read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (base_damaged, "is damaged: pg_verifybackup: error"),
        (manifest_lost, "backup_manifest is missing"),
        (secrets_lost, r"stack\.json cannot be read"),
        (keys_lost, "keys is missing"),
        (segment_lost, "a segment is missing"),
        (segment_damaged, "could not restore file"),
    ],
)
async def test_what_cannot_be_restored_whole_is_refused(
    copy: Path, tmp_path: Path, damage: object, told: str
):
    """And nothing is left behind."""
    assert callable(damage)
    damage(copy)

    with pytest.raises(NothingToRestore, match=told):
        await restore(copy, tmp_path / "above" / "new", None, quiet)

    assert not (tmp_path / "above").exists()


async def test_a_moment_that_the_log_does_not_reach_is_refused(copy: Path, tmp_path: Path):
    """PostgreSQL finds that out, and the last moment that it holds is told."""
    new = tmp_path / "new"
    new.mkdir()

    with pytest.raises(NothingToRestore, match="the last change that it holds is of 20"):
        await restore(copy, new, datetime.now(UTC) - timedelta(milliseconds=1), quiet)
    with pytest.raises(NothingToRestore, match="lies in the future"):
        await restore(copy, new, datetime.now(UTC) + timedelta(hours=1), quiet)

    assert list(new.iterdir()) == []


async def test_a_time_without_a_zone_is_refused(copy: Path, tmp_path: Path):
    """Nobody can tell whose noon it is."""
    words = ("restore", "--archive", copy, "--data-dir", tmp_path / "new")

    code, said = await scriptorium(*words, "--at", "2026-05-01T12:00:00")

    assert code == 2
    assert "has no time zone" in said


async def test_an_archive_that_cannot_be_written_is_named(tmp_path: Path):
    """Not the data directory, which is well."""
    (tmp_path / "file").touch()
    mine = tmp_path / "file" / "archive"

    with pytest.raises(DirectoryUnusable, match=f"cannot make {mine}: {tmp_path / 'file'} is not"):
        await Stack(tmp_path / "data", replicas={}, archive=mine).start()


def test_a_cluster_that_cannot_be_told_is_refused(tmp_path: Path):
    (tmp_path / "global").mkdir()
    (tmp_path / "global" / "pg_control").write_bytes(struct.pack("=I", 7))

    with pytest.raises(DirectoryUnusable, match="pg_control is damaged"):
        archive.system_identifier(tmp_path)
