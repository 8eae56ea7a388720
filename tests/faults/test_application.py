"""People on `/ws` and on `/collab` in the same scenes while parts die under them."""

import asyncio
from uuid import UUID

import pytest

from tests.faults.conftest import Note
from tests.faults.scenario import Play, Scene, account, nothing_lost
from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery
from tests.support.wsclient import WsClient
from tests.support.yclient import YClient

pytestmark = pytest.mark.alone

RESTARTING = 1012


class MixedScene(Scene):
    """A writer and a reader of each kind, so that each gateway has both."""

    def __init__(self, scenery: Scenery, scene: UUID) -> None:
        super().__init__(scenery, scene)
        me = scenery.person.id
        self.writers = [
            WsClient(scenery.address(scene, 0), "ws-writer", person_id=me),
            YClient(scenery.address(scene, 1), "writer"),
        ]
        self.readers = [
            YClient(scenery.address(scene, 0, acks=False), "reader"),
            WsClient(scenery.address(scene, 1), "ws-reader", person_id=me, acks=False),
        ]


@pytest.mark.parametrize(
    "part",
    [
        "gateway-1",
        "collab-1",
        # Known from the other socket, which is served by the same code from here on.
        pytest.param("nats", marks=pytest.mark.long),
        pytest.param("postgres", marks=pytest.mark.long),
    ],
)
async def test_killed(part: str, stack: BreakableStack, scenery: Scenery, note: Note):
    """SIGKILL; nothing that was seen or acknowledged, in either language, is lost."""

    async def fault(_: Play) -> None:
        stack.kill(part)
        await stack.wait_ready(part)

    nothing_lost(note(await account(scenery, fault, scene_of=MixedScene)))


@pytest.mark.long
async def test_rolling_restart_of_gateways(stack: BreakableStack, scenery: Scenery, note: Note):
    """Both kinds are sent elsewhere with 1012."""

    async def fault(_: Play) -> None:
        for part in ("gateway-1", "gateway-2"):
            await stack.restart(part)

    figures = note(await account(scenery, fault, scene_of=MixedScene))

    nothing_lost(figures)
    assert set(figures.closes) == {RESTARTING}


async def test_replies_lost_on_the_way(stack: BreakableStack, scenery: Scenery, note: Note):
    """Half of all fan-outs never reach one gateway: gaps are repaired for both kinds."""
    bridge = stack.bridges["gateway-1"]
    turn = 0

    def loses(subject: str) -> bool:
        nonlocal turn
        turn += subject.endswith(".log")
        return subject.endswith(".log") and turn % 2 == 0

    async def fault(_: Play) -> None:
        bridge.loses = loses
        await asyncio.sleep(2.0)
        bridge.loses = None

    try:
        nothing_lost(note(await account(scenery, fault, scene_of=MixedScene)))
    finally:
        bridge.loses = None
    assert turn > 2
