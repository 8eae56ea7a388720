"""A recorded session of two people, typed again through two live clients.

A position in the trace means the text that its author saw. So each friend has a desk, a document
in which the other's edits are taken over exactly as far as the trace says they had been seen, and
types there; a live client carries the edit to the server and brings the other's. An edit is typed
only after what caused it arrived: the two keep each other's pace, as people do.
"""

import asyncio
import gzip
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

from pycrdt import Doc, Text, TransactionEvent

from tools.cli.tour.api import TourEnded
from tools.cli.tour.client import TEXT, LiveClient

STUCK_S_MAX = 60.0
EDITS_PER_TURN = 32
"""After so many in a row the other tasks get a turn."""
LATENCIES_SHOWN = 2_000


@dataclass(frozen=True, slots=True)
class Edit:
    """One transaction of the trace, and how many of the other's were seen before it."""

    patches: list[tuple[int, int, str]]
    after: int


@dataclass(frozen=True, slots=True)
class Trace:
    """The edits of both friends, and the text that they ended with."""

    edits: tuple[list[Edit], list[Edit]]
    end: str

    @property
    def count(self) -> int:
        """The number of edits."""
        return len(self.edits[0]) + len(self.edits[1])


def load(path: Path) -> Trace:
    """Read a concurrent trace of data/traces."""
    raw: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    if not raw["endContent"].isascii():
        # pycrdt counts bytes of UTF-8, the trace characters.
        raise ValueError(f"{path.name} is not ASCII")
    edits: tuple[list[Edit], list[Edit]] = ([], [])
    known: list[tuple[int, int]] = []
    for txn in raw["txns"]:
        parents: list[int] = txn["parents"]
        agent: int = txn["agent"]
        seen = [max((known[parent][one] for parent in parents), default=0) for one in (0, 1)]
        edits[agent].append(Edit([tuple(patch) for patch in txn["patches"]], seen[1 - agent]))
        seen[agent] += 1
        known.append((seen[0], seen[1]))
    return Trace(edits, raw["endContent"])


@dataclass(slots=True)
class Sent:
    """A typed edit: its update, and the time when it was sent."""

    update: bytes
    clock: int
    """The number of characters that the edit's author had inserted by then."""
    inserts: bool
    at: float


class Friend:
    """One of the two, typing."""

    def __init__(self, name: str, client_id: int, edits: list[Edit]) -> None:
        self.name = name
        self.client_id = client_id
        self.sent: list[Sent] = []
        self.latencies: list[float] = []
        """Seconds from leaving the other until it was here, of each edit that inserted."""
        self.heard = asyncio.Event()
        self.live: LiveClient | None = None
        self._edits = edits
        self._arrived = 0
        """The number of the other friend's edits that have arrived."""
        self._desk: Doc[Text] = Doc(client_id=client_id)
        self._text = self._desk.get(TEXT, type=Text)
        self._clock = 0
        self._made = b""
        self._observed = self._desk.observe(self._changed)

    async def type(self, other: "Friend", pace: "Pace") -> None:
        """Type everything.

        Raises:
            TourEnded: The other's edits stopped coming.
        """
        assert self.live
        taken = 0
        for edit in self._edits:
            await self._until_arrived(edit.after, other)
            for one in other.sent[taken : edit.after]:
                self._desk.apply_update(one.update)
            taken = max(taken, edit.after)
            self._put_down(edit)
            await self.live.send(self._made)
            await pace.step()

    async def until_arrived(self, other: "Friend") -> None:
        """Return when all of the other's edits have arrived and all own edits are durable."""
        await self._until_arrived(len(other.sent), other)

    def last_words(self, chars: int) -> str:
        """Return the end of the text in the friend's replica."""
        return str(self.live.text)[-chars:] if self.live else ""

    def listen(self, other: "Friend") -> None:
        """Record which of the other's edits have arrived."""
        now = time.perf_counter()
        assert self.live
        clock = self.live.clocks().get(other.client_id, 0)
        durable = other.live.durable if other.live else 0
        for one in other.sent[self._arrived :]:
            # A deletion does not count in the author's clock; it is sent before it is durable.
            if one.clock > clock or (not one.inserts and self._arrived >= durable):
                break
            if one.inserts:
                self.latencies.append(now - one.at)
            self._arrived += 1
        self.heard.set()

    async def _until_arrived(self, count: int, other: "Friend") -> None:
        while self._arrived < count:
            self.heard.clear()
            try:
                async with asyncio.timeout(STUCK_S_MAX):
                    await self.heard.wait()
            except TimeoutError:
                raise TourEnded(
                    f"{self.name} heard nothing from {other.name} for {STUCK_S_MAX:.0f} s"
                ) from None

    def _put_down(self, edit: Edit) -> None:
        inserted = 0
        with self._desk.transaction():
            for at, deleted, text in edit.patches:
                if deleted:
                    del self._text[at : at + deleted]
                if text:
                    self._text.insert(at, text)
                    inserted += len(text)
        self._clock += inserted
        self.sent.append(Sent(self._made, self._clock, bool(inserted), time.perf_counter()))

    def _changed(self, event: TransactionEvent) -> None:
        self._made = event.update


@dataclass(slots=True)
class Pace:
    """Holds both friends together to *edits_per_s*; 0 is as fast as they can."""

    edits_per_s: float
    steps: int = 0
    began: float = field(default_factory=time.perf_counter)

    @property
    def rate(self) -> float:
        """Edits a second so far."""
        return self.steps / max(1e-9, time.perf_counter() - self.began)

    async def step(self) -> None:
        """Count an edit; wait when ahead."""
        self.steps += 1
        ahead_s = 0.0
        if self.edits_per_s:
            ahead_s = self.began + self.steps / self.edits_per_s - time.perf_counter()
        if ahead_s > 0 or self.steps % EDITS_PER_TURN == 0:
            await asyncio.sleep(max(0.0, ahead_s))


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Return the median and the 95th percentile, in milliseconds."""
    if len(seconds) < 2:
        return 0.0, 0.0
    cuts = quantiles(seconds, n=20)
    return cuts[9] * 1000, cuts[18] * 1000


@dataclass(slots=True)
class Session:
    """Both friends at work in one scene."""

    url: str
    scene_id: str
    trace: Trace
    friends: tuple[Friend, Friend]
    pace: Pace
    took_s: float = 0.0

    async def play(self, tokens: tuple[str, str]) -> None:
        """Connect both, type everything, and wait until each has all.

        Raises:
            TourEnded: The system let them down.
        """
        left, right = self.friends
        async with (
            LiveClient(self.url, self.scene_id, tokens[0], self._heard) as one,
            LiveClient(self.url, self.scene_id, tokens[1], self._heard) as two,
        ):
            left.live, right.live = one, two
            self.pace.began = time.perf_counter()
            await _both(left.type(right, self.pace), right.type(left, self.pace))
            await _both(left.until_arrived(right), right.until_arrived(left))
            self.took_s = time.perf_counter() - self.pace.began

    def _heard(self) -> None:
        left, right = self.friends
        if left.live and right.live:
            left.listen(right)
            right.listen(left)


async def _both(*work: Any) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            for one in work:
                tasks.create_task(one)
    except* TourEnded as group:
        raise group.exceptions[0] from None


def begin(url: str, scene_id: str, trace: Trace, names: tuple[str, str], speed: float) -> Session:
    """Seat two friends."""
    friends = (Friend(names[0], 1, trace.edits[0]), Friend(names[1], 2, trace.edits[1]))
    return Session(url, scene_id, trace, friends, Pace(speed))
