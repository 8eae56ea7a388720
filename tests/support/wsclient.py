"""The client of `yclient` over /ws: the same memory, another language.

It joins with its own state vector, sends what the server lacks, and counts its messages, so that
an acknowledgement says which of its edits are on disk.
"""

import json
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidState

from libs.contracts.collab.yprotocol import read_bytes
from tests.support.yclient import CONNECT_WAIT_S, FRAME_BYTES_MAX, Address, YClient


class WsClient(YClient):
    """One editor on /ws; *address* is that of /collab, as for its relatives."""

    def __init__(
        self, address: Address, name: str = "", *, person_id: str, acks: bool = True
    ) -> None:
        super().__init__(address, name)
        self.errors: list[dict[str, Any]] = []
        self._person_id = person_id
        self._acks = acks
        self._scene = ""

    def _write(self, message: bytes) -> None:
        """Send a y-protocols update as /ws says it: what precedes the update is left out."""
        update, _ = read_bytes(message, 2)
        self._say("editor.update", sceneId=self._scene, ydocUpdateBase64=_text(update))

    def _say(self, kind: str, **fields: Any) -> None:
        socket = self._socket
        if socket is None or socket.close_code is not None:
            return
        with suppress(OSError, InvalidState):
            socket.protocol.send_text(json.dumps({"type": kind, **fields}).encode())
            socket.send_data()

    async def _connection(self) -> None:
        url = urlsplit(self._address())
        self._scene = url.path.rpartition("/")[2]
        token = parse_qs(url.query)["token"][0]
        async with connect(
            f"{url.scheme}://{url.netloc}/ws",
            compression=None,
            max_size=FRAME_BYTES_MAX,
            open_timeout=CONNECT_WAIT_S,
            close_timeout=0.2,
            ping_interval=None,
            max_queue=None,
        ) as socket:
            self.connections += 1
            self._counted = []
            self._socket = socket
            wanted = ["acks"] if self._acks else []
            self._say(
                "client.hello",
                userId=self._person_id,
                token=token,
                e2ee=False,
                capabilities=wanted,
            )
            self._join()
            async for message in socket:
                self._take(json.loads(message))

    def _join(self) -> None:
        self._answered_clock = None
        self._say("join.scene", sceneId=self._scene, stateVector=_text(self.doc.get_state()))

    def _take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "doc.sync":
                self._apply(b64decode(event["update"]))
                self._answered_clock = self.clock
                self._counted = [self.clock]
                missing = self.doc.get_update(b64decode(event["stateVector"]))
                self._say("editor.update", sceneId=self._scene, ydocUpdateBase64=_text(missing))
                self.synced.set()
            case "editor.update":
                self._apply(b64decode(event["ydocUpdateBase64"]))
            case "editor.ack":
                self.acked_seq = event["seq"]
                count: int = event["count"]
                self.acked = max(self.acked, self._counted[count - 1])
            case "error":
                self.errors.append(event)
                if event.get("left"):
                    self.synced.clear()
                    self._join()
            case _:
                pass


def _text(data: bytes) -> str:
    return b64encode(data).decode()
