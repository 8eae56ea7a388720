"""Endpoints as rows: what they ask, what clients may say, and what is refused at the start."""

from typing import Annotated, Any, cast
from uuid import UUID

import pytest
from pydantic import Field

from libs.contracts.collab.history import OneOfScene
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, Page, PageLimit
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire
from services.gateway.access.limits import LimitClass
from services.gateway.http.asking import routes_of
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import NoQuery

NOBODY = cast("Context", None)


class Note(Wire):
    """Something to list."""

    id: UUID


class ListNotes(Wire):
    """Notes of a scene."""

    scene_id: UUID
    colour: Annotated[str, Field(max_length=7)] | None = None
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT
    team_ids: tuple[UUID, ...] = ()


NOTES: Method[Any, Any] = Method("collab", "list_notes", ListNotes, Page[Note])
NOTE: Method[Any, Any] = Method("collab", "read_note", OneOfScene, Note)


def row(method: Any, path: str, rpc: Method[Any, Any], **more: Any) -> Endpoint:
    said: dict[str, Any] = {"tag": "Notes", "action": "scene.read", "cost": LimitClass.READ}
    return Endpoint(method, path, rpc, summary="Notes", place="scene", **said, **more)


def test_a_path_names_the_fields_that_it_fills() -> None:
    """In camelCase, or after an equals sign; clients see the member alone."""
    one = row("GET", "/api/scenes/{id=scene_id}/notes/{noteId=id}", NOTE)
    assert one.public_path == "/api/scenes/{id}/notes/{noteId}"
    assert one.path_fields() == {"id": "scene_id", "noteId": "id"}
    assert row("GET", "/api/notes/{sceneId}/{id}", NOTE).path_fields() == {
        "sceneId": "scene_id",
        "id": "id",
    }


def test_a_fresh_id_is_not_taken_from_the_path() -> None:
    """Of a creation `{id}` is what it is created in."""
    assert row("POST", "/api/scenes/{id}/notes", NOTE, new_id="id").path_fields() == {}


def test_the_query_of_a_list_is_what_nothing_else_fills() -> None:
    """With the limits of the request; the caller's teams are never a client's to say."""
    query = row("GET", "/api/scenes/{id=scene_id}/notes", NOTES).query_model()
    assert [*query.model_fields] == ["colour", "cursor", "limit"]
    schema = query.model_json_schema()["properties"]
    assert schema["limit"]["maximum"] == 500
    assert schema["colour"]["anyOf"][0]["maxLength"] == 7


def test_only_lists_that_nothing_prepares_have_such_a_query() -> None:
    """What a function fills is not also a parameter."""

    async def prepare(_: object, __: object) -> dict[str, Any]:
        return {"colour": "#ffffff"}

    assert row("GET", "/a/{id=scene_id}", NOTES, prepare=prepare).query_model() is NoQuery
    assert row("DELETE", "/a/{id=scene_id}", NOTES).query_model() is NoQuery


def test_a_request_that_cannot_be_made_ends_the_start() -> None:
    """Not the first client's request."""
    with pytest.raises(TypeError, match=r"nothing fills \{'id'\}"):
        routes_of([row("DELETE", "/api/scenes/{id=scene_id}/note", NOTE)], NOBODY)


def test_pages_are_documented_by_what_is_in_them() -> None:
    """One form for all lists, named after the item."""
    (route,) = routes_of([row("GET", "/api/scenes/{id=scene_id}/notes", NOTES)], NOBODY)
    assert route.answer is not None
    assert route.answer.__name__ == "NotePage"
    assert [*route.answer.model_fields] == ["items", "next_cursor"]


def test_deleted_things_are_refused_unless_a_service_knows_of_them() -> None:
    """Collab and blobs do not know what is deleted; events does, and shows it to some."""
    of_events = Method("events", "list_notes", ListNotes, Page[Note])
    rows = [
        row("GET", "/a/{id=scene_id}", NOTES),
        row("GET", "/b/{id=scene_id}", of_events),
        row("GET", "/c/{id=scene_id}", NOTES, answers_deleted=True),
    ]
    assert [each.answers_deleted for each in routes_of(rows, NOBODY)] == [False, True, True]
