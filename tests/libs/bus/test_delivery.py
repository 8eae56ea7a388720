"""What becomes of a fact whose handler failed: done, later, or dead; never dropped in silence."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import cast

import nats
import pytest
from faststream.nats import NatsBroker
from nats.aio.client import Client
from prometheus_client import REGISTRY

from libs.bus import PoisonMessage, consumer_monitor, subscribe_facts
from libs.bus.delivery import DELIVERIES_MAX
from libs.contracts.events.event import Announcement, Event, Source
from libs.contracts.ids import new_id
from libs.contracts.streams import EVENTS
from libs.contracts.subjects import fact
from tests.support.waiting import until
from tools.stack import Stack

type Side = tuple[NatsBroker, Client]


def announcement(position: int, *, age_s: float = 0) -> Announcement:
    """A fact about a member, of some seconds ago."""
    return Announcement(
        position=position,
        event=Event(
            id=new_id(),
            aggregate_id=new_id(),
            aggregate_type="member",
            event_type="member.added",
            project_id=new_id(),
            user_id=new_id(),
            data={},
            metadata={},
            timestamp=datetime.now(UTC) - timedelta(seconds=age_s),
            version=1,
            causation_id=None,
            correlation_id="test",
            source=Source.API,
            bundle_id=new_id(),
            checksum="0",
        ),
    )


async def publish(stack: Stack, action: str, body: bytes) -> None:
    """Announce *body* as the events service would."""
    client = await nats.connect(stack.nats_url("admin"))
    subject = fact("events", "member", action, new_id())
    await client.jetstream().publish(subject, body)
    await client.close()


async def dead(stack: Stack, durable: str) -> list[tuple[dict[str, str], bytes]]:
    """What lies in the dead-letter stream for *durable*."""
    client = await nats.connect(stack.nats_url("admin"))
    jetstream = client.jetstream()
    found: list[tuple[dict[str, str], bytes]] = []
    info = await jetstream.stream_info("DEAD_LETTERS")
    for seq in range(max(1, info.state.first_seq), info.state.last_seq + 1):
        message = await jetstream.get_msg("DEAD_LETTERS", seq)
        if (message.subject or "").startswith(f"dlq.{durable}."):
            headers = cast("dict[str, str]", message.headers or {})
            found.append((headers, message.data or b""))
    await client.close()
    return found


async def test_a_passing_failure_is_retried_until_it_works(stack: Stack, asking: Side) -> None:
    """A database that blinks must not cost an event."""
    seen: list[int] = []

    async def on_fact(found: Announcement) -> None:
        seen.append(found.position)
        if len(seen) < 3:
            raise ConnectionError("blink")

    subject = "scriptorium.v1.events.member.retried.>"
    subscribe_facts(
        asking[0],
        asking[1],
        EVENTS,
        subject=subject,
        durable="test-retry",
        on_fact=on_fact,
    )
    await asking[0].start()

    await publish(stack, "retried", announcement(7).to_wire())
    await until(lambda: len(seen) >= 3)

    assert seen == [7, 7, 7]
    assert await dead(stack, "test-retry") == []


@pytest.mark.parametrize(
    ("action", "body"), [("garbled", b"{not json"), ("poisoned", announcement(1).to_wire())]
)
async def test_poison_is_buried_with_its_cause_and_the_next_is_served(
    stack: Stack, asking: Side, action: str, body: bytes
) -> None:
    """What no retry can help is kept for a person, and does not hold up the others."""
    seen: list[int] = []

    async def on_fact(found: Announcement) -> None:
        if found.position == 1:
            raise PoisonMessage("cannot be")
        seen.append(found.position)

    durable = f"test-{action}"
    subscribe_facts(
        asking[0],
        asking[1],
        EVENTS,
        subject=f"scriptorium.v1.events.member.{action}.>",
        durable=durable,
        on_fact=on_fact,
    )
    await asking[0].start()

    await publish(stack, action, body)
    await publish(stack, action, announcement(2).to_wire())
    await until(lambda: seen == [2])

    [(headers, kept)] = await dead(stack, durable)
    assert kept == body
    assert headers["scriptorium-subscriber"] == durable
    assert headers["scriptorium-cause"]


async def test_a_failure_that_never_ends_is_buried_after_a_bounded_number_of_tries(
    stack: Stack, asking: Side
) -> None:
    """JetStream's own default would try for ever."""
    tries: list[int] = []

    async def on_fact(found: Announcement) -> None:
        tries.append(found.position)
        raise ConnectionError("gone for good")

    subscribe_facts(
        asking[0],
        asking[1],
        EVENTS,
        subject="scriptorium.v1.events.member.hopeless.>",
        durable="test-hopeless",
        on_fact=on_fact,
    )
    await asking[0].start()

    await publish(stack, "hopeless", announcement(3).to_wire())

    async def buried() -> bool:
        return bool(await dead(stack, "test-hopeless"))

    await until(buried, 40)
    assert tries == [3] * DELIVERIES_MAX


def exported(name: str, durable: str, **labels: str) -> float:
    labels = {"subscriber": durable, **labels}
    return REGISTRY.get_sample_value(f"scriptorium_subscriber_{name}", labels) or 0.0


async def test_how_late_a_subscriber_is_can_be_seen(
    stack: Stack, asking: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How old a fact was when it was handled, and how many wait while one is."""
    monkeypatch.setattr(consumer_monitor, "MONITOR_INTERVAL_S", 0.1)
    durable, gate, waiting = "test-late", asyncio.Event(), asyncio.Event()

    async def on_fact(found: Announcement) -> None:
        if found.position == 1:
            waiting.set()
            await gate.wait()

    for position, age_s in ((1, 100), (2, 0), (3, 0)):
        await publish(stack, "late", announcement(position, age_s=age_s).to_wire())
    subscribe_facts(
        asking[0],
        asking[1],
        EVENTS,
        subject="scriptorium.v1.events.member.late.>",
        durable=durable,
        on_fact=on_fact,
    )
    await asking[0].start()
    async with asyncio.timeout(20):
        await waiting.wait()
    await until(lambda: exported("pending", durable) == 3)
    gate.set()
    await until(lambda: exported("delay_seconds_count", durable) == 3)
    await until(lambda: exported("pending", durable) == 0)

    assert exported("delay_seconds_sum", durable) >= 100
    assert exported("delay_seconds_bucket", durable, le="60.0") == 2
