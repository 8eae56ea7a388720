"""An application on /ws that listens."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.gateway.support import Json, Person
from tests.support.waiting import until


class Listener:
    """What came to one application, but for edits and presence."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.heard: list[Json] = []
        self.ready: Json = {}
        self.synced = asyncio.Event()

    async def read(self) -> None:
        async for message in self._socket:
            said = json.loads(message)
            match said["type"]:
                case "server.ready":
                    self.ready = said
                case "doc.sync":
                    self.synced.set()
                case "editor.update" | "presence.list" | "presence.update":
                    pass
                case _:
                    self.heard.append(said)

    async def until_heard(self, count: int) -> list[Json]:
        """Wait for so many messages, and return all there are."""
        try:
            await until(lambda: len(self.heard) >= count, 10)
        except TimeoutError:
            raise AssertionError(self.heard) from None
        return self.heard

    async def say(self, kind: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": kind, **fields}))


@asynccontextmanager
async def listening(url: str, person: Person, scene: str) -> AsyncGenerator[Listener]:
    """Join a scene over /ws of the gateway at *url*."""
    async with connect(f"{url.replace('http', 'ws', 1)}/ws", compression=None) as socket:
        listener = Listener(socket)
        reading = asyncio.create_task(listener.read())
        try:
            token = person.access_token
            await listener.say("client.hello", userId=person.id, token=token, e2ee=False)
            await listener.say("join.scene", sceneId=scene)
            async with asyncio.timeout(10):
                await listener.synced.wait()
            yield listener
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
