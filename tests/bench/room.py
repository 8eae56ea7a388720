"""A room of the load, and the open loop that types in it."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence

from tests.bench.client import Client, Joiner, Watch, clocks_of, connect, rebuild, text_of
from tests.bench.wire import dialect

TICK_S = 0.001

type Place = tuple[str, str]  # room, url


class Room:
    """The clients of one room: writers first, watchers last; one client may be both."""

    def __init__(
        self, place: Place, kind: str, *, clients: int, writers: int, watchers: int
    ) -> None:
        self.name, self.url = place
        self.dialect = dialect(kind, self.name)
        ids = random.sample(range(1 << 20, 1 << 28), clients)
        self.clients = [Client(author, self.dialect) for author in ids]
        self.writers = self.clients[:writers]
        self.watchers = self.clients[clients - watchers :]
        self.authors = {client.author: client for client in self.writers}
        for client in self.watchers:
            client.watch = Watch({a: w for a, w in self.authors.items() if a != client.author})
        for client in (*self.clients[:1], *self.clients[-2:]):
            client.kept = []

    def expected(self) -> dict[int, int]:
        """What every client must have in the end: author -> clock."""
        return {author: w.clock for author, w in self.authors.items() if w.clock}

    def watches(self) -> list[Watch]:
        """The eyes of this room."""
        return [client.watch for client in self.watchers if client.watch]

    def seen(self) -> dict[int, int]:
        """What some watching client was shown: author -> clock."""
        best: dict[int, int] = {}
        for watch in self.watches():
            for author, clock in watch.seen.items():
                best[author] = max(best.get(author, 0), clock)
        return best

    def unseen(self) -> int:
        """Characters sent that a watching client still waits for, summed over the watchers."""
        return sum(
            writer.clock - watch.seen.get(author, 0)
            for watch in self.watches()
            for author, writer in watch.authors.items()
        )

    async def disagreement(self, timeout_s: float) -> str | None:
        """None when old clients and a fresh one hold the same, complete text; else what differs."""
        joiner = Joiner(self.dialect)
        transport = await connect(joiner, self.url)
        expected = self.expected()
        await joiner.complete(expected, timeout_s)
        transport.disconnect()
        docs = [joiner.doc, *(rebuild(c.kept) for c in self.clients if c.kept is not None)]
        # A scene may have had a text before anybody of this room wrote.
        clocks = [{a: c for a, c in clocks_of(doc).items() if a in expected} for doc in docs]
        if all(found == expected for found in clocks) and len({text_of(d) for d in docs}) == 1:
            return None
        have = [sum(found.values()) for found in clocks]
        return f"{self.name}: {have} characters of {sum(expected.values())}"


async def type_open_loop(
    writers: Sequence[Client], per_second: float, seconds: float, stop: asyncio.Event | None
) -> tuple[int, list[float]]:
    """Let *writers* type in turn, each edit at its due time, until *seconds* pass or *stop* is set.

    Returns the edits sent, and how late (s) the generator itself was at each of its turns.
    """
    sent, late_s = 0, [0.0]
    start = time.perf_counter()
    while not (stop and stop.is_set()):
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            break
        due = int(elapsed * per_second) + 1
        if due > sent:
            late_s.append(elapsed - sent / per_second)
        while sent < due:
            writers[sent % len(writers)].type_one()
            sent += 1
        pause = start + sent / per_second - time.perf_counter()
        await asyncio.sleep(max(TICK_S, pause))
    return sent, late_s


async def until(done: Callable[[], bool], timeout_s: float) -> float:
    """Wait until *done*, or *timeout_s* passed; the seconds waited."""
    start = time.perf_counter()
    # Polled: the sockets' callbacks are what is measured, and signal nobody.
    while not done() and time.perf_counter() - start < timeout_s:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    return time.perf_counter() - start
