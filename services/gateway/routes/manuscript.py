"""The routes of projects, books, chapters and scenes: the same seven or eight for each."""

from libs.bus import Caller
from services.gateway.authority import Authority
from services.gateway.edge.route import AnyRoute, NoBody, NoQuery, Place, Route
from services.gateway.limits import LimitClass
from services.gateway.routes.aggregates import Aggregate
from services.gateway.routes.shapes import SHAPES, Basis, MoveTo, One, Page, Shape, page_of

_WRITE_PROBLEMS = ("CONFLICT", "CONCURRENCY_CONFLICT")


def manuscript_routes(caller: Caller, authority: Authority) -> list[AnyRoute]:
    """Return the routes of every kind."""
    return [
        route for shape in SHAPES for route in _of_kind(shape, Aggregate(shape, caller, authority))
    ]


def _of_kind(shape: Shape, handlers: Aggregate) -> list[AnyRoute]:
    item: Place = (shape.kind, "id")
    above: Place | None = (shape.parent, "id") if shape.parent else None
    name, plural, tag = shape.kind, shape.plural, shape.plural.capitalize()
    reading, writing = LimitClass.READ, LimitClass.WRITE
    taken = ("SLUG_TAKEN",) if name == "project" else ()
    found: list[AnyRoute] = [
        Route(
            method="POST",
            path=shape.collection,
            handler=handlers.create,
            summary=f"Create a {name}",
            tag=tag,
            body=shape.create,
            query=NoQuery,
            cost=writing,
            place=above,
            action=f"{name}.create",
            answer=shape.resource,
            status=201,
            problems=(*_WRITE_PROBLEMS, *taken),
            etag=True,
        ),
        Route(
            method="GET",
            path=shape.collection,
            handler=handlers.list,
            summary=f"List {plural}",
            description="`includeDeleted` is for roles that may restore.",
            tag=tag,
            body=NoBody,
            query=Page,
            cost=reading,
            place=above,
            action=f"{name}.read",
            answer=page_of(shape.resource),
        ),
        Route(
            method="GET",
            path=shape.item,
            handler=handlers.read,
            summary=f"Read a {name}",
            description="With If-None-Match the answer to a known version is 304.",
            tag=tag,
            body=NoBody,
            query=One,
            cost=reading,
            place=item,
            action=f"{name}.read",
            answer=shape.resource,
            etag=True,
        ),
        Route(
            method="PATCH",
            path=shape.item,
            handler=handlers.change,
            summary=f"Change a {name}",
            description=(
                "Name the version that you changed. With If-Match any newer version is"
                " refused (412); with `baseVersion` changes of other fields merge, and"
                " overlapping ones answer 409 with both sides' values."
            ),
            tag=tag,
            body=shape.change,
            query=NoQuery,
            cost=writing,
            place=item,
            action=f"{name}.update",
            answer=shape.resource,
            problems=(*_WRITE_PROBLEMS, *taken),
            etag=True,
            needs_version=True,
        ),
        Route(
            method="DELETE",
            path=shape.item,
            handler=handlers.delete,
            summary=f"Delete a {name}",
            description="It can be restored. Name the version by If-Match or `baseVersion`.",
            tag=tag,
            body=NoBody,
            query=Basis,
            cost=writing,
            place=item,
            action=f"{name}.delete",
            status=204,
            problems=_WRITE_PROBLEMS,
            needs_version=True,
        ),
        Route(
            method="POST",
            path=f"{shape.item}/restore",
            handler=handlers.restore,
            summary=f"Restore a deleted {name}",
            tag=tag,
            body=NoBody,
            query=NoQuery,
            cost=writing,
            place=item,
            action=f"{name}.restore",
            answer=shape.resource,
            problems=_WRITE_PROBLEMS,
            etag=True,
        ),
    ]
    if shape.parent:
        found.append(
            Route(
                method="POST",
                path=f"{shape.item}/move",
                handler=handlers.move,
                summary=f"Move a {name}",
                description=(
                    "To an index among its siblings, or under another"
                    f" {shape.parent} of the same project. If-Match is optional."
                ),
                tag=tag,
                body=MoveTo,
                query=NoQuery,
                cost=writing,
                place=item,
                action=f"{name}.reorder",
                answer=shape.resource,
                problems=(*_WRITE_PROBLEMS, "PRECONDITION_FAILED"),
                etag=True,
            )
        )
    return found
