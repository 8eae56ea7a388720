"""The outermost layer: a span, a log line and a measurement for each request, safe headers."""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, cast

import structlog
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode
from prometheus_client import Gauge, Histogram

from libs.telemetry import inject, outside_context, server_span, tracer

log = structlog.get_logger("services.gateway.access")

PATH_CHARS_MAX = 200
REQUEST_ID_HEADER = "x-request-id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_UNMATCHED = "unmatched"
_EXTRA = "scriptorium_headers"

_duration = Histogram(
    "scriptorium_http_seconds",
    "Time to answer a request, by method, route template and status.",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_in_flight = Gauge("scriptorium_http_in_flight", "Requests being answered.")
_trace = tracer(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_SECRET_PATHS = ("/api/auth/", "/api/tokens", "/api/me")
_UPLOADS = re.compile(r"/api/projects/[^/]+/uploads(/[^/]+)?/?")
"""Where tus is spoken: clients behind a proxy without PATCH say by a header what they mean."""
_METHOD = re.compile(r"[A-Z]{1,16}")
_OVERRIDE = b"x-http-method-override"
_TICKETS = "/files/"
"""Paths whose rest is a secret that allows reading or writing."""


def extra_headers(scope: Scope) -> dict[str, str]:
    """Return the headers that this request's answer will carry, whatever it is; add to them."""
    return cast("dict[str, Any]", scope).setdefault(_EXTRA, {})


class Edge:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, *, of_uploads: Mapping[str, str] | None = None) -> None:
        """Pass everything on to *app*; an OPTIONS where tus is spoken tells *of_uploads*.

        The framework answers an OPTIONS of another origin by itself, whatever it asks.
        """
        self._app = app
        self._of_uploads = of_uploads or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = _meant(scope)
        headers = _first(scope["headers"])
        with (
            server_span(_trace, "request", outside_context(headers)) as span,
            _in_flight.track_inprogress(),
        ):
            await self._serve(scope, receive, send, headers, span)

    async def _serve(
        self,
        scope: HTTPScope,
        receive: Receive,
        send: Send,
        headers: dict[str, str],
        span: Span,
    ) -> None:
        started = time.perf_counter()
        status = 500
        path = scope["path"]
        always = _always(path, headers, span)
        if scope["method"] == "OPTIONS" and _UPLOADS.fullmatch(path):
            always |= self._of_uploads

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _merge(message["headers"], {**always, **extra_headers(scope)})
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = str(cast("dict[str, Any]", scope).get("path_template") or _UNMATCHED)
            route = route.replace(":str}", "}")
            _duration.labels(method, route, str(status)).observe(seconds)
            span.update_name(f"{method} {route}")
            span.set_attribute("http.request.method", method)
            span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_status(Status(StatusCode.ERROR))
            log.info(
                "request answered",
                method=method,
                route=route,
                path=_printable(path),
                status=status,
                milliseconds=round(seconds * 1000, 2),
                request_id=always["X-Request-Id"],
            )


def _meant(scope: HTTPScope) -> HTTPScope:
    """Return the request with the method that its client means.

    The server keeps its own record of it: what it may send back depends on what was really asked.
    """
    if not _UPLOADS.fullmatch(scope["path"]):
        return scope
    meant = dict(scope["headers"]).get(_OVERRIDE, b"").decode("latin-1").strip().upper()
    return cast("HTTPScope", {**scope, "method": meant}) if _METHOD.fullmatch(meant) else scope


def _printable(path: str) -> str:
    """Return *path* fit for a terminal: percent-decoding may have made control characters."""
    if path.startswith(_TICKETS):
        return f"{_TICKETS}..."
    return "".join(each if each.isprintable() else "?" for each in path[:PATH_CHARS_MAX])


def _first(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    wanted = (b"traceparent", b"tracestate", b"baggage", REQUEST_ID_HEADER.encode())
    return {name.decode(): value.decode("latin-1") for name, value in headers if name in wanted}


def _always(path: str, headers: dict[str, str], span: Span) -> dict[str, str]:
    given = headers.get(REQUEST_ID_HEADER, "")
    trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    request_id = given if _REQUEST_ID.fullmatch(given) else trace_id
    always = {**_SAFE, "X-Request-Id": request_id}
    if parent := inject().get("traceparent"):
        always["traceparent"] = parent
    always["Cache-Control"] = "no-store" if path.startswith(_SECRET_PATHS) else "private, no-cache"
    return always


def _merge(
    given: Iterable[tuple[bytes, bytes]], added: dict[str, str]
) -> list[tuple[bytes, bytes]]:
    headers = list(given)
    present = {name.lower() for name, _ in headers}
    for name, value in added.items():
        encoded = name.lower().encode()
        if encoded not in present:
            headers.append((encoded, value.encode("latin-1")))
    return headers
