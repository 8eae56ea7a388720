"""Any interleaving of writers, joins, leaves, restarts and repeated batches ends in one state.

The state is that of a single document which took every update in, wherever it came from.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import nats
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text

from libs.contracts import subjects
from libs.contracts.collab import frames
from tests.property.histories import canonical, document
from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery
from tests.support.yclient import YClient

CLIENTS = 3
EXAMPLES, EXAMPLES_LONG = 4, 60
SETTLE_WAIT_S = 30.0
UNSUITED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
"""Checks meant for properties that run in microseconds."""
KINDS = ["type", "type", "type", "delete", "join", "leave", "drop", "pause", "repeat"]
PARTS = ["collab-1", "collab-2", "gateway-1", "gateway-2"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens: to a client, or to a part."""

    kind: str
    who: int
    at: int


_STEPS = st.builds(
    Step, kind=st.sampled_from(KINDS), who=st.integers(0, CLIENTS - 1), at=st.integers(0, 100)
)
_FAULTS = st.builds(
    Step, kind=st.just("kill"), who=st.integers(0, len(PARTS) - 1), at=st.integers(0, 100)
)
_SCHEDULES = st.tuples(
    st.lists(_STEPS, min_size=10, max_size=40), st.lists(_FAULTS, max_size=2), st.randoms()
).map(lambda drawn: _mixed(*drawn))


def _mixed(steps: list[Step], faults: list[Step], rnd: random.Random) -> list[Step]:
    mixed = steps.copy()
    for fault in faults:
        mixed.insert(rnd.randrange(len(mixed)), fault)
    return mixed


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BreakableStack]:
    replicas = {"gateway": 2, "collab": 2, "events": 1}
    async with BreakableStack(tmp_path_factory.mktemp("schedules"), replicas=replicas) as running:
        yield running


@pytest.fixture(scope="module")
async def scenery(stack: BreakableStack) -> AsyncIterator[Scenery]:
    made = await Scenery.begin(stack)
    yield made
    await made.close()


class Run:
    """One schedule, played in a scene of its own."""

    def __init__(self, stack: BreakableStack, scenery: Scenery, scene: UUID) -> None:
        self.stack = stack
        self.scenery = scenery
        self.scene = scene
        self.single: Doc[Text] = Doc()
        """Takes in every update that anyone makes."""
        self.made: list[bytes] = []
        self.clients = [
            YClient(scenery.address(scene, number % 2), str(number)) for number in range(CLIENTS)
        ]
        self._online = [False] * CLIENTS

    async def play(self, schedule: list[Step]) -> None:
        for step in schedule:
            await self._do(step)
        for number in range(CLIENTS):
            await self._join(number)

    async def _do(self, step: Step) -> None:
        client = self.clients[step.who % CLIENTS]
        match step.kind:
            case "type":
                self._change(client, lambda: client.type("ab", at=step.at % (len(client.text) + 1)))
            case "delete":
                self._change(client, lambda: _delete(client, step.at))
            case "join":
                await self._join(step.who)
            case "leave":
                await client.stop()
                self._online[step.who] = False
            case "drop":
                client.drop()
            case "repeat":
                await self._repeat(step.at)
            case "kill":
                self.stack.kill(PARTS[step.who])
            case _:
                await asyncio.sleep(step.at / 1000)

    def _change(self, client: YClient, change: object) -> None:
        before = client.doc.get_state()
        assert callable(change)
        change()
        update = client.doc.get_update(before)
        self.made.append(update)
        self.single.apply_update(update)

    async def _join(self, number: int) -> None:
        if not self._online[number]:
            self._online[number] = True
            self.clients[number].start()

    async def _repeat(self, at: int) -> None:
        """Send something that was sent before straight to a replica, as a resent batch does."""
        if not self.made:
            return
        update = self.made[at % len(self.made)]
        entry = frames.batch_entry(self.scene.bytes, uuid4().bytes, 1, update)
        bus = await nats.connect(self.stack.nats_url("admin"))  # pyright: ignore[reportUnknownMemberType]
        subject = subjects.edit(PARTS[at % 2])
        gateway = f"{random.getrandbits(31):08x}"
        await bus.publish(subject, frames.batch(1, [entry]), subjects.ack(gateway))
        await bus.drain()

    async def ended(self) -> list[tuple[dict[int, int], str, bytes]]:
        """What everyone has once nothing changes any more: clients, a fresh one, the API."""
        wanted = canonical(self.single)
        async with asyncio.timeout(SETTLE_WAIT_S):
            for client in self.clients:
                await client.wait_synced(SETTLE_WAIT_S)
                await client.until(lambda it=client: canonical(it.doc) == wanted, SETTLE_WAIT_S)
        for part in PARTS:
            await self.stack.wait_ready(part)
        async with YClient(self.scenery.address(self.scene)) as fresh:
            docs = [client.doc for client in self.clients] + [fresh.doc]
        return [canonical(doc) for doc in [*docs, await self.scenery.state(self.scene)]]

    async def leave(self) -> None:
        for client in self.clients:
            await client.stop()


def _delete(client: YClient, at: int) -> None:
    length = len(client.text)
    if length > 1:
        start = at % (length - 1)
        del client.text[start : start + 1 + at % 2]
        client.publish()


async def _holds(stack: BreakableStack, scenery: Scenery, schedule: list[Step]) -> None:
    run = Run(stack, scenery, await _scene(stack, scenery))
    try:
        await run.play(schedule)
        wanted = canonical(run.single)

        assert await run.ended() == [wanted] * (CLIENTS + 2)
        assert canonical(document(*run.made)) == wanted
    finally:
        await run.leave()


async def _scene(stack: BreakableStack, scenery: Scenery) -> UUID:
    for part in stack.parts:
        await stack.wait_ready(part)
    return await scenery.scene()


@given(_SCHEDULES)
@settings(max_examples=EXAMPLES, suppress_health_check=UNSUITED, deadline=None)
async def test_any_schedule_converges(
    stack: BreakableStack, scenery: Scenery, schedule: list[Step]
):
    await _holds(stack, scenery, schedule)


@pytest.mark.long
@pytest.mark.timeout(1800)
@given(_SCHEDULES)
@settings(max_examples=EXAMPLES_LONG, suppress_health_check=UNSUITED, deadline=None)
async def test_any_schedule_converges_tried_for_long(
    stack: BreakableStack, scenery: Scenery, schedule: list[Step]
):
    await _holds(stack, scenery, schedule)
