"""Questions: one aggregate, a page of them, where something belongs."""

from collections.abc import Sequence
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor, Role
from libs.contracts.editors import EditorInUse
from libs.contracts.events.manuscript import (
    SCENES_WITH_DEFINITIONS_MAX,
    Authorize,
    BookScene,
    BookScenes,
    DefinitionInUse,
    Document,
    EditorsOfScenes,
    Json,
    List,
    ListBookScenes,
    Read,
    ScenesWithEditors,
    SceneWithEditor,
    Standing,
)
from libs.contracts.events.resources import Scene
from libs.contracts.events.tree import TREE_BYTES_MAX, TREE_SCENES_MAX, ReadTree, WrittenTree
from libs.contracts.pages import Page
from services.events.handlers.action import require_project, require_visible, shown, wire
from services.events.handlers.lists import Lists, fitting_documents
from services.events.model.aggregate import Aggregate, Row
from services.events.model.aggregates import AGGREGATES, PROJECT
from services.events.model.page import cursor_after, fitting, key_of
from services.events.model.refusal import refused
from services.events.store import Reader, Store


class Reads:
    """Answers that change nothing."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store
        self._lists = Lists(store)

    async def read(self, question: Read, actor: Actor) -> Document:
        """Show one aggregate; the deleted and what is below them only when asked for."""
        about, project_id = AGGREGATES[question.kind], actor.scope()
        require_project(about, question.id, project_id)

        async def work(reader: Reader) -> Document:
            row = await reader.row(about, question.id)
            if not question.include_deleted:
                row = require_visible(row)
            if row is None:
                raise errors.NotFound
            return await shown(reader, about, row, actor=actor)

        return await self._store.read(work, project_id=project_id)

    async def list(self, question: List, actor: Actor) -> Page[Json]:
        """Show a page of the children of something, or of the actor's projects."""
        about = AGGREGATES[question.kind]
        if not about.ordered or question.parent_kind or question.filters or question.sort:
            return await self._lists.page(question, actor)
        after = key_of(question.cursor)
        if question.kind == PROJECT.kind:
            return await self._projects(question, actor, after)
        about, project_id = AGGREGATES[question.kind], actor.scope()
        above = AGGREGATES[str(about.parent)]
        parent_id = question.parent_id
        if parent_id is None:
            raise refused("parentId", "is required")
        require_project(above, parent_id, project_id)

        async def work(reader: Reader) -> list[Row]:
            parent = await reader.row(above, parent_id)
            if not question.include_deleted:
                require_visible(parent)
            if parent is None:
                raise errors.NotFound
            return await reader.page(
                about,
                parent_id,
                after=after,
                limit=question.limit + 1,
                include_deleted=question.include_deleted,
            )

        rows = await self._store.read(work, project_id=project_id)
        return _page(about, rows, question.limit, key="rank")

    async def list_book_scenes(self, question: ListBookScenes, actor: Actor) -> BookScenes:
        """Show a page of the scenes of a book, in reading order."""
        book, scene, project_id = AGGREGATES["book"], AGGREGATES["scene"], actor.scope()
        after = _ranks(key_of(question.cursor))

        async def work(reader: Reader) -> list[Row]:
            require_visible(await reader.row(book, question.book_id))
            return await reader.book_scenes(question.book_id, after=after, limit=question.limit + 1)

        rows = await self._store.read(work, project_id=project_id)
        items = [
            BookScene(
                scene=Scene.model_validate(scene.document(row).model_dump()),
                place=row["place"],
                cursor=cursor_after(f"{row['chapter_rank']}-{row['rank']}"),
            )
            for row in rows[: question.limit]
        ]
        items = items[: fitting(len(item.to_wire()) for item in items)]
        return BookScenes(items=items, more=len(items) < len(rows))

    async def _projects(self, question: List, actor: Actor, after: str | None) -> Page[Json]:
        try:
            after_id = UUID(after) if after else None
        except ValueError as error:
            raise refused("cursor", "not a cursor of this list") from error

        async def work(reader: Reader) -> list[Row]:
            return await reader.projects_of(
                actor.user_id,
                question.team_ids,
                after=after_id,
                limit=question.limit + 1,
                include_deleted=question.include_deleted,
            )

        rows = await self._store.read(work)
        return _page(PROJECT, rows, question.limit, key="id")

    async def read_tree(self, _: ReadTree, actor: Actor) -> WrittenTree:
        """Show all books, chapters and scenes of the actor's project, in order."""

        async def work(reader: Reader) -> str | None:
            return await reader.tree(TREE_SCENES_MAX)

        text = await self._store.read(work, project_id=actor.scope())
        if text is None or len(text.encode()) > TREE_BYTES_MAX:
            raise errors.LimitReached(
                f"A tree has {TREE_SCENES_MAX} scenes and {TREE_BYTES_MAX} bytes at most;"
                " read this project book by book."
            )
        return WrittenTree(text=text)

    async def authorize(self, question: Authorize, _: Actor) -> Standing:
        """Tell where a thing belongs and what a person is there."""
        about = AGGREGATES[question.kind]

        async def work(reader: Reader) -> Row | None:
            return await reader.standing(about, question.id, question.user_id, question.team_ids)

        found = await self._store.read(work)
        if found is None:
            return Standing()
        role = Role(found["role"]) if found["role"] else None
        return Standing(
            project_id=found["project_id"],
            role=role,
            deleted=found["deleted"],
            archived=bool(found["archived"]),
            schema_version=found["schema_version"],
            editor=_editor(found),
        )

    async def editors_of_scenes(self, question: EditorsOfScenes, _: Actor) -> ScenesWithEditors:
        """Tell what scenes are written with, whatever project they are in."""
        wanted, definitions = question.scene_ids, question.definitions
        if definitions and len(wanted) > SCENES_WITH_DEFINITIONS_MAX:
            raise refused("sceneIds", f"are more than {SCENES_WITH_DEFINITIONS_MAX}")

        async def work(reader: Reader) -> list[Row]:
            return await reader.editors_of_scenes(wanted, definitions=definitions)

        rows = await self._store.read(work)
        own = {row["definition_id"]: row for row in rows if row["definition"] is not None}
        return ScenesWithEditors(
            scenes=[SceneWithEditor(scene_id=row["scene_id"], editor=_editor(row)) for row in rows],
            definitions=[
                DefinitionInUse(
                    id=key, version=row["definition_version"], definition=row["definition"]
                )
                for key, row in own.items()
            ],
        )


def _editor(found: Row) -> EditorInUse | None:
    if found["editor"] is None:
        return None
    return EditorInUse(
        name=found["editor"],
        definition_id=found["definition_id"],
        definition_version=found["definition_version"],
    )


def _ranks(key: str | None) -> tuple[str, str] | None:
    """Return the ranks of chapter and scene that a cursor of a book continues after."""
    if key is None:
        return None
    chapter, _, scene = key.partition("-")
    if not chapter or not scene or "-" in scene:
        raise refused("cursor", "not a cursor of this list")
    return chapter, scene


def _page(about: Aggregate, rows: Sequence[Row], limit: int, *, key: str) -> Page[Json]:
    """Return a page of rows, of which one more was read than is shown."""
    items = fitting_documents([wire(about, row) for row in rows[:limit]])
    end = cursor_after(str(rows[len(items) - 1][key])) if len(items) < len(rows) else None
    return Page(items=items, next_cursor=end)
