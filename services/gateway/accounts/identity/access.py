"""Our own access tokens: short-lived JWTs, signed with EdDSA, verified without any look-up.

Whether the login session of one has ended meanwhile is for `endings` to say.
"""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from libs import errors
from services.gateway.accounts.identity.keys import KeyRing
from services.gateway.accounts.identity.model import Identity, Person, digest

CLOCK_SKEW_S = 5
VERIFIED_MAX = 10_000


class AccessTokens:
    """Issues and verifies access tokens of one issuer for one audience."""

    def __init__(self, keys: KeyRing, *, issuer: str, audience: str, life_s: int) -> None:
        """Sign with the keys of *keys*."""
        self._keys = keys
        self._verified: OrderedDict[bytes, tuple[str, Identity]] = OrderedDict()
        self.issuer = issuer
        self._audience = audience
        self.life_s = life_s

    def issue(self, person: Person, session_id: UUID, now: datetime) -> str:
        """Return a token that names *person* until `life_s` from *now*."""
        key = self._keys.signing()
        claims = {
            "iss": self.issuer,
            "aud": self._audience,
            "sub": str(person.id),
            "sid": str(session_id),
            "iat": now,
            "exp": now + timedelta(seconds=self.life_s),
            "name": person.display_name,
            "email": person.email,
        }
        return jwt.encode(claims, key.private, algorithm="EdDSA", headers={"kid": key.id})

    def recall(self, token: str, now: datetime) -> Identity | None:
        """Return whom *token* names if it was verified before and nothing has changed since.

        Verifying costs more than all else that a small request does.
        """
        key_id, identity = self._verified.get(digest(token), ("", None))
        if identity is None or identity.expires_at is None or identity.expires_at <= now:
            return None
        return identity if self._keys.find(key_id) else None

    def verify(self, token: str, key_id: str) -> Identity:
        """Return whom *token* names, and remember it.

        Raises:
            Unauthenticated: It is expired, for others, altered, or signed by an unknown key.
        """
        identity = self._verify(token, key_id)
        self._verified[digest(token)] = key_id, identity
        while len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)
        return identity

    def _verify(self, token: str, key_id: str) -> Identity:
        key = self._keys.find(key_id)
        if key is None:
            raise errors.Unauthenticated("The access token is not valid.")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=["EdDSA"],
                audience=self._audience,
                issuer=self.issuer,
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "iat", "sub", "iss", "aud", "sid"]},
            )
            return Identity(
                user_id=UUID(claims["sub"]),
                display_name=str(claims["name"]),
                email=str(claims["email"]),
                expires_at=datetime.fromtimestamp(claims["exp"], UTC),
                session_id=UUID(claims["sid"]),
            )
        except jwt.ExpiredSignatureError:
            raise errors.Unauthenticated("The access token has expired.") from None
        except (jwt.InvalidTokenError, ValueError, KeyError, OverflowError):
            raise errors.Unauthenticated("The access token is not valid.") from None
