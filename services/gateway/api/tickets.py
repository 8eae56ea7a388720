"""Addresses with a ticket: `/files/<ticket>`, for whoever has one."""

from libs.contracts.blobs.transfers import Blob, Upload
from libs.contracts.values import BLOB_BYTES_MAX
from services.gateway.access.limits import LimitClass
from services.gateway.api.blobs import (
    ANY,
    OCTETS,
    RANGE_NOTE,
    READ_PROBLEMS,
    STORE_PROBLEMS,
    TAG,
    WAIT_NOTE,
)
from services.gateway.api.blobs import READ_HEADERS as ANSWERED
from services.gateway.http.blob_tickets import Blobs
from services.gateway.http.forwarding import READ_HEADERS
from services.gateway.http.incoming import Incoming
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Route

TICKET = "[A-Za-z0-9_.-]{1,4096}"


class TicketRoutes:
    """Handlers that believe tickets alone; blobs verifies them."""

    def __init__(self, blobs: Blobs) -> None:
        """Bring bytes to and from *blobs*."""
        self._blobs = blobs

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            Route(
                method="GET",
                path="/files/{ticket}",
                handler=self.fetch,
                summary="Fetch what a presigned address stands for",
                description=f"{RANGE_NOTE} {WAIT_NOTE}",
                tag=TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                anonymous=True,
                problems=("FORBIDDEN", *READ_PROBLEMS),
                etag=True,
                answer_media_types=(ANY,),
                answer_headers=ANSWERED,
                also=(206,),
                waits=Blob,
                texts={"ticket": TICKET},
                head=True,
            ),
            Route(
                method="PUT",
                path="/files/{ticket}",
                handler=self.send,
                summary="Store a file at a presigned address",
                description="The body is the file itself; it is verified before it counts.",
                tag=TAG,
                body=Incoming,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                anonymous=True,
                answer=Upload,
                problems=("FORBIDDEN", *STORE_PROBLEMS),
                body_bytes_max=BLOB_BYTES_MAX,
                media_types=(OCTETS, ANY),
                texts={"ticket": TICKET},
            ),
        ]

    async def fetch(self, call: Call[NoBody]) -> Answer:
        """Stream a blob."""
        ticket = self._blobs.bytes.ticket(call.texts["ticket"])
        headers = {name: value for name in READ_HEADERS if (value := call.header(name)) is not None}
        method = "HEAD" if call.request.method == "HEAD" else "GET"
        return await self._blobs.bytes.read(ticket, method, headers)

    async def send(self, call: Call[Incoming]) -> Answer:
        """Store a file."""
        ticket, body = self._blobs.bytes.ticket(call.texts["ticket"]), call.body
        return Answer.json(await self._blobs.bytes.put(ticket, body.parts(), length=body.length))
