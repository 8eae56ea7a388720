"""The load generator: its own process, told what to do in JSON lines on stdin.

Its CPU is never counted as a system's, and it treats every system alike: one event loop, one
socket per client, edits at their due times whether or not the server keeps up (an open loop).
"""

import asyncio
import gc
import json
import sys
import time
from typing import Any

import uvloop

from tests.bench.client import Client, Joiner, clocks_of, connect
from tests.bench.figures import percentile
from tests.bench.room import TICK_S, Place, Room, type_open_loop, until
from tests.bench.wire import dialect, scattered

DRAIN_TIMEOUT_S = 20.0
HEARTBEAT_S = 20.0
CONNECTS_AT_ONCE = 20


class Load:
    """The commands: each takes JSON values and answers with figures."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.rooms: list[Room] = []
        self._pulse: asyncio.Task[None] | None = None

    async def open(
        self, places: list[Place], clients: int, writers: int, watchers: int
    ) -> dict[str, Any]:
        """Connect *clients* to every room; the first *writers* type, the last *watchers* watch."""
        gate = asyncio.Semaphore(CONNECTS_AT_ONCE)

        async def enter(client: Client, url: str) -> None:
            async with gate:
                await connect(client, url)

        rooms = [
            Room(place, self.kind, clients=clients, writers=writers, watchers=watchers)
            for place in places
        ]
        async with asyncio.TaskGroup() as tasks:
            for room in rooms:
                for client in room.clients:
                    tasks.create_task(enter(client, room.url))
        self.rooms += rooms
        self._pulse = self._pulse or asyncio.create_task(self._beat())
        await asyncio.sleep(0.5)  # the answers to the joins
        return {"open": sum(not c.closed for room in rooms for c in room.clients)}

    async def close(self) -> dict[str, Any]:
        """Disconnect everyone and forget the rooms."""
        for room in self.rooms:
            for client in room.clients:
                if client.transport is not None and not client.closed:
                    client.transport.disconnect()
        self.rooms = []
        await asyncio.sleep(0.2)
        return {}

    async def type(
        self, per_second: float, seconds: float, stop: asyncio.Event | None = None
    ) -> dict[str, Any]:
        """Type *per_second* edits over all writers in turn; then wait until the last is seen.

        Edits never seen count as late as the wait was long.
        """
        watches = [watch for room in self.rooms for watch in room.watches()]
        writers = self._writers_in_turn()
        for writer in writers:
            writer.forget_times()
        for watch in watches:
            watch.latencies_s = []
        gc.collect()
        gc.freeze()
        busy, start = time.process_time(), time.perf_counter()
        sent, late_s = await type_open_loop(writers, per_second, seconds, stop)
        elapsed = time.perf_counter() - start
        busy = time.process_time() - busy
        backlog = self._unseen()
        drain_s = await self._drain()
        latencies = [s for watch in watches for s in watch.latencies_s]
        latencies += [drain_s] * self._unseen()
        return {
            "sent": sent,
            "seconds": elapsed,
            **{f"p{p}_ms": percentile(latencies, p) * 1e3 for p in (50, 95, 99)},
            "max_ms": max(latencies, default=0.0) * 1e3,
            "backlog": backlog,
            "unseen": self._unseen(),
            "closed": self._closed(),
            "late_p99_ms": percentile(late_s, 99) * 1e3,
            "generator_busy": busy / elapsed,
        }

    async def write(
        self, updates: int, size: int, run: int, window: int, per_second: float
    ) -> dict[str, Any]:
        """Fill every room with prose by its first writer: *updates* of *size* characters.

        At most *window* updates per room are unseen at a time, so no server is overrun.
        """
        feeds = {
            room: scattered(room.writers[0].author, updates, size=size, run=run, seed=turn)
            for turn, room in enumerate(self.rooms)
        }
        start, sent = time.perf_counter(), 0
        while feeds:
            for room, pieces in list(feeds.items()):
                allowed = (time.perf_counter() - start) * per_second
                while sent < allowed and room.unseen() < window * size:
                    piece = next(pieces, None)
                    if piece is None:
                        del feeds[room]
                        break
                    room.writers[0].write(piece, size)
                    sent += 1
            await asyncio.sleep(TICK_S)
        await self._drain()
        return {"seconds": time.perf_counter() - start, "unseen": self._unseen()}

    async def verify(self) -> dict[str, Any]:
        """Prove convergence: old clients and a fresh one hold the same text in every room."""
        await self._drain()
        await asyncio.sleep(0.3)  # what the watchers saw may still be on its way to others
        found = [await room.disagreement(DRAIN_TIMEOUT_S) for room in self.rooms]
        wrong = [sentence for sentence in found if sentence]
        return {"converged": not wrong, "rooms": len(found), "wrong": wrong[:5]}

    async def account(self) -> dict[str, Any]:
        """Per room, the clocks sent and the clocks that watchers were shown."""
        return {
            room.name: {"sent": _named(room.expected()), "seen": _named(room.seen())}
            for room in self.rooms
        }

    async def join(self, place: Place, expected: dict[str, int], timeout_s: float) -> Any:
        """Join as a fresh client; ms from connecting until all *expected* had arrived, or None."""
        joiner = Joiner(dialect(self.kind, place[0]))
        start = time.perf_counter()
        transport = await connect(joiner, place[1])
        wanted = {int(author): clock for author, clock in expected.items()}
        arrived = await joiner.complete(wanted, timeout_s)
        transport.disconnect()
        return {
            "ms": None if arrived is None else (arrived - start) * 1e3,
            "clocks": _named(clocks_of(joiner.doc)),
        }

    async def storm(
        self, place: Place, clients: int, enough_bytes: int, timeout_s: float
    ) -> dict[str, Any]:
        """*clients* join one room at once; who was served, and when the last was (s)."""
        spoken = dialect(self.kind, place[0])
        joiners = [Joiner(spoken, enough_bytes=enough_bytes) for _ in range(clients)]
        start = time.perf_counter()
        transports = await asyncio.gather(
            *(connect(joiner, place[1]) for joiner in joiners), return_exceptions=True
        )
        await until(lambda: all(j.enough_at for j in joiners), timeout_s)
        served = [j.enough_at - start for j in joiners if j.enough_at is not None]
        for transport in transports:
            if not isinstance(transport, BaseException):
                transport.disconnect()
        slowest = max(served) if len(served) == clients else timeout_s
        return {"served": len(served), "served_s": slowest}

    def _writers_in_turn(self) -> list[Client]:
        most = max(len(room.writers) for room in self.rooms)
        return [
            room.writers[turn]
            for turn in range(most)
            for room in self.rooms
            if turn < len(room.writers)
        ]

    def _unseen(self) -> int:
        return sum(room.unseen() for room in self.rooms)

    def _closed(self) -> int:
        return sum(client.closed for room in self.rooms for client in room.clients)

    async def _drain(self) -> float:
        return await until(lambda: self._closed() > 0 or not self._unseen(), DRAIN_TIMEOUT_S)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            for room in self.rooms:
                for client in room.clients:
                    client.beat()


def _named(clocks: dict[int, int]) -> dict[str, int]:
    return {str(author): clock for author, clock in clocks.items()}


async def serve(kind: str) -> None:
    """Obey one command per line until stdin closes; answer each with one line."""
    load = Load(kind)
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        try:
            answer = await getattr(load, order["do"])(**order["with"])
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
