"""A deleted project is hidden: no route shows anything of it to those who may not restore it."""

import asyncio

import httpx

from libs.contracts.actor import Role
from tests.gateway.support import Json, Manuscript, Person

SECRET = "Umbrafell"
FOLLOWS = ("/events", "/stream")
"""Routes that go on answering for as long as they may; what they refuse they refuse at once."""
TOLD_OF_NOBODY = "0192f0c1-2f9a-7c3e-8f10-1a2b3c4d5e6f"


async def furnished(manuscript: Manuscript) -> dict[str, str]:
    """Something of many kinds, and what stands in paths for each."""
    mary, project = manuscript.owner, manuscript.project["id"]
    at = f"/api/projects/{project}"
    entity = await mary.made(f"{at}/entities", {"type": "character", "name": SECRET})
    tag = await mary.made(f"{at}/tags", {"name": SECRET})
    link = {"entityId": entity["id"], "tagId": tag["id"]}
    found: Json = {
        "projects": manuscript.project,
        "books": manuscript.book,
        "scripts": manuscript.book,
        "chapters": manuscript.chapter,
        "scenes": manuscript.scene,
        "entities": entity,
        "tags": tag,
        "taggings": await mary.made(f"{at}/taggings", link),
        "facts": await mary.made(f"{at}/facts", {"entityId": entity["id"], "fact": SECRET}),
        "personas": await mary.made(f"{at}/personas", {"name": SECRET}),
        "style-guides": await mary.made(f"{at}/style-guides", {"name": SECRET}),
        "bundles": (await mary.get(f"{at}/bundles?limit=1")).json()["items"][0],
    }
    await mary.ask(
        "PUT",
        f"/api/scenes/{manuscript.scene['id']}/content",
        json={"format": "text", "content": SECRET},
    )
    return {name: each["id"] for name, each in found.items()}


def paths(document: Json, ids: dict[str, str], person: Person) -> list[str]:
    """Every path that can be read and names something, filled in."""
    found: list[str] = []
    for path, methods in document["paths"].items():
        parts = path.split("/")
        if "get" not in methods or "{" not in path or parts[2:3] == ["tokens"]:
            continue
        for at, part in enumerate(parts):
            if part == "{userId}":
                parts[at] = person.id
            elif part == "{sha256}":
                parts[at] = "0" * 64
            elif part.startswith("{"):
                parts[at] = ids.get(parts[at - 1], TOLD_OF_NOBODY)
        if parts[1] == "api":
            found.append("/".join(parts))
    return found


async def test_nothing_of_it_is_shown(
    manuscript: Manuscript, percy: Person, http: httpx.AsyncClient
) -> None:
    """To a READER; who may restore it is told who deleted it, by the audit trail, and no more."""
    await manuscript.welcome(percy, Role.READER)
    mary, ids = manuscript.owner, await furnished(manuscript)
    document = (await http.get("/api/openapi.json")).json()
    every = paths(document, ids, percy)
    shown = [path for path in every if not path.endswith(FOLLOWS)]
    answers = await asyncio.gather(*(percy.get(path) for path in shown))
    before = [
        path for path, answer in zip(shown, answers, strict=True) if answer.status_code == 200
    ]
    project = f"/api/projects/{ids['projects']}"
    assert len(before) > 40
    assert {f"{project}/bundles", f"{project}/activity", f"{project}/sync/conflicts"} < {*before}

    deleted = await mary.ask("DELETE", project, headers={"If-Match": "*"})

    assert deleted.status_code == 204
    for person, may_see in ((percy, set[str]()), (mary, {f"{project}/audit"})):
        after = await asyncio.gather(*(person.get(path) for path in every))
        still = {path for path, a in zip(every, after, strict=True) if a.status_code < 300}
        assert still == may_see
        told = {path for path, a in zip(every, after, strict=True) if SECRET in a.text}
        assert told <= may_see
    for path in before:
        assert (await percy.get(path)).status_code == 404, path
