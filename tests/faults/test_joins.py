"""Joins while people write: nobody is told "synced" without what was durable when they came."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.support.scenery import Scenery
from tests.support.yclient import YClient

pytestmark = pytest.mark.alone

NEWCOMERS = 60
STORY = "You will rejoice to hear that no disaster has accompanied the commencement. " * 4_000
"""300 KB: above what answers are sent without pacing, and merged in a worker."""
STORM_WAIT_S = 60.0


async def test_a_storm_of_newcomers_is_served_while_somebody_writes(scenery: Scenery) -> None:
    """Sixty come at once, through both gateways; each has at its sync all that the writer was told
    was durable before it came, and all end with the same text."""
    scene = await scenery.scene()
    async with AsyncExitStack() as clients:
        writer = await clients.enter_async_context(YClient(scenery.address(scene)))
        writer.type(STORY)
        await writer.until(lambda: writer.acked >= writer.clock)
        typing = asyncio.create_task(_type(writer))
        durable = writer.acked

        newcomers = [
            YClient(scenery.address(scene, number % 2), f"newcomer {number}")
            for number in range(NEWCOMERS)
        ]
        for newcomer in newcomers:
            newcomer.start()
            clients.push_async_callback(newcomer.stop)
        for newcomer in newcomers:
            await newcomer.wait_synced(STORM_WAIT_S)
            assert newcomer.clocks().get(writer.id, 0) >= durable

        typing.cancel()
        for newcomer in newcomers:
            await newcomer.until(
                lambda newcomer=newcomer: newcomer.clocks() == writer.clocks(), STORM_WAIT_S
            )
        assert {str(newcomer.text) for newcomer in newcomers} == {str(writer.text)}
    assert await scenery.text(scene) == str(writer.text)


async def test_each_of_a_stream_of_newcomers_has_what_was_durable_when_it_came(
    scenery: Scenery,
) -> None:
    """The join must not have a hole between its subscription and its answer, however the two fall
    into the stream of commits; thirty come one after the other while two write fast."""
    scene = await scenery.scene()
    async with AsyncExitStack() as clients:
        writers = [
            await clients.enter_async_context(YClient(scenery.address(scene, number)))
            for number in range(2)
        ]
        typing = [asyncio.create_task(_type(writer, pause_s=0.005)) for writer in writers]
        for number in range(30):
            durable = {writer.id: writer.acked for writer in writers}
            async with YClient(scenery.address(scene, number % 2)) as newcomer:
                has = newcomer.clocks()
                assert all(has.get(writer, 0) >= clock for writer, clock in durable.items())
        for task in typing:
            task.cancel()
        for writer in writers:
            await writer.until(lambda writer=writer: writer.acked >= writer.clock)
        whole = {writer.id: writer.clock for writer in writers}
        for writer in writers:
            await writer.until(lambda writer=writer: writer.clocks() == whole)
    assert await scenery.text(scene) == str(writers[0].text) == str(writers[1].text)


async def _type(writer: YClient, pause_s: float = 0.02) -> None:
    while True:
        writer.type("x")
        await asyncio.sleep(pause_s)
