"""A back-up of a running stack; `archive` tells what it consists of, `restore` how it comes back.

A moment can be recovered when a back-up was finished before it and the log up to it is in the
archive: the loss of a machine loses the commits of the last ARCHIVE_TIMEOUT_S. The log is kept
while the stack runs with `archive`.
"""

import asyncio
import fcntl
import os
import shlex
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg

from tools.stack import archive as archives
from tools.stack import postgres, settings
from tools.stack.archive import Base
from tools.stack.child import spawn
from tools.stack.directory import owner_of, read_state, unusable, write_private
from tools.stack.errors import DirectoryUnusable, PartFailed
from tools.stack.part import last_lines
from tools.stack.ports import LOOPBACK

BACKUP_S_MAX = 6 * 3600.0

type Say = Callable[[str], None]


async def back_up(data_dir: Path, archive: Path, say: Say, *, keep: int | None = None) -> Path:
    """Copy the cluster of the stack that runs on *data_dir*; returns the finished back-up.

    It stays usable meanwhile, and the copy is checked against its manifest before it counts. With
    *keep*, older back-ups than so many are removed then, and the log that none of them needs. When
    the stack does not keep its log in *archive*, *say* gets a warning.

    Raises:
        DirectoryUnusable: No stack runs there, or the archive cannot be written.
        ArchiveOfAnother: It belongs to another stack.
        PartFailed: The copy could not be made, or differs from the data that the server sent.
    """
    if owner_of(data_dir) is None:
        raise DirectoryUnusable(f"no scriptorium runs on {data_dir}; start it to back it up")
    state = read_state(data_dir)
    archives.claim(archive, archives.system_identifier(data_dir / "postgres"))
    try:
        with _alone(archive):
            lacking = await _lacking_log(data_dir, archive, state)
            made = await _make(data_dir, archive, state["passwords"], state["ports"], say)
            archives.point_to_newest(archive, made)
            if lacking:
                say(lacking)
            if keep:
                gone, dropped = archives.prune(archive, keep)
                for name in gone:
                    say(f"removed the back-up of {name}")
                say(f"removed {dropped:,} segments of the log that no back-up needs")
    except OSError as error:
        raise unusable(archive, error) from error
    return made.folder


async def _lacking_log(data_dir: Path, archive: Path, state: dict[str, Any]) -> str | None:
    """Say that the log after a back-up is not kept with it, and how to have it; None if it is."""
    used = archives.folder_of(await _archive_command(data_dir, state))
    if used is not None and await asyncio.to_thread(_is_same, used, archive):
        return None
    where = "was started without an archive" if used is None else f"keeps its log in {used}"
    return (
        f"this back-up comes back as it is: the stack {where}, so moments after the back-up cannot"
        " be restored from here; to have them, stop it and start it with:"
        f" scriptorium up --archive {shlex.quote(str(archive))}"
        f" --data-dir {shlex.quote(str(data_dir))}"
    )


async def _archive_command(data_dir: Path, state: dict[str, Any]) -> str:
    try:
        server = await asyncpg.connect(
            host=LOOPBACK,
            port=state["ports"]["postgres"],
            user=postgres.SUPERUSER,
            password=state["passwords"][postgres.SUPERUSER],
        )
        try:
            return await server.fetchval("SELECT current_setting('archive_command')")
        finally:
            await server.close()
    except (OSError, asyncpg.PostgresError) as error:
        log = data_dir / "logs" / "postgres.log"
        raise PartFailed("postgres", f"does not answer: {error}", log, last_lines(log)) from error


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


async def _make(
    data_dir: Path, archive: Path, passwords: dict[str, str], ports: dict[str, int], say: Say
) -> Base:
    folder = archive / "base"
    making = folder / "unfinished"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True, mode=0o700)
    log = archive / "backup.log"
    log.unlink(missing_ok=True)
    binaries = postgres.find_binaries()
    try:
        say("copying the databases")
        copy = (
            *(str(binaries / "pg_basebackup"), "--pgdata", str(making / "postgres")),
            *("--checkpoint=fast", "--host", LOOPBACK, "--port", str(ports["postgres"])),
            *("--username", postgres.SUPERUSER, "--wal-method=stream", "--no-password"),
        )
        await run("pg_basebackup", copy, log, {"PGPASSWORD": passwords[postgres.SUPERUSER]})
        say("checking the copy")
        await verify(making / "postgres", log)
        _keep_secrets(data_dir, making)
        finished = folder / datetime.now(UTC).strftime(archives.NAME)
        if finished.exists():  # it was finished within this second
            await asyncio.sleep(1)
            finished = folder / datetime.now(UTC).strftime(archives.NAME)
        making.rename(finished)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return Base(finished)


@contextmanager
def _alone(archive: Path) -> Generator[None]:
    """Hold the archive, so that two back-ups do not take each other's files away."""
    with (archive / "backup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DirectoryUnusable(f"another back-up into {archive} is under way") from None
        yield


def _keep_secrets(data_dir: Path, making: Path) -> None:
    state = (data_dir / "stack.json").read_text(encoding="utf-8")
    write_private(making / "stack.json", state)
    shutil.copytree(data_dir / "keys", making / "keys")
    if (data_dir / settings.FILE).exists():
        shutil.copy(data_dir / settings.FILE, making / settings.FILE)


async def verify(cluster: Path, log: Path) -> None:
    """Compare every file of a copied cluster with its manifest; raises PartFailed."""
    command = (str(postgres.find_binaries() / "pg_verifybackup"), "--quiet", str(cluster))
    await run("pg_verifybackup", command, log, {})


async def run(name: str, command: tuple[str, ...], log: Path, secrets: dict[str, str]) -> None:
    """Run a program to its end; raises PartFailed with its last words."""
    process = await spawn(command, environment={**os.environ, **secrets}, cwd=Path("/"), log=log)
    try:
        async with asyncio.timeout(BACKUP_S_MAX):
            code = await process.wait()
    except TimeoutError:
        raise PartFailed(name, "took too long", log, last_lines(log)) from None
    finally:
        if process.returncode is None:
            process.kill()
    if code != 0:
        raise PartFailed(name, f"ended with exit code {code}", log, last_lines(log))
