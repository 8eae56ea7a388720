"""A stream that was lost, or lost its end, is filled from the outbox, in order."""

import pytest
from nats.aio.client import Client

from libs.bus import Relay
from libs.bus import relay as relay_module
from libs.bus.declare import declare
from libs.contracts.streams import EVENTS
from libs.postgres import Pool
from tests.events.relaying import arrived, scribble
from tests.events.support import World
from tests.support.tasks import running
from tools.stack import Stack


@pytest.mark.parametrize("lost", ["the stream", "its messages"])
async def test_what_was_announced_is_announced_again(  # noqa: PLR0917 (fixtures)
    lost: str,
    world: World,
    owner: Pool,
    pool: Pool,
    bus: Client,
    relay_client: Client,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A subscriber that comes later meets a whole log all the same."""
    monkeypatch.setattr(relay_module, "STREAM_LOOK_S", 0.1)
    monkeypatch.setattr(relay_module, "POLL_INTERVAL_S", 0.1)
    async with running(Relay(pool, relay_client, service="events", stream=EVENTS).run()):
        await scribble(world, 2, 3)
        before = await arrived(bus, owner, world.project_id)
        if lost == "the stream":
            await bus.jetstream().delete_stream(EVENTS.name)
            await declare(bus)
        else:
            await lose_messages(stack)
        after = await arrived(bus, owner, world.project_id)

    assert [each.position for each in after] == [each.position for each in before]


async def lose_messages(stack: Stack) -> None:
    """Stop the server, and take from its disk what the stream has stored."""
    stack.hold("nats")
    stack.terminate("nats")
    await stack.wait_ended("nats")
    store = stack.data_dir / "nats/jetstream/APP/streams" / EVENTS.name / "msgs"
    for file in list(store.glob("*.blk")):
        file.write_bytes(b"?" * 1000)
    stack.release("nats")
    await stack.wait_ready("nats")
