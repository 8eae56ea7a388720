"""Suggesting mode over HTTP and real sockets: what is typed in a branch is decided one by one."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs.postgres import load_queries
from tests.support.people import Person
from tests.support.yclient import YClient
from tools.stack import Stack

TEXT = "It was a dreary night of November.\nThe rain pattered against the panes.\nI slept."


class Desk:
    """A scene, and what a person suggests in a branch of it."""

    def __init__(self, decider: Person, author: Person, scene: str, branch: str) -> None:
        self.decider, self.author, self.scene, self.branch = decider, author, scene, branch

    async def write(self, text: str, *, branch: bool = False, form: str = "text") -> None:
        person, query = (self.author, f"?branch={self.branch}") if branch else (self.decider, "")
        path = f"/api/scenes/{self.scene}/content{query}"
        await person.ask("PUT", path, format=form, content=text)

    async def text(self, *, branch: bool = False) -> str:
        params = {"format": "text", **({"branch": self.branch} if branch else {})}
        path = f"/api/scenes/{self.scene}/content"
        return (await self.decider.http.get(path, params=params)).text

    async def listed(self, status: str = "OPEN") -> list[Any]:
        path = f"/api/scenes/{self.scene}/suggestions?status={status}"
        return (await self.decider.ask("GET", path))["items"]

    async def until(self, holds: Callable[[list[Any]], bool], status: str = "OPEN") -> list[Any]:
        """Wait until the suggestions of a status are as they should be."""
        found: list[Any] = []
        for _ in range(150):
            found = await self.listed(status)
            if holds(found):
                return found
            await asyncio.sleep(0.1)
        raise TimeoutError([(one["kind"], one["base"], one["text"]) for one in found])

    async def told(self, count: int = 1) -> list[Any]:
        return await self.until(lambda found: len(found) == count)

    async def branch_reads(self, text: str) -> None:
        for _ in range(150):
            if await self.text(branch=True) == text:
                return
            await asyncio.sleep(0.1)
        raise TimeoutError(await self.text(branch=True))

    async def decide(self, one: Any, what: str, status: int = 200) -> Any:
        answer = await self.decider.http.post(f"/api/suggestions/{one['id']}/{what}")
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
async def desk(ada: Person, ben: Person) -> Desk:
    return await begun(ada, ben, "tiptap")


async def begun(ada: Person, ben: Person, editor: str) -> Desk:
    project = await ada.project("Frankenstein", editor=editor)
    scene = await ada.scene(project)
    await ada.let_in(project, ben, "WRITER")
    await ada.ask("PUT", f"/api/scenes/{scene}/content", format="text", content=TEXT)
    branch = await ben.ask("POST", f"/api/scenes/{scene}/suggesting")
    assert branch["kind"] == "suggestion"
    again = await ben.ask("POST", f"/api/scenes/{scene}/suggesting")
    assert again["id"] == branch["id"]
    return Desk(ada, ben, scene, branch["id"])


@pytest.mark.parametrize("editor", ["tiptap", "slate", "plain"])
async def test_what_is_written_in_the_branch_is_decided_one_by_one(
    ada: Person, ben: Person, editor: str
) -> None:
    desk = await begun(ada, ben, editor)
    theirs = TEXT.replace("dreary", "stormy").replace("I slept", "I did not sleep")
    await desk.write(theirs, branch=True)
    first, second = sorted(await desk.told(2), key=lambda one: one["anchor"]["from"])
    assert (first["kind"], first["base"], first["text"]) == ("replace", "dreary", "stormy")
    assert first["author"] == desk.author.id
    assert first["branchId"] == desk.branch
    assert await desk.text() == TEXT

    await desk.decide(first, "accept")
    assert await desk.text() == TEXT.replace("dreary", "stormy")
    await desk.decide(second, "reject")
    await desk.branch_reads(TEXT.replace("dreary", "stormy"))
    assert not await desk.listed()

    await desk.decide(first, "revert")
    await desk.branch_reads(TEXT)
    assert not await desk.listed()


async def test_a_suggestion_follows_its_author_and_the_scene(desk: Desk) -> None:
    await desk.write(TEXT.replace("dreary", "storm"), branch=True)
    [made] = await desk.told()
    await desk.write(TEXT.replace("dreary", "stormy"), branch=True)
    [same] = await desk.until(lambda found: [one["text"] for one in found] == ["stormy"])
    assert same["id"] == made["id"]
    assert same["version"] > made["version"]

    await desk.write("A letter.\n" + TEXT.replace("I slept", "I slept well"))
    await desk.branch_reads(
        "A letter.\n" + TEXT.replace("I slept", "I slept well").replace("dreary", "stormy")
    )
    [same] = await desk.told()
    assert same["id"] == made["id"]

    await desk.write(await desk.text(), branch=True)
    assert not await desk.told(0)
    [gone] = await desk.listed("WITHDRAWN")
    assert gone["id"] == made["id"]


async def test_words_that_the_scene_changed_are_not_overwritten(desk: Desk) -> None:
    await desk.write(TEXT.replace("dreary", "stormy"), branch=True)
    [made] = await desk.told()
    now = TEXT.replace("dreary", "quiet")
    await desk.write(now)
    refused = await desk.decide(made, "accept", 409)
    assert (refused["base"], refused["proposed"]) == ("dreary", "stormy")
    await asyncio.sleep(2.5)
    await desk.decide(made, "accept", 409)
    assert await desk.text() == now
    await desk.decide(made, "reject")
    await desk.branch_reads(now)


async def test_blocks_are_made_and_joined(desk: Desk) -> None:
    theirs = TEXT.replace("panes.\nI slept.", "panes. I slept.\nI dreamt.")
    await desk.write(theirs, branch=True)
    await desk.until(bool)
    for _ in range(3):
        found = await desk.listed()
        for one in found:
            answer = await desk.decider.http.post(f"/api/suggestions/{one['id']}/accept")
            assert answer.status_code in {200, 409}, answer.text
        await asyncio.sleep(2.5)
        if not found and await desk.text() == theirs:
            break
    assert await desk.text() == theirs
    await desk.branch_reads(theirs)


async def test_only_its_author_writes_in_a_branch_of_suggestions(desk: Desk) -> None:
    path = f"/api/scenes/{desk.scene}/content?branch={desk.branch}"
    refused = await desk.decider.http.put(path, json={"format": "text", "content": "Mine."})
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    merge = f"/api/scenes/{desk.scene}/branches/{desk.branch}/merge"
    refused = await desk.decider.http.post(merge, json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "CONFLICT")


async def test_branches_that_no_replica_knew_of_are_found(
    desk: Desk, owner: asyncpg.Connection
) -> None:
    """After a restart, by the walk over all of them."""
    behind = load_queries("services.collab.review.suggesting").behind
    branch = UUID(desk.branch)
    before = UUID(int=branch.int - 1)

    async def is_behind() -> bool:
        rows = await owner.fetch(behind, before, 1)
        return bool(rows) and rows[0]["id"] == branch

    assert not await is_behind()
    await desk.write(TEXT.replace("dreary", "stormy"), branch=True)
    assert await is_behind()
    [made] = await desk.told()
    assert not await is_behind()
    await owner.execute(
        "UPDATE suggestions SET version = version + 1, status = 'REJECTED', decided_at = $2,"
        " decided_by = $3 WHERE id = $1",
        UUID(made["id"]),
        datetime.now(UTC),
        UUID(desk.decider.id),
    )
    assert await is_behind()


async def test_an_author_types_while_suggestions_are_decided(
    ada: Person, ben: Person, stack: Stack
) -> None:
    """Every keystroke is in the branch once, and what was accepted is in both once."""
    desk = await begun(ada, ben, "plain")
    host = stack.gateways[0].replace("http", "ws", 1)

    def address(person: Person, more: str = "") -> Callable[[], str]:
        return lambda: f"{host}/collab/{desk.scene}?token={person.token}&acks=1{more}"

    theirs, ours = address(ben, f"&branch={desk.branch}"), address(ada)
    async with YClient(theirs) as author, YClient(ours) as writer:
        await author.until(lambda: "I slept" in str(author.text), 20)
        await writer.until(lambda: "I slept" in str(writer.text), 20)
        decided = 0
        for at in range(60):
            author.type("x" if at % 6 else " w", at=len("It was"))
            writer.type("y", at=len(str(writer.text).encode()))
            await asyncio.sleep(0.1)
            if at % 20 == 19:
                for one in await desk.listed():
                    what = "accept" if decided % 2 == 0 else "reject"
                    answer = await ada.http.post(f"/api/suggestions/{one['id']}/{what}")
                    decided += answer.status_code == 200
        await author.until(lambda: author.acked >= author.clock, 20)
        await writer.until(lambda: writer.acked >= writer.clock, 20)
        assert decided
        for _ in range(100):
            for one in await desk.listed():
                await ada.http.post(f"/api/suggestions/{one['id']}/accept")
            await asyncio.sleep(0.2)
            if str(author.text) == str(writer.text):
                break
        text = await desk.text()
        assert text.count("y") == 60 + TEXT.count("y")
        await author.until_reads(text)
