"""One trace from a client's edit, and from a client's request, to the disk."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.people import People
from tests.support.stack import real_stack
from tests.support.yclient import YClient
from tools.stack import Stack

EXPORT_WAIT_S = 20.0
"""The SDK exports in batches, every five seconds."""


@dataclass(frozen=True, slots=True)
class Span:
    """What matters here of a span."""

    service: str
    name: str
    trace: bytes
    id: bytes
    parent: bytes


@dataclass(slots=True)
class Collector:
    """An OTLP/HTTP collector that keeps what it receives."""

    url: str
    spans: list[Span] = field(default_factory=list[Span])

    def take(self, body: bytes) -> None:
        """Decode one export."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            attributes = {
                each.key: each.value.string_value for each in resource.resource.attributes
            }
            for scope in resource.scope_spans:
                self.spans += [
                    Span(
                        attributes["service.name"],
                        span.name,
                        span.trace_id,
                        span.span_id,
                        span.parent_span_id,
                    )
                    for span in scope.spans
                ]

    async def child(self, service: str, name: str, parent: Span) -> Span:
        """Wait for a span of *service* below *parent*."""
        async with asyncio.timeout(EXPORT_WAIT_S):
            while True:
                for span in self.spans:
                    if (span.service, span.name, span.parent) == (service, name, parent.id):
                        assert span.trace == parent.trace
                        return span
                await asyncio.sleep(0.1)

    async def some(self, service: str, name: str) -> list[Span]:
        """Wait for spans of *service* called *name*."""
        async with asyncio.timeout(EXPORT_WAIT_S):
            while True:
                found = [s for s in self.spans if (s.service, s.name) == (service, name)]
                if found:
                    return found
                await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
async def collector() -> AsyncIterator[Collector]:
    """A collector on a port of its own."""
    keeper = Collector("")

    class Receive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keeper.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Exports are not worth a line."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receive)
    keeper.url = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, daemon=True).start()
    yield keeper
    server.shutdown()


@pytest.fixture(scope="module")
async def stack(
    tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> AsyncIterator[Stack]:
    """The whole system, with every trace sampled; one of each, so that a span names its process."""
    traced = {"SCRIPTORIUM_OTLP_ENDPOINT": collector.url, "SCRIPTORIUM_TRACE_RATIO": "1"}
    async with real_stack(tmp_path_factory.mktemp("traced"), environment=traced) as running:
        yield running


async def test_an_edit_can_be_followed_from_the_socket_to_its_commit(
    stack: Stack, collector: Collector
) -> None:
    """Whoever looks for a slow edit sees the batch that it went in, and the commit of that."""
    async with People(stack.url) as people:
        ada = await people.join("Ada")
        scene = await ada.scene(await ada.project())
        address = f"{stack.url.replace('http', 'ws', 1)}/collab/{scene}?token={ada.token}"
        async with YClient(lambda: address) as client:
            client.type("seen")
            edits = await collector.some("scriptorium-gateway", "edit")

    await collector.child("scriptorium-collab", "commit", edits[0])


async def test_a_request_can_be_followed_into_the_service_that_answers(
    stack: Stack, collector: Collector
) -> None:
    """The trace context rides in the request's headers, over HTTP and over the bus."""
    async with People(stack.url) as people:
        ada = await people.join("Ada")
        await ada.project("Traced")

    asked = await collector.some("scriptorium-gateway", "ask events.create")
    await collector.child("scriptorium-events", "serve events.create", asked[0])
