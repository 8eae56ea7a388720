"""Answers the indexer about scenes, entities and facts of any project."""

from uuid import UUID

from libs.contracts.actor import Actor
from libs.contracts.events.things import (
    DescribeThings,
    ListedThing,
    ListedThings,
    ListTagged,
    ListThings,
    TaggedThings,
    Thing,
    Things,
)
from libs.contracts.things import PathPart, ThingKind
from services.events.model.aggregate import Row
from services.events.store import Reader, Store
from services.events.things.store import Rows, describe, listed, tagged

_PATHS = {
    ThingKind.SCENE: ("book", "chapter"),
    ThingKind.ENTITY: (),
    ThingKind.FACT: ("entity",),
}


class ThingHandlers:
    """Handlers of `libs.contracts.events.things`."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store

    async def describe(self, question: DescribeThings, _actor: Actor) -> Things:
        """Describe those of the things that exist, deleted ones too."""
        wanted = {kind: [one.id for one in question.things if one.kind is kind] for kind in _PATHS}

        async def query_things(reader: Reader) -> list[Thing]:
            found: list[Thing] = []
            for kind, ids in wanted.items():
                if ids:
                    rows = await describe(reader, kind, ids, texts=question.texts)
                    found += [_thing(kind, row) for row in rows]
            return found

        return Things(things=await self._store.run_read(query_things))

    async def list(self, question: ListThings, _actor: Actor) -> ListedThings:
        """List the ids of things, deleted ones too."""
        page = question.project_id, question.after, question.limit

        async def query_list_things(reader: Reader) -> Rows:
            return await listed(reader, question.kind, *page)

        rows = await self._store.run_read(query_list_things)
        return ListedThings(things=[ListedThing.model_validate(row) for row in rows])

    async def list_tagged(self, question: ListTagged, actor: Actor) -> TaggedThings:
        """List what a tag of the actor's project marks."""
        project = actor.scope()

        async def query_tagged(reader: Reader) -> list[UUID]:
            return await tagged(reader, project, question.tag_id)

        return TaggedThings(ids=await self._store.run_read(query_tagged))


def _thing(kind: ThingKind, row: Row) -> Thing:
    path = [
        PathPart(kind=above, id=UUID(str(row[f"{above}_id"])), title=row[f"{above}_title"])
        for above in _PATHS[kind]
    ]
    shown = {name: row[name] for name in _COLUMNS}
    return Thing(
        kind=kind, path=path, book_id=row.get("book_id"), chapter_id=row.get("chapter_id"), **shown
    )


_COLUMNS = (
    "id",
    "project_id",
    "version",
    "shown",
    "title",
    "names",
    "type",
    "status",
    "updated_at",
    "texts",
)
