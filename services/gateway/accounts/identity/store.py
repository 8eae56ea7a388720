"""The tables of people: accounts, sessions, tokens."""

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.ids import new_id
from libs.postgres import Connection, Pool, load_queries
from services.gateway.accounts.identity.model import (
    Identity,
    NewPersonalToken,
    Person,
    PersonalToken,
    digest,
)
from services.gateway.accounts.identity.names import email_keys, require_email
from services.gateway.accounts.identity.oidc import Stranger

SQL = load_queries("services.gateway")

CLEAN_ROWS_MAX = 1000
REFRESH_GRACE_S = 10
"""How long a refresh token that was just spent may come again: two windows refresh at once, or an
answer was lost. Later, or once a successor was spent, it is taken for stolen."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """The result of a refresh token: its person, or None and the sessions that it closed."""

    person: Person | None
    session_id: UUID
    closed: frozenset[UUID] = frozenset()


def person(row: asyncpg.Record) -> Person:
    """Read a person from a row of `users`."""
    return Person(id=row["id"], email=row["email"] or "", display_name=row["display_name"])


def _token(row: asyncpg.Record) -> dict[str, Any]:
    return {**dict(row), "scopes": tuple(sorted(row["scopes"]))}


class IdentityStore:
    """Speaks the SQL of identity."""

    def __init__(self, pool: Pool) -> None:
        """Work in *pool*."""
        self._pool = pool

    async def register(self, email: str, display_name: str, password_hash: str) -> Person:
        """Create an account.

        Raises:
            EmailTaken: The address, however it is written, has one already.
        """
        row = await self._pool.fetchrow(
            SQL.register, new_id(), email, email_keys(email), display_name, password_hash
        )
        if row is None:
            raise errors.EmailTaken
        return person(row)

    async def find_login(self, email: str) -> tuple[Person, str | None] | None:
        """Return the account of an address and its password hash."""
        row = await self._pool.fetchrow(SQL.find_login, email, email_keys(email))
        return (person(row), row["password_hash"]) if row else None

    async def was_here(self, email: str, opened_from: bytes) -> bool:
        """Return whether the person of an address logged in from a network address before."""
        return bool(await self._pool.fetchval(SQL.was_here, email, email_keys(email), opened_from))

    async def rehash(self, user_id: UUID, password_hash: str) -> None:
        """Replace a password hash by one with today's parameters."""
        await self._pool.execute(SQL.rehash, user_id, password_hash)

    async def find_user(self, user_id: UUID) -> Person | None:
        """Return the account called *user_id*."""
        row = await self._pool.fetchrow(SQL.find_user, user_id)
        return person(row) if row else None

    async def names(self, user_ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return the display names of those who exist."""
        rows = await self._pool.fetch(SQL.find_names, list(user_ids))
        return {row["id"]: row["display_name"] for row in rows}

    async def open_session(
        self, user_id: UUID, token: str, *, life_s: int, token_s: int, opened_from: bytes
    ) -> UUID:
        """Begin a family of refresh tokens with *token*; returns the session's id."""
        session_id = new_id()
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                SQL.open_session, session_id, user_id, timedelta(seconds=life_s), opened_from
            )
            await _issue(connection, token, session_id, token_s, parent=None)
        return session_id

    async def rotate(self, old: str, new: str, *, token_s: int) -> Rotated:
        """Spend *old* and issue *new* in its family.

        For REFRESH_GRACE_S a token may be spent again, as long as no successor of it was: then
        its family has two branches, and each goes on by itself.

        Raises:
            Unauthenticated: *old* is unknown, expired, or its session is closed.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                SQL.lock_refresh, digest(old), timedelta(seconds=REFRESH_GRACE_S)
            )
            if row is None or row["closed"]:
                raise errors.Unauthenticated("The refresh token is not valid.")
            session_id = row["session_id"]
            if row["spent"] and not row["repeated"]:
                # Raising inside the block would undo this.
                closed = await connection.fetch(SQL.close_session, session_id)
                return Rotated(None, session_id, _ids(closed))
            if row["expired"]:
                raise errors.Unauthenticated("The refresh token has expired.")
            await connection.execute(SQL.spend_refresh, digest(old))
            await _issue(connection, new, session_id, token_s, parent=digest(old))
            return Rotated(person(row), session_id)

    async def close(self, token: str, *, everywhere: bool) -> frozenset[UUID]:
        """Close the session that *token* belongs to, or all of its person; unknown is fine.

        Returns the sessions that it closed.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(SQL.lock_refresh, digest(token), timedelta(0))
            if row is None:
                return frozenset()
            closed = await connection.fetch(SQL.close_session, row["session_id"])
            # A stolen, long revoked token must not be able to log its victim out everywhere.
            if everywhere and not row["closed"] and not row["spent"]:
                closed += await connection.fetch(SQL.close_all_sessions, row["id"])
            return _ids(closed)

    async def ended_sessions(self, in_last_s: float, limit: int) -> frozenset[UUID]:
        """Return the sessions that were closed in the last while, the newest of them."""
        return _ids(await self._pool.fetch(SQL.ended_sessions, timedelta(seconds=in_last_s), limit))

    async def living(self, credentials: Collection[UUID]) -> frozenset[UUID]:
        """Return which of these sessions and personal tokens are still good."""
        return _ids(await self._pool.fetch(SQL.living_credentials, list(credentials)))

    async def provision(self, stranger: Stranger) -> Person:
        """Return the account of an external person, created on first sight."""
        for _ in range(3):
            row = await self._pool.fetchrow(SQL.find_external, stranger.issuer, stranger.subject)
            if row:
                return person(row)
            await self._add_external(stranger)
        raise errors.Unavailable

    async def _add_external(self, stranger: Stranger) -> None:
        async with self._pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            email = _address(stranger.email)
            keys = email_keys(email) if email else []
            user_id = await connection.fetchval(
                SQL.add_external_user, new_id(), email, keys, stranger.name
            )
            added = user_id and await connection.fetchval(
                SQL.add_external, stranger.issuer, stranger.subject, user_id
            )
            await (transaction.commit() if added else transaction.rollback())

    async def use_token(self, token: str) -> Identity | None:
        """Return whom a personal access token stands for, noting coarsely that it was used."""
        row = await self._pool.fetchrow(SQL.use_token, digest(token))
        if row is None:
            return None
        if row["unmarked"]:
            await self._pool.execute(SQL.mark_used, row["token_id"])
        return Identity(
            user_id=row["id"],
            display_name=row["display_name"],
            email=row["email"] or "",
            scopes=frozenset(row["scopes"]),
            expires_at=row["expires_at"],
            token_id=row["token_id"],
        )

    async def add_token(
        self,
        user_id: UUID,
        token_id: UUID,
        secret: str,
        *,
        name: str,
        scopes: Iterable[str],
        expires_at: datetime | None,
        made_by: UUID | None,
    ) -> NewPersonalToken:
        """Create a token; a repeat under the same id only gives it a new secret.

        Raises:
            Unauthenticated: The token that makes it, *made_by*, was deleted meanwhile.
        """
        try:
            row = await self._pool.fetchrow(
                SQL.add_token,
                token_id,
                user_id,
                name,
                digest(secret),
                sorted(scopes),
                expires_at,
                made_by,
            )
        except asyncpg.ForeignKeyViolationError:
            raise errors.Unauthenticated from None
        if row is None:
            raise errors.NotFound
        return NewPersonalToken(**_token(row), token=secret)

    async def list_tokens(
        self, user_id: UUID, after: UUID | None, limit: int
    ) -> list[PersonalToken]:
        """Return a page of a person's tokens, oldest first."""
        rows = await self._pool.fetch(SQL.list_tokens, user_id, after, limit)
        return [PersonalToken(**_token(row)) for row in rows]

    async def find_token(self, user_id: UUID, token_id: UUID) -> PersonalToken:
        """Return one token of a person.

        Raises:
            NotFound: They have no such token.
        """
        row = await self._pool.fetchrow(SQL.find_token, user_id, token_id)
        if row is None:
            raise errors.NotFound
        return PersonalToken(**_token(row))

    async def drop_token(self, user_id: UUID, token_id: UUID) -> frozenset[UUID]:
        """Delete a token and those that it made, at once and for good; returns all of them.

        Raises:
            NotFound: They have no such token.
        """
        dropped = await self._pool.fetch(SQL.drop_token, user_id, token_id)
        if not dropped:
            raise errors.NotFound
        return _ids(dropped)

    async def clean(self) -> None:
        """Forget sessions that are over, at most CLEAN_ROWS_MAX of them."""
        await self._pool.execute(SQL.drop_sessions, CLEAN_ROWS_MAX)


async def _issue(
    connection: Connection, token: str, session_id: UUID, token_s: int, *, parent: bytes | None
) -> None:
    await connection.execute(
        SQL.issue_refresh, digest(token), session_id, timedelta(seconds=token_s), parent
    )


def _ids(rows: Iterable[asyncpg.Record]) -> frozenset[UUID]:
    return frozenset(row["id"] for row in rows)


def _address(told: str | None) -> str | None:
    """Return an address that another issuer tells of, if an account here may have it."""
    with suppress(ValueError):
        return require_email(told) if told else None
    return None
