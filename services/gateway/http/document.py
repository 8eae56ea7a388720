"""A document that does not change while the gateway runs: compressed once, known by its tag."""

import gzip
import hashlib
from collections.abc import Callable

import zstandard

from services.gateway.http.etags import is_known
from services.gateway.http.route import JSON, Answer, AnyCall

ZSTD_LEVEL = 12
_CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstandard.compress(body, ZSTD_LEVEL),
    "gzip": lambda body: gzip.compress(body, mtime=0),
}
"""Codings of content, the preferred one first."""


class Document:
    """A JSON document, answered in the best coding that the client takes."""

    def __init__(self, body: bytes) -> None:
        """Answer with *body*."""
        # Weak, because it is the same for all codings.
        self.tag = f'W/"document-{hashlib.sha256(body).hexdigest()[:32]}"'
        self._bodies = {"": body}

    def answer(self, call: AnyCall) -> Answer:
        """Answer with the document, or with 304 when the client has it."""
        headers = {"ETag": self.tag, "Vary": "Accept-Encoding"}
        if is_known(call.header("if-none-match"), self.tag):
            return Answer(304, headers=headers)
        coding = coding_of(call.header("accept-encoding"))
        if coding not in self._bodies:
            self._bodies[coding] = _CODINGS[coding](self._bodies[""])
        if coding:
            headers["Content-Encoding"] = coding
        return Answer(200, self._bodies[coding], JSON, headers)


def coding_of(accepted: str | None) -> str:
    """Return the coding to answer with by an Accept-Encoding; empty for none (RFC 9110, 12.5.3)."""
    weights: dict[str, float] = {}
    for each in (accepted or "").lower().split(","):
        name, *parameters = (part.strip() for part in each.split(";"))
        weights[name] = _weight(parameters)
    known = [(weights.get(name, weights.get("*", 0.0)), name) for name in _CODINGS]
    best = max(weight for weight, _ in known)
    if best <= 0 or weights.get("identity", 0.0) > best:
        return ""
    return next(name for weight, name in known if weight == best)


def _weight(parameters: list[str]) -> float:
    for each in parameters:
        if each.startswith("q="):
            try:
                return float(each[2:])
            except ValueError:
                return 0.0
    return 1.0
