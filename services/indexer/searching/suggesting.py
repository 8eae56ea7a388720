"""Suggests names and titles while somebody types."""

import re
import time
from collections.abc import Sequence

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events.things import Thing
from libs.contracts.indexer.search import NameSuggestion, NameSuggestions, SuggestNames
from services.indexer import metrics
from services.indexer.searching.joining import Joining
from services.indexer.store import SQL, Store, searchable

SPARE = 5
"""Documents read beyond the limit, for those that do not show any more."""


class Suggesting:
    """Serves `libs.contracts.indexer.search.SUGGEST_NAMES`."""

    def __init__(self, store: Store, caller: Caller) -> None:
        """Read names from *store*, ask events over *caller* what shows."""
        self._store = store
        self._joining = Joining(store, caller)

    async def suggest(self, question: SuggestNames, actor: Actor) -> NameSuggestions:
        """Suggest things of a project.

        Raises:
            errors.Unavailable: The database or events is away.
        """
        started = time.perf_counter()
        project = actor.scope()
        prefix = " ".join(searchable(question.q).split())
        items: list[NameSuggestion] = []
        if prefix:
            like = re.sub(r"([\\%_])", r"\\\1", prefix)
            rows = await self._store.rows(
                SQL.named, project, f"%\n{like}%", f"% {like}%", question.limit + SPARE
            )
            things = await self._joining.things(
                project, {row["id"]: row["kind"] for row in rows}, actor
            )
            shown = [things[row["id"]] for row in rows if row["id"] in things]
            items = _suggestions(shown, prefix)[: question.limit]
        took_s = time.perf_counter() - started
        metrics.search_seconds.labels("suggest").observe(took_s)
        return NameSuggestions(items=items, took_ms=round(took_s * 1e3, 2))


def _suggestions(things: Sequence[Thing], prefix: str) -> list[NameSuggestion]:
    """Return the things whose names, as they are now, have the prefix."""
    found: list[NameSuggestion] = []
    for thing in things:
        names = [name for name in (thing.title, *thing.names) if name]
        name = next((name for name in names if _begins(name, prefix)), None)
        if name is not None:
            found.append(
                NameSuggestion(
                    kind=thing.kind,
                    id=thing.id,
                    name=name,
                    title=thing.title or name,
                    path=thing.path,
                )
            )
    return found


def _begins(name: str, prefix: str) -> bool:
    normal = " ".join(searchable(name).split())
    return normal.startswith(prefix) or f" {prefix}" in normal
