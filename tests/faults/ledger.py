"""Counts what was lost: what clients saw and were promised, against what the log holds.

The log is read straight from PostgreSQL, in order, into a document of the ledger's own. Because
nothing may be seen or acknowledged before it is durable, whatever was noted *before* the log is
read must be in it, at every moment, fault or not. Clients that come back bring their edits along
again, which would heal a loss before anyone counted it; so the ledger looks all the time, and at
the moment of the fault.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from pycrdt import Doc

from libs.postgres.pool import UNREACHABLE
from tests.support.scenery import text_of
from tests.support.yclient import YClient, clocks_of

LOOK_EVERY_S = 0.05
READ_WAIT_S = 2.0

_ROWS = (
    "SELECT seq, yjs_update FROM scene_versions"
    " WHERE scene_id = $1 AND seq > $2 AND NOT is_compacted ORDER BY seq"
)

type Clocks = dict[int, int]


@dataclass(frozen=True, slots=True)
class Promise:
    """What clients know of a scene: per author, seen by somebody else, and acknowledged."""

    seen: Clocks
    acked: Clocks


@dataclass(frozen=True, slots=True)
class Loss:
    """How many edits a promise has that the log has not."""

    seen: int = 0
    acked: int = 0

    def worse(self, other: "Loss") -> "Loss":
        return Loss(max(self.seen, other.seen), max(self.acked, other.acked))

    def plus(self, other: "Loss") -> "Loss":
        return Loss(self.seen + other.seen, self.acked + other.acked)


@dataclass
class LogCopy:
    """The log of one scene, read as it grows."""

    scene: UUID
    head: int = 0
    doc: Doc[Any] = field(default_factory=Doc[Any])
    gaps: int = 0

    def take(self, rows: Iterable[asyncpg.Record]) -> None:
        for row in rows:
            self.gaps += row["seq"] != self.head + 1
            self.head = row["seq"]
            self.doc.apply_update(row["yjs_update"])

    @property
    def clocks(self) -> Clocks:
        return clocks_of(self.doc.get_state())

    @property
    def text(self) -> str:
        return text_of(self.doc)


class Ledger:
    """Watches scenes and their clients."""

    def __init__(self, postgres_url: str, clients: Mapping[UUID, Sequence[YClient]]) -> None:
        self.clients = clients
        self.logs = {scene: LogCopy(scene) for scene in clients}
        self.worst = Loss()
        """The most that was ever promised and not in the log."""
        self.looks = 0
        self._url = postgres_url
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._reading = asyncio.Lock()

    def promises(self) -> dict[UUID, Promise]:
        """What the clients know at this moment."""
        return {scene: _promise(clients) for scene, clients in self.clients.items()}

    async def look(self) -> bool:
        """Compare promises with the log, once; False when the database is away."""
        promised = self.promises()
        if not await self.read():
            return False
        self.worst = self.worst.worse(self.missing(promised))
        self.looks += 1
        return True

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def missing(self, promised: Mapping[UUID, Promise]) -> Loss:
        """What of *promised* the log, as it was last read, does not hold."""
        total = Loss()
        for scene, promise in promised.items():
            held = self.logs[scene].clocks
            total = total.plus(Loss(_beyond(promise.seen, held), _beyond(promise.acked, held)))
        return total

    async def read(self) -> bool:
        """Bring the copies of the logs up to date; False when the database is away."""
        try:
            async with self._reading, asyncio.timeout(READ_WAIT_S):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(self._url)
                for log in self.logs.values():
                    log.take(await self._connection.fetch(_ROWS, log.scene, log.head))
        except (*UNREACHABLE, asyncpg.PostgresError):
            await self.close()
            return False
        return True

    async def close(self) -> None:
        if self._connection:
            self._connection.terminate()
            self._connection = None


def _promise(clients: Sequence[YClient]) -> Promise:
    seen: Clocks = {}
    for client in clients:
        for author, clock in client.clocks().items():
            if author != client.id:
                seen[author] = max(seen.get(author, 0), clock)
    return Promise(seen, {client.id: client.acked for client in clients})


def _beyond(promised: Clocks, held: Clocks) -> int:
    return sum(max(0, clock - held.get(author, 0)) for author, clock in promised.items())
