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


@pytest.mark.parametrize("lost", ["the stream", "its messages"])
async def test_what_was_announced_is_announced_again(  # noqa: PLR0917 (fixtures)
    lost: str,
    world: World,
    owner: Pool,
    pool: Pool,
    bus: Client,
    relay_client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A subscriber that comes later meets a whole log all the same."""
    monkeypatch.setattr(relay_module, "STREAM_LOOK_S", 0.1)
    monkeypatch.setattr(relay_module, "POLL_INTERVAL_S", 0.1)
    monkeypatch.setattr(relay_module, "TAIL_MARGIN", relay_module.TAIL_MARGIN * 0)
    async with running(Relay(pool, relay_client, service="events", stream=EVENTS).run()):
        await scribble(world, 2, 3)
        before = await arrived(bus, owner, world.project_id)
        if lost == "the stream":
            await bus.jetstream().delete_stream(EVENTS.name)
            await declare(bus)
            after = await arrived(bus, owner, world.project_id)
            assert [each.position for each in after] == [each.position for each in before]
            return
    await bus.jetstream().purge_stream(EVENTS.name)
    async with running(Relay(pool, relay_client, service="events", stream=EVENTS).run()):
        after = await arrived(bus, owner, world.project_id)
    assert [each.position for each in after] == [each.position for each in before]
