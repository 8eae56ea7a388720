"""An archived project can be read by everybody who could, and changed by nobody, on any surface."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from libs.contracts.actor import Role
from services.gateway.access import permissions
from services.gateway.access.permissions import MATRIX, Access
from tests.gateway.estates import ran, refactored, reviewed
from tests.gateway.support import Json, Manuscript, Person, is_problem, some_id
from tests.gateway.worlds import ids_of
from tests.support.wsclient import WsClient
from tests.support.yclient import YClient
from tools.stack import Stack

SOON_S = 1.0
PLACED_WAIT_S = 10.0
STAYS_OPEN = {
    *("project.delete", "project.restore", "project.archive", "project.unarchive"),
    *("project.purge", "project.clone", "project.export"),
    *("member.put", "member.remove", "member.leave", "team_grant.put", "team_grant.remove"),
}
"""Actions that change something and are allowed in an archived project, written down once more."""
READS = ("get", "head", "options")
OUTSIDE = (
    *("/api/auth/", "/api/tokens", "/api/teams", "/api/me", "/api/templates", "/api/library"),
    *("/api/workspace-jobs", "/api/jobs", "/api/workspaces", "/files/"),
)
"""Paths that are in no project, or ask by themselves. What a ticket that was given before still
sends is a blob that nothing refers to."""
_ACTION = re.compile(r"Permission `([\w.]+)`")


@asynccontextmanager
async def archived(manuscript: Manuscript) -> AsyncGenerator[str]:
    """The manuscript's project, archived meanwhile; its path."""
    path = f"/api/projects/{manuscript.project['id']}"
    answer = await manuscript.owner.post(f"{path}/archive")
    assert answer.status_code == 200, answer.text
    yield path
    answer = await manuscript.owner.post(f"{path}/unarchive")
    assert answer.status_code == 200, answer.text


async def log_of(person: Person, path: str, *, last: str) -> list[str]:
    """The types of all events of a project as a peer pulls them, once *last* is the last."""
    async with asyncio.timeout(PLACED_WAIT_S):
        while True:
            types = await _pulled(person, path)
            if types and types[-1] == last:
                return types
            await asyncio.sleep(0.05)


async def _pulled(person: Person, path: str) -> list[str]:
    cursor, types = "", list[str]()
    while True:
        page = (await person.get(f"{path}/sync/pull{cursor}")).json()
        types += [each["event"]["eventType"] for each in page["items"]]
        if not page["more"]:
            return types
        cursor = f"?after={page['next']}"


@pytest.mark.usefixtures("every_service")
async def test_every_route_that_changes_something_refuses(
    manuscript: Manuscript, http: httpx.AsyncClient
) -> None:
    """The routes are taken from the OpenAPI document, so that a new one cannot be forgotten."""
    owner = manuscript.owner
    ids = await ids_of(manuscript)
    scene = f"/api/scenes/{manuscript.scene['id']}"
    text = {"format": "text", "content": "Ice."}
    assert (await owner.ask("PUT", f"{scene}/content", json=text)).status_code == 200
    ids |= await reviewed(owner, scene, "Ice.")
    ids["refactors"] = await refactored(owner, f"/api/projects/{ids['projects']}", "Ice")
    ids["ai"] = await ran(owner, f"/api/projects/{ids['projects']}")
    document = (await http.get("/api/openapi.json")).json()
    path_of_project = f"/api/projects/{manuscript.project['id']}"
    before = await log_of(owner, path_of_project, last="editor_definition.created")
    refused, let_through = set[str](), set[str]()
    async with archived(manuscript):
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                action = _ACTION.search(operation.get("description", ""))
                if method in READS or path.startswith(OUTSIDE) or "{" not in path:
                    continue
                if action and action[1].endswith(".read"):
                    continue
                place = path.split("/")[2]
                assert place in ids, f"{method} {path} is not covered: give it an id here"
                if action and action[1] in STAYS_OPEN:
                    let_through.add(action[1])
                    continue
                first, _, rest = path.partition("}")
                target = first.partition("{")[0] + ids[place]
                target += re.sub(r"{\w+}", _member, rest)
                answer = await owner.ask(method.upper(), target, json=_body(path, ids))
                assert is_problem(answer, 409, "PROJECT_ARCHIVED"), f"{method} {path}"
                refused.add(path)
    after = await log_of(owner, path_of_project, last="project.unarchived")

    assert len(refused) > 60
    assert {"project.delete", "member.put", "project.unarchive"} <= let_through
    assert after == [*before, "project.archived", "project.unarchived"]


def _member(name: re.Match[str]) -> str:
    """What stands for a member of a path: nothing that is there."""
    return {"{sha256}": "0" * 64, "{emoji}": "heart"}.get(name[0], str(some_id()))


def _body(path: str, ids: dict[str, str]) -> Json:
    """What a route is asked; bundles and the review look at it before they know the project."""
    if path.endswith("/anchor"):
        return {"anchor": {"quote": "Ice."}}
    if path.startswith(("/api/threads/", "/api/comments/")):
        return {"body": "Snow."}
    if path.startswith("/api/refactors/"):
        return {}
    if "/bundles/" not in path:
        return {"nonsense": 1}
    if path.endswith("/cherry-pick"):
        book = {"kind": "book", "id": ids["books"]}
        return {"direction": "undo", "fields": [{"aggregate": book, "field": "title"}]}
    return {"resolutions": []}


def test_what_is_not_known_is_refused() -> None:
    """Whoever adds an action to the matrix need not think of archives: it is closed."""
    access = Access(some_id(), Role.OWNER, archived=True)
    deeds = {"read", "query", "export", "list", "pull"}
    for action in MATRIX:
        if action in STAYS_OPEN or action.rpartition(".")[2] in deeds:
            permissions.require_open(access, action)
        else:
            with pytest.raises(Exception, match="archived"):
                permissions.require_open(access, action)


async def test_who_may_archive(manuscript: Manuscript, percy: Person, mary: Person) -> None:
    path = f"/api/projects/{manuscript.project['id']}"
    assert is_problem(await percy.post(f"{path}/archive"), 404, "NOT_FOUND")
    await manuscript.welcome(percy, Role.WRITER)
    assert is_problem(await percy.post(f"{path}/archive"), 403, "FORBIDDEN")
    await manuscript.welcome(percy, Role.MAINTAINER)
    once = (await percy.post(f"{path}/archive")).json()
    twice = (await percy.post(f"{path}/archive")).json()
    assert once["archivedAt"] is not None
    assert once["archivedBy"] == percy.id
    assert twice["version"] == once["version"]
    opened = (await mary.post(f"{path}/unarchive")).json()

    assert (opened["archivedAt"], opened["archivedBy"]) == (None, None)
    assert opened["version"] == once["version"] + 1


async def test_reading_and_who_may_come_in_go_on(
    manuscript: Manuscript, mary: Person, percy: Person
) -> None:
    """Text, history, lists with what is deleted, members; and the project may be deleted."""
    scene = f"/api/scenes/{manuscript.scene['id']}"
    await mary.ask("PUT", f"{scene}/content", json={"format": "text", "content": "Ice."})
    async with archived(manuscript) as path:
        await manuscript.welcome(percy, Role.READER)
        read = await percy.get(f"{scene}/content")
        paths = (path, scene, f"{scene}/history", f"{path}/bundles", f"{path}/sync/pull")
        answers = [await percy.get(each) for each in paths]
        kept = await mary.get(f"{path}/books?includeDeleted=true")
        tag = (await mary.get(path)).headers["etag"]
        gone = await mary.ask("DELETE", path, headers={"If-Match": tag})
        back = await mary.post(f"{path}/restore")
        still = await mary.ask("PUT", f"{scene}/content", json={"format": "text", "content": "No"})

    assert read.text == "Ice."
    assert [each.status_code for each in answers] == [200] * len(paths)
    assert (kept.status_code, gone.status_code, back.status_code) == (200, 204, 200)
    assert back.json()["archivedAt"] is not None
    assert is_problem(still, 409, "PROJECT_ARCHIVED")
    written = await mary.ask("PUT", f"{scene}/content", json={"format": "text", "content": "Yes"})
    assert written.status_code == 200


async def test_the_other_gateway_knows_at_once(
    manuscript: Manuscript, http2: httpx.AsyncClient, mary: Person
) -> None:
    """It has just seen the scene as one that can be written, and refuses within a second."""
    there = Person(http2, mary.id, mary.email, mary.access_token, "")
    content = f"/api/scenes/{manuscript.scene['id']}/content"

    async def write(text: str) -> int:
        body = {"format": "text", "content": text}
        return (await there.ask("PUT", content, json=body)).status_code

    assert await write("before") == 200
    async with archived(manuscript):
        began = time.monotonic()
        number = 0
        while await write(f"meanwhile {number}") == 200:
            number += 1
            assert time.monotonic() - began < SOON_S
        text = (await there.get(content)).text
        assert await write("later") == 409
        assert (await there.get(content)).text == text


async def test_commands_that_race_with_the_archive_come_before_it_or_not_at_all(
    manuscript: Manuscript, mary: Person
) -> None:
    """Writers at full speed: in the log nothing of the project comes after `archived`."""
    path = f"/api/projects/{manuscript.project['id']}"
    stop = asyncio.Event()

    async def write(number: int) -> int:
        done = 0
        while not stop.is_set():
            answer = await mary.post(f"{path}/tags", {"name": f"{number}.{done}"})
            assert answer.status_code in (201, 409), answer.text
            if answer.status_code == 409:
                break
            done += 1
        return done

    writers = [asyncio.create_task(write(number)) for number in range(8)]
    await asyncio.sleep(0.3)
    await mary.post(f"{path}/archive")
    await asyncio.sleep(0.3)
    stop.set()
    written = sum(await asyncio.gather(*writers))
    types = await log_of(mary, path, last="project.archived")

    assert written > 8
    assert types.count("tag.created") == written


@pytest.mark.parametrize("dialect", ["collab", "ws"])
async def test_open_sockets_may_only_read_within_a_second(
    dialect: str, manuscript: Manuscript, mary: Person, stack: Stack
) -> None:
    """Edits are refused with the reason, presence goes on, and unarchiving lets them write."""
    scene = manuscript.scene["id"]

    def address(number: int) -> str:
        url = stack.gateways[number].replace("http", "ws")
        return f"{url}/collab/{scene}?token={mary.access_token}&acks=1"

    def editor(number: int) -> YClient:
        if dialect == "ws":
            return WsClient(lambda: address(number), person_id=mary.id)
        return YClient(lambda: address(number))

    async with AsyncExitStack() as clients:
        one, two = [await clients.enter_async_context(editor(number)) for number in (0, 1)]
        one.type("Once")
        await two.until_reads("Once")
        async with archived(manuscript):
            await asyncio.sleep(SOON_S)
            for each in (one, two):
                each.type("!")
                await each.until(lambda each=each: refusals(each) != [], SOON_S)
            newcomer = await clients.enter_async_context(editor(0))
            await newcomer.until_reads("Once", SOON_S)
            newcomer.type("?")
            await newcomer.until(lambda: refusals(newcomer) != [], SOON_S)
            assert one.closes == two.closes == newcomer.closes == []
            stored = await mary.get(f"/api/scenes/{scene}/content")
        await asyncio.sleep(SOON_S)
        writer = await clients.enter_async_context(editor(1))
        late = await clients.enter_async_context(editor(0))
        writer.type(" upon")
        await late.until(lambda: "upon" in str(late.text))

    assert stored.text == "Once"
    assert set(refusals(one) + refusals(newcomer)) == {"read-only: this project is archived"}


def refusals(client: YClient) -> list[str]:
    """Why edits were not taken."""
    if isinstance(client, WsClient):
        assert {each["code"] for each in client.errors} <= {"PROJECT_ARCHIVED"}
        return [each.get("message") or each["detail"] for each in client.errors]
    return client.denials
