"""The schema gate over HTTP, and how soon gateways know of a version."""

from base64 import b64encode
from typing import Any
from uuid import UUID

import httpx
import pytest
from pycrdt import Doc, Text

from libs import errors
from services.gateway.access.authority import Authority
from services.gateway.access.schema_gate import declared_schema, require_schema
from tests.gateway.support import Manuscript, Person, is_problem
from tests.gateway.test_authority import authority, client, identity_of, pool
from tests.support.waiting import until

__all__ = ["authority", "client", "pool"]
"""An authority that hears no facts."""

NOTICED_S_MAX = 2.0


def update_of(text: str) -> str:
    """A Yjs update that writes *text*, as JSON carries it."""
    doc: Doc[Any] = Doc()
    doc.get("content", type=Text).insert(0, text)
    return b64encode(doc.get_update()).decode()


async def raised(person: Person, scene: str, version: int) -> httpx.Response:
    """Raise the schema version of a scene from whatever version of it there is."""
    tag = (await person.get(scene)).headers["etag"]
    body = {"schemaVersion": version}
    return await person.ask("PATCH", scene, json=body, headers={"If-Match": tag})


async def test_an_older_editor_may_not_put_what_editors_make(manuscript: Manuscript, mary: Person):
    """Both versions are told; text that declares none goes through our own conversion."""
    scene = f"/api/scenes/{manuscript.scene['id']}"
    path = f"{scene}/content"
    assert (await raised(mary, scene, 3)).json()["schemaVersion"] == 3
    yjs = {"format": "yjs", "content": update_of("new")}

    undeclared = await mary.ask("PUT", path, json=yjs)
    older = await mary.ask("PUT", path, json=yjs | {"schemaVersion": 2})
    raw = {"content": b"\x00\x00", "headers": {"Content-Type": "application/octet-stream"}}
    raw_undeclared = await mary.ask("PUT", path, **raw)
    raw_older = await mary.ask("PUT", path, params={"schemaVersion": 2}, **raw)
    markdown = {"content": b"old", "headers": {"Content-Type": "text/markdown"}}
    older_text = await mary.ask("PUT", path, params={"schemaVersion": 2}, **markdown)
    nonsense = await mary.ask("PUT", path, json=yjs | {"schemaVersion": 0})
    untouched = await mary.get(path)
    as_text = await mary.ask("PUT", path, json={"format": "text", "content": "plain"})
    same = await mary.ask("PUT", path, json=yjs | {"schemaVersion": 3})
    raw_newer = await mary.ask("PUT", path, params={"schemaVersion": 4}, **raw)

    for refused, declared in (
        (undeclared, None),
        (older, 2),
        (raw_undeclared, None),
        (raw_older, 2),
        (older_text, 2),
    ):
        assert is_problem(refused, 409, "SCHEMA_OUTDATED")
        said = refused.json()
        assert (said["sceneSchemaVersion"], said["clientSchemaVersion"]) == (3, declared)
    assert is_problem(nonsense, 400, "VALIDATION_FAILED")
    assert untouched.text == ""
    assert [answer.status_code for answer in (as_text, same, raw_newer)] == [200, 200, 200]
    assert sorted((await mary.get(path)).text) == sorted("plainnew")


async def test_it_is_part_of_a_scene(manuscript: Manuscript, mary: Person):
    """Set at its creation or later, listed, and raised in small steps or large; never lowered."""
    chapter = f"/api/chapters/{manuscript.chapter['id']}/scenes"
    made = await mary.made(chapter, {"title": "New", "schemaVersion": 5})
    scene = f"/api/scenes/{made['id']}"
    gated = await mary.ask(
        "PUT", f"{scene}/content", json={"format": "yjs", "content": update_of("at once")}
    )
    lowered = await raised(mary, scene, 4)
    cleared = await mary.ask("PATCH", scene, json={"schemaVersion": None, "baseVersion": 1})
    listed = (await mary.get(chapter)).json()["items"]

    assert is_problem(gated, 409, "SCHEMA_OUTDATED")
    assert is_problem(lowered, 409, "SCHEMA_LOWERED")
    assert is_problem(cleared, 409, "SCHEMA_LOWERED")
    assert [each["schemaVersion"] for each in listed] == [None, 5]
    assert (await raised(mary, scene, 500)).json()["schemaVersion"] == 500


async def test_an_authority_that_hears_nothing_notices(
    authority: Authority, manuscript: Manuscript, mary: Person
):
    """Should the fact of a raise be missed, it is seen when somebody next comes."""
    me, scene = identity_of(mary), UUID(manuscript.scene["id"])
    before = await authority.access(me, "scene", scene)
    await raised(mary, f"/api/scenes/{scene}", 2)

    async def noticed() -> bool:
        return (await authority.access(me, "scene", scene)).schema_version == 2

    await until(noticed, NOTICED_S_MAX)
    assert before.schema_version is None


@pytest.mark.parametrize(
    ("needed", "declared", "may"),
    [
        (None, None, True),
        (None, 1, True),
        (1, None, False),
        (2, 1, False),
        (2, 2, True),
        (2, 3, True),
    ],
)
def test_who_may_write(needed: int | None, declared: int | None, may: bool):
    """A scene that names none gates nobody; who declares none is older than every version."""
    if may:
        require_schema(needed, declared)
        return
    with pytest.raises(errors.SchemaOutdated) as refused:
        require_schema(needed, declared)
    assert str(needed) in refused.value.detail


@pytest.mark.parametrize("text", ["", "0", "-1", "1.0", "three", "²", "9" * 11, " 1"])
def test_what_is_no_version_declares_nothing(text: str):
    assert declared_schema(text) is None


def test_a_version_is_declared():
    assert declared_schema("17") == 17
