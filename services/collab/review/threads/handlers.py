"""Serves threads: begun, listed, read, resolved, moved, deleted."""

from collections.abc import Sequence
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.anchors import Anchor
from libs.contracts.collab.threads import (
    THREADS_MAX,
    CreateThread,
    DeleteThread,
    Gone,
    ListThreads,
    MoveThread,
    OneThread,
    SetThreadState,
    Thread,
    ThreadState,
    Whereabouts,
    WhereReviewed,
)
from libs.contracts.editors import SceneEditor
from libs.contracts.pages import Page
from libs.postgres import LockKey
from libs.postgres.locks import wait_for_lock
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.facts import tell
from services.collab.review.threads.comments import add_comment
from services.collab.review.threads.cursors import cursor_after, place_of
from services.collab.review.threads.facts import of_thread
from services.collab.review.threads.showing import threads_of
from services.collab.review.threads.store import (
    SQL,
    Row,
    ThreadStore,
    lock_thread,
    notify_others,
    one,
    require_version,
)

PAGE_BYTES_MAX = 1024 * 1024
"""Of threads in one page; it ends with the thread that reaches this."""
SHOWN_TOGETHER = 20
"""Threads of a page whose comments are read at once."""
FILTERED_TOGETHER = 500
"""Threads whose anchors are resolved at once to find those of one status."""

_WHERE = {
    "thread": SQL.where_thread,
    "comment": SQL.where_comment,
    "suggestion": SQL.where_suggestion,
    "patch": SQL.where_patch,
    "anchor": SQL.where_anchor,
}
_ACTIONS = {ThreadState.OPEN: "reopened", ThreadState.RESOLVED: "resolved"}


type Found = tuple[list[Row], dict[UUID, Anchor]]
"""Threads, and their anchors by id."""


class ThreadHandlers:
    """Serves the threads of `libs.contracts.collab.threads`."""

    def __init__(self, store: ThreadStore, anchors: Anchors) -> None:
        """Keep threads in *store*, which stand on *anchors*."""
        self._store = store
        self._anchors = anchors

    async def where(self, question: WhereReviewed, _: Actor) -> Whereabouts:
        """Tell where something belongs, so that the gateway can tell who may see it."""
        row = await self._store.row(_WHERE[question.kind], question.id)
        return Whereabouts(**dict(row)) if row else Whereabouts()

    async def create(self, question: CreateThread, actor: Actor) -> Thread:
        """Begin a thread with its first comment."""
        project, scene = actor.scope(), question.scene_id
        known = await self._store.row(SQL.thread, question.id, project)
        if known is None:
            [draft] = await self._anchors.draft(project, scene, [question.anchor], question.editor)
            async with self._store.transaction() as connection:
                await wait_for_lock(connection, LockKey.THREADS, scene)
                if await connection.fetchrow(SQL.thread, question.id, project) is None:
                    if await connection.fetchval(SQL.count_threads, scene) >= THREADS_MAX:
                        raise errors.LimitReached(
                            f"A scene has at most {THREADS_MAX} threads; delete one first.",
                            limit=THREADS_MAX,
                        )
                    await self._anchors.insert(
                        connection, project, scene, [draft], by=actor.user_id
                    )
                    row = await one(
                        connection,
                        SQL.add_thread,
                        question.id,
                        project,
                        scene,
                        draft.id,
                        actor.user_id,
                    )
                    await tell(connection, of_thread("created", row, actor))
                    await add_comment(connection, question.id, question.command_id, question, actor)
        return await self._shown(question.id, actor, question.editor)

    async def read(self, question: OneThread, actor: Actor) -> Thread:
        """Show one."""
        return await self._shown(question.id, actor, question.editor)

    async def _find(self, question: ListThreads, actor: Actor) -> Found:
        """Return the threads of a page and one more, if there are, and where they stand."""
        scene, project = question.scene_id, actor.scope()
        at, last = place_of(question.cursor)
        wanted = question.limit + 1
        together = FILTERED_TOGETHER if question.anchor else wanted
        found: list[Row] = []
        standing: dict[UUID, Anchor] = {}
        while True:
            rows = await self._store.rows(
                SQL.threads,
                scene,
                project,
                at,
                last,
                question.state,
                question.author,
                question.mine,
                actor.user_id,
                together,
            )
            anchors = await self._standing(project, scene, rows, question.editor)
            for row in rows:
                anchor = anchors.get(row["anchor_id"])
                if anchor and question.anchor in (None, anchor.status):
                    found.append(row)
                    standing[anchor.id] = anchor
            if len(found) >= wanted or len(rows) < together:
                return found[:wanted], standing
            at, last = rows[-1]["created_at"], rows[-1]["id"]

    async def list(self, question: ListThreads, actor: Actor) -> Page[Thread]:
        """Show those of a scene, the newest first."""
        rows, anchors = await self._find(question, actor)
        page, more = rows[: question.limit], len(rows) > question.limit
        items: list[Thread] = []
        size = 0
        for start in range(0, len(page), SHOWN_TOGETHER):
            some = page[start : start + SHOWN_TOGETHER]
            for thread in await threads_of(self._store, some, anchors, actor.user_id):
                items.append(thread)
                size += len(thread.to_wire())
                if size >= PAGE_BYTES_MAX:
                    more = more or len(items) < len(page)
                    break
            if size >= PAGE_BYTES_MAX:
                break
        cursor = cursor_after(items[-1].created_at, items[-1].id) if more else None
        return Page(items=items, next_cursor=cursor)

    async def set_state(self, question: SetThreadState, actor: Actor) -> Thread:
        """Resolve a thread, or open it again."""
        async with self._store.transaction() as connection:
            row = await lock_thread(connection, question.id, actor.scope())
            require_version(row, question.expected_version)
            if row["state"] != question.state:
                row = await one(
                    connection, SQL.set_state, question.id, question.state, actor.user_id
                )
                await tell(connection, of_thread(_ACTIONS[question.state], row, actor))
                if question.state is ThreadState.RESOLVED:
                    await notify_others(connection, question.id, "resolved", actor.user_id)
        return await self._shown(question.id, actor, question.editor)

    async def move(self, question: MoveThread, actor: Actor) -> Thread:
        """Put a thread on other words; its anchor stays the same one."""
        project = actor.scope()
        row = await self._store.thread(question.id, project)
        _require_author(row, actor, any_author=question.any_author)
        scene, anchor = row["scene_id"], row["anchor_id"]
        [draft] = await self._anchors.draft(project, scene, [question.anchor], question.editor)
        async with self._store.transaction() as connection:
            row = await lock_thread(connection, question.id, project)
            require_version(row, question.expected_version)
            await self._anchors.replace(connection, project, scene, anchor, draft)
            row = await one(connection, SQL.touch_thread, question.id, actor.user_id)
            await tell(connection, of_thread("anchor_changed", row, actor))
        return await self._shown(question.id, actor, question.editor)

    async def delete(self, question: DeleteThread, actor: Actor) -> Gone:
        """Delete a thread with all that was said in it."""
        async with self._store.transaction() as connection:
            row = await lock_thread(connection, question.id, actor.scope())
            _require_author(row, actor, any_author=question.any_author)
            require_version(row, question.expected_version)
            row = await one(connection, SQL.delete_thread, question.id, actor.user_id)
            await tell(connection, of_thread("deleted", row, actor))
            await connection.execute(SQL.forget_notifications, question.id)
            await connection.execute(SQL.redact_thread, row["scene_id"], question.id)
            await self._anchors.retire(connection, actor.scope(), [row["anchor_id"]])
        return Gone()

    async def _shown(self, thread: UUID, actor: Actor, editor: SceneEditor | None) -> Thread:
        row = await self._store.thread(thread, actor.scope())
        anchors = await self._standing(actor.scope(), row["scene_id"], [row], editor)
        if row["anchor_id"] not in anchors:
            raise errors.NotFound
        return (await threads_of(self._store, [row], anchors, actor.user_id))[0]

    async def _standing(
        self, project: UUID, scene: UUID, rows: Sequence[Row], editor: SceneEditor | None
    ) -> dict[UUID, Anchor]:
        if not rows:
            return {}
        return await self._anchors.read(project, scene, [row["anchor_id"] for row in rows], editor)


def _require_author(row: Row, actor: Actor, *, any_author: bool) -> None:
    if not any_author and row["created_by"] != actor.user_id:
        raise errors.Forbidden(
            "Only the person who began a thread may do this, or somebody with a stronger role.",
            action="scene.comment",
        )
