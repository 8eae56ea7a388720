"""What those who run the system do about files at their terminal, on a real stack."""

import asyncio
import csv
import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.contracts.ids import new_id
from libs.postgres import connect
from tests.blobs.collection.processes import Mortal, hands
from tests.blobs.collection.support import DAY, LONG, Desk, check
from tests.blobs.support import Desk as Client
from tests.support.command import scriptorium

REPLICAS = {"events": 1, "blobs": 2}
CALM = {"SCRIPTORIUM_COLLECTION": "false"}


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mortal]:
    async with Mortal(tmp_path_factory.mktemp("operating"), REPLICAS, CALM) as running:
        yield running


@pytest.fixture
async def people(stack: Mortal) -> AsyncIterator[tuple[Desk, Client]]:
    async with hands(stack) as made:
        yield made


async def blobs(stack: Mortal, *words: object) -> tuple[int, str]:
    return await scriptorium("blobs", *words, "--data-dir", stack.data_dir)


async def test_figures_usage_and_quota(stack: Mortal, people: tuple[Desk, Client]) -> None:
    desk, client = people
    await client.upload(b"a" * 10_000)
    figures, usage = await asyncio.gather(
        blobs(stack, "stat"), blobs(stack, "usage", desk.project_id)
    )
    assert (figures[0], usage[0]) == (0, 0), (figures, usage)
    assert "live" in figures[1]
    assert "1 blobs, 10.0 kB" in usage[1]
    code, said = await blobs(stack, "quota", desk.project_id, "20K")
    assert code == 0 and "of 20.5 kB" in said, said
    with pytest.raises(AssertionError, match="QUOTA_EXCEEDED"):
        await client.upload(os.urandom(20_000))
    assert (await blobs(stack, "quota", desk.project_id, "a lot"))[0] != 0
    await blobs(stack, "quota", desk.project_id, "default")
    await client.upload(os.urandom(20_000))


async def test_collecting_and_taking_back(stack: Mortal, people: tuple[Desk, Client]) -> None:
    """First what would be done, then that, then somebody changes their mind, then the end."""
    desk, client = people
    blob = await client.upload(b"nobody needs this")
    await desk.pass_time(LONG)
    project = ("--project", desk.project_id)
    told = await blobs(stack, "collect", "--dry-run", *project)
    assert told[0] == 0 and "would condemn 1 blobs, 17 B" in told[1], told
    assert await desk.state(blob.sha256) == "live"
    done = await blobs(stack, "collect", *project)
    assert "condemn 1 blobs" in done[1], done
    where = (desk.project_id, blob.sha256)
    back = await blobs(stack, "undelete", *where, "--reason", "needed", "--by", "ops")
    assert back[0] == 0 and "is live again" in back[1], back
    shown = await blobs(stack, "stat", *where)
    assert "ops: needed" in shown[1], shown
    await desk.pass_time(LONG)
    await blobs(stack, "collect", *project)
    await desk.pass_time(2 * DAY)
    done = await blobs(stack, "collect", *project)
    assert "collect 1 blobs" in done[1], done
    late = await blobs(stack, "undelete", *where, "--reason", "too late")

    assert late[0] == 1 and "BLOB_UNAVAILABLE" in late[1], late
    await check(desk)


async def test_damage_is_listed_and_verification_says_so(
    stack: Mortal, people: tuple[Desk, Client]
) -> None:
    desk, client = people
    blob = await client.upload(os.urandom(5000))
    sound = await blobs(stack, "verify", "--project", desk.project_id)
    assert sound[0] == 0 and "1 blobs, 5.0 kB were read" in sound[1], sound
    key = (await desk.vault.store.blob(desk.project_id, blob.sha256))["key"]
    (stack.data_dir / "blobs" / key).write_bytes(b"something else")
    code, said = await blobs(stack, "verify", "--project", desk.project_id)
    assert code == 2 and blob.sha256 in said, said
    listed = await blobs(stack, "quarantine", "--project", desk.project_id)

    assert blob.sha256 in listed[1] and "short at frame 0" in listed[1], listed


async def test_archiving_and_reconciling(stack: Mortal, people: tuple[Desk, Client]) -> None:
    desk, client = people
    content = os.urandom(100_000)
    blob = await client.upload(content)
    where = (desk.project_id, blob.sha256)
    gone = await blobs(stack, "archive", *where)
    back = await blobs(stack, "archive", *where, "--restore")
    assert (gone[0], back[0]) == (0, 0), (gone, back)
    assert "is archived" in gone[1] and "is live" in back[1]
    assert await desk.read(blob.sha256) == content
    entity = await desk.entity()
    await desk.give(entity, blob.sha256)
    code, said = await blobs(stack, "reconcile", desk.project_id)

    assert code == 0 and "1 files" in said, said
    await check(desk)


async def test_contents_in_rows_become_blobs(
    stack: Mortal, people: tuple[Desk, Client], tmp_path: Path
) -> None:
    """Loaded by COPY; looked at, migrated, migrated again, verified; bad rows are told, and only
    they stay.
    """
    desk, _ = people
    good = {f"project/{n}.txt": os.urandom(n * 400_000 + n) for n in range(4)}
    rows = [
        (str(new_id()), str(desk.project_id), str(desk.actor.user_id), path, content, None)
        for path, content in good.items()
    ]
    mine = f"users/{desk.actor.user_id}/notes/a.md"
    rows.append((str(new_id()), *rows[0][1:3], mine, b"# A note", None))
    bad = [
        (str(new_id()), *rows[0][1:3], "../../etc/passwd", b"x", None),
        (str(new_id()), *rows[0][1:3], "project/wrong", b"x", "ab" * 32),
        (str(new_id()), *rows[0][1:3], "project/1.txt", b"the place is taken", None),
    ]
    file = tmp_path / "contents.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        for row in [*rows, *bad]:
            writer.writerow([*row[:4], "\\x" + row[4].hex(), row[5] or ""])
    owner = await connect(stack.postgres_url("blobs", "blobs_owner"), application="copy")
    async with owner.acquire() as connection:
        await connection.copy_to_table(
            "imported_contents",
            source=file,
            columns=["id", "project_id", "user_id", "path", "content", "sha256"],
            format="csv",
        )
    await owner.close()

    async def migrate(*words: object) -> tuple[int, str]:
        command = ("migrate", "content-to-blobs", *words, "--data-dir", stack.data_dir)
        return await scriptorium(*command)

    code, said = await migrate("--dry-run")
    assert code == 1 and "2 failed, 6 ready" in said, said
    assert not desk.vault.keys(desk.project_id)
    report = tmp_path / "report.json"
    code, said = await migrate("--report", report)
    assert code == 1 and "3 failed, 5 migrated" in said, said
    told = {each["id"]: each for each in json.loads(report.read_text())}
    assert "must not have the segments" in told[bad[0][0]]["reason"]
    assert "checksum" in told[bad[1][0]]["reason"]
    assert "something else already" in told[bad[2][0]]["reason"]
    for path, content in {**good, mine: b"# A note"}.items():
        found = await desk.vault.store.paths.read(desk.project_id, path, None)
        assert found.sha256 == hashlib.sha256(content).hexdigest()
        assert await desk.read(hashlib.sha256(content).hexdigest()) == content
    code, said = await migrate()
    assert "3 failed, 5 skipped" in said, said
    code, said = await migrate("--verify-only")
    assert (code, "3 skipped, 5 verified" in said) == (0, True), said
    await check(desk)
