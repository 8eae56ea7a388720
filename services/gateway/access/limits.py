"""Rate limits that all replicas share: one JetStream counter per caller, class and minute.

The server adds (ADR-49: `Nats-Incr`) and answers with the sum, so there is nothing to lock and
nothing to lose. While it is away each gateway counts for itself.
"""

import ipaddress
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import nats.errors
import structlog
from nats.aio.client import Client
from prometheus_client import Counter

from libs import errors
from libs.contracts.actor import Role

log = structlog.get_logger(__name__)

WINDOW_S = 60
COUNT_WAIT_S = 0.5
AWAY_PAUSE_S = 1.0
"""How long the server is left alone after it did not answer."""
LOCAL_CALLERS_MAX = 100_000

_FACTOR: Mapping[Role | None, float] = {Role.OWNER: 3.0, Role.WRITER: 1.5}
FACTOR_MAX = max(_FACTOR.values())

_refused = Counter("scriptorium_rate_limited_total", "Requests refused, by class.", ["limit"])
_local = Counter("scriptorium_rate_local_total", "Requests counted without the other gateways.")


class LimitClass(StrEnum):
    """Routes that draw from one allowance."""

    AUTH = "auth"
    ACCOUNT = "account"
    READ = "read"
    WRITE = "write"
    CONTENT = "content"
    AI = "ai"


@dataclass(frozen=True, slots=True)
class Allowance:
    """The rest of a caller's allowance in this window."""

    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """Return the RateLimit headers."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }


@dataclass(frozen=True, slots=True)
class Spent:
    """How often a caller has come in this window, this time included."""

    limit_class: LimitClass
    count: int
    base: int
    reset_s: int

    def allowance(self, role: Role | None) -> Allowance:
        """Return what is left for somebody of *role*."""
        limit = int(self.base * _FACTOR.get(role, 1.0))
        return Allowance(limit, max(0, limit - self.count), self.reset_s)

    def require(self, role: Role | None) -> None:
        """Return while the caller is within the limit for *role*.

        Raises:
            RateLimited: They are not; `retryAfterS` says when they will be again.
        """
        if self.count > self.base * _FACTOR.get(role, 1.0):
            self._refuse()

    def require_at_most_any(self) -> None:
        """Refuse what no role could save, before anything is asked about the role.

        Raises:
            RateLimited: Nobody may come this often.
        """
        if self.count > self.base * FACTOR_MAX:
            self._refuse()

    def _refuse(self) -> None:
        _refused.labels(self.limit_class).inc()
        raise errors.RateLimited(retryAfterS=self.reset_s)


class Limits:
    """Counts requests."""

    def __init__(
        self,
        client: Client,
        per_minute: Mapping[LimitClass, int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Count over *client*; *clock* tells seconds since the epoch."""
        self._client = client
        self._per_minute = per_minute
        self._clock = clock
        self._away_until = float("-inf")
        self._own: dict[str, int] = {}
        self._own_window = 0

    async def count(self, limit_class: LimitClass, caller: str, by: int = 1) -> Spent:
        """Count one request of *caller*, or one less with -1; never fails."""
        now = self._clock()
        window = int(now // WINDOW_S)
        subject = f"limits.{limit_class}.{caller}.{window}"
        count = None
        if self._client.is_connected and time.monotonic() >= self._away_until:
            count = await self._count_together(subject, by)
        if count is None:
            count = self._count_alone(subject, window, by)
        return Spent(
            limit_class,
            count,
            self._per_minute[limit_class],
            max(1, int((window + 1) * WINDOW_S - now)),
        )

    async def _count_together(self, subject: str, by: int) -> int | None:
        try:
            reply = await self._client.request(
                subject, b"", timeout=COUNT_WAIT_S, headers={"Nats-Incr": f"{by:+d}"}
            )
            return int(json.loads(reply.data)["val"])
        except (nats.errors.Error, TimeoutError, ValueError, KeyError) as error:
            log.warning("rate limits are counted locally", reason=type(error).__name__)
            self._away_until = time.monotonic() + AWAY_PAUSE_S
            return None

    def _count_alone(self, subject: str, window: int, by: int) -> int:
        _local.inc()
        if window != self._own_window or len(self._own) >= LOCAL_CALLERS_MAX:
            self._own_window = window
            self._own.clear()
        self._own[subject] = self._own.get(subject, 0) + by
        return self._own[subject]


def caller_of(user_id: UUID | None, address: str) -> str:
    """Return the name under which a caller is counted: the person, else the network address.

    An IPv6 subscriber has a whole /64, so that is what counts.
    """
    if user_id:
        return f"u{user_id.hex}"
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if ip.version == 6 and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.version == 6:
        ip = ipaddress.ip_network((ip, 64), strict=False).network_address
    return f"ip{ip.packed.hex()}"


def client_address(
    peer: str,
    forwarded_for: Sequence[str],
    trusted: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> str:
    """Return whose request this is: the last address in the chain that no proxy of ours has.

    X-Forwarded-For is believed only as far as each hop that reports it is trusted.
    """
    address = peer
    for hop in reversed(forwarded_for):
        if not _is_in(address, trusted):
            break
        address = hop.strip()
    return address


def _is_in(address: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in networks)
