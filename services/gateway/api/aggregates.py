"""The endpoints of aggregates: the same for each kind, but for what it cannot."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from libs.contracts.events.manuscript import (
    CHANGE,
    CREATE,
    LIST,
    MOVE,
    READ,
    REMOVE,
    RESTORE,
    Document,
    Json,
    MoveTo,
)
from libs.contracts.events.resources import Kind
from libs.contracts.pages import Page
from libs.contracts.wire import Wire
from services.gateway.access import permissions
from services.gateway.access.limits import LimitClass
from services.gateway.api.shapes import One, Shape, filters_in
from services.gateway.http.endpoint import Context, Endpoint, Prepare
from services.gateway.http.pages import page_of
from services.gateway.http.route import AnyCall, Basis

NOT_FIELDS = frozenset({"content"})
"""Members of a creation that are no fields of what is created."""
_OF_EDITORS = frozenset({"schema_version", "editor", "definition"})
"""Fields that decide which editor a scene is written with, and who may write it."""
_NEW = frozenset({"editor"})
"""Fields that the release of events before this one refuses: unsaid, they are left to events."""
_WRITE_PROBLEMS = ("CONFLICT", "CONCURRENCY_CONFLICT")


def endpoints_of(shape: Shape) -> list[Endpoint]:
    """Return the endpoints of one kind, but for its creation."""
    found = [_list(shape), _read(shape), _delete(shape)]
    if shape.change:
        found.append(_change(shape))
    if shape.lasting:
        found.append(_restore(shape))
    if shape.ordered:
        found.append(_move(shape))
    return found


def creation(shape: Shape) -> Endpoint:
    """Return the endpoint that creates one."""
    return Endpoint(
        "POST",
        shape.collection.replace("{id}", "{id=parent_id}"),
        CREATE,
        summary=f"Create {shape.words}",
        tag=shape.tag,
        body=shape.create,
        cost=LimitClass.WRITE,
        place=shape.parent,
        action=shape.action("create"),
        fixed={"kind": shape.kind},
        new_id="id",
        prepare=_saying(shape, _fields),
        after=learn,
        answer=shape.resource,
        status=201,
        location=f"/api/{shape.plural}/{{id}}",
        versioned=shape.kind,
        etag=True,
        problems=(*_WRITE_PROBLEMS, *shape.problems),
    )


def _saying(shape: Shape, fields: Prepare) -> Prepare:
    """Return *fields*, after what the kind checks."""
    check = shape.check
    if check is None:
        return fields

    async def checked(context: Context, call: AnyCall) -> Mapping[str, Any]:
        await check(context, call)
        return await fields(context, call)

    return checked


async def _fields(_: Context, call: AnyCall) -> Mapping[str, Any]:
    return {"fields": fields_of(call.body)}


def fields_of(body: Wire) -> Json:
    """Return what the body of a creation says, as commands are told it."""
    sent = body.model_dump(mode="json", exclude_none=True)
    said = body.model_fields_set
    nulls = {
        name: None
        for name, field in type(body).model_fields.items()
        if name in said and field.default is not None and getattr(body, name) is None
    }
    left_out = NOT_FIELDS | (_NEW - said)
    return nulls | {name: value for name, value in sent.items() if name not in left_out}


async def learn(context: Context, _: AnyCall, made: Document) -> None:
    """Note where a new thing belongs, to save a question soon."""
    project_id = made.resource["id" if made.kind == "project" else "projectId"]
    context.authority.learn(made.kind, UUID(made.resource["id"]), UUID(project_id))


def _list(shape: Shape) -> Endpoint:
    return _listing(
        shape,
        shape.collection.replace("{id}", "{id=parent_id}"),
        shape.parent,
        summary=f"List {shape.plural.replace('-', ' ')}",
        description="`includeDeleted` is for roles that may restore." if shape.lasting else "",
    )


def list_below(shape: Shape, parent: Kind, path: str) -> Endpoint:
    """Return the endpoint that lists those below something else than the usual parent."""
    return _listing(
        shape,
        path.replace("{id}", "{id=parent_id}"),
        parent,
        summary=(
            f"List the {shape.plural.replace('-', ' ')} of"
            f" {'an entity' if parent == 'entity' else f'a {parent}'}"
        ),
        parent_kind=parent,
    )


def _listing(
    shape: Shape,
    path: str,
    place: Kind | None,
    *,
    summary: str,
    description: str = "",
    parent_kind: Kind | None = None,
) -> Endpoint:
    of_person = shape.kind == "project"
    fixed = {"kind": shape.kind, "parent_kind": parent_kind}
    return Endpoint(
        "GET",
        path,
        LIST,
        summary=summary,
        description=description,
        tag=shape.tag,
        query=shape.listing,
        cost=LimitClass.READ,
        place=place,
        action=shape.action("read"),
        # Only projects are reached through teams.
        fixed=fixed if of_person else {**fixed, "team_ids": ()},
        prepare=_filters(shape),
        show=_shown_projects if of_person else None,
        answer=page_of(shape.resource),
    )


def _filters(shape: Shape) -> Prepare:
    async def prepare(_: Context, call: AnyCall) -> Mapping[str, Any]:
        if shape.parent and getattr(call.query, "include_deleted", False):
            call.require(shape.action("restore"))
        return {"filters": filters_in(call.query)}

    return prepare


async def _shown_projects(_: Context, _call: AnyCall, page: Page[Json]) -> Page[Json]:
    """Leave out deleted projects that the caller may not restore: each has its own answer."""
    may_restore = permissions.MATRIX["project.restore"]
    items = [
        each for each in page.items if each["deletedAt"] is None or each["role"] in may_restore
    ]
    return page.model_copy(update={"items": items})


def _read(shape: Shape) -> Endpoint:
    async def prepare(_: Context, call: AnyCall) -> Mapping[str, Any]:
        if call.query.include_deleted:
            call.require(shape.action("restore"))
        return {}

    return _one(
        shape,
        "GET",
        shape.item,
        READ,
        summary=f"Read {shape.words}",
        description="With If-None-Match the answer to a known version is 304.",
        query=One,
        cost=LimitClass.READ,
        action=shape.action("read"),
        prepare=prepare,
    )


def _delete(shape: Shape) -> Endpoint:
    gone = "It can be restored." if shape.lasting else "It is gone at once."
    return Endpoint(
        "DELETE",
        shape.item,
        REMOVE,
        summary=f"Delete {shape.words}",
        description=f"{gone} Name the version by If-Match or `baseVersion`.",
        tag=shape.tag,
        query=Basis,
        cost=LimitClass.WRITE,
        place=shape.kind,
        action=shape.action("delete"),
        fixed={"kind": shape.kind},
        doubts=True,
        versioned=shape.kind,
        needs_version=True,
        status=204,
        problems=_WRITE_PROBLEMS,
    )


def _change(shape: Shape) -> Endpoint:
    assert shape.change is not None
    return _one(
        shape,
        "PATCH",
        shape.item,
        CHANGE,
        summary=f"Change {shape.words}",
        description=(
            "Name the version that you changed. With If-Match any newer version is"
            " refused (412); with `baseVersion` changes of other fields merge, and"
            " overlapping ones answer 409 with both sides' values."
        ),
        body=shape.change,
        cost=LimitClass.WRITE,
        action=shape.action("update"),
        prepare=_saying(shape, _changed_fields),
        after=_doubt_editors,
        needs_version=True,
        problems=(*_WRITE_PROBLEMS, *shape.problems),
    )


async def _changed_fields(_: Context, call: AnyCall) -> Mapping[str, Any]:
    exclude = {"base_version"}
    return {"fields": call.body.model_dump(mode="json", exclude_unset=True, exclude=exclude)}


async def _doubt_editors(context: Context, call: AnyCall, _: Document) -> None:
    if _OF_EDITORS & call.body.model_fields_set:
        # Here at once, for whoever writes next; the other gateways hear of it.
        context.authority.doubt()


def _restore(shape: Shape) -> Endpoint:
    return _one(
        shape,
        "POST",
        f"{shape.item}/restore",
        RESTORE,
        summary=f"Restore a deleted {shape.kind.replace('_', ' ')}",
        cost=LimitClass.WRITE,
        action=shape.action("restore"),
        doubts=True,
        problems=(*_WRITE_PROBLEMS, *shape.problems),
    )


def _move(shape: Shape) -> Endpoint:
    return _one(
        shape,
        "POST",
        f"{shape.item}/move",
        MOVE,
        summary=f"Move {shape.words}",
        description=(
            "To an index among its siblings, or under another"
            f" {shape.parent} of the same project. If-Match is optional."
        ),
        body=MoveTo,
        cost=LimitClass.WRITE,
        action=shape.action("reorder"),
        problems=(*_WRITE_PROBLEMS, "PRECONDITION_FAILED"),
    )


def _one(shape: Shape, *where: Any, **more: Any) -> Endpoint:
    """Return an endpoint that answers with one."""
    return partial(
        Endpoint,
        tag=shape.tag,
        place=shape.kind,
        fixed={"kind": shape.kind},
        versioned=shape.kind,
        etag=True,
        answer=shape.resource,
    )(*where, **more)
