"""Handlers of requests that follow a project."""

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.following import PAGE_EVENTS_MAX, Follow, Followed
from services.events.common.commands import require_visible
from services.events.following.store import SQL
from services.events.model.aggregates import PROJECT
from services.events.retention import forgotten_after
from services.events.store import Reader, Store
from services.events.sync.pull import announcements_of, cut_page

_GONE = (
    "The log does not have this position, or no longer. Load the current state and follow from now"
    " on."
)


class FeedHandlers:
    """Handlers of requests for the feed of a project."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store

    async def follow(self, question: Follow, actor: Actor) -> Followed:
        """Show the next published events after a position.

        Raises:
            errors.NotFound: The project does not exist, or is deleted.
            errors.Gone: The log does not have the position, or no longer.
        """
        project_id, after = actor.scope(), question.after

        async def query_follow(reader: Reader) -> Followed:
            require_visible(await reader.row(PROJECT, project_id))
            bounds = await reader.connection.fetchrow(SQL.bounds, question.heard)
            assert bounds is not None
            upto: int = bounds["upto"]
            if after is None:
                return Followed(items=[], upto=upto, more=False)
            if not bounds["first"] - 1 <= after <= bounds["last"]:
                raise errors.Gone(_GONE)
            rows = await reader.connection.fetch(
                SQL.page, project_id, after, upto, PAGE_EVENTS_MAX + 1
            )
            page, more = rows[:PAGE_EVENTS_MAX], len(rows) > PAGE_EVENTS_MAX
            items, end = cut_page(await announcements_of(reader, project_id, page))
            if await forgotten_after(reader.connection, project_id, after) is not None:
                raise errors.Gone(_GONE)
            return Followed(
                items=items,
                upto=end or (page[-1]["position"] if more else max(after, upto)),
                more=more or end is not None,
            )

        return await self._store.run_read(query_follow, project_id=project_id)
