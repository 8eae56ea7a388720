"""Requests: typed both ways, with deadlines, and failures that keep their code."""

import asyncio
from typing import Any

import asyncpg
import pytest
from faststream.nats import NatsBroker
from nats.aio.client import Client

from libs import errors
from libs.bus import Caller, connect_broker, drain, serve, synced
from libs.bus.rpc import WORKERS_MAX
from libs.contracts.actor import Actor, Role
from libs.contracts.ids import new_id
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire
from libs.postgres.pool import UNREACHABLE
from tools.stack import Stack

type Side = tuple[NatsBroker, Client]


class Ask(Wire):
    """A question about a number."""

    number: int


class Tell(Wire):
    """Its answer, and who asked."""

    doubled: int
    asker: Actor


DOUBLE = Method("events", "test_double", Ask, Tell)
ME = Actor(user_id=new_id(), project_id=new_id(), role=Role.WRITER)


async def started(side: Side) -> None:
    """Begin to answer, and return when the server knows."""
    await side[0].start()
    await synced(side[1])


async def double(question: Ask, actor: Actor) -> Tell:
    """Answer, or fail in one of several ways that the number chooses."""
    match question.number:
        case -1:
            raise errors.SlugTaken("Taken by another.", slug="x")
        case -2:
            raise RuntimeError("the password is hunter2")
        case -3:
            await asyncio.sleep(30)
        case -4:
            raise asyncpg.DiskFullError("could not extend file: No space left on device")
        case -5:
            try:
                raise asyncpg.DiskFullError
            except UNREACHABLE as error:
                raise errors.Unavailable from error
        case _:
            pass
    return Tell(doubled=question.number * 2, asker=actor)


async def test_an_answer_is_typed_and_knows_who_asked(asking: Side, answering: Side) -> None:
    """The actor travels beside the question, as the gateway established it."""
    serve(answering[0], DOUBLE, double)
    await started(answering)

    told = await Caller(asking[1]).ask(DOUBLE, Ask(number=21), ME)

    assert told == Tell(doubled=42, asker=ME)


async def test_an_error_arrives_as_itself(asking: Side, answering: Side) -> None:
    """Code, sentence and data survive the bus, so that the gateway can answer with them."""
    serve(answering[0], DOUBLE, double)
    await started(answering)

    with pytest.raises(errors.SlugTaken, match=r"Taken by another\.") as caught:
        await Caller(asking[1]).ask(DOUBLE, Ask(number=-1), ME)

    assert caught.value.data == {"slug": "x"}


@pytest.mark.parametrize("number", [-4, -5], ids=["raw", "translated"])
async def test_a_full_disk_of_the_database_is_no_fault_of_ours(
    number: int, asking: Side, answering: Side
) -> None:
    """Whatever a service makes of it, the caller is told that nothing was stored, and why."""
    serve(answering[0], DOUBLE, double)
    await started(answering)
    with pytest.raises(errors.StorageFull):
        await Caller(asking[1]).ask(DOUBLE, Ask(number=number), ME)


async def test_a_bug_tells_nothing(asking: Side, answering: Side) -> None:
    """What an unexpected exception says may hold secrets; only the logs get it."""
    serve(answering[0], DOUBLE, double)
    await started(answering)

    with pytest.raises(errors.Internal) as caught:
        await Caller(asking[1]).ask(DOUBLE, Ask(number=-2), ME)

    assert "hunter2" not in str(caught.value)


async def test_the_deadline_ends_both_sides(asking: Side, answering: Side) -> None:
    """A caller that has given up must not leave work behind."""
    serve(answering[0], DOUBLE, double)
    await started(answering)
    caller = Caller(asking[1])

    with pytest.raises(errors.DeadlineExceeded):
        await caller.ask(DOUBLE, Ask(number=-3), ME, deadline_s=0.2)

    assert (await caller.ask(DOUBLE, Ask(number=1), ME)).doubled == 2


async def test_nobody_there_is_unavailable_at_once(asking: Side) -> None:
    """No responders means that nothing happened, so the caller may try again."""
    with pytest.raises(errors.Unavailable) as caught:
        await Caller(asking[1]).ask(DOUBLE, Ask(number=1), ME, deadline_s=5)

    assert not isinstance(caught.value, errors.DeadlineExceeded)


async def test_a_question_of_another_form_is_refused(asking: Side, answering: Side) -> None:
    """A caller of another release gets a clear refusal, and the service lives on."""
    serve(answering[0], DOUBLE, double)
    await started(answering)
    other = Method("events", "test_double", Tell, Tell)

    with pytest.raises(errors.Invalid):
        await Caller(asking[1]).ask(other, Tell(doubled=1, asker=ME), ME)
    assert (await Caller(asking[1]).ask(DOUBLE, Ask(number=2), ME)).doubled == 4


async def test_a_service_cannot_answer_for_another(answering: Side) -> None:
    """Least privilege: the events user may not listen to requests meant for collab."""
    client = answering[1]

    await client.subscribe("rpc.collab.read_content", cb=_ignore)
    await synced(client)

    assert "permissions violation" in str(client.last_error).lower()


async def _ignore(_: object) -> None:
    """Take no notice."""


async def test_a_subscription_that_was_heard_is_live(asking: Side, answering: Side) -> None:
    """Joins rest on it: what is committed after the subscription must arrive. A flush of nats-py
    may return before the server has seen a SUB that was sent ahead of it."""
    for round_ in range(300):
        subject = f"rpc.events.live_{round_}"
        arrived = asyncio.Event()

        async def note(_: object, arrived: asyncio.Event = arrived) -> None:
            arrived.set()

        await answering[1].subscribe(subject, cb=note)
        await synced(answering[1])
        await asking[1].publish(subject, b"")
        await asking[1].flush()
        async with asyncio.timeout(2):
            await arrived.wait()


def make_writes_late(client: Client) -> None:
    """Let the flusher of nats-py be scheduled late, as on a busy machine; its PING is not."""
    queue = client._flush_queue  # pyright: ignore[reportPrivateUsage]
    assert queue
    take = queue.get

    async def late() -> asyncio.Future[Any]:
        future = await take()
        await asyncio.sleep(0.005)
        return future

    queue.get = late


async def test_a_side_that_drains_answers_what_reached_it(
    stack: Stack, asking: Side, answering: Side
) -> None:
    """Another replica stands by; not one question may be sent to the one that leaves and get lost.
    A drain of nats-py drops what the server sends before it has seen the UNSUB."""
    serve(answering[0], DOUBLE, double)
    await started(answering)
    caller, asked = Caller(asking[1]), True

    async def keep_asking() -> None:
        while asked:
            assert (await caller.ask(DOUBLE, Ask(number=2), ME, deadline_s=2)).doubled == 4

    async with asyncio.TaskGroup() as askers:
        for _ in range(8):
            askers.create_task(keep_asking())
        for _ in range(10):
            leaving = await connect_broker(
                stack.nats_url("events"), service="events", replica="leaving"
            )
            serve(leaving[0], DOUBLE, double)
            await started(leaving)
            make_writes_late(leaving[1])
            await asyncio.sleep(0.02)
            await drain(*leaving)
            await leaving[0].stop()
        asked = False


class TellMore(Tell):
    """What a newer release answers."""

    reason: str = "because"


async def test_an_answer_may_say_more_than_is_known(asking: Side, answering: Side) -> None:
    """In a rolling upgrade either side may be the newer one."""

    async def explain(question: Ask, actor: Actor) -> TellMore:
        return TellMore(doubled=question.number * 2, asker=actor)

    serve(answering[0], Method("events", "test_double", Ask, TellMore), explain)
    await started(answering)

    assert await Caller(asking[1]).ask(DOUBLE, Ask(number=4), ME) == Tell(doubled=8, asker=ME)


async def test_so_many_are_worked_on_at_once_and_the_rest_wait(
    asking: Side, answering: Side
) -> None:
    """What waits is answered, too, as soon as there is room."""
    running, most, go = 0, 0, asyncio.Event()

    async def held(question: Ask, actor: Actor) -> Tell:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go.wait()
        running -= 1
        return await double(question, actor)

    serve(answering[0], DOUBLE, held)
    await started(answering)
    caller = Caller(asking[1])
    async with asyncio.TaskGroup() as askers:
        asked = [
            askers.create_task(caller.ask(DOUBLE, Ask(number=number), ME))
            for number in range(WORKERS_MAX + 20)
        ]
        async with asyncio.timeout(5):
            while running < WORKERS_MAX:  # noqa: ASYNC110 (the handlers tell nobody)
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        go.set()

    assert [each.result().doubled for each in asked] == [2 * n for n in range(len(asked))]
    assert most == WORKERS_MAX


class Say(Wire):
    """A question, and its answer, of any length."""

    text: str


SAY = Method("events", "test_say", Say, Say)


async def test_an_answer_that_no_message_carries_is_refused_at_once(
    asking: Side, answering: Side
) -> None:
    """Neither it nor a refusal of that size is left to the deadline."""
    most = asking[1].max_payload

    async def at_length(question: Say, _: Actor) -> Say:
        if question.text == "refuse":
            raise errors.SlugTaken("Taken by another.", slug="x" * most)
        return Say(text="x" * most)

    serve(answering[0], SAY, at_length)
    await started(answering)
    caller = Caller(asking[1])

    with pytest.raises(errors.TooLarge):
        await caller.ask(SAY, Say(text="tell"), ME, deadline_s=20)
    with pytest.raises(errors.SlugTaken) as refusal:
        await caller.ask(SAY, Say(text="refuse"), ME, deadline_s=20)
    assert refusal.value.detail == "Taken by another."
    assert refusal.value.data == {"shortened": True}


async def test_a_question_that_no_message_carries_is_not_sent(asking: Side) -> None:
    """Asking again would not help, so it is no outage."""
    with pytest.raises(errors.TooLarge):
        await Caller(asking[1]).ask(SAY, Say(text="x" * asking[1].max_payload), ME)
