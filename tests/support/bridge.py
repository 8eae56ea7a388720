"""A TCP bridge between a service and NATS that can be cut, lose messages, or hold them up."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from tools.stack.ports import LOOPBACK

READ_BYTES = 1 << 16

type Loses = Callable[[str], bool]
"""Told the subject of each message on its way to the service; True loses it."""
type Holds = Callable[[bytes], bool]
"""Told what the service sends; True keeps it here until `let_go`."""


class Bridge:
    """Listens for one service and passes everything to and from NATS."""

    def __init__(self) -> None:
        self.port = 0
        self.target = 0
        """The port of NATS."""
        self.loses: Loses | None = None
        self.lost = 0
        self.holds: Holds | None = None
        self._held: list[tuple[asyncio.StreamWriter, bytes]] = []
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._is_cut = False

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection without a goodbye and refuse new ones, until `mend`."""
        self._is_cut = True
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    def let_go(self) -> None:
        """Pass on what was held."""
        self.holds = None
        for sink, data in self._held:
            sink.write(data)
        self._held.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        ends = {writer}
        try:
            from_nats, to_nats = await asyncio.open_connection(LOOPBACK, self.target)
            ends.add(to_nats)
            self._ends |= ends
            await asyncio.wait(
                [
                    asyncio.create_task(_pump(reader, to_nats, self._passing(to_nats))),
                    asyncio.create_task(_pump(from_nats, writer, _Sieve(self))),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        except OSError:
            pass
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()

    def _passing(self, sink: asyncio.StreamWriter) -> Callable[[bytes], bytes]:
        def passing(data: bytes) -> bytes:
            if self.holds is None or not self.holds(data):
                return data
            self._held.append((sink, data))
            return b""

        return passing


class _Sieve:
    """Takes the NATS protocol apart just far enough to leave messages out."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._buffer = b""

    def __call__(self, data: bytes) -> bytes:
        buffer = self._buffer + data
        kept: list[bytes] = []
        at = 0
        while (end := buffer.find(b"\r\n", at)) >= 0:
            line = buffer[at:end]
            after = end + 2
            if line.startswith((b"MSG ", b"HMSG ")):
                after += int(line.rsplit(b" ", 1)[1]) + 2
                if after > len(buffer):
                    break
                loses = self._bridge.loses
                if loses and loses(line.split(b" ", 2)[1].decode()):
                    self._bridge.lost += 1
                    at = after
                    continue
            kept.append(buffer[at:after])
            at = after
        self._buffer = buffer[at:]
        return b"".join(kept)


async def _pump(
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    keep: Callable[[bytes], bytes],
) -> None:
    with suppress(OSError):
        while data := await source.read(READ_BYTES):
            sink.write(keep(data))
            await sink.drain()
