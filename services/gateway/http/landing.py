"""The page at `/`: what runs here, how it is, and where to look."""

import base64
import hashlib
import html
import re
import time
from collections.abc import Mapping
from functools import cache
from importlib import resources

from libs.telemetry import Health
from services.gateway.http.route import Answer, Call, NoBody

STATE_AGE_S_MAX = 2.0
"""Anybody may load the page, and each look at the state asks other services."""

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_FALLBACK = "127.0.0.1:8300"


class Landing:
    """Answers with the page."""

    def __init__(
        self, health: Health, parts: Mapping[str, str], *, public_url: str | None = None
    ) -> None:
        """Show what *health* says of *parts*, which are its checks with what each does.

        Args:
            health: Checks of the parts.
            parts: A sentence about each part, by the name of its check.
            public_url: Where clients reach the gateway; None for as they asked.
        """
        self._health = health
        self._parts = parts
        self._public_url = public_url
        self._failures: dict[str, str] = {}
        self._looked_at = -STATE_AGE_S_MAX

    async def page(self, call: Call[NoBody]) -> Answer:
        """Answer with the page as things are now."""
        if time.monotonic() - self._looked_at >= STATE_AGE_S_MAX:
            self._looked_at = time.monotonic()
            self._failures = await self._health.failures()
        address = self._public_url or _asked(call)
        text = (
            _page()
            .replace("{{state}}", self._state(self._failures))
            .replace("{{address}}", html.escape(address.rstrip("/")))
        )
        headers = {"Content-Security-Policy": _policy(), "Cache-Control": "no-store"}
        return Answer(200, text.encode(), "text/html", headers)

    def _state(self, failures: Mapping[str, str]) -> str:
        draining = "process" in failures
        rows = [
            _row(name, does, failures.get(name, "draining" if draining else None))
            for name, does in self._parts.items()
        ]
        return "\n".join(rows)


def _row(name: str, does: str, failure: str | None) -> str:
    state = '<span class="ready">ready</span>'
    if failure:
        reason = html.escape(failure)
        state = f'<span class="away">not ready</span> <span class="soft">({reason})</span>'
    about = f"{state}<br><span class=soft>{does}</span>"
    return f"<tr><td><code>{name}</code></td><td>{about}</td></tr>"


def _asked(call: Call[NoBody]) -> str:
    host = call.header("host") or ""
    shown = host if _HOST.fullmatch(host) else _FALLBACK
    return f"{call.request.url.scheme}://{shown}"


@cache
def _page() -> str:
    return resources.files("services.gateway.http").joinpath("landing.html").read_text("utf-8")


@cache
def _policy() -> str:
    """Allow the page's own style, known by its digest, and nothing else."""
    [style] = re.findall(r"<style>(.*?)</style>", _page(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
