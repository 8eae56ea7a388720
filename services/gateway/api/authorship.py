"""The authors of each span of a scene."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from libs.contracts.collab.authorship import (
    READ_AUTHORSHIP,
    SPANS_PAGE_MAX,
    Authorship,
    SpanCursor,
)
from libs.contracts.collab.history import At
from services.gateway.access.limits import LimitClass
from services.gateway.api.documents import InBranch, document_of
from services.gateway.api.history import Author
from services.gateway.api.points import DEADLINE_S, POINT
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import AnyCall


class SpansOf(InBranch):
    """A version, and a page of its spans."""

    at: At | None = None
    cursor: SpanCursor | None = None
    limit: Annotated[int, Field(ge=1, le=SPANS_PAGE_MAX)] = SPANS_PAGE_MAX


class AuthorshipView(Authorship):
    """Spans, and the authors they name with the names that accounts show."""

    authors: list[Author]


async def _document(context: Context, call: AnyCall) -> Mapping[str, Any]:
    return {"document_id": await document_of(context.caller, call, call.query.branch)}


async def _with_names(context: Context, _: AnyCall, told: Authorship) -> Mapping[str, Any]:
    ids = dict.fromkeys(span.user_id for span in told.spans if span.user_id is not None)
    names = await context.people.names(set(ids))
    authors = [Author(user_id=each, display_name=names.get(each)) for each in ids]
    return told.model_dump(mode="json", by_alias=True) | {
        "authors": [each.model_dump(mode="json", by_alias=True) for each in authors]
    }


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/scenes/{id=scene_id}/authorship",
        READ_AUTHORSHIP,
        summary="List the authors of a text",
        description=(
            f"{POINT} Without `at` it is the version of now. Spans are in order, and"
            " neighbours of one author are one; offsets count UTF-16 code units of"
            " `format=text`. `userId` is null where the log forgot the author."
        ),
        tag="History",
        place="scene",
        query=SpansOf,
        cost=LimitClass.CONTENT,
        action="scene.read",
        prepare=_document,
        show=_with_names,
        answer=AuthorshipView,
        deadline_s=DEADLINE_S,
        problems=("GONE", "TOO_LARGE"),
    ),
)
