"""People and their credentials as values."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from libs.contracts.resources import Name
from libs.contracts.wire import Wire

PASSWORD_CHARS_MIN = 10
PASSWORD_CHARS_MAX = 1024
EMAIL_CHARS_MAX = 254
PERSONAL_TOKEN_PREFIX = "scp_"  # noqa: S105 (it marks a token, it is none)
SECRET_BYTES = 32
TOKEN_CHARS_MAX = 8192

Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=3,
        max_length=EMAIL_CHARS_MAX,
        pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$",
    ),
]
Password = Annotated[
    str, StringConstraints(min_length=PASSWORD_CHARS_MIN, max_length=PASSWORD_CHARS_MAX)
]
AnyPassword = Annotated[str, StringConstraints(max_length=PASSWORD_CHARS_MAX)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Scope(StrEnum):
    """What a personal access token is good for; each includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified person.

    `scopes` is None when nothing narrows what they may do; `expires_at` is when the token that
    proved it ends.
    """

    user_id: UUID
    display_name: str
    email: str
    scopes: frozenset[str] | None = None
    expires_at: datetime | None = None


class Person(Wire):
    """A person as they see themselves."""

    id: UUID
    email: str
    display_name: str


class Register(Wire):
    """A new account."""

    email: Email
    password: Password
    display_name: Name


class Login(Wire):
    """An existing account."""

    email: Annotated[str, StringConstraints(strip_whitespace=True, max_length=EMAIL_CHARS_MAX)]
    password: AnyPassword


class Refresh(Wire):
    """Spend a refresh token for a new pair."""

    refresh_token: Secret


class Logout(Wire):
    """Close the session of this refresh token; with `everywhere`, all sessions of its person."""

    refresh_token: Secret
    everywhere: bool = False


class SignedIn(Wire):
    """A person and their fresh tokens; `expires_in` is the access token's life in seconds."""

    user: Person
    access_token: str
    refresh_token: str
    expires_in: int


class TokenCreate(Wire):
    """A new personal access token; without `expires_at` it lives until it is deleted."""

    name: Name
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    expires_at: AwareDatetime | None = None


class PersonalToken(Wire):
    """A personal access token as it is listed."""

    id: UUID
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewPersonalToken(PersonalToken):
    """A personal access token when it is made: the only time its secret is shown."""

    token: str


def new_secret(prefix: str = "") -> str:
    """Return a fresh random secret."""
    return prefix + secrets.token_urlsafe(SECRET_BYTES)


def digest(secret: str) -> bytes:
    """Return what is stored of a secret; it has 256 random bits, so no salt or cost is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
