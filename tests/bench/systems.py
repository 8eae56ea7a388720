"""The systems under comparison: how each is started, addressed, weighed and killed.

All keep what they are told (persistence on) and run with their default settings.
"""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import psutil

from tests.bench import processes
from tests.bench.room import Place

PEERS = Path(__file__).parent / "peers"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0


class System(Protocol):
    """What the bench needs of a collaboration server; its data outlive its processes."""

    name: str
    dialect: str

    async def start(self) -> float:
        """Start on the present data; return the seconds until it took connections."""
        ...

    async def create(self, count: int) -> list[str]:
        """Return the names of *count* new rooms."""
        ...

    async def places(self, names: Sequence[str]) -> list[Place]:
        """Where a client finds these rooms, authorised to write."""
        ...

    def family(self) -> list[psutil.Process]:
        """Every living process of the system."""
        ...

    async def stop(self) -> None:
        """Shut down as an operator would."""
        ...

    def kill(self) -> None:
        """Kill every process at once."""
        ...


class NodePeer:
    """A server that is one Node process with its store in a directory."""

    name: str
    dialect: str

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None

    def _command(self) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError

    async def start(self) -> float:
        """Start Node and wait until its port answers."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._port = free_port()
        arguments, variables = self._command()
        started = time.perf_counter()
        with (self._data_dir / "server.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("node", *arguments),
                cwd=PEERS,
                env=os.environ | {"NODE_ENV": "production"} | variables,
                stdout=log,
                stderr=log,
            )
        await answering(self._port, self._process)
        return time.perf_counter() - started

    async def create(self, count: int) -> list[str]:
        """Rooms exist once someone enters them."""
        return [uuid4().hex for _ in range(count)]

    async def places(self, names: Sequence[str]) -> list[Place]:
        """The room's name is the path."""
        return [(name, f"ws://127.0.0.1:{self._port}/{name}") for name in names]

    def family(self) -> list[psutil.Process]:
        """Node and its children."""
        return processes.family([self._process.pid] if self._process else [])

    async def stop(self) -> None:
        """SIGTERM, then wait: a server with a delayed store gets its time to write."""
        await terminate(self._process)
        self._process = None

    def kill(self) -> None:
        """SIGKILL."""
        processes.kill(self.family())
        self._process = None


class Hocuspocus(NodePeer):
    """@hocuspocus/server with @hocuspocus/extension-sqlite."""

    name = "hocuspocus"
    dialect = "hocuspocus"

    def _command(self) -> tuple[list[str], dict[str, str]]:
        return ["hocuspocus.js", str(self._port), str(self._data_dir / "documents.sqlite")], {}


class YWebsocketServer(NodePeer):
    """@y/websocket-server as published, with y-leveldb."""

    name = "y-websocket"
    dialect = "y-websocket"

    def _command(self) -> tuple[list[str], dict[str, str]]:
        return ["node_modules/@y/websocket-server/src/server.js"], {
            "HOST": "127.0.0.1",
            "PORT": str(self._port),
            "YPERSISTENCE": str(self._data_dir / "leveldb"),
        }


async def install_peers() -> None:
    """Install the peers' packages from the lock, once."""
    if (PEERS / "node_modules" / ".package-lock.json").exists():
        return
    process = await asyncio.create_subprocess_exec("npm", "ci", cwd=PEERS, stdout=sys.stderr)
    if await process.wait():
        raise RuntimeError("npm ci failed in tests/bench/peers")


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def answering(port: int, process: asyncio.subprocess.Process) -> None:
    """Wait until *port* takes connections; fail if *process* ends first."""
    deadline = time.perf_counter() + START_TIMEOUT_S
    while time.perf_counter() < deadline:
        if process.returncode is not None:
            raise RuntimeError(f"the server ended at start with code {process.returncode}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return
    raise TimeoutError(f"nobody listened on port {port} within {START_TIMEOUT_S:.0f} s")


async def terminate(process: asyncio.subprocess.Process | None) -> None:
    """Ask a child to end; insist after a while."""
    if process is None or process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        processes.kill(processes.family([process.pid]))
