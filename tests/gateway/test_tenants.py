"""Nobody reaches what is another's, by whatever address or body: every route, with real ids.

The routes are taken from the OpenAPI document, so that a new one cannot be forgotten. What another
has must look as if it were not there: the answer is the one that is given for an id of nothing.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.estates import FILE_PATH, Estate, Ids, begin, ids_of_nothing
from tests.gateway.support import Json, is_problem

METHODS = frozenset({"get", "put", "post", "patch", "delete"})
AT_ONCE = 6
_OF_REQUEST = frozenset({"traceId", "instance"})

QUERIES = {"/path": {"path": FILE_PATH}, "/diff": {"from": "seq:0"}, "/search": {"q": "secret"}}
"""Parameters without which routes that end so, or go on, do not begin."""

VARYING = frozenset(
    {
        "/api/projects/{id}/search",
        "/api/projects/{id}/search/suggest",
        "/api/projects/{id}/index",
        "/api/scenes/{id}/similar",
        "/api/entities/{id}/similar",
    }
)
"""What they answer depends on the time, such as how far the index is."""

ENDLESS = frozenset({"/api/projects/{id}/events"})

FREE = {
    ("put", "/api/projects/{id}/members/{userId}"): "anybody may be made a member",
    ("put", "/api/teams/{id}/members/{userId}"): "of a team as well",
    ("get", "/api/projects/{id}/sync/sessions/{sessionId}"): "peers choose ids: none has begun",
    ("delete", "/api/projects/{id}/jobs/{jobId}"): "jobs choose ids: there is nothing to drop",
    ("post", "/api/projects/{id}/jobs/{jobId}/operations"): "it is another job of that id",
}
"""Routes that may succeed with another's second id, and why that tells and changes nothing."""


@pytest.fixture(scope="module")
async def document(http: httpx.AsyncClient) -> Json:
    return (await http.get("/api/openapi.json")).json()


@pytest.fixture(scope="module")
async def theirs(http: httpx.AsyncClient, every_service: list[str]) -> Estate:
    assert every_service
    return await begin(http, "Mary")


@pytest.fixture(scope="module")
async def mine(http: httpx.AsyncClient) -> Estate:
    return await begin(http, "Percy")


@pytest.fixture(scope="module", autouse=True)
async def untouched(document: Json, theirs: Estate) -> AsyncIterator[None]:
    """All that the other one has is there before and as it was after; so the ids are real."""
    before = await everything(document, theirs)
    yield
    assert await everything(document, theirs) == before


def routes(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Every route with an id of something; a ticket is a secret and no id."""
    for path, methods in document["paths"].items():
        for method in METHODS & methods.keys():
            if "{" in path and not path.startswith("/files/"):
                yield method, path, methods[method]


def query_of(path: str, method: str = "get") -> Json:
    """What a route is asked with: a deletion names the version it means."""
    if method == "delete" and path == "/api/teams/{id}":
        return {"baseVersion": 1}
    found = [query for end, query in QUERIES.items() if f"{path}/".find(f"{end}/") > 0]
    return found[0] if found else {}


async def everything(document: Json, estate: Estate) -> dict[str, str]:
    """What the owner of an estate reads of it."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def read(path: str) -> str:
        async with gate:
            answer = await estate.owner.get(estate.ids.fill(path), params=query_of(path))
        assert answer.status_code == 200, f"{path} {answer.text}"
        is_steady = answer.headers["content-type"] == "application/json" and path not in VARYING
        return answer.text if is_steady else ""

    reads = [path for verb, path, _ in routes(document) if verb == "get" and path not in ENDLESS]
    told = await asyncio.gather(*map(read, reads))
    return dict(zip(reads, told, strict=True))


def said(answer: httpx.Response, ids: Ids) -> Any:
    """What an answer says, without what differs from request to request."""
    if not answer.content:
        return answer.status_code, None
    text = answer.text
    for name in (*ids.first.values(), *ids.others.values()):
        text = text.replace(name, "id")
    body = httpx.Response(200, text=text).json()
    kept = {name: value for name, value in body.items() if name not in _OF_REQUEST}
    return answer.status_code, kept


def body_of(method: str, path: str, estate: Estate) -> Json | None:
    """What a route is sent: something that it would do, if it were one's own."""
    book = {"kind": "book", "id": estate.ids.first["books"]}
    renamed = {"op": "set", "aggregate": book, "path": "title", "value": "Mine"}
    bodies: dict[str, Json] = {
        "operations": {"part": 1, "operations": [renamed]},
        "commit": {"parts": 1},
        "resolve": {"take": "theirs"},
        "cherry-pick": {"direction": "undo", "fields": [{"aggregate": book, "field": "title"}]},
        "undo": {"resolutions": []},
        "redo": {"resolutions": []},
        "merge": {},
        "anchor": {"anchor": {"quote": "Mine"}},
        "comments": {"body": "Mine"},
        "projects": {"name": "Mine"},
        "url": {},
        "{snapshotId}": {"name": "Mine"},
        "{userId}": {"role": "READER"},
        "{teamId}": {"role": "READER"},
    }
    wants = method in ("put", "post", "patch")
    if path.startswith("/api/teams/") and wants:
        return {"role": "MEMBER"} if "{userId}" in path else {"name": "Mine", "baseVersion": 1}
    if path.startswith("/api/refactors/") and wants:
        return {"title": "Mine"} if method == "patch" else {}
    if path == "/api/comments/{id}" and wants:
        return {"body": "Mine"}
    return bodies.get(path.rpartition("/")[2], {"nonsense": 1}) if wants else None


async def test_what_is_anothers_is_not_there(document: Json, theirs: Estate, mine: Estate):
    """Whatever one wants to do to it."""
    nothing, gate = ids_of_nothing(theirs.ids), asyncio.Semaphore(AT_ONCE)

    async def reach(method: str, path: str) -> None:
        async with gate:
            more = {"json": body_of(method, path, mine), "params": query_of(path, method)}
            answer = await mine.owner.ask(method.upper(), theirs.ids.fill(path), **more)
            other = await mine.owner.ask(method.upper(), nothing.fill(path), **more)
        assert is_problem(answer, 404, "NOT_FOUND"), f"{method} {path}"
        assert said(answer, theirs.ids) == said(other, nothing), f"{method} {path}"

    asked = [(method, path) for method, path, _ in routes(document)]
    await asyncio.gather(*(reach(*each) for each in asked))

    assert len(asked) > 150


async def test_nothing_of_another_is_found_below_ones_own(
    document: Json, theirs: Estate, mine: Estate
):
    """The first id is one's own, those after it are another's."""
    nothing = ids_of_nothing(theirs.ids)
    asked = [
        (method, path)
        for method, path, _ in routes(document)
        # An emoji is nobody's.
        if path.replace("/{emoji}", "").count("{") > 1
    ]
    # What begins a job of one's own comes after what would end another's.
    for method, path in sorted(asked, key=lambda each: each in FREE):
        more = {"json": body_of(method, path, mine), "params": query_of(path, method)}
        answer = await mine.owner.ask(method.upper(), mine.ids.fill(path, theirs.ids), **more)
        other = await mine.owner.ask(method.upper(), mine.ids.fill(path, nothing), **more)

        where = f"{method} {path} {answer.status_code} {answer.text}"
        free = (method, path) in FREE
        assert answer.status_code < 300 if free else 400 <= answer.status_code < 500, where
        assert theirs.mark not in answer.text, where
        if not (free and method == "put"):
            assert said(answer, theirs.ids) == said(other, nothing), where

    assert FREE.keys() <= set(asked)
    for place in ("projects", "teams"):
        guest = f"/api/{place}/{mine.ids.first[place]}/members/{theirs.owner.id}"
        assert (await mine.owner.ask("DELETE", guest)).status_code == 204


def ids_in(document: Json, schema: Json, path: str = "") -> Iterator[str]:
    """The members of a body, at any depth of objects, that are ids."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for option in schema.get("anyOf", []):
        yield from ids_in(document, option, path)
    if schema.get("format") == "uuid":
        yield path
    for name, each in schema.get("properties", {}).items():
        yield from ids_in(document, each, f"{path}.{name}" if path else name)


def named_by(member: str, estate: Estate) -> str:
    """The id of what such a member names, in an estate."""
    if member == "task.assigneeId":
        return estate.owner.id
    word = re.sub(r"^reveal", "", member.rpartition(".")[2].removesuffix("Id"))
    kind = re.sub(r"([A-Z])", r"-\1", word[0].lower() + word[1:]).lower()
    return estate.ids.first[f"{kind}s"]


async def test_no_change_refers_to_what_is_anothers(document: Json, theirs: Estate, mine: Estate):
    """One's own thing is taken, another's is as one that is not there: so it is the id."""
    nothing, tried = ids_of_nothing(theirs.ids), set[str]()
    for method, path, operation in routes(document):
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        if method != "patch" or not schema:
            continue
        for member in ids_in(document, schema["schema"]):
            where = mine.ids.fill(path)
            if member.startswith("task."):
                where = f"/api/entities/{mine.ids.task}"

            async def change(value: str, where: str = where, member: str = member) -> Any:
                body: Json = {}
                outer, _, inner = member.rpartition(".")
                (body.setdefault(outer, {}) if outer else body)[inner] = value
                body["baseVersion"] = (await mine.owner.get(where)).json()["version"]
                return await mine.owner.ask("PATCH", where, json=body)

            before = (await mine.owner.get(where)).json()
            answer = await change(named_by(member, theirs))
            after = (await mine.owner.get(where)).json()
            other = await change(next(iter(nothing.first.values())))
            own = await change(named_by(member, mine))

            about = f"{path} {member} {answer.text}"
            assert 400 <= answer.status_code < 500, about
            assert (answer.status_code, answer.json()["code"]) == (
                other.status_code,
                other.json()["code"],
            ), about
            assert theirs.mark not in answer.text, about
            assert after == before, about
            assert own.status_code == 200, f"{about} {own.text}"
            tried.add(member)

    assert len(tried) >= 6, tried


@pytest.mark.parametrize("kind", ["books", "chapters", "scenes"])
async def test_nothing_moves_to_another(kind: str, theirs: Estate, mine: Estate):
    above = {"books": "projects", "chapters": "books", "scenes": "chapters"}[kind]
    where = f"/api/{kind}/{mine.ids.first[kind]}"
    body = {"parentId": theirs.ids.first[above], "index": 0}
    answer = await mine.owner.post(f"{where}/move", body, headers={"If-Match": "*"})

    assert answer.status_code in (400, 404), answer.text
    assert theirs.mark not in answer.text
