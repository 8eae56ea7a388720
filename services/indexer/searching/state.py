"""Tells of the index of a project, and makes it anew."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.collab.found_comments import COMMENTS_MAX, LIST_COMMENT_IDS, ListComments
from libs.contracts.events.things import LIST_THINGS, THINGS_MAX, ListThings
from libs.contracts.indexer.search import (
    IndexState,
    IndexStrategy,
    ReadIndex,
    RebuildIndex,
)
from libs.contracts.things import ThingKind
from services.indexer.embedding.loading import Model
from services.indexer.recall import Recall
from services.indexer.store import SQL, Store

PLAIN_FROM_VECTORS = 100
"""Fewer vectors are no index: they are compared as they are."""
NOBODY = Actor(user_id=UUID(int=0))


class State:
    """Serves `READ_INDEX` and `REBUILD_INDEX`."""

    def __init__(
        self,
        store: Store,
        model: Model,
        caller: Caller,
        *,
        recall: Recall,
        on_due: Callable[[], None],
    ) -> None:
        """Ask events over *caller*; call *on_due* when documents are to be indexed."""
        self._store = store
        self._model = model
        self._recall = recall
        self._caller = caller
        self._on_due = on_due

    async def read(self, _: ReadIndex, actor: Actor) -> IndexState:
        """Tell of the index of a project."""
        return await self._of(actor.scope())

    async def rebuild(self, _: RebuildIndex, actor: Actor) -> IndexState:
        """Make the index of a project anew from what events and collab say; search goes on.

        Raises:
            errors.AppError: Events is away.
        """
        project = actor.scope()
        things: list[tuple[UUID, str]] = []
        for kind in ThingKind:
            listed = self._comments if kind is ThingKind.COMMENT else partial(self._list, kind)
            things += [(one, kind.value) for one in await listed(project)]
        known = await self._store.rows(SQL.documents_of, project)
        # What events does not know any more is looked at, too, and goes.
        wanted = dict(things) | {row["id"]: row["kind"] for row in known}
        async with self._store.transaction() as connection:
            await connection.execute(SQL.begin_rebuild, project, len(wanted))
            await connection.execute(SQL.reset_documents, project)
            await connection.execute(SQL.reset_points, project)
            await connection.fetch(SQL.note_due, list(wanted), list(wanted.values()), project)
        self._on_due()
        return await self._of(project)

    async def _list(self, kind: ThingKind, project: UUID) -> list[UUID]:
        found: list[UUID] = []
        after = UUID(int=0)
        while True:
            page = await self._caller.ask(
                LIST_THINGS, ListThings(kind=kind, project_id=project, after=after), NOBODY
            )
            found += [one.id for one in page.things]
            if len(page.things) < THINGS_MAX:
                return found
            after = found[-1]

    async def _comments(self, project: UUID) -> list[UUID]:
        found: list[UUID] = []
        after = UUID(int=0)
        while True:
            question = ListComments(project_id=project, after=after)
            page = await self._caller.ask(LIST_COMMENT_IDS, question, NOBODY)
            found += page.ids
            if len(page.ids) < COMMENTS_MAX:
                return found
            after = found[-1]

    async def _of(self, project: UUID) -> IndexState:
        row = await self._store.row(SQL.state, project)
        waiting = await self._store.row(SQL.waiting, project)
        done = None
        if row["total"] is not None:
            done = 1 - row["rebuilding"] / max(row["total"], row["rebuilding"], 1)
        strategy = IndexStrategy.NONE
        if row["vectors"] >= PLAIN_FROM_VECTORS:
            exact = self._recall.is_exact(project)
            strategy = IndexStrategy.PLAIN if exact else IndexStrategy.GRAPH
        return IndexState(
            documents=row["documents"],
            chunks=row["chunks"],
            vectors=row["vectors"],
            pending=waiting["pending"],
            unembedded=waiting["unembedded"] if self._model.is_expected else 0,
            strategy=strategy,
            model=self._model.name,
            rebuild=done,
        )
