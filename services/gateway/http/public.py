"""Endpoints for everybody: keys, health, and the documentation."""

from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from libs import errors
from libs.telemetry import Health
from services.gateway.accounts.identity.keys import KeyRing
from services.gateway.http.document import Document
from services.gateway.http.landing import Landing
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Route

DOCS_PATH = "/api/docs"
OPENAPI_PATH = "/api/openapi.json"
UNDOCUMENTED = frozenset({"/", DOCS_PATH, f"{DOCS_PATH}/script.js", f"{DOCS_PATH}/style.css"})

_KEYS_CACHE = "public, max-age=60"
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Public:
    """Handlers that need no credentials and cost nothing."""

    def __init__(self, keys: KeyRing, health: Health, landing: Landing) -> None:
        """Publish *keys*, *health* and *landing*; `openapi` is set once all routes are known."""
        self._keys = keys
        self._health = health
        self._landing = landing
        self.openapi = Document(b"{}")

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            self._get("/", self._landing.page, "What runs here, and where to look"),
            self._get("/.well-known/jwks.json", self.jwks, "Keys that verify access tokens"),
            self._get("/healthz", self.healthz, "Whether the process lives"),
            self._get(
                "/readyz",
                self.readyz,
                "Whether the process can serve",
                problems=("UNAVAILABLE",),
            ),
            replace(self._get(OPENAPI_PATH, self.document, "This document"), etag=True),
            self._get(DOCS_PATH, self.page, "This document, to read"),
            self._get(f"{DOCS_PATH}/script.js", self.script, "Part of the page"),
            self._get(f"{DOCS_PATH}/style.css", self.style, "Part of the page"),
        ]

    def _get(
        self, path: str, handler: Any, summary: str, problems: tuple[str, ...] = ()
    ) -> AnyRoute:
        return Route(
            method="GET",
            path=path,
            handler=handler,
            summary=summary,
            tag="Public",
            body=NoBody,
            query=NoQuery,
            cost=None,
            anonymous=True,
            problems=problems,
        )

    async def jwks(self, _: Call[NoBody]) -> Answer:
        """Publish the keys."""
        return Answer.json(self._keys.jwks(), 200, {"Cache-Control": _KEYS_CACHE})

    async def healthz(self, _: Call[NoBody]) -> Answer:
        """Answer at all."""
        return Answer.json({"status": "ok"}, 200, {"Cache-Control": "no-store"})

    async def readyz(self, _: Call[NoBody]) -> Answer:
        """Check what a request would need."""
        wrong = await self._health.failures()
        if wrong:
            raise errors.Unavailable("Not ready.", failures=wrong)
        return Answer.json({"status": "ok"}, 200, {"Cache-Control": "no-store"})

    async def document(self, call: Call[NoBody]) -> Answer:
        """Answer with the OpenAPI document."""
        return self.openapi.answer(call)

    async def page(self, _: Call[NoBody]) -> Answer:
        """Answer with the page that shows it, without any other server's help."""
        headers = {"Content-Security-Policy": _PAGE_POLICY}
        return Answer(200, _file("docs.html"), "text/html", headers)

    async def script(self, _: Call[NoBody]) -> Answer:
        """Answer with the page's script."""
        return Answer(200, _file("docs.js"), "text/javascript")

    async def style(self, _: Call[NoBody]) -> Answer:
        """Answer with the page's style."""
        return Answer(200, _file("docs.css"), "text/css")


@cache
def _file(name: str) -> bytes:
    return resources.files("services.gateway.http").joinpath(name).read_bytes()
