"""Back-up of a running stack's databases, and their recovery to any moment since.

    ARCHIVE/wal/         every finished WAL segment, copied there by PostgreSQL itself
    ARCHIVE/base/TIME/   whole copies of the cluster, checked file by file when they were made
    ARCHIVE/secrets/     stack.json and the signing keys; without them nobody opens the copies

`Stack(archive=...)` keeps the first filled. A moment can be recovered when a base was finished
before it and the segments up to it are there: what a lost machine takes along is what was
committed in the last ARCHIVE_TIMEOUT_S.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from libs.stack import postgres
from libs.stack.child import Identity, give_to_nobody, identity_for, spawn
from libs.stack.directory import VERSION, owner_of, read_state, unusable, write_private
from libs.stack.errors import DirectoryUnusable, NothingToRestore, PartFailed
from libs.stack.part import last_lines
from libs.stack.ports import LOOPBACK, choose_port
from libs.stack.probe import postgres_ok

BACKUP_S_MAX = 6 * 3600.0
RECOVERY_S_MAX = 6 * 3600.0
LOOK_INTERVAL_S = 0.2
_NAME = "%Y-%m-%dT%H-%M-%SZ"

type Say = Callable[[str], None]


async def back_up(data_dir: Path, archive: Path, say: Say) -> Path:
    """Copy the cluster of the stack that runs on *data_dir*; returns the finished base.

    It stays usable meanwhile, and the copy is checked against its manifest before it counts.

    Raises:
        DirectoryUnusable: No stack runs there.
        PartFailed: The copy could not be made, or is not what the server sent.
    """
    if owner_of(data_dir) is None:
        raise DirectoryUnusable(f"no scriptorium runs on {data_dir}; a back-up is made of one")
    state = read_state(data_dir)
    bases = archive / "base"
    bases.mkdir(parents=True, exist_ok=True, mode=0o700)
    making = bases / "unfinished"
    shutil.rmtree(making, ignore_errors=True)
    binaries = postgres.find_binaries()
    say("copying the databases")
    await _run(
        "pg_basebackup",
        (
            *(str(binaries / "pg_basebackup"), "--pgdata", str(making), "--checkpoint=fast"),
            *("--host", LOOPBACK, "--port", str(state["ports"]["postgres"])),
            *("--username", postgres.SUPERUSER, "--wal-method=stream", "--no-password"),
        ),
        archive / "backup.log",
        {"PGPASSWORD": state["passwords"][postgres.SUPERUSER]},
    )
    say("checking the copy")
    await _run(
        "pg_verifybackup",
        (str(binaries / "pg_verifybackup"), "--quiet", str(making)),
        archive / "backup.log",
        {},
    )
    _keep_secrets(data_dir, archive)
    finished = bases / datetime.now(UTC).strftime(_NAME)
    making.rename(finished)
    return finished


async def restore(archive: Path, data_dir: Path, at: datetime | None, say: Say) -> None:
    """Make a new data directory with the databases as they were *at* a moment.

    Without *at*: as they were when the last archived segment ended.

    Raises:
        NothingToRestore: No base was finished before that moment.
        DirectoryUnusable: *data_dir* is not empty.
        PartFailed: PostgreSQL did not reach the moment; its last words say why.
    """
    base = _base_before(archive, at)
    try:
        cluster = await asyncio.to_thread(_lay_out, archive, base, data_dir, say)
    except OSError as error:
        raise unusable(data_dir, error) from error
    settings = cluster / "postgresql.auto.conf"
    before = settings.read_text()
    settings.write_text(before + _recovery_settings(archive, at))
    (cluster / "recovery.signal").touch()
    say("replaying what came after it")
    await _recover(cluster, data_dir)
    settings.write_text(before)


def _base_before(archive: Path, at: datetime | None) -> Path:
    latest = (at or datetime.now(UTC)).astimezone(UTC).strftime(_NAME)
    bases = sorted((archive / "base").glob("*Z")) if (archive / "base").is_dir() else []
    fitting = [base for base in bases if base.name <= latest]
    if not fitting:
        oldest = f"; the oldest back-up is of {bases[0].name}" if bases else ""
        raise NothingToRestore(f"{archive} holds no back-up finished before {latest}{oldest}")
    return fitting[-1]


def _lay_out(archive: Path, base: Path, data_dir: Path, say: Say) -> Path:
    """Copy base and secrets into place; returns the cluster's folder."""
    if data_dir.exists() and any(data_dir.iterdir()):
        raise DirectoryUnusable(f"{data_dir} is not empty; a restore needs a new folder")
    say(f"copying the back-up of {base.name}")
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    cluster = data_dir / "postgres"
    trial = (str(postgres.find_binaries() / "initdb"), "--version")
    identity = identity_for(cluster, trial)
    shutil.copytree(base, cluster, symlinks=True)
    cluster.chmod(0o700)
    if identity is Identity.NOBODY:
        give_to_nobody(cluster, data_dir)
        for folder, folders, files in os.walk(cluster):
            for name in (*folders, *files):
                shutil.chown(Path(folder) / name, "nobody", "nogroup")
    shutil.copytree(archive / "secrets" / "keys", data_dir / "keys")
    (data_dir / "logs").mkdir()
    kept = json.loads((archive / "secrets" / "stack.json").read_text(encoding="utf-8"))
    # Ports are chosen anew: the stack that was backed up may well be running.
    state: dict[str, Any] = {"version": VERSION, "ports": {}, "passwords": kept["passwords"]}
    write_private(data_dir / "stack.json", json.dumps(state, indent=2))
    return cluster


def _recovery_settings(archive: Path, at: datetime | None) -> str:
    fetch = f'cp {postgres.for_shell(archive / "wal")}/%f "%p"'.replace("'", "''")
    lines = [f"restore_command = '{fetch}'", "hot_standby = off"]
    if at:
        lines += [
            f"recovery_target_time = '{at.astimezone(UTC).isoformat()}'",
            "recovery_target_action = 'promote'",
        ]
    return "\n".join(["", *lines, ""])


async def _recover(cluster: Path, data_dir: Path) -> None:
    """Run PostgreSQL until it has recovered and opened, then stop it."""
    binaries = postgres.find_binaries()
    port, log = choose_port(set()), data_dir / "logs" / "restore.log"
    process = await spawn(
        postgres.command(binaries, cluster, port),
        environment=os.environ,
        cwd=Path("/"),
        log=log,
        identity=identity_for(cluster, ()),
        death_signal=postgres.STOP_SIGNAL,
    )
    ended = asyncio.create_task(process.wait())
    try:
        async with asyncio.timeout(RECOVERY_S_MAX):
            while not ended.done() and not await postgres_ok(port):
                await asyncio.wait((ended,), timeout=LOOK_INTERVAL_S)
            if not ended.done():
                process.send_signal(postgres.STOP_SIGNAL)
                await ended
                return
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
    raise PartFailed("postgres", "did not reach that moment", log, last_lines(log))


def _keep_secrets(data_dir: Path, archive: Path) -> None:
    kept = archive / "secrets"
    kept.mkdir(exist_ok=True, mode=0o700)
    write_private(kept / "stack.json", (data_dir / "stack.json").read_text(encoding="utf-8"))
    shutil.copytree(data_dir / "keys", kept / "keys", dirs_exist_ok=True)


async def _run(name: str, command: tuple[str, ...], log: Path, secrets: dict[str, str]) -> None:
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
