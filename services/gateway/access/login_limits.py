"""Logins are limited by account as well as by network address, and lock nobody out.

Whoever guesses at the password of one account from many addresses is bounded by the account. So
that this does not keep its person out, a network that the person logged in from before has an
allowance of its own. Only failures count.
"""

from services.gateway.access.limits import LimitClass, Limits
from services.gateway.accounts.identity import Identities
from services.gateway.accounts.identity.model import Login, SignedIn, digest
from services.gateway.accounts.identity.names import normal_email

_KEY_BYTES = 16


class LoginLimits:
    """Lets people log in, so many times a minute."""

    def __init__(self, limits: Limits, identities: Identities) -> None:
        """Count in *limits*; *identities* decides about passwords."""
        self._limits = limits
        self._identities = identities

    async def login(self, asked: Login, origin: str) -> SignedIn:
        """Open a session from the network called *origin*.

        Raises:
            RateLimited: Too many logins to this account failed in this minute.
            Unauthenticated: The address or the password is wrong; which one is not said.
        """
        account = f"a{digest(normal_email(asked.email))[:_KEY_BYTES].hex()}"
        if await self._identities.was_here(asked.email, origin):
            account = f"{account}-{origin}"
        # Before the password is looked at, so that many tries at once are not taken for one.
        attempt = await self._limits.count(LimitClass.ACCOUNT, account)
        attempt.require(None)
        signed_in = await self._identities.login(asked, origin)
        await self._limits.count(LimitClass.ACCOUNT, account, -1)
        return signed_in
