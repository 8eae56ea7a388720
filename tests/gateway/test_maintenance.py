"""What the gateway forgets now and then; a database that refuses does not end it."""

from dataclasses import dataclass

import asyncpg
import pytest
from prometheus_client import REGISTRY

from libs.postgres import connect
from services.gateway import maintenance
from services.gateway.accounts.identity.store import IdentityStore
from services.gateway.http.idempotency import Idempotency
from tests.support.tasks import running_all
from tests.support.waiting import until
from tools.stack import Stack

TASKS = ("forget_sessions", "forget_claims")


@dataclass(frozen=True)
class Counts:
    """How often both tasks succeeded and failed so far."""

    runs: list[float]
    failures: list[float]

    @classmethod
    def now(cls) -> "Counts":
        return cls(*(
            [
                REGISTRY.get_sample_value(f"scriptorium_task_{kind}_total", {"task": task}) or 0
                for task in TASKS
            ]
            for kind in ("runs", "failures")
        ))  # fmt: skip


def grown(before: list[float], now: list[float]) -> bool:
    return all(more > less for less, more in zip(before, now, strict=True))


async def test_a_refusal_of_the_database_does_not_end_the_gateway(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
):
    """It is a PostgresError that no outage explains: rights that are missing, say."""
    monkeypatch.setattr(maintenance, "INTERVAL_S", 0.05)
    pool = await connect(stack.postgres_url("gateway", "gateway"), application="maintained")
    owner = await asyncpg.connect(stack.postgres_url("gateway", "gateway_owner"))
    tables = "sessions, idempotency_keys"
    tasks = maintenance.maintenance_tasks(IdentityStore(pool), Idempotency(pool))
    try:
        await owner.execute(f"REVOKE DELETE ON {tables} FROM gateway")
        before = Counts.now()
        async with running_all(*tasks) as runner:
            await until(lambda: grown(before.failures, Counts.now().failures))
            await owner.execute(f"GRANT DELETE ON {tables} TO gateway")
            await until(lambda: grown(before.runs, Counts.now().runs))
            assert runner.stalled() == []
    finally:
        await owner.execute(f"GRANT DELETE ON {tables} TO gateway")
        await owner.close()
        await pool.close()
