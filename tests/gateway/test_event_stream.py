"""Following a project: nothing missed, nothing twice, nothing that is not one's own."""

import asyncio
import contextlib
import itertools
import random
import signal
import socket
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import psutil
import pytest

from libs.contracts.actor import Role
from libs.stack import Stack
from services.gateway.streams.streams import PERSON_STREAMS_MAX
from tests.gateway.following import (
    Follower,
    announced,
    answered,
    following,
    port_of,
    pulled,
    refused,
)
from tests.gateway.support import (
    Manuscript,
    Person,
    gateway_beside,
    is_problem,
    until,
)

WRITERS = 4
STALLED_S_MAX = 40
GUIDE_CHARS = 26_000


@pytest.fixture
async def project(stack: Stack, manuscript: Manuscript) -> str:
    await announced(stack)
    return str(manuscript.project["id"])


class TestFollowing:
    async def test_an_event_is_seen_at_every_gateway(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        """As it stands in the log, with its position for an id; from now on without an id."""
        mary = manuscript.owner
        async with (
            following(stack.gateways[0], mary, project) as here,
            following(stack.gateways[1], mary, project) as there,
        ):
            await mary.made(f"/api/projects/{project}/books", {"title": "Volume II"})
            for follower in (here, there):
                await follower.until(lambda each: each.events)

        assert here.events == there.events == (await pulled(mary, project))[-1:]
        assert here.types == ["book.created"]
        assert here.retry_ms and 500 <= here.retry_ms <= 2500

    async def test_another_gateway_goes_on_without_a_gap_while_four_write(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        """Cut every few events, and back at the other gateway: the whole log, once."""
        mary = manuscript.owner
        follower = Follower(last_id="0")
        done = asyncio.Event()

        async def write(number: int) -> None:
            path = f"/api/projects/{project}/tags"
            for turn in itertools.count():
                tag = await mary.made(path, {"name": f"tag {number} {turn}"})
                await mary.ask(
                    "PATCH",
                    f"/api/tags/{tag['id']}",
                    json={"name": f"Tag {number} {turn}", "colour": "#0a0b0c"},
                    headers={"If-Match": f'W/"tag-{tag["id"]}-v1"'},
                )
                if done.is_set():
                    return

        hops = 0
        writing = [asyncio.create_task(write(number)) for number in range(WRITERS)]
        ends_at = time.monotonic() + 8
        while time.monotonic() < ends_at:
            async with following(stack.gateways[hops % 2], mary, project, follower):
                wanted = len(follower.events) + random.randint(1, 25)
                await follower.until(lambda each, wanted=wanted: len(each.events) >= wanted)
            hops += 1
        done.set()
        await asyncio.gather(*writing)
        truth = await pulled(mary, project)
        async with following(stack.gateways[0], mary, project, follower):
            await follower.until(lambda each: len(each.events) >= len(truth))
            await follower.quiet()

        assert follower.positions == [each["position"] for each in truth]
        assert follower.events == truth
        assert hops > 10
        assert len(truth) > 100

    async def test_another_project_never_appears(
        self, stack: Stack, manuscript: Manuscript, project: str, mary: Person, percy: Person
    ):
        """Not even the same person's; a stranger is told that there is nothing."""
        other = await Manuscript.begin(mary)
        async with following(stack.gateways[0], manuscript.owner, project) as follower:
            await mary.made(f"/api/projects/{other.project['id']}/tags", {"name": "elsewhere"})
            await mary.made(f"/api/projects/{project}/tags", {"name": "here"})
            await follower.until(lambda each: each.events)
            await follower.quiet()
        all_of_it = Follower(last_id="0")
        async with following(stack.gateways[1], manuscript.owner, project, all_of_it):
            await all_of_it.until(lambda each: "tag.created" in each.types)
            await all_of_it.quiet()

        assert [each["event"]["data"]["name"] for each in follower.events] == ["here"]
        assert {each["event"]["projectId"] for each in all_of_it.events} == {project}
        for token in (percy.access_token, "nonsense"):
            answer = await refused(stack.url, token, project)
            assert answer.status_code == (404 if token != "nonsense" else 401)


class TestWhereToGoOn:
    async def test_the_header_counts_and_the_query_will_do(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        truth = await pulled(manuscript.owner, project)
        first, second = str(truth[0]["position"]), str(truth[1]["position"])
        for headers, query in (
            ({"Last-Event-ID": second}, {"lastEventId": first}),
            ({}, {"lastEventId": second}),
        ):
            follower = Follower()
            async with following(
                stack.url, manuscript.owner, project, follower, headers=headers, **query
            ):
                await follower.until(lambda each: len(each.events) >= len(truth) - 2)
                await follower.quiet()

            assert follower.events == truth[2:]

    @pytest.mark.parametrize(
        "given", ["x", "1.5", "1e3", " ", "9" * 19, "9" * 41, "0x10", "-", "١٢", "1\t2"]
    )
    async def test_an_id_that_is_none_is_400(
        self, stack: Stack, manuscript: Manuscript, project: str, given: str
    ):
        answer = await refused(stack.url, manuscript.owner.access_token, project, lastEventId=given)

        assert is_problem(answer, 400, "VALIDATION_FAILED")

    @pytest.mark.parametrize("given", ["-2", "999999999999"])
    async def test_an_id_that_the_log_does_not_have_is_410(
        self, stack: Stack, manuscript: Manuscript, project: str, given: str
    ):
        """Of before a back-up was restored, say: what to do is said."""
        answer = await refused(
            stack.url,
            manuscript.owner.access_token,
            project,
            headers={"Last-Event-ID": given},
        )

        assert is_problem(answer, 410, "GONE")
        assert "follow from now on" in answer.json()["detail"]

    async def test_only_the_types_that_are_asked_for(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        """One is moved on beyond the others, so that they are not read again."""
        mary = manuscript.owner
        follower = Follower(last_id="0")
        async with following(stack.url, mary, project, follower, types="scene.*, book.created"):
            await mary.made(f"/api/projects/{project}/tags", {"name": "not asked for"})
            await mary.made(f"/api/projects/{project}/books", {"title": "Another"})
            await follower.until(lambda each: len(each.events) >= 3)

        assert follower.types == ["book.created", "scene.created", "book.created"]

    @pytest.mark.parametrize("types", ["entity.file_uploaded,entity.file_deleted", "entity.*"])
    async def test_files_of_entities_are_among_them(
        self, stack: Stack, manuscript: Manuscript, project: str, types: str
    ):
        mary = manuscript.owner
        entities = f"/api/projects/{project}/entities"
        note = (await mary.made(entities, {"type": "note", "name": "Diary"}))["id"]
        follower = Follower(last_id="0")
        async with following(stack.url, mary, project, follower, types=types):
            stored = await mary.ask("PUT", f"/api/entities/{note}/file", content=b"Ice.")
            gone = await mary.ask("DELETE", f"/api/entities/{note}/file")
            await follower.until(lambda each: "entity.file_deleted" in each.types)

        came, went = [each["event"]["data"] for each in follower.events[-2:]]
        shown = stored.json()["file"]
        assert gone.json()["file"] is None
        assert follower.types[-2:] == ["entity.file_uploaded", "entity.file_deleted"]
        assert {name: came[name] for name in shown} == {name: went[name] for name in shown} == shown

    @pytest.mark.parametrize("types", ["scene.created,scene.eaten", "ship.*", "*", "scene", ","])
    async def test_unknown_types_are_422_and_named(
        self, stack: Stack, manuscript: Manuscript, project: str, types: str
    ):
        answer = await refused(stack.url, manuscript.owner.access_token, project, types=types)

        assert is_problem(answer, 422, "UNKNOWN_NAME")
        assert repr(types.rpartition(",")[2]) in answer.json()["detail"]


class TestRights:
    async def test_who_is_removed_sees_nothing_that_comes_after(
        self, stack: Stack, manuscript: Manuscript, project: str, percy: Person
    ):
        """Decided by the place in the log, so no event of theirs can slip through; at once."""
        mary = manuscript.owner
        for url in stack.gateways:
            await manuscript.welcome(percy, Role.READER)
            async with following(url, percy, project) as follower:
                await mary.made(f"/api/projects/{project}/tags", {"name": f"seen at {url}"})
                removed = mary.ask("DELETE", f"/api/projects/{project}/members/{percy.id}")
                after = mary.made(f"/api/projects/{project}/tags", {"name": f"unseen at {url}"})
                answer, _ = await asyncio.gather(removed, after)
                assert answer.status_code == 204
                await mary.made(f"/api/projects/{project}/books", {"title": "Unseen"})
                began = time.monotonic()
                async with asyncio.timeout(5):
                    await follower.ended.wait()
                took = time.monotonic() - began
            truth = await pulled(mary, project)
            gone_at = max(
                each["position"] for each in truth if each["event"]["eventType"] == "member.removed"
            )

            assert follower.comments[-1] == "you may no longer follow this project"
            assert f"seen at {url}" in str(follower.events)
            assert max(follower.positions) < gone_at
            assert took < 1
            assert (await refused(url, percy.access_token, project)).status_code == 404

    async def test_another_role_may_go_on(
        self, stack: Stack, manuscript: Manuscript, project: str, percy: Person
    ):
        await manuscript.welcome(percy, Role.WRITER)
        async with following(stack.url, percy, project) as follower:
            await manuscript.welcome(percy, Role.READER)
            await manuscript.owner.made(f"/api/projects/{project}/tags", {"name": "after"})
            await follower.until(lambda each: "tag.created" in each.types)

        assert follower.types == ["member.role_changed", "tag.created"]

    async def test_old_membership_is_read_past(
        self, stack: Stack, manuscript: Manuscript, project: str, percy: Person
    ):
        """Somebody who was removed and is back may read of it."""
        mary = manuscript.owner
        await manuscript.welcome(percy, Role.WRITER)
        await mary.ask("DELETE", f"/api/projects/{project}/members/{percy.id}")
        await manuscript.welcome(percy, Role.READER)
        follower = Follower(last_id="0")
        truth = await pulled(mary, project)
        async with following(stack.url, percy, project, follower):
            await follower.until(lambda each: len(each.events) >= len(truth))

        assert follower.events == truth

    async def test_a_deleted_project_ends_its_streams(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        mary = manuscript.owner
        async with contextlib.AsyncExitStack() as all_of_them:
            followers = [
                await all_of_them.enter_async_context(following(url, mary, project))
                for url in stack.gateways
            ]
            answer = await mary.ask("DELETE", f"/api/projects/{project}", headers={"If-Match": "*"})
            assert answer.status_code in (200, 204), answer.text
            async with asyncio.timeout(2):
                for follower in followers:
                    await follower.ended.wait()

        assert {each.comments[-1] for each in followers} == {"the project is gone"}
        assert (await refused(stack.url, mary.access_token, project)).status_code == 404

    async def test_a_token_for_reading_is_enough(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        reading = await manuscript.owner.with_scopes("read")
        async with following(stack.url, reading, project) as follower:
            await manuscript.owner.made(f"/api/projects/{project}/tags", {"name": "read me"})
            await follower.until(lambda each: each.events)

    async def test_one_person_has_so_many_streams(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        """And may open another one when one is closed."""
        mary = manuscript.owner
        async with contextlib.AsyncExitStack() as all_of_them:
            for _ in range(PERSON_STREAMS_MAX - 1):
                await all_of_them.enter_async_context(following(stack.url, mary, project))
            async with following(stack.url, mary, project):
                answer = await refused(stack.url, mary.access_token, project)

                assert is_problem(answer, 429, "RATE_LIMITED")
                assert int(answer.headers["retry-after"]) > 0

            async def free_again() -> bool:
                async with answered(stack.url, mary.access_token, project) as asked:
                    return asked.status_code == 200

            await until(free_again, 5)


class TestOutages:
    async def test_a_restart_of_the_bus_is_not_noticed(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        """The stream stays open, and what was written meanwhile comes."""
        mary = manuscript.owner
        async with following(stack.url, mary, project) as follower:
            await mary.made(f"/api/projects/{project}/tags", {"name": "before"})
            await follower.until(lambda each: each.events)
            await stack.restart("nats")

            async def written() -> bool:
                answer = await mary.post(f"/api/projects/{project}/tags", {"name": "after"})
                return answer.status_code == 201

            await until(written, 15)
            await follower.until(lambda each: len(each.events) >= 2, 15)
            assert not follower.ended.is_set()

        names = [each["event"]["data"]["name"] for each in follower.events]
        assert names == ["before", "after"]

    async def test_a_gateway_that_stops_sends_its_streams_elsewhere(
        self, stack: Stack, manuscript: Manuscript, project: str, tmp_path: Path
    ):
        mary = manuscript.owner
        follower = Follower()
        async with (
            gateway_beside(stack, tmp_path) as url,
            following(url, mary, project, follower),
        ):
            await mary.made(f"/api/projects/{project}/tags", {"name": "at the first"})
            await follower.until(lambda each: each.events)
            began = time.monotonic()
            _process_at(url).send_signal(signal.SIGTERM)
            async with asyncio.timeout(5):
                await follower.ended.wait()
            took = time.monotonic() - began
        await mary.made(f"/api/projects/{project}/tags", {"name": "at neither"})
        async with following(stack.gateways[1], mary, project, follower):
            await mary.made(f"/api/projects/{project}/tags", {"name": "at the second"})
            await follower.until(lambda each: len(each.events) >= 3)

        names = [each["event"]["data"]["name"] for each in follower.events]
        assert names == ["at the first", "at neither", "at the second"]
        assert follower.comments[-1].startswith("restarting")
        assert took < 3

    async def test_events_killed_and_back(self, stack: Stack, manuscript: Manuscript, project: str):
        """While nobody can read the log nothing is skipped, and streams stay open."""
        mary = manuscript.owner
        async with following(stack.gateways[1], mary, project) as follower:
            stack.kill("events-1")
            await stack.wait_ended("events-1")
            await asyncio.sleep(0.5)
            await stack.restart("events-1")

            async def written() -> bool:
                answer = await mary.post(f"/api/projects/{project}/tags", {"name": "after"})
                return answer.status_code == 201

            await until(written, 15)
            await follower.until(lambda each: each.events, 15)

        assert follower.types == ["tag.created"]

    async def test_who_does_not_read_is_cut_off_and_can_go_on(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        """Others get everything at once meanwhile; nothing is kept for the sleeper."""
        mary = manuscript.owner
        path = f"/api/projects/{project}/style-guides"
        guide = await mary.made(path, {"name": "Long", "guide": {"text": ""}})
        await announced(stack)
        pids = [pid for pid in (stack.pid("gateway-1"),) if pid]
        async with (
            sleeping(stack.url, mary, project) as sleeper,
            following(stack.url, mary, project) as awake,
        ):
            before = psutil.Process(pids[0]).memory_info().rss
            # More than the buffers of both sockets hold.
            for turn in range(1, 201):
                changed = await mary.ask(
                    "PATCH",
                    f"/api/style-guides/{guide['id']}",
                    json={"guide": {"text": f"{turn}" + "x" * GUIDE_CHARS}},
                    headers={"If-Match": f'W/"style_guide-{guide["id"]}-v{turn}"'},
                )
                assert changed.status_code == 200, changed.text
            await awake.until(lambda each: len(each.events) >= 200)
            grown = psutil.Process(pids[0]).memory_info().rss - before
            await asyncio.sleep(16)
            rest = await asyncio.to_thread(_all_of, sleeper)
            assert not awake.ended.is_set()
        last = Follower()
        _take_whole_blocks(last, rest)
        async with following(stack.gateways[1], mary, project, last):
            await last.until(lambda each: len(each.events) >= 200)

        assert last.positions == awake.positions
        assert not rest.endswith(b"0\r\n\r\n")
        assert grown < 60 << 20

    async def test_metrics_tell_what_is_open_and_how_late_events_come(
        self, stack: Stack, manuscript: Manuscript, project: str
    ):
        mary = manuscript.owner
        async with following(stack.url, mary, project) as follower, httpx.AsyncClient() as http:
            await mary.made(f"/api/projects/{project}/tags", {"name": "counted"})
            await follower.until(lambda each: each.events)
            text = (await http.get(f"{stack.ops_url('gateway-1')}/metrics")).text

        assert "\nscriptorium_event_streams_open 1.0" in text
        assert "scriptorium_event_stream_delay_seconds_count" in text
        assert project not in text


def _process_at(url: str) -> psutil.Process:
    """The gateway of this test's own that listens there."""
    port = port_of(url)
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any(c.laddr.port == port for c in child.net_connections() if c.status == "LISTEN"):
                return child
    raise AssertionError(url)


@contextlib.asynccontextmanager
async def sleeping(url: str, person: Person, project: str) -> AsyncGenerator[socket.socket]:
    """A client that asks for a stream and does not read it, with a small buffer."""
    asked = (
        f"GET /api/projects/{project}/events HTTP/1.1\r\nHost: here\r\n"
        f"Authorization: Bearer {person.access_token}\r\n\r\n"
    )
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.to_thread(sock.connect, ("127.0.0.1", port_of(url)))
        await asyncio.to_thread(sock.sendall, asked.encode())
        await asyncio.sleep(0.5)
        yield sock


def _all_of(sock: socket.socket) -> bytes:
    """Read what is left until the other side has closed."""
    sock.settimeout(STALLED_S_MAX)
    found = bytearray()
    with contextlib.suppress(ConnectionError):
        while more := sock.recv(1 << 20):
            found += more
    return bytes(found)


def _take_whole_blocks(follower: Follower, raw: bytes) -> None:
    """Give *follower* what arrived whole of a chunked body."""
    body, rest = bytearray(), raw.partition(b"\r\n\r\n")[2]
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size or b"0", 16)
        body += rest[:length]
        rest = rest[length + 2 :]
    blocks = bytes(body).split(b"\n\n")
    for block in blocks[:-1]:
        follower.take(block.decode().splitlines())
