"""A new data directory from an archive, with the databases as they were at a moment.

All its conditions are checked first. A refusal, also one by PostgreSQL in the end, leaves nothing
behind.
"""

import asyncio
import json
import os
import re
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.stack import archive as archives
from tools.stack import postgres, settings
from tools.stack.archive import Base
from tools.stack.backup import Say, verify
from tools.stack.child import Identity, give_to_nobody, identity_for, spawn
from tools.stack.directory import DISK_FREE_BYTES_MIN, VERSION, unusable, write_private
from tools.stack.errors import (
    DirectoryUnusable,
    DiskFull,
    NothingToRestore,
    PartFailed,
)
from tools.stack.part import last_lines
from tools.stack.ports import choose_port
from tools.stack.probe import postgres_ok

RECOVERY_S_MAX = 6 * 3600.0
LOOK_INTERVAL_S = 0.2
_STORAGES = ("SCRIPTORIUM_STORAGE_URL", "SCRIPTORIUM_COLD_URL")
_REASON = re.compile(r"FATAL: +(.*)")
_REFUSED = "the database system is "
"""Why a connection is refused: it is starting, recovering, or ending."""
_REACHED = re.compile(r"last completed transaction was at log time (.*)")
_FETCHED = re.compile(r'restored log file "([0-9A-F]{24})" from archive')


async def restore(archive: Path, data_dir: Path, at: datetime | None, say: Say) -> None:
    """Make a new data directory with the databases as they were *at* a moment.

    Without *at*: as they were when the last archived segment ended.

    Raises:
        NothingToRestore: The archive does not hold that moment, or is damaged.
        DirectoryUnusable: *data_dir* is not empty, or has too little space.
        PartFailed: PostgreSQL could not recover; its last words say why.
    """
    _require_new(data_dir)
    base = _base_before(archive, at)
    passwords = _require_whole(base)
    last = _require_log(archive, base, at)
    try:
        with _nothing_left(data_dir):
            _require_space(base, data_dir)
            say(f"checking the back-up of {base.name}")
            await _require_sound(base, data_dir)
            say("copying the back-up")
            cluster = await asyncio.to_thread(_lay_out, base, data_dir)
            say("replaying the log after it")
            await _recover(archive, cluster, data_dir, at, last)
            # Last, because a folder without it is none of ours.
            state: dict[str, Any] = {"version": VERSION, "ports": {}, "passwords": passwords}
            write_private(data_dir / "stack.json", json.dumps(state, indent=2))
    except OSError as error:
        raise unusable(data_dir, error) from error
    _tell(data_dir, say)


def _require_new(data_dir: Path) -> None:
    if data_dir.exists() and not data_dir.is_dir():
        raise DirectoryUnusable(f"{data_dir} is not a directory")
    if data_dir.exists() and any(data_dir.iterdir()):
        raise DirectoryUnusable(f"{data_dir} is not empty; a restore needs a new folder")


def _base_before(archive: Path, at: datetime | None) -> Base:
    now = datetime.now(UTC)
    if at and at > now:
        raise NothingToRestore(f"{_shown(at)} lies in the future; it is {_shown(now)}")
    found = archives.bases(archive)
    latest = (at or now).astimezone(UTC).strftime(archives.NAME)
    fitting = [base for base in found if base.name <= latest]
    if not fitting:
        oldest = f"; the oldest back-up is of {found[0].name}" if found else ""
        raise NothingToRestore(f"{archive} holds no back-up finished before {latest}{oldest}")
    return fitting[-1]


def _require_whole(base: Base) -> dict[str, str]:
    """See that a back-up has its parts; returns its passwords."""
    parts = (base.cluster / "PG_VERSION", base.cluster / "backup_manifest", base.secrets / "keys")
    for part in parts:
        if not part.exists():
            raise NothingToRestore(f"the back-up of {base.name} is damaged: {part} is missing")
    try:
        kept = json.loads((base.secrets / "stack.json").read_text(encoding="utf-8"))
        passwords = dict(kept["passwords"])
    except (OSError, ValueError, KeyError, TypeError):
        raise NothingToRestore(
            f"the back-up of {base.name} is damaged: {base.secrets / 'stack.json'} cannot be read"
        ) from None
    postgres.require_version(postgres.find_binaries(), base.cluster)
    return passwords


def _require_log(archive: Path, base: Base, at: datetime | None) -> str | None:
    """See that no segment is missing between others; returns the last one that has to be fetched.

    None when the back-up's own copy of the log reaches as far. With *at* PostgreSQL finds out
    itself whether the log does.
    """
    own = archives.segments(base.cluster / "pg_wal")
    kept = archives.segments(archive / "wal") | own
    places = {number: path for path, number in kept.items() if ".backup" not in path.name}
    first = base.first_segment
    places = {number: path for number, path in places.items() if number >= first}
    if at is None:
        for number in range(first, max(places, default=first)):
            if number not in places:
                before = places.get(number - 1)
                until = f" and before {_shown(_changed(before))}" if before else ""
                raise NothingToRestore(
                    f"a segment is missing in {archive / 'wal'} (number {number:x}); with --at"
                    f" a moment after {base.name}{until} can be restored"
                )
    last = max(places, default=first)
    return places[last].name[:24] if last > max(own.values(), default=0) else None


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _require_space(base: Base, data_dir: Path) -> None:
    size = sum(each.stat().st_size for each in base.folder.rglob("*") if each.is_file())
    free = shutil.disk_usage(data_dir).free
    if free < size + DISK_FREE_BYTES_MIN:
        raise DiskFull(
            f"{data_dir} has {free >> 20} MB of free space;"
            f" {(size + DISK_FREE_BYTES_MIN) >> 20} MB are needed"
        )


async def _require_sound(base: Base, data_dir: Path) -> None:
    log = data_dir / "verify.log"
    try:
        await verify(base.cluster, log)
    except PartFailed as error:
        said = " ".join(error.last_lines[:1])
        raise NothingToRestore(f"the back-up of {base.name} is damaged: {said}") from None
    log.unlink(missing_ok=True)


@contextmanager
def _nothing_left(data_dir: Path) -> Generator[None]:
    """Make *data_dir*, and remove all that was made when it comes to nothing."""
    made = [each for each in (data_dir, *data_dir.parents) if not each.exists()]
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        yield
    except BaseException:
        for entry in data_dir.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


def _lay_out(base: Base, data_dir: Path) -> Path:
    """Copy a back-up into place; returns the cluster's folder."""
    cluster = data_dir / "postgres"
    trial = (str(postgres.find_binaries() / "initdb"), "--version")
    identity = identity_for(cluster, trial)
    shutil.copytree(base.cluster, cluster, symlinks=True)
    cluster.chmod(0o700)
    if identity is Identity.NOBODY:
        give_to_nobody(cluster, data_dir)
        for folder, folders, files in os.walk(cluster):
            for name in (*folders, *files):
                shutil.chown(Path(folder) / name, "nobody", "nogroup")
    shutil.copytree(base.secrets / "keys", data_dir / "keys")
    if (base.secrets / settings.FILE).exists():
        shutil.copy(base.secrets / settings.FILE, data_dir / settings.FILE)
    (data_dir / "logs").mkdir(mode=0o700)
    return cluster


async def _recover(
    archive: Path, cluster: Path, data_dir: Path, at: datetime | None, last: str | None
) -> None:
    """Run PostgreSQL until it has recovered and opened, then stop it."""
    own = cluster / "postgresql.auto.conf"
    before = own.read_text()
    own.write_text(before + _recovery_settings(archive, at))
    (cluster / "recovery.signal").touch()
    log = data_dir / "logs" / "restore.log"
    await _run_until_open(cluster, log, archive, at)
    own.write_text(before)
    fetched = set(_FETCHED.findall(log.read_text(errors="replace")))
    if at is None and last and last not in fetched and not (cluster / "pg_wal" / last).exists():
        raise NothingToRestore(f"{archive / 'wal' / last} could not be read")


def _recovery_settings(archive: Path, at: datetime | None) -> str:
    fetch = archives.fetch_command(postgres.for_shell(archive / "wal")).replace("'", "''")
    lines = [f"restore_command = '{fetch}'", "hot_standby = off"]
    if at:
        lines += [
            f"recovery_target_time = '{at.astimezone(UTC).isoformat()}'",
            "recovery_target_action = 'promote'",
        ]
    return "\n".join(["", *lines, ""])


async def _run_until_open(cluster: Path, log: Path, archive: Path, at: datetime | None) -> None:
    port = choose_port(set())
    process = await spawn(
        postgres.command(postgres.find_binaries(), cluster, port),
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
        raise PartFailed("postgres", "took too long to recover", log, last_lines(log)) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    raise _why(log, archive, at)


def _why(log: Path, archive: Path, at: datetime | None) -> NothingToRestore:
    text = log.read_text(errors="replace")
    reached = _REACHED.findall(text)
    # Our own looks are refused as well, until the server has ended.
    reasons = [each for each in _REASON.findall(text) if not each.startswith(_REFUSED)]
    until = f"; the last change that it holds is of {reached[-1]}" if reached else ""
    reason = reasons[-1] if reasons else "PostgreSQL ended without a reason"
    moment = f" as of {_shown(at)}" if at else ""
    return NothingToRestore(f"{archive} cannot be restored{moment}: {reason}{until}")


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _tell(data_dir: Path, say: Say) -> None:
    """Say what a person has to do, which no program can know."""
    kept = data_dir / settings.FILE
    named = kept.read_text(errors="replace") if kept.exists() else ""
    if any(f"{name}=" in named.replace(" ", "") for name in _STORAGES):
        say(f"{kept} names a storage; change that first if another stack still uses it")
    else:
        say("the back-up has no bytes of files; copy them into the folder blobs of the new stack")
