"""Passwords: argon2id in two threads, so that logins never hold up anybody else."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from libs import errors
from services.gateway.accounts.identity.names import normal_password

THREADS = 2
WAITING_MAX = 200
"""Logins that may queue for a thread; more are told to come back."""

# OWASP's first recommendation for argon2id: 46 MiB, one pass, one lane.
MEMORY_KIB = 46 * 1024
PASSES = 1
LANES = 1


class Fit(Enum):
    """Whether a password is the one that was hashed."""

    NOT = auto()
    WELL = auto()
    OUTDATED = auto()
    """It is, and should be hashed anew."""


class Passwords:
    """Hashes and verifies with bounded processor time and memory."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._waiting = 0
        # Verified in place of a missing account, so that time does not tell whether it exists.
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Return the encoded hash of *password*, in its normal form.

        Raises:
            Unavailable: Too many are waiting already.
        """
        return await self._run(self._hasher.hash, normal_password(password))

    async def verify(self, encoded: str | None, password: str) -> Fit:
        """Return whether *password* is the one; as slow for a missing account (None).

        What was hashed before passwords were brought into a normal form was hashed as it was
        typed.

        Raises:
            Unavailable: Too many are waiting already.
        """
        known = encoded or self._nobody
        normal = normal_password(password)
        if await self._run(self._matches, known, normal):
            fits = Fit.OUTDATED if self._hasher.check_needs_rehash(known) else Fit.WELL
        elif password != normal and await self._run(self._matches, known, password):
            fits = Fit.OUTDATED
        else:
            fits = Fit.NOT
        return fits if encoded else Fit.NOT

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run[*A, R](self, work: Callable[[*A], R], *arguments: *A) -> R:
        if self._waiting >= WAITING_MAX:
            raise errors.Unavailable("Too many people are logging in; try again in a moment.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._waiting -= 1
