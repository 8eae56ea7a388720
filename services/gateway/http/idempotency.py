"""A POST with an Idempotency-Key happens once, however often it is sent.

The claim is stored before anything is asked of another service, with the ids that the command
will use: a retry after a crash repeats the same command, which its service absorbs. The answer
is sealed with a key derived from the Idempotency-Key, which itself is stored only as a hash, so
that what is shown once (a personal access token) is not readable at rest.
"""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs import errors
from libs.contracts.ids import new_id
from libs.postgres import Pool, load_queries
from libs.postgres.pool import UNREACHABLE
from services.gateway.http.route import Answer

log = structlog.get_logger(__name__)

SQL = load_queries("services.gateway")

KEY_CHARS_MAX = 255
CLAIM_LIFE_S = 15
"""After this a claim counts as left by a gateway that died; longer than any command takes."""
KEPT_H = 24
WAIT_S = 5.0
POLL_INTERVAL_S = 0.05
CLEAN_ROWS_MAX = 1000
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Claim:
    """The ids that a command uses, each time it is tried."""

    command_id: UUID
    new_id: UUID

    @classmethod
    def fresh(cls) -> "Claim":
        """Return ids never used before."""
        return cls(new_id(), new_id())


type Work = Callable[[Claim], Awaitable[Answer]]


class Idempotency:
    """Remembers what was asked under which key, and what was answered."""

    def __init__(self, pool: Pool) -> None:
        """Keep it in *pool*."""
        self._pool = pool

    async def once(self, user_id: UUID, key: str, request_hash: bytes, work: Work) -> Answer:
        """Do *work* unless it was done under this key; the same answer either way.

        Failures are not remembered: the retry tries again, with the same ids.

        Raises:
            Invalid: The key is empty, too long, or not printable ASCII.
            IdempotencyKeyReused: The key belongs to another request.
            ConcurrencyConflict: The first request under this key is still being worked on.
        """
        if not (0 < len(key) <= KEY_CHARS_MAX and key.isascii() and key.isprintable()):
            raise errors.Invalid(
                f"Idempotency-Key must be 1 to {KEY_CHARS_MAX} printable ASCII characters."
            )
        key_hash = _hash(b"key", user_id, key)
        deadline = time.monotonic() + WAIT_S
        while (claim := await self._claim(user_id, key_hash, request_hash)) is None:
            answered = await self._answered(user_id, key, key_hash, request_hash)
            if answered:
                return answered
            if time.monotonic() > deadline:
                raise errors.ConcurrencyConflict(
                    "The first request with this Idempotency-Key is still being worked on.",
                    retryAfterS=1,
                )
            await asyncio.sleep(POLL_INTERVAL_S)
        try:
            answer = await work(claim)
        except BaseException:
            await self._release(user_id, key_hash)
            raise
        await self._settle(user_id, key, key_hash, answer)
        return answer

    async def clean(self) -> None:
        """Forget what is older than KEPT_H, at most CLEAN_ROWS_MAX of it."""
        await self._pool.execute(SQL.drop_claims, timedelta(hours=KEPT_H), CLEAN_ROWS_MAX)

    async def _claim(self, user_id: UUID, key_hash: bytes, request_hash: bytes) -> Claim | None:
        fresh = Claim.fresh()
        row = await self._pool.fetchrow(
            SQL.claim,
            user_id,
            key_hash,
            request_hash,
            fresh.command_id,
            fresh.new_id,
            timedelta(seconds=CLAIM_LIFE_S),
        )
        return Claim(row["command_id"], row["new_id"]) if row else None

    async def _answered(
        self, user_id: UUID, key: str, key_hash: bytes, request_hash: bytes
    ) -> Answer | None:
        row = await self._pool.fetchrow(SQL.find_claim, user_id, key_hash)
        if row is None:
            return None  # it expired just now; claim again
        if row["request_hash"] != request_hash:
            raise errors.IdempotencyKeyReused
        return _open(row["sealed_answer"], user_id, key) if row["sealed_answer"] else None

    async def _settle(self, user_id: UUID, key: str, key_hash: bytes, answer: Answer) -> None:
        try:
            await self._pool.execute(
                SQL.settle_claim, user_id, key_hash, _seal(answer, user_id, key)
            )
        except UNREACHABLE as error:
            # It happened, and the client shall know; a retry repeats the same command.
            log.warning("answer was not remembered", reason=type(error).__name__)

    async def _release(self, user_id: UUID, key_hash: bytes) -> None:
        try:
            await self._pool.execute(SQL.release_claim, user_id, key_hash)
        except UNREACHABLE as error:
            log.warning("claim was not released", reason=type(error).__name__)


def _hash(purpose: bytes, user_id: UUID, key: str) -> bytes:
    return hashlib.sha256(purpose + user_id.bytes + key.encode()).digest()


def _seal(answer: Answer, user_id: UUID, key: str) -> bytes:
    head = {"status": answer.status, "type": answer.media_type, "headers": dict(answer.headers)}
    plain = json.dumps(head).encode() + b"\n" + answer.body
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_hash(b"seal", user_id, key)).encrypt(nonce, plain, None)


def _open(sealed: bytes, user_id: UUID, key: str) -> Answer:
    cipher = AESGCM(_hash(b"seal", user_id, key))
    try:
        plain = cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
    except InvalidTag:
        raise errors.Internal from None
    first, _, body = plain.partition(b"\n")
    head = json.loads(first)
    return Answer(head["status"], body, head["type"], head["headers"])
