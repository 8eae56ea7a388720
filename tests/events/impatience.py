"""A database that takes young events for old ones.

An event's checksum covers its time, so what works on old events only has to be let loose on young
ones when more than their age is to be tested.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from libs.postgres import Pool

_AGES = {
    "archive_events(timestamptz, integer)": "interval '1 hour'",
    "forget_events(uuid, timestamptz, uuid[], bigint[], text[], jsonb[])": "interval '1 day'",
}
"""What works on old events, and how old they must be."""


@asynccontextmanager
async def impatience(owner: Pool) -> AsyncGenerator[None]:
    """Let the archive and retention take what happened just now."""
    sources: list[str] = []
    for name, age in _AGES.items():
        source: str = await owner.fetchval("SELECT pg_get_functiondef($1::regprocedure)", name)
        assert age in source
        await owner.execute(source.replace(age, "interval '0'"))
        sources.append(source)
    yield
    for source in sources:
        await owner.execute(source)
