"""A server of embeddings as OpenAI describes it, on a real socket; it can be told to misbehave."""

import asyncio
import json
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvicorn

DIMENSION = 64
KEY = "sk-secret"

type Misdeed = Callable[[dict[str, Any]], "Reply"]


@dataclass
class Reply:
    """What is answered, and after which time."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    after_s: float = 0.0


def vector_of(text: str) -> list[float]:
    """Return a vector that texts with the same words have."""
    vector = np.zeros(DIMENSION)
    for word in text.lower().split():
        vector[zlib.crc32(word.encode()) % DIMENSION] += 1
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).tolist()


def answer(asked: dict[str, Any]) -> Reply:
    """Answer as a server in good order does."""
    texts: list[str] = asked["input"]
    data = [
        {"object": "embedding", "index": at, "embedding": vector_of(text)}
        for at, text in enumerate(texts)
    ]
    said = {"object": "list", "data": data[::-1], "model": asked["model"]}
    return Reply(json.dumps(said).encode())


class EmbeddingServer:
    """Answers on a port of its own; the next requests do the *misdeeds* first."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.misdeeds: list[Misdeed] = []
        self.always: Misdeed = answer
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        reply = self._reply(scope, body)
        await asyncio.sleep(reply.after_s)
        headers = {"content-type": "application/json", **reply.headers}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
        await send({"type": "http.response.body", "body": reply.body})

    def _reply(self, scope: Any, body: bytes) -> Reply:
        if dict(scope["headers"]).get(b"authorization") != f"Bearer {KEY}".encode():
            return Reply(b"{}", 401)
        if (scope["method"], scope["path"]) != ("POST", "/v1/embeddings"):
            return Reply(b"{}", 404)
        asked = json.loads(body)
        self.asked.append(asked["input"])
        return (self.misdeeds.pop(0) if self.misdeeds else self.always)(asked)


@asynccontextmanager
async def serving() -> AsyncGenerator[EmbeddingServer]:
    """Serve on a free port of this machine."""
    app = EmbeddingServer()
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (it tells nobody)
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    app.url = f"http://127.0.0.1:{port}/v1"
    yield app
    server.should_exit = server.force_exit = True
    await running
