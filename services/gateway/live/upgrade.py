"""One public port: uvicorn hands each WebSocket upgrade to picows.

uvicorn gives its `ws=` class the bytes of the upgrade request that it already read. picows'
protocol reads into its own buffer, so those bytes are fed in as if they had just arrived. Its
constructor is not documented: the version is pinned and `tests/gateway` covers this.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from picows import WSAutoPingStrategy, WSListener, WSUpgradeRequest, WSUpgradeResponseWithListener
from picows.picows import (
    WSProtocol,  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
)

from services.gateway.live.messages import MESSAGE_BYTES_MAX

HANDSHAKE_TIMEOUT_S = 5
PING_IDLE_S = 20
PING_REPLY_S = 10
FRAME_BYTES_MAX = MESSAGE_BYTES_MAX
"""One update of the largest size in base64 and its envelope, as on /ws; a larger frame is closed
with 1009 before it is read. `YjsSocket`, which needs less, checks its own limit."""
READ_BUFFER_BYTES = 4096

type Accept = Callable[[WSUpgradeRequest, str], WSListener | WSUpgradeResponseWithListener | None]
"""Accepts or refuses an upgrade, given the request and the network address of the peer."""

_log = logging.getLogger("picows")


def upgrade_protocol(accept: Accept) -> type[Any]:
    """Return the class for uvicorn's `ws=`; *accept* accepts or refuses each upgrade."""

    class Upgrade(WSProtocol):  # pyright: ignore[reportUntypedBaseClass]
        def __init__(self, config: Any, server_state: Any, app_state: Any) -> None:
            del config, server_state, app_state
            self._peer = ""
            super().__init__(  # pyright: ignore[reportUnknownMemberType]
                None,
                None,
                False,
                self._accept,
                _log,
                True,
                HANDSHAKE_TIMEOUT_S,
                True,
                PING_IDLE_S,
                PING_REPLY_S,
                WSAutoPingStrategy.PING_WHEN_IDLE,
                True,
                FRAME_BYTES_MAX,
                None,
                READ_BUFFER_BYTES,
            )

        def _accept(self, request: WSUpgradeRequest) -> Any:
            return accept(request, self._peer)

        def connection_made(self, transport: asyncio.Transport) -> None:
            """Note the network address of the peer."""
            self._peer = str((transport.get_extra_info("peername") or ("",))[0])
            super().connection_made(transport)  # pyright: ignore[reportUnknownMemberType]

        def data_received(self, data: bytes) -> None:
            """Feed in the bytes that uvicorn read before it handed the connection over."""
            picows: Any = self
            rest = memoryview(data)
            while rest:
                buffer = picows.get_buffer(len(rest))
                taken = min(len(buffer), len(rest))
                buffer[:taken] = rest[:taken]
                picows.buffer_updated(taken)
                rest = rest[taken:]

    return Upgrade
