"""Tokens of an external OpenID provider: discovery and keys fetched, cached, and bounded."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import structlog
from pydantic import TypeAdapter, ValidationError

from libs import errors
from libs.contracts import names
from libs.contracts.values import NAME_CHARS_MAX
from services.gateway.accounts.identity.model import Email

log = structlog.get_logger(__name__)

_EMAIL: TypeAdapter[str] = TypeAdapter(Email)

ALGORITHMS = ("RS256", "ES256", "EdDSA")
DOCUMENT_BYTES_MAX = 256 * 1024
FETCH_WAIT_S = 5.0
KEYS_FRESH_S = 600.0
KEYS_USABLE_S = 24 * 3600.0
"""How long known keys go on verifying while the provider cannot be reached."""
REFETCH_INTERVAL_S = 10.0
"""Between two fetches at least: tokens with invented key ids must not make us a hammer."""
KEYS_MAX = 50
SUBJECT_CHARS_MAX = 255
CLOCK_SKEW_S = 30


@dataclass(frozen=True, slots=True)
class Stranger:
    """A person as their own provider names them."""

    issuer: str
    subject: str
    name: str
    email: str | None
    expires_at: datetime


class OidcIssuer:
    """One configured provider."""

    def __init__(self, issuer: str, audience: str, client: httpx.AsyncClient) -> None:
        """Fetch nothing yet."""
        self.issuer = issuer
        self._audience = audience
        self._client = client
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def verify(self, token: str, key_id: str) -> Stranger:
        """Return whom *token* names.

        Raises:
            Unauthenticated: It is expired, for others, altered, or signed by an unknown key.
            Unavailable: The provider's keys are not known and it cannot be reached.
        """
        key = await self._key(key_id)
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self.issuer,
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
            return _stranger(claims)
        except jwt.ExpiredSignatureError:
            raise errors.Unauthenticated("The access token has expired.") from None
        except (jwt.InvalidTokenError, ValueError, TypeError, KeyError, OverflowError):
            raise errors.Unauthenticated("The access token is not valid.") from None

    async def _key(self, key_id: str) -> jwt.PyJWK:
        if self._is_wanting(key_id):
            async with self._fetching:
                if self._is_wanting(key_id):
                    await self._fetch()
        if key := self._keys.get(key_id):
            if time.monotonic() - self._fetched < KEYS_USABLE_S:
                return key
        elif self._fetched > float("-inf"):
            raise errors.Unauthenticated("The access token is not valid.")
        raise errors.Unavailable("The identity provider cannot be reached.")

    def _is_wanting(self, key_id: str) -> bool:
        now = time.monotonic()
        known = key_id in self._keys and now - self._fetched < KEYS_FRESH_S
        return not known and now - self._tried >= REFETCH_INTERVAL_S

    async def _fetch(self) -> None:
        self._tried = time.monotonic()
        try:
            discovery = await self._get(
                f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
            )
            self._keys = _read_keys(await self._get(_keys_url(discovery, self.issuer)))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            log.warning("identity provider unreachable", reason=repr(error)[:200])
            return
        self._fetched = time.monotonic()

    async def _get(self, url: str) -> dict[str, Any]:
        body = bytearray()
        async with self._client.stream("GET", url, timeout=FETCH_WAIT_S) as response:
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > DOCUMENT_BYTES_MAX:
                    raise ValueError("the document is too large")
        return httpx.Response(200, content=bytes(body)).json()


def _keys_url(discovery: dict[str, Any], issuer: str) -> str:
    if discovery.get("issuer") != issuer:
        raise ValueError("the discovery document names another issuer")
    return str(discovery["jwks_uri"])


def _read_keys(document: dict[str, Any]) -> dict[str, jwt.PyJWK]:
    found: dict[str, jwt.PyJWK] = {}
    for item in document["keys"][:KEYS_MAX]:
        try:
            key = jwt.PyJWK(item)
        except (jwt.PyJWKError, jwt.InvalidKeyError):
            continue  # of a type we do not use
        if key.key_id and key.algorithm_name in ALGORITHMS and item.get("use", "sig") == "sig":
            found[key.key_id] = key
    return found


def _is_email(value: object) -> bool:
    try:
        _EMAIL.validate_python(value)
    except ValidationError:
        return False
    return True


def _stranger(claims: dict[str, Any]) -> Stranger:
    email = claims.get("email")
    verified = claims.get("email_verified") is True and _is_email(email)
    name = str(claims.get("name") or claims.get("preferred_username") or "")
    subject = str(claims["sub"])
    if not 0 < len(subject) <= SUBJECT_CHARS_MAX or not subject.isprintable():
        raise ValueError("the subject cannot be kept")
    return Stranger(
        issuer=claims["iss"],
        subject=subject,
        name=names.cleaned(name)[:NAME_CHARS_MAX].strip() or "Anonymous",
        email=email if verified else None,
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
