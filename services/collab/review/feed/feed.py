"""Serves the facts of a project from any position on, and forgets old ones."""

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.facts import (
    PAGE_FACTS_MAX,
    FollowedFacts,
    FollowFacts,
    ReviewAnnouncement,
    ReviewEvent,
)
from libs.postgres import Pool, load_queries, snapshot_transaction
from libs.postgres.pool import UNREACHABLE
from libs.tasks import PeriodicTask

SQL = load_queries("services.collab.review.feed")

FACTS_KEPT_DAYS = 30
"""As long as the stream keeps them."""
FORGET_INTERVAL_S = 600.0
FORGET_ROWS = 5_000
PAGE_BYTES_MAX = 1024 * 1024

_GONE = "These facts are not kept any more. Load the current state and follow from now on."


class Feed:
    """Reads the outbox; any number of replicas may forget what is old."""

    def __init__(self, pool: Pool) -> None:
        """Use *pool*."""
        self._pool = pool
        self.task = PeriodicTask("forget_facts", self.forget, interval_s=FORGET_INTERVAL_S)

    async def follow(self, question: FollowFacts, actor: Actor) -> FollowedFacts:
        """Show the next announced facts after a position.

        Raises:
            errors.Gone: The position is none of ours, or the facts after it are not kept any more.
            errors.Unavailable: The database is away.
        """
        project, after = actor.scope(), question.after
        try:
            async with snapshot_transaction(self._pool) as connection:
                bounds = await connection.fetchrow(SQL.bounds, question.heard)
                assert bounds is not None
                upto: int = bounds["upto"]
                if after is None:
                    return FollowedFacts(items=[], upto=upto, more=False)
                if question.kept:
                    after = max(after, bounds["first"] - 1)
                if not bounds["first"] - 1 <= after <= bounds["last"]:
                    raise errors.Gone(_GONE)
                rows = await connection.fetch(
                    SQL.page, str(project), after, upto, PAGE_FACTS_MAX + 1
                )
        except UNREACHABLE as error:
            raise errors.Unavailable from error
        items: list[ReviewAnnouncement] = []
        size = 0
        for row in rows[:PAGE_FACTS_MAX]:
            size += len(row["payload"])
            if items and size > PAGE_BYTES_MAX:
                break
            event = ReviewEvent.model_validate_json(row["payload"])
            items.append(ReviewAnnouncement(position=row["position"], event=event))
        more = len(items) < len(rows)
        end = items[-1].position if more else max(after, upto)
        return FollowedFacts(items=items, upto=end, more=more)

    async def forget(self) -> bool:
        """Forget some old facts; return whether there may be more."""
        status = await self._pool.execute(SQL.forget, FACTS_KEPT_DAYS, FORGET_ROWS)
        return int(status.rpartition(" ")[2]) == FORGET_ROWS
