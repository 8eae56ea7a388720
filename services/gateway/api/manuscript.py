"""The routes of aggregates: the same for each kind, but for what it cannot."""

from libs.bus import Caller
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass
from services.gateway.api.aggregates import Aggregate
from services.gateway.api.shapes import SHAPES, Basis, MoveTo, One, Shape, page_of
from services.gateway.http.route import AnyRoute, NoBody, NoQuery, Place, Route

_WRITE_PROBLEMS = ("CONFLICT", "CONCURRENCY_CONFLICT")


def manuscript_routes(caller: Caller, authority: Authority) -> list[AnyRoute]:
    """Return the routes of projects, books, chapters and scenes."""
    return [
        route for shape in SHAPES for route in routes_of(shape, Aggregate(shape, caller, authority))
    ]


def routes_of(shape: Shape, handlers: Aggregate) -> list[AnyRoute]:
    """Return the routes of one kind."""
    found = _of_collection(shape, handlers) + _of_item(shape, handlers)
    if shape.change:
        found.append(_change(shape, handlers))
    if shape.lasting:
        found.append(_restore(shape, handlers))
    if shape.ordered:
        found.append(_move(shape, handlers))
    return found


def _tag(shape: Shape) -> str:
    return shape.plural.replace("-", " ").capitalize()


def _item(shape: Shape) -> Place:
    return (shape.kind, "id")


def _of_collection(shape: Shape, handlers: Aggregate) -> list[AnyRoute]:
    above: Place | None = (shape.parent, "id") if shape.parent else None
    hint = "`includeDeleted` is for roles that may restore." if shape.lasting else ""
    return [
        Route(
            method="POST",
            path=shape.collection,
            handler=handlers.create,
            summary=f"Create {shape.words}",
            tag=_tag(shape),
            body=shape.create,
            query=NoQuery,
            cost=LimitClass.WRITE,
            place=above,
            action=shape.action("create"),
            answer=shape.resource,
            status=201,
            problems=(*_WRITE_PROBLEMS, *shape.problems),
            etag=True,
        ),
        Route(
            method="GET",
            path=shape.collection,
            handler=handlers.list,
            summary=f"List {shape.plural.replace('-', ' ')}",
            description=hint,
            tag=_tag(shape),
            body=NoBody,
            query=shape.listing,
            cost=LimitClass.READ,
            place=above,
            action=shape.action("read"),
            answer=page_of(shape.resource),
        ),
    ]


def _of_item(shape: Shape, handlers: Aggregate) -> list[AnyRoute]:
    gone = "It can be restored." if shape.lasting else "It is gone at once."
    return [
        Route(
            method="GET",
            path=shape.item,
            handler=handlers.read,
            summary=f"Read {shape.words}",
            description="With If-None-Match the answer to a known version is 304.",
            tag=_tag(shape),
            body=NoBody,
            query=One,
            cost=LimitClass.READ,
            place=_item(shape),
            action=shape.action("read"),
            answer=shape.resource,
            etag=True,
        ),
        Route(
            method="DELETE",
            path=shape.item,
            handler=handlers.delete,
            summary=f"Delete {shape.words}",
            description=f"{gone} Name the version by If-Match or `baseVersion`.",
            tag=_tag(shape),
            body=NoBody,
            query=Basis,
            cost=LimitClass.WRITE,
            place=_item(shape),
            action=shape.action("delete"),
            status=204,
            problems=_WRITE_PROBLEMS,
            needs_version=True,
        ),
    ]


def _change(shape: Shape, handlers: Aggregate) -> AnyRoute:
    assert shape.change is not None
    return Route(
        method="PATCH",
        path=shape.item,
        handler=handlers.change,
        summary=f"Change {shape.words}",
        description=(
            "Name the version that you changed. With If-Match any newer version is"
            " refused (412); with `baseVersion` changes of other fields merge, and"
            " overlapping ones answer 409 with both sides' values."
        ),
        tag=_tag(shape),
        body=shape.change,
        query=NoQuery,
        cost=LimitClass.WRITE,
        place=_item(shape),
        action=shape.action("update"),
        answer=shape.resource,
        problems=(*_WRITE_PROBLEMS, *shape.problems),
        etag=True,
        needs_version=True,
    )


def _restore(shape: Shape, handlers: Aggregate) -> AnyRoute:
    return Route(
        method="POST",
        path=f"{shape.item}/restore",
        handler=handlers.restore,
        summary=f"Restore a deleted {shape.kind.replace('_', ' ')}",
        tag=_tag(shape),
        body=NoBody,
        query=NoQuery,
        cost=LimitClass.WRITE,
        place=_item(shape),
        action=shape.action("restore"),
        answer=shape.resource,
        problems=(*_WRITE_PROBLEMS, *shape.problems),
        etag=True,
    )


def _move(shape: Shape, handlers: Aggregate) -> AnyRoute:
    return Route(
        method="POST",
        path=f"{shape.item}/move",
        handler=handlers.move,
        summary=f"Move {shape.words}",
        description=(
            "To an index among its siblings, or under another"
            f" {shape.parent} of the same project. If-Match is optional."
        ),
        tag=_tag(shape),
        body=MoveTo,
        query=NoQuery,
        cost=LimitClass.WRITE,
        place=_item(shape),
        action=shape.action("reorder"),
        answer=shape.resource,
        problems=(*_WRITE_PROBLEMS, "PRECONDITION_FAILED"),
        etag=True,
    )
