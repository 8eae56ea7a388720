"""Who may follow a project, until when, and how often at once."""

import asyncio
import contextlib
import time

import pytest

from libs.contracts.actor import Role
from services.gateway.streams.streams import PERSON_STREAMS_MAX
from tests.gateway.following import (
    Follower,
    announced,
    answered,
    following,
    pulled,
    refused,
)
from tests.gateway.support import Manuscript, Person, is_problem
from tests.support.waiting import until
from tools.stack import Stack


@pytest.fixture
async def project(stack: Stack, manuscript: Manuscript) -> str:
    await announced(stack)
    return str(manuscript.project["id"])


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
