"""Registering, logging in, and telling who is asking."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import jwt

from libs import errors
from services.gateway.accounts.identity.access import AccessTokens
from services.gateway.accounts.identity.endings import Endings
from services.gateway.accounts.identity.model import (
    PERSONAL_TOKEN_PREFIX,
    TOKEN_CHARS_MAX,
    Identity,
    Login,
    NewPersonalToken,
    Person,
    Register,
    SignedIn,
    TokenCreate,
    digest,
    new_secret,
)
from services.gateway.accounts.identity.oidc import OidcIssuer
from services.gateway.accounts.identity.passwords import Fit, Passwords
from services.gateway.accounts.identity.store import IdentityStore

_NOT_VALID = "The access token is not valid."


class Identities:
    """All ways of proving who one is."""

    def __init__(
        self,
        *,
        store: IdentityStore,
        passwords: Passwords,
        access: AccessTokens,
        endings: Endings,
        oidc: OidcIssuer | None,
        refresh_token_life_s: int,
        session_life_s: int,
        clock: Callable[[], datetime],
    ) -> None:
        """Accept our own tokens, personal ones, and those of *oidc* when given."""
        self.store = store
        self._passwords = passwords
        self._access = access
        self._endings = endings
        self._oidc = oidc
        self._refresh_s = refresh_token_life_s
        self._session_s = session_life_s
        self._clock = clock

    async def identify(self, token: str) -> Identity:
        """Return whom *token* stands for: an access token, a personal one, or an external one.

        Raises:
            Unauthenticated: It is none of them, or no longer valid.
            Unavailable: The external issuer's keys are needed and cannot be fetched.
        """
        if not token.isascii() or len(token) > TOKEN_CHARS_MAX:
            raise errors.Unauthenticated(_NOT_VALID)
        identity = await self._identify(token)
        if self._endings.includes(identity):
            raise errors.Unauthenticated("The session of this token has ended.")
        return identity

    async def _identify(self, token: str) -> Identity:
        if token.startswith(PERSONAL_TOKEN_PREFIX):
            identity = await self.store.use_token(token)
            if identity is None:
                raise errors.Unauthenticated("The personal access token is not valid.")
            return identity
        if known := self._access.recall(token, self._clock()):
            return known
        issuer, key_id = _unverified(token)
        if self._oidc and issuer == self._oidc.issuer:
            return await self._identify_stranger(self._oidc, token, key_id)
        return self._access.verify(token, key_id)

    async def register(self, asked: Register, origin: str) -> SignedIn:
        """Create an account and log it in; *origin* names the network that it comes from.

        Raises:
            EmailTaken: The address has an account already.
        """
        encoded = await self._passwords.hash(asked.password)
        person = await self.store.register(asked.email, asked.display_name, encoded)
        return await self._sign_in(person, origin)

    async def login(self, asked: Login, origin: str) -> SignedIn:
        """Open a session from the network called *origin*.

        Raises:
            Unauthenticated: The address or the password is wrong; which one is not said.
        """
        found = await self.store.find_login(asked.email) if "\0" not in asked.email else None
        person, encoded = found or (None, None)
        fits = await self._passwords.verify(encoded, asked.password)
        if fits is Fit.NOT or person is None:
            raise errors.Unauthenticated("The email address or the password is wrong.")
        if fits is Fit.OUTDATED:
            await self.store.rehash(person.id, await self._passwords.hash(asked.password))
        return await self._sign_in(person, origin)

    async def was_here(self, email: str, origin: str) -> bool:
        """Return whether the person of an address logged in from *origin* before."""
        return "\0" not in email and await self.store.was_here(email, digest(origin))

    async def refresh(self, token: str) -> SignedIn:
        """Spend a refresh token for a new pair.

        Raises:
            Unauthenticated: It is not valid.
            RefreshReused: It was spent before: someone else has it too; its session is closed.
        """
        fresh = new_secret()
        rotated = await self.store.rotate(token, fresh, token_s=self._refresh_s)
        if rotated.person is None:
            self._endings.note(rotated.closed)
            raise errors.RefreshReused
        return self._signed_in(rotated.person, rotated.session_id, fresh)

    async def logout(self, token: str, *, everywhere: bool) -> None:
        """Close the session of a refresh token, or all of its person."""
        self._endings.note(await self.store.close(token, everywhere=everywhere))

    async def create_token(
        self, identity: Identity, token_id: UUID, asked: TokenCreate
    ) -> NewPersonalToken:
        """Make a personal access token, no mightier than what *identity* came with.

        One that a personal token makes ends with it at the latest: without an end of its own it
        has that one's, and it is deleted with it.

        Raises:
            Forbidden: It asks for a scope that the asking token does not have, or to outlive it.
            Invalid: It would have expired already.
        """
        if not identity.may_grant(asked.scopes):
            raise errors.Forbidden("A token cannot make one with more scopes than its own.")
        if asked.expires_at and asked.expires_at <= self._clock():
            raise errors.Invalid("expiresAt lies in the past.")
        expires_at = asked.expires_at
        if identity.token_id and identity.expires_at:
            expires_at = expires_at or identity.expires_at
            if expires_at > identity.expires_at:
                raise errors.Forbidden(
                    "A token cannot make one that outlives it.",
                    expiresAt=identity.expires_at.isoformat(),
                )
        return await self.store.add_token(
            identity.user_id,
            token_id,
            new_secret(PERSONAL_TOKEN_PREFIX),
            name=asked.name,
            scopes={str(scope) for scope in asked.scopes},
            expires_at=expires_at,
            made_by=identity.token_id,
        )

    async def delete_token(self, user_id: UUID, token_id: UUID) -> None:
        """Delete a personal access token, with those that it made and what they opened.

        Raises:
            NotFound: They have no such token.
        """
        self._endings.note(await self.store.drop_token(user_id, token_id))

    async def _identify_stranger(self, oidc: OidcIssuer, token: str, key_id: str) -> Identity:
        stranger = await oidc.verify(token, key_id)
        person = await self.store.provision(stranger)
        return Identity(
            user_id=person.id,
            display_name=person.display_name,
            email=person.email,
            expires_at=stranger.expires_at,
        )

    async def _sign_in(self, person: Person, origin: str) -> SignedIn:
        token = new_secret()
        session_id = await self.store.open_session(
            person.id,
            token,
            life_s=self._session_s,
            token_s=self._refresh_s,
            opened_from=digest(origin),
        )
        return self._signed_in(person, session_id, token)

    def _signed_in(self, person: Person, session_id: UUID, refresh_token: str) -> SignedIn:
        return SignedIn(
            user=person,
            access_token=self._access.issue(person, session_id, self._clock()),
            refresh_token=refresh_token,
            expires_in=self._access.life_s,
        )


def _unverified(token: str) -> tuple[str, str]:
    """Return the issuer and key that a token claims, only to choose who verifies it."""
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise errors.Unauthenticated(_NOT_VALID) from None
    key_id = parts["header"].get("kid")
    if not isinstance(key_id, str):
        raise errors.Unauthenticated(_NOT_VALID)
    return str(parts["payload"].get("iss")), key_id
