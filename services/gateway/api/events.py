"""A project's events, as a stream; and the document that describes them."""

from typing import Annotated

from pydantic import Field

from services.gateway.access.limits import LimitClass
from services.gateway.http.route import (
    EVENT_STREAM,
    Answer,
    AnyRoute,
    Call,
    NoBody,
    NoQuery,
    Query,
    Route,
    Streamed,
)
from services.gateway.streams import Streams
from services.gateway.streams.event_types import Catalogue
from services.gateway.streams.position import position_of
from services.gateway.streams.stream import STALL_S, STREAM_S_MAX

TYPES_CHARS_MAX = 4000
ID_CHARS_MAX = 40
END_WAIT_S = 60.0
"""A stream ends by itself; this is for one that does not."""

_TAG = "Events"
_UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class FollowQuery(Query):
    """The position to go on from, and the types of events."""

    last_event_id: Annotated[
        str | None,
        Field(
            max_length=ID_CHARS_MAX,
            description="As the header Last-Event-ID, which counts if both are given.",
        ),
    ] = None
    types: Annotated[
        str | None,
        Field(
            max_length=TYPES_CHARS_MAX,
            description="Only these event types, separated by commas: `scene.created,book.*`.",
        ),
    ] = None


class EventRoutes:
    """Handlers for those who follow a project."""

    def __init__(self, streams: Streams, catalogue: Catalogue) -> None:
        """Open *streams* of what *catalogue* knows."""
        self._streams = streams
        self._catalogue = catalogue

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            Route(
                method="GET",
                path="/api/projects/{id}/events",
                handler=self.follow,
                summary="Follow a project's events",
                description=(
                    "Server-sent events in commit order, from now on; with `Last-Event-ID` from"
                    " behind that id, at whichever gateway, without a gap. `data` is"
                    " `{position, event}` as in `/api/asyncapi.json`, `id` a place to go on"
                    " from; what happens in threads has positions of its own."
                    " A stream that ends can be gone on with; only 4xx is final. 410: the log has"
                    " no such position, or no longer; load what you show anew and follow from now."
                ),
                tag=_TAG,
                body=NoBody,
                query=FollowQuery,
                cost=LimitClass.READ,
                place=("project", "id"),
                action="project.read",
                problems=("GONE", "UNKNOWN_NAME"),
                answer_media_types=(EVENT_STREAM,),
            ),
            Route(
                method="GET",
                path="/api/asyncapi.json",
                handler=self.document,
                summary="The events, as an AsyncAPI document",
                tag=_TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                anonymous=True,
            ),
        ]

    async def follow(self, call: Call[NoBody, FollowQuery]) -> Answer:
        """Stream the events; what is wrong with the question is answered before the first."""
        after = position_of(call.header("last-event-id") or call.query.last_event_id)
        types = await self._catalogue.chosen(call.query.types)
        source = await self._streams.open(
            call.identity,
            call.access,
            after=after,
            wanted=lambda event_type: types is None or event_type in types,
        )
        stream = Streamed(source, STREAM_S_MAX + END_WAIT_S, idle_s=STALL_S)
        return Answer(200, media_type=EVENT_STREAM, headers=_UNBUFFERED, stream=stream)

    async def document(self, _: Call[NoBody]) -> Answer:
        """Answer with the AsyncAPI document."""
        return await self._catalogue.document()
