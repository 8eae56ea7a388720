"""Contents that an older system kept in rows become blobs with paths, at a terminal."""

import csv
import hashlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from libs.contracts.ids import new_id
from libs.postgres import connect
from tests.blobs.collection.processes import Mortal, hands
from tests.blobs.collection.support import Desk, check
from tests.blobs.support import Desk as Client
from tests.support.command import scriptorium
from tools.cli.operate.migrate import PAGE_SCENES

REPLICAS = {"events": 1, "blobs": 1}
CALM = {"SCRIPTORIUM_COLLECTION": "false"}

type Row = tuple[str, str, str, str, bytes, str | None]
"""Id, project, user, path, content, SHA-256."""


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mortal]:
    async with Mortal(tmp_path_factory.mktemp("migrating"), REPLICAS, CALM) as running:
        yield running


@pytest.fixture
async def people(stack: Mortal) -> AsyncIterator[tuple[Desk, Client]]:
    async with hands(stack) as made:
        yield made


async def migrate(stack: Mortal, *words: object) -> tuple[int, str]:
    command = ("migrate", "content-to-blobs", *words, "--data-dir", stack.data_dir)
    return await scriptorium(*command)


async def load(stack: Mortal, file: Path, rows: Sequence[Row]) -> None:
    """Load rows as an operator does, in place of those that were there."""
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        for row in rows:
            writer.writerow([*row[:4], "\\x" + row[4].hex(), row[5] or ""])
    owner = await connect(stack.postgres_url("blobs", "blobs_owner"), application="copy")
    async with owner.acquire() as connection:
        await connection.execute("TRUNCATE imported_contents")
        await connection.copy_to_table(
            "imported_contents",
            source=file,
            columns=["id", "project_id", "user_id", "path", "content", "sha256"],
            format="csv",
        )
    await owner.close()


async def test_contents_in_rows_become_blobs(
    stack: Mortal, people: tuple[Desk, Client], tmp_path: Path
) -> None:
    """Loaded by COPY; looked at, migrated, migrated again, verified; bad rows are told, and only
    they stay.
    """
    desk, _ = people
    good = {f"project/{n}.txt": os.urandom(n * 400_000 + n) for n in range(4)}
    rows: list[Row] = [
        (str(new_id()), str(desk.project_id), str(desk.actor.user_id), path, content, None)
        for path, content in good.items()
    ]
    mine = f"users/{desk.actor.user_id}/notes/a.md"
    rows.append((str(new_id()), rows[0][1], rows[0][2], mine, b"# A note", None))
    bad: list[Row] = [
        (str(new_id()), rows[0][1], rows[0][2], "../../etc/passwd", b"x", None),
        (str(new_id()), rows[0][1], rows[0][2], "project/wrong", b"x", "ab" * 32),
        (str(new_id()), rows[0][1], rows[0][2], "project/1.txt", b"the place is taken", None),
    ]
    await load(stack, tmp_path / "contents.csv", [*rows, *bad])
    code, said = await migrate(stack, "--dry-run")
    assert code == 1 and "2 failed, 6 ready" in said, said
    assert not desk.vault.keys(desk.project_id)
    report = tmp_path / "report.json"
    code, said = await migrate(stack, "--report", report)
    assert code == 1 and "3 failed, 5 migrated" in said, said
    told = {each["id"]: each for each in json.loads(report.read_text())}
    assert "must not have the segments" in told[bad[0][0]]["reason"]
    assert "checksum" in told[bad[1][0]]["reason"]
    assert "another file already" in told[bad[2][0]]["reason"]
    for path, content in {**good, mine: b"# A note"}.items():
        found = await desk.vault.store.paths.read(desk.project_id, path, None)
        assert found.sha256 == hashlib.sha256(content).hexdigest()
        assert await desk.read(hashlib.sha256(content).hexdigest()) == content
    code, said = await migrate(stack)
    assert "3 failed, 5 skipped" in said, said
    code, said = await migrate(stack, "--verify-only")
    assert (code, "3 skipped, 5 verified" in said) == (0, True), said
    await check(desk)


async def test_what_is_stored_is_read_back(
    stack: Mortal, people: tuple[Desk, Client], tmp_path: Path
) -> None:
    """A row counts as done when its blob was read, and is verified by reading it again."""
    desk, client = people
    damaged, later, changed = (os.urandom(50_000) for _ in range(3))

    def row(name: str, content: bytes) -> Row:
        who = str(desk.project_id), str(desk.actor.user_id)
        return (str(new_id()), *who, f"project/{name}", content, None)

    async def damage(content: bytes) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        key = (await desk.vault.store.blob(desk.project_id, sha256))["key"]
        (stack.data_dir / "blobs" / key).write_bytes(b"something else")

    await client.upload(damaged)
    await damage(damaged)
    rows = [row("damaged", damaged), row("later", later), row("changed", changed)]
    await load(stack, tmp_path / "contents.csv", rows)
    code, said = await migrate(stack)
    assert code == 1 and "1 failed, 2 migrated" in said, said
    assert "BLOB_DAMAGED" in said and rows[0][0] in said, said
    code, said = await migrate(stack, "--verify-only")
    assert code == 0 and "1 skipped, 2 verified" in said, said
    await damage(later)
    await desk.vault.owner.execute(
        "UPDATE imported_contents SET content = 'x' WHERE id = $1::uuid", rows[2][0]
    )
    code, said = await migrate(stack, "--verify-only")

    assert code == 1 and "2 failed, 1 skipped" in said, said
    assert "BLOB_DAMAGED" in said and "no longer what was migrated" in said, said


async def test_rows_are_listed_page_by_page(
    stack: Mortal, people: tuple[Desk, Client], tmp_path: Path
) -> None:
    desk, _ = people
    who = str(desk.project_id), str(desk.actor.user_id)
    count = PAGE_SCENES + 1
    rows: list[Row] = [
        (str(new_id()), *who, f"project/{number}", b"%d" % number, None) for number in range(count)
    ]
    await load(stack, tmp_path / "contents.csv", rows)
    code, said = await migrate(stack, "--dry-run")

    assert code == 0 and f"{count} ready" in said, said
