"""Periodic deletion of expired rows, a bounded number at a time."""

from libs.tasks import PeriodicTask
from services.gateway.accounts.identity.store import IdentityStore
from services.gateway.http.idempotency import Idempotency

INTERVAL_S = 60.0
JITTER = 0.5


def maintenance_tasks(people: IdentityStore, idempotency: Idempotency) -> list[PeriodicTask]:
    """Return what every gateway does; replicas spread their turns."""
    return [
        PeriodicTask("forget_sessions", people.clean, interval_s=INTERVAL_S, jitter=JITTER),
        PeriodicTask("forget_claims", idempotency.clean, interval_s=INTERVAL_S, jitter=JITTER),
    ]
