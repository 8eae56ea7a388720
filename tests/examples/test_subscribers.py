"""The example subscribers miss nothing and note nothing twice, whatever is killed meanwhile."""

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import nats
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from libs.bus.declare import declare, subscribers_of
from libs.contracts.subjects import SUBSCRIBER, fact
from tests.clients.scenarios import require_node
from tests.support.people import People, Person
from tests.support.stack import real_stack
from tests.support.waiting import until
from tools.stack import Stack
from tools.stack.services import ROOT

WRITERS = 4
WRITES = 60
CAUGHT_UP_S = 30.0


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    require_node()
    # Events alone, no text: one collab.
    replicas = {"events": 1, "collab": 1, "gateway": 1}
    async with real_stack(tmp_path_factory.mktemp("examples"), replicas=replicas) as running:
        yield running


@pytest.fixture(scope="module")
async def ada(stack: Stack) -> AsyncIterator[Person]:
    async with People(stack.url) as people:
        yield await people.join("Ada")


@asynccontextmanager
async def running(
    *command: str | Path, log: Path, **environment: str
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a subscriber; it is killed at the end, in the middle of whatever it does."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def write(ada: Person, project: str) -> None:
    """Four at once, through whatever happens: what is refused for the moment is sent again."""

    async def one(number: int) -> None:
        for turn in range(WRITES):
            key, name = uuid4().hex, f"{number} {turn}"
            async with asyncio.timeout(CAUGHT_UP_S):
                while True:
                    with suppress(httpx.HTTPError):
                        answer = await ada.http.post(
                            f"/api/projects/{project}/tags",
                            json={"name": name},
                            headers={"Idempotency-Key": key},
                        )
                        if answer.status_code == 201:
                            break
                    await asyncio.sleep(0.2)

    await asyncio.gather(*(one(number) for number in range(WRITERS)))


async def log_of(ada: Person, project: str) -> list[dict[str, Any]]:
    """All of a project's events."""
    found: list[dict[str, Any]] = []
    after = 0
    while True:
        page = await ada.ask("GET", f"/api/projects/{project}/sync/pull?after={after}")
        found += page["items"]
        after = page["next"]
        if not page["more"]:
            return found


async def test_python_on_jetstream(stack: Stack, ada: Person, tmp_path: Path) -> None:
    """It and the bus are killed in the middle; what nobody can read is laid aside, and told."""
    table, log = tmp_path / "copy.sqlite", tmp_path / "log"
    python = (sys.executable, ROOT / "examples" / "subscriber.py", table)
    url = {"SCRIPTORIUM_NATS_URL": stack.nats_url(SUBSCRIBER)}
    project = await ada.project("Frankenstein")
    writing = asyncio.create_task(write(ada, project))
    admin = await nats.connect(stack.nats_url("admin"), max_reconnect_attempts=-1)
    async with running(*python, log=log, **url):
        await until(lambda: len(noted(table)) > 20)
    stack.kill("nats")
    await stack.wait_ready("nats")
    async with running(*python, log=log, **url):
        await until(lambda: len(noted(table)) > 60)
        stack.kill("nats")
        await stack.wait_ready("nats")
        await writing
        await admin.jetstream().publish(fact("events", "tag", "created", uuid4()), b"nonsense")
        last = await ada.ask("POST", f"/api/projects/{project}/tags", name="after the nonsense")
        truth = await log_of(ada, project)
        # What was on its way to the one that was killed comes again, after the rest.
        with suppress(TimeoutError):
            await until(lambda: {each["position"] for each in truth} <= positions(table))
    mine = {each["event"]["id"] for each in truth}
    rows = [row for row in noted(table) if row[1] in mine]
    buried = await admin.jetstream().get_last_msg("DEAD_LETTERS", f"dlq.{SUBSCRIBER}.>")
    await admin.close()

    assert last["name"] == "after the nonsense"
    assert rows == [
        (each["position"], each["event"]["id"], each["event"]["eventType"]) for each in truth
    ], log.read_text()
    assert len(truth) > WRITERS * WRITES
    assert buried.data == b"nonsense"
    assert "JSONDecodeError" in (buried.headers or {})["scriptorium-cause"]


async def test_node_on_server_sent_events(stack: Stack, ada: Person, tmp_path: Path) -> None:
    """It and the gateway are killed in the middle; it goes on from its own output."""
    copy, log = tmp_path / "copy.jsonl", tmp_path / "log"
    project = await ada.project("Frankenstein")
    node = ("node", ROOT / "examples" / "subscriber.mjs", stack.url, project, copy)
    token = {"SCRIPTORIUM_TOKEN": ada.token}
    writing = asyncio.create_task(write(ada, project))
    async with running(*node, log=log, **token):
        await until(lambda: len(lines(copy)) > 20)
    with copy.open("ab") as torn:
        torn.write(b'{"position": 9')
    async with running(*node, log=log, **token):
        await until(lambda: len(lines(copy)) > 60)
        stack.kill("gateway-1")
        await stack.wait_ready("gateway-1")
        await writing
        truth = await log_of(ada, project)
        with suppress(TimeoutError):
            await until(lambda: len(lines(copy)) >= len(truth))

    assert lines(copy) == truth, log.read_text()
    assert len(truth) > WRITERS * WRITES


async def test_node_ends_where_no_retry_can_help(stack: Stack, ada: Person, tmp_path: Path) -> None:
    project = await ada.project("Frankenstein")
    node = ("node", ROOT / "examples" / "subscriber.mjs", stack.url, project, tmp_path / "copy")
    async with (
        running(*node, log=tmp_path / "log", SCRIPTORIUM_TOKEN="wrong") as process,
        asyncio.timeout(10),
    ):
        code = await process.wait()

    assert code == 1
    assert "UNAUTHENTICATED" in (tmp_path / "log").read_text()


async def test_a_subscriber_may_do_no_more(stack: Stack) -> None:
    """Not stop another's consumer, not announce anything, not read what services say."""
    refused = asyncio.Event()

    async def failed(error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            refused.set()

    client = await nats.connect(
        stack.nats_url(SUBSCRIBER), error_cb=failed, inbox_prefix=f"_INBOX_{SUBSCRIBER}".encode()
    )
    own = f"EVENTS.{SUBSCRIBER}"
    for subject in (
        # Its own consumer neither: one that pushes would deliver to any subject.
        f"$JS.API.CONSUMER.CREATE.{own}",
        f"$JS.API.CONSUMER.CREATE.{own}.scriptorium.v1.events.>",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{own}",
        f"$JS.API.CONSUMER.DELETE.{own}",
        "$JS.API.CONSUMER.CREATE.EVENTS",
        "$JS.API.CONSUMER.CREATE.EVENTS.another",
        "$JS.API.CONSUMER.DELETE.EVENTS.gateway-permissions",
        "$JS.API.CONSUMER.CREATE.EVENTS.gateway-permissions",
        "$JS.API.CONSUMER.MSG.NEXT.EVENTS.gateway-permissions",
        "$JS.API.STREAM.PURGE.EVENTS",
        "$JS.API.STREAM.MSG.DELETE.EVENTS",
        fact("events", "tag", "created", uuid4()),
        "rpc.events.read",
        "dlq.gateway-permissions.x",
    ):
        refused.clear()
        await client.publish(subject, b"{}")
        async with asyncio.timeout(5):
            await refused.wait()
    for subject in ("live.>", "rpc.>", "_INBOX_gateway.>", "scriptorium.v1.>"):
        refused.clear()
        await client.subscribe(subject)
        async with asyncio.timeout(5):
            await refused.wait()
    await client.close()


async def test_its_consumer_is_made_for_it(stack: Stack) -> None:
    """One that is pulled from. One that pushes goes, and a filter that was set stays."""
    async with nats_of(stack, "admin") as admin:
        jetstream = admin.jetstream()
        info = await jetstream.consumer_info("EVENTS", SUBSCRIBER)
        assert (info.config.deliver_subject, info.config.ack_policy) == (None, "explicit")
        pushing = ConsumerConfig(
            durable_name="pusher", deliver_subject="rpc.events.read", ack_policy=AckPolicy.EXPLICIT
        )
        await jetstream.add_consumer("EVENTS", pushing)
        others = subscribers_of("pusher, search=scriptorium.v1.events.entity.>,")
        await declare(admin, subscribers=others)
        await declare(admin, subscribers={"search": "scriptorium.v1.events.>"})
        made = [await jetstream.consumer_info("EVENTS", name) for name in ("pusher", "search")]
        for name in ("pusher", "search"):
            await jetstream.delete_consumer("EVENTS", name)

    assert [each.config.deliver_subject for each in made] == [None, None]
    assert [each.config.filter_subject for each in made] == [
        "scriptorium.v1.events.>",
        "scriptorium.v1.events.entity.>",
    ]
    with pytest.raises(ValueError, match="not a name"):
        subscribers_of("a.b")


@asynccontextmanager
async def nats_of(stack: Stack, user: str) -> AsyncGenerator[Client]:
    client = await nats.connect(stack.nats_url(user), max_reconnect_attempts=-1)
    try:
        yield client
    finally:
        await client.close()


def noted(table: Path) -> list[tuple[int, str, str]]:
    """What the subscriber noted, in commit order; nothing before it began."""
    try:
        with closing(sqlite3.connect(table)) as opened:
            query = "SELECT position, id, type FROM events ORDER BY position"
            return opened.execute(query).fetchall()
    except sqlite3.OperationalError:
        return []


def positions(table: Path) -> set[int]:
    return {row[0] for row in noted(table)}


def lines(file: Path) -> list[dict[str, Any]]:
    """The whole lines of the copy."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]]
