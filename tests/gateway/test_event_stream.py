"""Following a project: nothing missed, nothing twice, nothing that is not one's own."""

import asyncio
import itertools
import random
import time

import pytest

from tests.gateway.following import (
    Follower,
    announced,
    following,
    pulled,
    refused,
)
from tests.gateway.support import (
    Manuscript,
    Person,
    is_problem,
)
from tools.stack import Stack

WRITERS = 4


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
