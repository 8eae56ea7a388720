"""People and their credentials as values."""

import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from libs.contracts.values import Instant, Name
from libs.contracts.wire import Wire
from services.gateway.accounts.identity.names import require_email

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
    AfterValidator(require_email),
]
Password = Annotated[
    str, StringConstraints(min_length=PASSWORD_CHARS_MIN, max_length=PASSWORD_CHARS_MAX)
]
AnyPassword = Annotated[str, StringConstraints(max_length=PASSWORD_CHARS_MAX)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Scope(StrEnum):
    """Scopes of a personal access token; each includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    @property
    def included(self) -> frozenset["Scope"]:
        """All scopes that this one is good for."""
        scopes = tuple(Scope)
        return frozenset(scopes[: scopes.index(self) + 1])


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified person.

    `scopes` is None when nothing narrows what they may do; `expires_at` is when the token that
    proved it ends. `session_id` is the login session of an access token, `token_id` the id of a
    personal token; a token of an external issuer has neither.
    """

    user_id: UUID
    display_name: str
    email: str
    scopes: frozenset[str] | None = None
    expires_at: datetime | None = None
    session_id: UUID | None = None
    token_id: UUID | None = None

    @property
    def credential_id(self) -> UUID | None:
        """Return the thing that can be revoked: the login session, or the personal token."""
        return self.session_id or self.token_id

    @property
    def connected_until(self) -> datetime | None:
        """When connections that were opened with the token end by themselves.

        Those of a login session live as long as the session, which its token does not tell.
        """
        return None if self.session_id else self.expires_at

    def is_over(self, ended: Collection[UUID], now: datetime) -> bool:
        """Return whether connections of this identity end *now*, *ended* being no more."""
        until = self.connected_until
        return self.credential_id in ended or (until is not None and until <= now)

    def may_grant(self, scopes: Iterable[Scope]) -> bool:
        """Return whether a token with *scopes* would be no mightier than this person's own."""
        if self.scopes is None:
            return True
        own = (Scope(each).included for each in self.scopes)
        return frozenset(scopes) <= frozenset[Scope]().union(*own)


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
    expires_at: Instant | None = None


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
