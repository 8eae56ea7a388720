"""The past of a scene: who wrote when, what changed, and how it comes back."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from libs.contracts.collab.history import (
    COMPARE,
    LIST_SESSIONS,
    RESTORE_VERSION,
    SESSIONS_PAGE_MAX,
    At,
    DiffFormat,
    EditingSession,
    RestoreTo,
    Sessions,
)
from libs.contracts.wire import Wire
from services.gateway.access.limits import LimitClass
from services.gateway.api.documents import InBranch, document_of
from services.gateway.api.formats import Format, named
from services.gateway.api.points import DEADLINE_S, POINT
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.pages import page_of
from services.gateway.http.route import AnyCall

SESSIONS_PAGE_DEFAULT = 50
TAG = "History"


class Author(Wire):
    """Somebody who wrote; without a name when there is no such account any more."""

    user_id: UUID
    display_name: str | None


class SessionView(EditingSession):
    """An editing session, with the names that accounts show."""

    authors: list[Author]  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]


class SessionsPage(InBranch):
    """A page of a list."""

    cursor: Annotated[int, Field(ge=1, le=2**62)] | None = None
    limit: Annotated[int, Field(ge=1, le=SESSIONS_PAGE_MAX)] = SESSIONS_PAGE_DEFAULT


class Between(InBranch):
    """Two points; without `to`, up to now."""

    since: Annotated[At, Field(alias="from")]
    until: Annotated[At | None, Field(alias="to")] = None
    format: Format | None = None


async def _slice(context: Context, call: AnyCall) -> Mapping[str, Any]:
    document = await document_of(context.caller, call, call.query.branch)
    return {"document_id": document, "before": call.query.cursor, "limit": call.query.limit}


async def _with_names(context: Context, _: AnyCall, page: Sessions) -> Mapping[str, Any]:
    names = await context.people.names({each for one in page.items for each in one.authors})

    def view(session: EditingSession) -> Mapping[str, Any]:
        authors = [Author(user_id=each, display_name=names.get(each)) for each in session.authors]
        shown = session.model_dump(mode="json", by_alias=True)
        return shown | {
            "authors": [each.model_dump(mode="json", by_alias=True) for each in authors]
        }

    cursor = str(page.next_before) if page.next_before is not None else None
    return {"items": [view(one) for one in page.items], "nextCursor": cursor}


async def _compared(context: Context, call: AnyCall) -> Mapping[str, Any]:
    return {
        "document_id": await document_of(context.caller, call, call.query.branch),
        "format": named(DiffFormat, call.query.format, DiffFormat.TEXT),
    }


_row = partial(Endpoint, tag=TAG, place="scene")

ENDPOINTS = (
    _row(
        "GET",
        "/api/scenes/{id}/history",
        LIST_SESSIONS,
        summary="List editing sessions",
        description=(
            "Newest first. `seqTo` of a session is a version that `at=seq:` takes; those of"
            " a compacted session can be gone, its authors and times stay."
        ),
        query=SessionsPage,
        cost=LimitClass.READ,
        action="scene.read",
        prepare=_slice,
        show=_with_names,
        answer=page_of(SessionView),
    ),
    _row(
        "GET",
        "/api/scenes/{id=scene_id}/diff",
        COMPARE,
        summary="Compare two versions",
        description=(
            f"{POINT} `text` and `markdown` answer a list of `equal`, `insert` and"
            " `delete`, with offsets in UTF-16 code units; where the log tells it, `by`"
            " names who inserted or deleted. `blocks` answers `added`, `removed`,"
            " `changed` and `moved`."
        ),
        query=Between,
        cost=LimitClass.CONTENT,
        action="scene.read",
        prepare=_compared,
        deadline_s=DEADLINE_S,
        problems=("UNSUPPORTED_FORMAT", "GONE", "TOO_LARGE"),
    ),
    _row(
        "POST",
        "/api/scenes/{id=scene_id}/restore-version",
        RESTORE_VERSION,
        summary="Go back to a version",
        description=(
            f"{POINT} What differs becomes one new edit, which open editors receive like"
            " any other; nothing is taken out of the history."
        ),
        body=RestoreTo,
        cost=LimitClass.CONTENT,
        action="scene.restore_version",
        new_id="restoration_id",
        deadline_s=DEADLINE_S,
        problems=("GONE", "CONFLICT", "TOO_LARGE"),
    ),
)
