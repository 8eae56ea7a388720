"""Signed tickets: an operation, its blob or upload, and an expiry.

`<base64url of JSON>.<base64url of HMAC-SHA256>`; good in a URL as it is.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from libs import errors

TICKET_CHARS_MAX = 4096
"""Longer ones are refused before they are looked at."""


class Op(StrEnum):
    """The operation that a ticket allows."""

    PUT = "put"
    """Send all bytes of an upload."""
    PATCH = "patch"
    """Send the next bytes of a resumable upload."""
    GET = "get"
    """Read a blob."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The signed content of a ticket. `subject` is the SHA-256 of a blob or the id of an upload."""

    op: Op
    project_id: UUID
    user_id: UUID
    subject: str
    expires_at: int
    """Seconds since 1970."""
    file_name: str | None = None
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A secret and its number."""

    id: int
    secret: bytes


def key_of(ticket: str) -> int:
    """Return the number of the key that a ticket says it was signed with; nothing is verified.

    Raises:
        errors.Forbidden: It is not a ticket.
    """
    return _parse(ticket)[0]


def sign(grant: Grant, key: Key) -> str:
    """Return the ticket of *grant*."""
    members = {name: value for name, value in asdict(grant).items() if value is not None}
    said = json.dumps({"key": key.id, **members}, separators=(",", ":"), default=str).encode()
    return f"{_encode(said)}.{_encode(_mac(said, key.secret))}"


def verify(ticket: str, keys: Mapping[int, Key], *, now: float) -> Grant:
    """Return what *ticket* allows.

    Raises:
        errors.Forbidden: It was not signed by us, or is over.
    """
    number, said, mac = _parse(ticket)
    key = keys.get(number)
    if key is None or not hmac.compare_digest(_mac(said, key.secret), mac):
        raise errors.Forbidden("This ticket is not valid.")
    members: dict[str, Any] = json.loads(said)
    del members["key"]
    grant = Grant(
        op=Op(members.pop("op")),
        project_id=UUID(members.pop("project_id")),
        user_id=UUID(members.pop("user_id")),
        **members,
    )
    if grant.expires_at <= now:
        raise errors.Forbidden("The ticket has expired. Ask the gateway for a new one.")
    return grant


def _parse(ticket: str) -> tuple[int, bytes, bytes]:
    said, _, mac = ticket[: TICKET_CHARS_MAX + 1].partition(".")
    try:
        number: object = json.loads(_decode(said))["key"]
        parsed = _decode(said), _decode(mac)
    except (ValueError, KeyError, TypeError, RecursionError):
        number, parsed = None, (b"", b"")
    if len(ticket) > TICKET_CHARS_MAX or not isinstance(number, int):
        raise errors.Forbidden("This ticket is not valid.")
    return number, *parsed


def _mac(said: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, b"scriptorium ticket 1\n" + said, hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    raw = text.encode("ascii")
    return base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
