"""Queries: one aggregate, a page of them, the project and role of an aggregate."""

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
from services.events.common.commands import require_project, require_visible, to_document, to_wire
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import AGGREGATES, PROJECT
from services.events.model.page import cursor_after, cursor_key, fitting
from services.events.model.refusal import field_refusal
from services.events.resources.lists import ListHandlers, fitting_documents
from services.events.store import Reader, Store


class ReadHandlers:
    """Handlers of queries."""

    def __init__(self, store: Store) -> None:
        """Read from *store*."""
        self._store = store
        self._lists = ListHandlers(store)

    async def read(self, question: Read, actor: Actor) -> Document:
        """Show one aggregate; deleted and hidden ones only when asked for."""
        spec, project_id = AGGREGATES[question.kind], actor.scope()
        require_project(spec, question.id, project_id)

        async def query_read(reader: Reader) -> Document:
            row = await reader.row(spec, question.id)
            if not question.include_deleted:
                row = require_visible(row)
            if row is None:
                raise errors.NotFound
            return await to_document(reader, spec, row, actor=actor)

        return await self._store.run_read(query_read, project_id=project_id)

    async def list(self, question: List, actor: Actor) -> Page[Json]:
        """Show a page of the children of a parent, or of the actor's projects."""
        spec = AGGREGATES[question.kind]
        if not spec.ordered or question.parent_kind or question.filters or question.sort:
            return await self._lists.page(question, actor)
        after = cursor_key(question.cursor)
        if question.kind == PROJECT.kind:
            return await self._projects(question, actor, after)
        spec, project_id = AGGREGATES[question.kind], actor.scope()
        above = AGGREGATES[str(spec.parent)]
        parent_id = question.parent_id
        if parent_id is None:
            raise field_refusal("parentId", "is required")
        require_project(above, parent_id, project_id)

        async def query_list(reader: Reader) -> list[Row]:
            parent = await reader.row(above, parent_id)
            if not question.include_deleted:
                require_visible(parent)
            if parent is None:
                raise errors.NotFound
            return await reader.page(
                spec,
                parent_id,
                after=after,
                limit=question.limit + 1,
                include_deleted=question.include_deleted,
            )

        rows = await self._store.run_read(query_list, project_id=project_id)
        return _page(spec, rows, question.limit, key="rank")

    async def list_book_scenes(self, question: ListBookScenes, actor: Actor) -> BookScenes:
        """Show a page of the scenes of a book, in reading order."""
        book, scene, project_id = AGGREGATES["book"], AGGREGATES["scene"], actor.scope()
        after = _ranks(cursor_key(question.cursor))

        async def query_list_book_scenes(reader: Reader) -> list[Row]:
            require_visible(await reader.row(book, question.book_id))
            return await reader.book_scenes(question.book_id, after=after, limit=question.limit + 1)

        rows = await self._store.run_read(query_list_book_scenes, project_id=project_id)
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
            raise field_refusal("cursor", "is not a cursor of this list") from error

        async def query_projects(reader: Reader) -> list[Row]:
            return await reader.projects_of(
                actor.user_id,
                question.team_ids,
                after=after_id,
                limit=question.limit + 1,
                include_deleted=question.include_deleted,
            )

        rows = await self._store.run_read(query_projects)
        return _page(PROJECT, rows, question.limit, key="id")

    async def read_tree(self, _: ReadTree, actor: Actor) -> WrittenTree:
        """Show all books, chapters and scenes of the actor's project, in order."""

        async def query_read_tree(reader: Reader) -> str | None:
            return await reader.tree(TREE_SCENES_MAX)

        text = await self._store.run_read(query_read_tree, project_id=actor.scope())
        if text is None or len(text.encode()) > TREE_BYTES_MAX:
            raise errors.LimitReached(
                f"A tree may have at most {TREE_SCENES_MAX} scenes and {TREE_BYTES_MAX} bytes;"
                " read this project book by book."
            )
        return WrittenTree(text=text)

    async def authorize(self, question: Authorize, _: Actor) -> Standing:
        """Return the project of an aggregate and the role of a person there."""
        spec = AGGREGATES[question.kind]

        async def query_authorize(reader: Reader) -> Row | None:
            return await reader.standing(spec, question.id, question.user_id, question.team_ids)

        found = await self._store.run_read(query_authorize)
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
        """Return the editors of scenes, of any projects."""
        wanted, definitions = question.scene_ids, question.definitions
        if definitions and len(wanted) > SCENES_WITH_DEFINITIONS_MAX:
            raise field_refusal("sceneIds", f"are more than {SCENES_WITH_DEFINITIONS_MAX}")

        async def query_editors(reader: Reader) -> list[Row]:
            return await reader.editors_of_scenes(wanted, definitions=definitions)

        rows = await self._store.run_read(query_editors)
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
    """Return the ranks of chapter and scene after which a cursor continues."""
    if key is None:
        return None
    chapter, _, scene = key.partition("-")
    if not chapter or not scene or "-" in scene:
        raise field_refusal("cursor", "is not a cursor of this list")
    return chapter, scene


def _page(spec: AggregateSpec, rows: Sequence[Row], limit: int, *, key: str) -> Page[Json]:
    """Return a page of rows; one more was read than is shown."""
    items = fitting_documents([to_wire(spec, row) for row in rows[:limit]])
    end = cursor_after(str(rows[len(items) - 1][key])) if len(items) < len(rows) else None
    return Page(items=items, next_cursor=end)
