"""People typing in two scenes over two gateways, a fault, and the account afterwards."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from tests.faults.ledger import Ledger
from tests.support.scenery import Scenery, text_of
from tests.support.yclient import YClient, clocks_of

SCENES = 2
EDITS_PER_S = 60
"""Of each of the four writers: few enough that a busy machine does not become the fault."""
TICK_S = 0.02
LEAD_S = 0.8
TAIL_S = 1.0
AGREE_WAIT_S = 30.0
GAP_S_MAX = 30.0


@dataclass
class Figures:
    """What a fault cost."""

    edits: int = 0
    seen_then_lost: int = 0
    acked_then_lost: int = 0
    shown_before_durable: int = 0
    """The most edits that were seen or acknowledged, and not in the log, at any moment."""
    gap_ms: int = 0
    """The longest time in which some reader got nothing while writers wrote."""
    log_gaps: int = 0
    looks: int = 0
    reconnections: int = 0
    closes: dict[int, int] = field(default_factory=dict[int, int])

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Scene:
    """Two writers and two passive readers, one of each at each gateway."""

    def __init__(self, scenery: Scenery, scene: UUID) -> None:
        self.id = scene
        self.writers: list[YClient] = [
            YClient(scenery.address(scene, gateway), f"writer-{gateway}") for gateway in (0, 1)
        ]
        self.readers: list[YClient] = [
            YClient(scenery.address(scene, gateway, acks=False), f"reader-{gateway}")
            for gateway in (0, 1)
        ]

    @property
    def clients(self) -> list[YClient]:
        return self.writers + self.readers


class Play:
    """Scenes under load."""

    def __init__(self, scenery: Scenery, scenes: Sequence[Scene], ledger: Ledger) -> None:
        self.scenery = scenery
        self.scenes = scenes
        self.ledger = ledger
        self.edits = 0
        self.began = time.monotonic()
        self._typing: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def clients(self) -> list[YClient]:
        return [client for scene in self.scenes for client in scene.clients]

    def start(self) -> None:
        """Type, and watch the log."""
        self.began = time.monotonic()
        self._typing = asyncio.create_task(self._type(), name="typing")
        self._watching = asyncio.create_task(self.ledger.watch(), name="watching the log")

    async def hush(self) -> None:
        """Stop typing; everything else goes on."""
        await _end(self._typing)

    async def leave(self) -> None:
        """All clients leave for good, as when browsers die with the servers."""
        await self.hush()
        await _end(self._watching)
        await asyncio.gather(*(client.stop() for client in self.clients))

    def gap_s(self) -> float:
        """The longest silence at a reader since the typing began."""
        end = time.monotonic()
        return max(
            later - earlier
            for scene in self.scenes
            for reader in scene.readers
            for earlier, later in itertools.pairwise(
                [self.began, *(at for at in reader.delivered_at if at > self.began), end]
            )
        )

    async def agree(self) -> None:
        """Wait until all clients, a fresh one, the API and the log say the same.

        Raises:
            TimeoutError: They still differ after AGREE_WAIT_S.
        """
        deadline = time.monotonic() + AGREE_WAIT_S
        for scene in self.scenes:
            while who := await self._dissenters(scene):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{', '.join(who)} differ from {scene.writers[0].name}")
                await asyncio.sleep(0.1)

    async def _dissenters(self, scene: Scene) -> list[str]:
        """Who reads something else than the first writer; the log and the API are asked last."""
        first = scene.writers[0]
        wanted = first.clocks(), str(first.text)
        differ = [
            f"{client.name} ({'on' if client.connected else 'off'}line)"
            for client in scene.clients
            if (client.clocks(), str(client.text)) != wanted
        ]
        if differ or not await self.ledger.look():
            return differ or ["the database"]
        log = self.ledger.logs[scene.id]
        if (log.clocks, log.text) != wanted:
            differ.append("the log")
        async with YClient(self.scenery.address(scene.id, acks=False), "fresh") as fresh:
            if (fresh.clocks(), str(fresh.text)) != wanted:
                differ.append("a fresh client")
        for gateway in (0, 1):
            shown = await self.scenery.state(scene.id, gateway)
            if (clocks_of(shown.get_state()), text_of(shown)) != wanted:
                differ.append(f"the state at gateway {gateway}")
            if await self.scenery.text(scene.id, gateway) != wanted[1]:
                differ.append(f"the text at gateway {gateway}")
        return differ

    def keystroke(self, writer: YClient) -> None:
        """One edit, in the middle: so neighbours' edits interleave and depend on each other."""
        writer.type("ab", at=len(writer.text) // 2)

    async def _type(self) -> None:
        writers = [writer for scene in self.scenes for writer in scene.writers]
        for number in itertools.count(1):
            due = int((time.monotonic() - self.began) * EDITS_PER_S)
            for writer in writers:
                for _ in range(min(due - len(writer.sent_at), 10)):
                    self.keystroke(writer)
                    self.edits += 1
            await asyncio.sleep(max(0.0, self.began + number * TICK_S - time.monotonic()))


async def _end(task: asyncio.Task[None] | None) -> None:
    if task:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


type SceneOf = Callable[[Scenery, UUID], Scene]
type PlayOf = Callable[[Scenery, Sequence[Scene], Ledger], Play]


@asynccontextmanager
async def playing(
    scenery: Scenery, scene_of: SceneOf = Scene, play_of: PlayOf = Play
) -> AsyncGenerator[Play]:
    """Scenes in which people type, once all are connected, until the end of the block."""
    scenes = [scene_of(scenery, await scenery.scene()) for _ in range(SCENES)]
    ledger = Ledger(
        scenery.stack.postgres_url("collab", "collab_owner"),
        {scene.id: scene.clients for scene in scenes},
    )
    play = play_of(scenery, scenes, ledger)
    try:
        for client in play.clients:
            client.start()
        for client in play.clients:
            await client.wait_synced()
        play.start()
        yield play
    finally:
        await play.leave()
        await ledger.close()


async def account(
    scenery: Scenery,
    fault: Callable[[Play], Awaitable[None]],
    *,
    lead_s: float = LEAD_S,
    tail_s: float = TAIL_S,
    scene_of: SceneOf = Scene,
) -> Figures:
    """Let people type, cause *fault*, wait until all agree again, and count.

    Raises:
        TimeoutError: They never agreed.
    """
    async with playing(scenery, scene_of) as play:
        await asyncio.sleep(lead_s)
        at_fault = play.ledger.promises()
        await fault(play)
        await asyncio.sleep(tail_s)
        gap_s = play.gap_s()
        await play.hush()
        await play.agree()
        await play.ledger.read()
        lost = play.ledger.missing(at_fault).worse(play.ledger.missing(play.ledger.promises()))
        codes = [code for client in play.clients for code, _ in client.closes]
        return Figures(
            edits=play.edits,
            seen_then_lost=lost.seen,
            acked_then_lost=lost.acked,
            shown_before_durable=max(play.ledger.worst.seen, play.ledger.worst.acked),
            gap_ms=round(gap_s * 1000),
            log_gaps=sum(log.gaps for log in play.ledger.logs.values()),
            looks=play.ledger.looks,
            reconnections=sum(client.connections - 1 for client in play.clients),
            closes={code: codes.count(code) for code in sorted(set(codes))},
        )


def nothing_lost(figures: Figures) -> None:
    """The rule, whatever happened."""
    assert figures.seen_then_lost == 0
    assert figures.acked_then_lost == 0
    assert figures.shown_before_durable == 0
    assert figures.log_gaps == 0
    assert figures.looks > 0
    assert figures.edits > 0
    assert figures.gap_ms < GAP_S_MAX * 1000
