"""What is kept about people: accounts, sessions, tokens."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.ids import new_id
from libs.postgres import Connection, Pool, load_queries
from services.gateway.identity.model import (
    Identity,
    NewPersonalToken,
    Person,
    PersonalToken,
    digest,
)
from services.gateway.identity.oidc import Stranger

SQL = load_queries("services.gateway")

CLEAN_ROWS_MAX = 1000


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
            EmailTaken: The address, in any case of letters, has one already.
        """
        row = await self._pool.fetchrow(SQL.register, new_id(), email, display_name, password_hash)
        if row is None:
            raise errors.EmailTaken
        return person(row)

    async def find_login(self, email: str) -> tuple[Person, str | None] | None:
        """Return the account of an address and its password hash."""
        row = await self._pool.fetchrow(SQL.find_login, email)
        return (person(row), row["password_hash"]) if row else None

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

    async def open_session(self, user_id: UUID, token: str, *, life_s: int, token_s: int) -> UUID:
        """Begin a family of refresh tokens with *token*; returns the session's id."""
        session_id = new_id()
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                SQL.open_session, session_id, user_id, timedelta(seconds=life_s)
            )
            await _issue(connection, token, session_id, token_s)
        return session_id

    async def rotate(self, old: str, new: str, *, token_s: int) -> tuple[Person, UUID]:
        """Spend *old* and issue *new* in its family.

        Raises:
            Unauthenticated: *old* is unknown, expired, or its session is closed.
            RefreshReused: *old* was spent before; its session is closed now.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(SQL.lock_refresh, digest(old))
            if row is None or row["closed"]:
                raise errors.Unauthenticated("The refresh token is not valid.")
            if not row["spent"]:
                if row["expired"]:
                    raise errors.Unauthenticated("The refresh token has expired.")
                await connection.execute(SQL.spend_refresh, digest(old))
                await _issue(connection, new, row["session_id"], token_s)
                return person(row), row["session_id"]
            # Raising inside the block would undo this.
            await connection.execute(SQL.close_session, row["session_id"])
        raise errors.RefreshReused

    async def close(self, token: str, *, everywhere: bool) -> None:
        """Close the session that *token* belongs to, or all of its person; unknown is fine."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(SQL.lock_refresh, digest(token))
            if row is None:
                return
            await connection.execute(SQL.close_session, row["session_id"])
            # A stolen, long revoked token must not be able to log its victim out everywhere.
            if everywhere and not row["closed"] and not row["spent"]:
                await connection.execute(SQL.close_all_sessions, row["id"])

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
            user_id = await connection.fetchval(
                SQL.add_external_user, new_id(), stranger.email, stranger.name
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
    ) -> NewPersonalToken:
        """Create a token; a repeat under the same id only gives it a new secret."""
        row = await self._pool.fetchrow(
            SQL.add_token, token_id, user_id, name, digest(secret), sorted(scopes), expires_at
        )
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

    async def drop_token(self, user_id: UUID, token_id: UUID) -> None:
        """Delete a token, at once and for good.

        Raises:
            NotFound: They have no such token.
        """
        if await self._pool.fetchval(SQL.drop_token, user_id, token_id) is None:
            raise errors.NotFound

    async def clean(self) -> None:
        """Forget sessions that are over, at most CLEAN_ROWS_MAX of them."""
        await self._pool.execute(SQL.drop_sessions, CLEAN_ROWS_MAX)


async def _issue(connection: Connection, token: str, session_id: UUID, token_s: int) -> None:
    await connection.execute(
        SQL.issue_refresh, digest(token), session_id, timedelta(seconds=token_s)
    )
