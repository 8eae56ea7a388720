"""A live client of one scene: the y-websocket protocol over pycrdt and websockets."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from pycrdt import Doc, Text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from libs.contracts.collab.yprotocol import (
    ACK,
    AUTH,
    STEP1,
    STEP2,
    SYNC,
    UPDATE,
    read_bytes,
    read_varuint,
    sync_message,
)
from tools.cli.tour.api import TourEnded

TEXT = "content"
SYNC_WAIT_S = 10.0
MESSAGE_BYTES_MAX = 64 << 20


class LiveClient:
    """A replica of a scene that the server keeps up to date, as a context manager.

    Args:
        url: Where the gateway listens, as http.
        scene_id: Which scene.
        token: Whose edits these are.
        heard: Called after each message that may have changed the replica or `durable`.
    """

    def __init__(self, url: str, scene_id: str, token: str, heard: Callable[[], None]) -> None:
        """Describe it; entering connects."""
        self.doc: Doc[Text] = Doc()
        self.text = self.doc.get(TEXT, type=Text)
        self.durable = 0
        """The number of edits of this client that the server has acknowledged."""
        self._address = f"{url.replace('http', 'ws', 1)}/collab/{scene_id}?acks=1"
        self._token = token
        self._heard = heard
        self._synced = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect and receive what the scene holds.

        Raises:
            TourEnded: The server does not let this client in.
        """
        try:
            self._socket = await connect(
                self._address,
                additional_headers={"Authorization": f"Bearer {self._token}"},
                max_size=MESSAGE_BYTES_MAX,
                compression=None,
            )
            self._listening = asyncio.create_task(self._listen(self._socket))
            await self._socket.send(sync_message(STEP1, self.doc.get_state()))
            async with asyncio.timeout(SYNC_WAIT_S):
                await self._synced.wait()
        except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError) as error:
            await self._leave()
            raise TourEnded(
                f"the live connection failed: {str(error) or 'no answer in time'}"
            ) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Disconnect."""
        await self._leave()

    async def send(self, update: bytes) -> None:
        """Send an edit, and have it here; waits while the server is behind.

        Raises:
            TourEnded: The connection broke.
        """
        assert self._socket
        self.doc.apply_update(update)
        try:
            await self._socket.send(sync_message(UPDATE, update))
        except ConnectionClosed as error:
            raise TourEnded(f"the live connection broke: {error}") from error

    def clocks(self) -> dict[int, int]:
        """Return the number of characters of each author in the document."""
        vector = self.doc.get_state()
        count, at = read_varuint(vector, 0)
        found: dict[int, int] = {}
        for _ in range(count):
            author, at = read_varuint(vector, at)
            found[author], at = read_varuint(vector, at)
        return found

    async def _listen(self, socket: ClientConnection) -> None:
        async for message in socket:
            assert isinstance(message, bytes)
            kind, at = read_varuint(message, 0)
            if kind == SYNC:
                await self._take(socket, message, at)
            elif kind == ACK:
                _, at = read_varuint(message, at)
                self.durable, _ = read_varuint(message, at)
            elif kind == AUTH:
                raise TourEnded("the server refuses to let this person write")
            self._heard()

    async def _take(self, socket: ClientConnection, message: bytes, at: int) -> None:
        step, at = read_varuint(message, at)
        body, _ = read_bytes(message, at)
        if step == STEP1:
            await socket.send(sync_message(STEP2, self.doc.get_update(body)))
            return
        self.doc.apply_update(body)
        if step == STEP2:
            self._synced.set()

    async def _leave(self) -> None:
        if self._socket:
            await self._socket.close()
        if self._listening:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
