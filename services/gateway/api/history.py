"""The past of a scene: who wrote when, what changed, and how it comes back."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from libs.bus import Caller
from libs.contracts.collab.history import (
    COMPARE,
    LIST_SESSIONS,
    RESTORE_VERSION,
    SESSIONS_PAGE_MAX,
    At,
    Compare,
    Compared,
    DiffFormat,
    EditingSession,
    ListSessions,
    Restored,
    RestoreVersion,
)
from libs.contracts.wire import Wire
from services.gateway.access.limits import LimitClass
from services.gateway.access.scene_editors import Editors
from services.gateway.accounts.identity.store import IdentityStore
from services.gateway.api.documents import InBranch, document_of, require_present
from services.gateway.api.formats import Format, named
from services.gateway.api.shapes import page_of
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Route

DEADLINE_S = 10.0
SESSIONS_PAGE_DEFAULT = 50
TAG = "History"
POINT = "A point is an RFC 3339 time, `seq:<version>` or `snapshot:<id>`."


class Author(Wire):
    """Somebody who wrote; without a name when there is no such account any more."""

    user_id: UUID
    display_name: str | None


class SessionView(EditingSession):
    """An editing session, with the names that accounts show."""

    authors: list[Author]  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]


class SessionsPage(InBranch):
    """Which part of the list."""

    cursor: Annotated[int, Field(ge=1, le=2**62)] | None = None
    limit: Annotated[int, Field(ge=1, le=SESSIONS_PAGE_MAX)] = SESSIONS_PAGE_DEFAULT


class Between(InBranch):
    """Two points; without `to`, up to now."""

    since: Annotated[At, Field(alias="from")]
    until: Annotated[At | None, Field(alias="to")] = None
    format: Format | None = None


class RestoreTo(Wire):
    """The point to go back to."""

    at: At


class HistoryRoutes:
    """Handlers about the past."""

    def __init__(self, caller: Caller, people: IdentityStore, editors: Editors) -> None:
        """Ask collab over *caller*; *people* knows names, *editors* the editors of scenes."""
        self._caller = caller
        self._people = people
        self._editors = editors

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            Route(
                method="GET",
                path="/api/scenes/{id}/history",
                handler=self.sessions,
                summary="List editing sessions",
                description=(
                    "Newest first. `seqTo` of a session is a version that `at=seq:` takes; those of"
                    " a compacted session can be gone, its authors and times stay."
                ),
                tag=TAG,
                body=NoBody,
                query=SessionsPage,
                cost=LimitClass.READ,
                place=("scene", "id"),
                action="scene.read",
                answer=page_of(SessionView),
                deleted_matters=True,
            ),
            Route(
                method="GET",
                path="/api/scenes/{id}/diff",
                handler=self.diff,
                summary="Compare two versions",
                description=(
                    f"{POINT} `text` and `markdown` answer a list of `equal`, `insert` and"
                    " `delete`, with offsets in UTF-16 code units; where the log tells it, `by`"
                    " names who inserted or deleted. `blocks` answers `added`, `removed`,"
                    " `changed` and `moved`."
                ),
                tag=TAG,
                body=NoBody,
                query=Between,
                cost=LimitClass.CONTENT,
                place=("scene", "id"),
                action="scene.read",
                answer=Compared,
                problems=("UNSUPPORTED_FORMAT", "GONE", "TOO_LARGE"),
                deleted_matters=True,
            ),
            Route(
                method="POST",
                path="/api/scenes/{id}/restore-version",
                handler=self.restore,
                summary="Go back to a version",
                description=(
                    f"{POINT} What differs becomes one new edit, which open editors receive like"
                    " any other; nothing is taken out of the history."
                ),
                tag=TAG,
                body=RestoreTo,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("scene", "id"),
                action="scene.restore_version",
                answer=Restored,
                problems=("GONE", "CONFLICT", "TOO_LARGE"),
                deleted_matters=True,
            ),
        ]

    async def sessions(self, call: Call[NoBody, SessionsPage]) -> Answer:
        """Show a page."""
        document = await document_of(self._caller, call, call.query.branch)
        page = await self._caller.ask(
            LIST_SESSIONS,
            ListSessions(document_id=document, before=call.query.cursor, limit=call.query.limit),
            call.actor,
        )
        names = await self._people.names({each for one in page.items for each in one.authors})

        def view(session: EditingSession) -> dict[str, Any]:
            authors = [
                Author(user_id=each, display_name=names.get(each)) for each in session.authors
            ]
            shown = session.model_dump(mode="json", by_alias=True)
            return shown | {"authors": [a.model_dump(mode="json", by_alias=True) for a in authors]}

        cursor = str(page.next_before) if page.next_before is not None else None
        return Answer.json({"items": [view(one) for one in page.items], "nextCursor": cursor})

    async def diff(self, call: Call[NoBody, Between]) -> Answer:
        """Tell what changed."""
        query = call.query
        question = Compare(
            document_id=await document_of(self._caller, call, query.branch),
            scene_id=call.path["id"],
            since=query.since,
            until=query.until,
            format=named(DiffFormat, query.format, DiffFormat.TEXT),
            editor=await self._editors.of(call.access.editor, call.actor),
        )
        return Answer.json(
            await self._caller.ask(COMPARE, question, call.actor, deadline_s=DEADLINE_S)
        )

    async def restore(self, call: Call[RestoreTo]) -> Answer:
        """Make the scene read as it did."""
        require_present(call)
        question = RestoreVersion(
            scene_id=call.path["id"],
            at=call.body.at,
            restoration_id=call.new_id,
            editor=await self._editors.of(call.access.editor, call.actor),
        )
        return Answer.json(
            await self._caller.ask(RESTORE_VERSION, question, call.actor, deadline_s=DEADLINE_S)
        )
