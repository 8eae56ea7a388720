"""Who may reach what."""

import asyncio
import json
import os
import shutil
import stat
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import nats
import nats.errors
import psutil
import pytest

from tools.stack import (
    DirectoryLocked,
    DirectoryUnusable,
    OtherVersion,
    PortTaken,
    Stack,
    child,
    postgres,
)
from tools.stack import stack as stack_module
from tools.stack.errors import StackError
from tools.stack.ports import RANGE_VARIABLE, choose_port


async def _refused(_: Exception) -> None:
    """Expected here."""


async def _connect(url: str) -> None:
    client = await nats.connect(url, error_cb=_refused, allow_reconnect=False, connect_timeout=2)  # pyright: ignore[reportUnknownMemberType]
    await client.close()


async def test_two_stacks_do_not_meet(stack: Stack, tmp_path: Path):
    """Own ports, own passwords: a client of one cannot log in to the other."""
    async with Stack(tmp_path / "data", replicas={}) as other:
        mine, theirs = (urlsplit(s.postgres_url("collab", "collab")) for s in (stack, other))
        mine_bus, their_bus = (urlsplit(s.nats_url("collab")) for s in (stack, other))
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(theirs._replace(netloc=_swap(mine.netloc, theirs.port)).geturl())
        with pytest.raises(nats.errors.Error, match="Authorization"):
            await _connect(
                their_bus._replace(netloc=_swap(mine_bus.netloc, their_bus.port)).geturl()
            )

    assert mine.port != theirs.port
    assert mine_bus.port != their_bus.port


def _swap(netloc: str, port: int | None) -> str:
    return f"{netloc.rpartition(':')[0]}:{port}"


async def test_role_reaches_only_its_own_database(stack: Stack):
    """Least privilege: one service's leak is not another's."""
    foreign = stack.postgres_url("events", "collab")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CONNECT"):
        await asyncpg.connect(foreign)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CONNECT"):
        await asyncpg.connect(stack.postgres_url("postgres", "collab"))


async def test_run_time_role_owns_nothing_and_gets_what_is_granted(stack: Stack):
    """Only the owner changes the schema; rows need an explicit grant."""
    owner = await asyncpg.connect(stack.postgres_url("events", "events_owner"))
    role = await asyncpg.connect(stack.postgres_url("events", "events"))
    await owner.execute("CREATE TABLE secret (n integer); CREATE TABLE granted (n integer)")
    await owner.execute("GRANT INSERT ON granted TO events")
    await role.execute("INSERT INTO granted VALUES (1)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await role.execute("CREATE TABLE mine (n integer)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await role.execute("SELECT * FROM secret")
    await role.close()
    await owner.close()


async def test_bus_user_publishes_only_its_own_subjects(stack: Stack):
    """The table in libs.contracts is what the server enforces."""
    told = asyncio.Queue[str]()

    async def tell(error: Exception) -> None:
        told.put_nowait(str(error).lower())

    client = await nats.connect(stack.nats_url("collab"), error_cb=tell)  # pyright: ignore[reportUnknownMemberType]
    await client.publish("live.beat", b"mine")
    await client.flush()
    allowed = told.empty()
    await client.publish("scriptorium.v1.events.forged", b"not mine")
    refusal = await asyncio.wait_for(told.get(), 5)
    await client.close()

    assert allowed
    assert "permissions violation" in refusal


async def test_everything_listens_on_loopback_only(stack: Stack):
    """Nothing but a gateway is for the network."""
    addresses = {
        connection.laddr.ip
        for part in stack.parts
        for connection in psutil.Process(stack.pid(part)).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }

    assert addresses == {"127.0.0.1"}


async def test_secrets_are_for_their_owner_only(stack: Stack):
    """Passwords lie in files that other users of the machine cannot read."""
    modes = {
        name: stat.S_IMODE((stack.data_dir / name).stat().st_mode)
        for name in ("stack.json", "nats.conf", "run.json", "keys", "logs", "postgres")
    }

    assert {name for name, mode in modes.items() if mode & 0o077} == set()


async def test_second_launcher_is_told_who_has_the_directory(stack: Stack):
    """Two would destroy each other's data."""
    with pytest.raises(DirectoryLocked) as refusal:
        await Stack(stack.data_dir, replicas={}).start()

    assert refusal.value.pid == os.getpid()


async def test_foreign_folder_is_left_alone(tmp_path: Path):
    """A slip of --data-dir must not mix with somebody's files."""
    (tmp_path / "novel.txt").write_text("mine")
    with pytest.raises(DirectoryUnusable, match=r"holds other files \(novel\.txt"):
        await Stack(tmp_path, replicas={}).start()


async def test_cluster_of_another_postgres_is_refused(used: Path):
    """A major version does not read another's files."""
    (used / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(OtherVersion, match="was made by PostgreSQL 9; this is version 1"):
        await Stack(used, replicas={}).start()


async def test_kept_port_that_somebody_took_is_named(used: Path, monkeypatch: pytest.MonkeyPatch):
    """One clear sentence, and nothing left running."""
    monkeypatch.setattr(stack_module, "FREE_WAIT_S_MAX", 0.1)
    port = json.loads((used / "stack.json").read_text())["ports"]["nats"]
    thief = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
    with pytest.raises(PortTaken, match=rf"^port {port} \(nats\) is in use by another program$"):
        await Stack(used, replicas={}).start()
    thief.close()


def test_ports_are_chosen_from_the_range_that_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(RANGE_VARIABLE, "21000-21039")
    taken = set[int]()
    for _ in range(30):
        taken.add(choose_port(taken))
    assert all(21_000 <= port <= 21_039 for port in taken)
    monkeypatch.setenv(RANGE_VARIABLE, "21039")
    with pytest.raises(StackError, match="should be like 20000-24999"):
        choose_port(taken)


def test_ports_lie_outside_the_range_given_to_clients():
    """A reconnecting client could otherwise take the port of the server it waits for."""
    taken: set[int] = set()
    for _ in range(50):
        taken.add(choose_port(taken))

    assert len(taken) == 50
    assert max(taken) < 32_768


async def test_interrupted_first_start_is_begun_again(used: Path):
    """A cluster exists only once it is whole."""
    half = used / "postgres.new"
    (used / "postgres").rename(half)
    (half / "PG_VERSION").unlink()
    async with Stack(used, replicas={}) as stack:
        ready = stack.pid("postgres")

    assert ready


async def test_start_outside_the_main_thread_is_refused(tmp_path: Path):
    """Children end with the thread that started them."""
    failures: list[str] = []

    def start() -> None:
        try:
            asyncio.run(Stack(tmp_path / "data", replicas={}).start())
        except RuntimeError as error:
            failures.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    await asyncio.to_thread(thread.join)

    assert failures == ["start a Stack from the main thread: its children end with theirs"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for PostgreSQL")
async def test_root_without_user_namespaces_runs_postgres_as_nobody(
    monkeypatch: pytest.MonkeyPatch,
):
    """Containers often forbid user namespaces; the data stays usable on the next start."""

    def forbidden(data: Path, trial: tuple[str, ...]) -> child.Identity:
        known = child.identity_for(data, trial)
        return known if data.exists() else child.Identity.NOBODY

    monkeypatch.setattr(postgres, "identity_for", forbidden)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as closed:
        # As when root has cloned into its own home: only root looks into this folder.
        programs = await asyncio.to_thread(_copied_postgres, Path(closed))
        monkeypatch.setattr(postgres, "find_binaries", lambda: programs)
        users: list[str] = []
        data, archive = Path(closed) / "data", Path(closed) / "archive"
        for _ in range(2):
            async with Stack(data, replicas={}, archive=archive) as stack:
                users.append(psutil.Process(stack.pid("postgres")).username())
        assert list((archive / "wal").iterdir())

    assert users == ["nobody", "nobody"]


def _copied_postgres(folder: Path) -> Path:
    installed = postgres.find_binaries().parents[1]
    for part in (installed, installed.with_name(f"{installed.name}.libs")):
        if part.exists():
            shutil.copytree(part, folder / part.name, symlinks=True, copy_function=_linked)
    return folder / installed.name / "pginstall" / "bin"


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
