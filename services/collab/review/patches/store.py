"""Patches and their hunks in PostgreSQL, and as clients see them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.bus import Fact
from libs.contracts.actor import Actor
from libs.contracts.collab.anchors import ANCHORS_TOGETHER_MAX, Anchor
from libs.contracts.collab.facts import PatchFact
from libs.contracts.collab.patches import Hunk, ListPatches, Patch
from libs.contracts.editors import SceneEditor
from libs.contracts.pages import Page
from libs.postgres import Pool, load_queries
from libs.postgres.pool import UNREACHABLE
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.facts import fact
from services.collab.review.threads.cursors import cursor_after, place_of

SQL = load_queries("services.collab.review.patches")

PAGE_BYTES_MAX = 1024 * 1024
"""Of the patches in one page; it ends with the patch that reaches this."""

SHOW_TRIES_MAX = 5
"""How often hunks are read again because somebody decides about them."""

type Row = asyncpg.Record


class PatchStore:
    """Reads patches; every query names the project."""

    def __init__(self, pool: Pool, anchors: Anchors) -> None:
        """Read from *pool*; hunks stand on *anchors*."""
        self.pool = pool
        self._anchors = anchors

    async def find(self, patch: UUID, project: UUID, *, deleted: bool = False) -> Row | None:
        """Return a patch; one that is *deleted* only when that is asked for."""
        try:
            return await self.pool.fetchrow(SQL.patch, patch, project, deleted)
        except UNREACHABLE as error:
            raise errors.Unavailable from error

    async def read(self, patch: UUID, project: UUID, *, deleted: bool = False) -> Row:
        """Return a patch as `find` does.

        Raises:
            NotFound: The project has no such patch.
        """
        row = await self.find(patch, project, deleted=deleted)
        if row is None:
            raise errors.NotFound
        return row

    async def hunks(self, patches: Sequence[UUID], project: UUID) -> list[Row]:
        """Return the hunks of patches, by patch and in their order."""
        try:
            return await self.pool.fetch(SQL.hunks, patches, project)
        except UNREACHABLE as error:
            raise errors.Unavailable from error

    async def read_page(self, question: ListPatches, project: UUID) -> Page[Patch]:
        """Return a page of the patches of a scene, the newest first."""
        at, last = place_of(question.cursor)
        try:
            rows = await self.pool.fetch(
                SQL.patches,
                question.scene_id,
                project,
                at,
                last,
                question.state,
                question.author,
                question.include_deleted,
                question.limit + 1,
            )
        except UNREACHABLE as error:
            raise errors.Unavailable from error
        page = _fitting(rows[: question.limit])
        items = await self._shown(page, question.scene_id, project, question.editor)
        more = len(rows) > len(page)
        cursor = cursor_after(items[-1].created_at, items[-1].id) if more else None
        return Page(items=items, next_cursor=cursor)

    async def show(self, row: Row, editor: SceneEditor | None) -> Patch:
        """Return a patch as clients see it."""
        [shown] = await self._shown([row], row["scene_id"], row["project_id"], editor)
        return shown

    async def _shown(
        self, rows: Sequence[Row], scene: UUID, project: UUID, editor: SceneEditor | None
    ) -> list[Patch]:
        for _ in range(SHOW_TRIES_MAX):
            hunks = await self.hunks([row["id"] for row in rows], project)
            ids = [_standing_on(hunk) for hunk in hunks]
            anchors = await self._anchors.read(project, scene, ids, editor)
            if len(anchors) < len(ids):
                continue  # What was taken back meanwhile no longer has an anchor.
            found: dict[UUID, list[Hunk]] = {}
            for hunk in hunks:
                shown = _hunk(hunk, anchors[_standing_on(hunk)])
                found.setdefault(hunk["patch_id"], []).append(shown)
            return [_patch(row, found.get(row["id"], [])) for row in rows]
        raise errors.Unavailable("The patch is being decided; try again in a moment.")


def of_patch(action: str, row: Row | None, actor: Actor, hunk_count: int) -> Fact:
    """Return the fact that something happened to a patch, which is *row* now."""
    assert row is not None
    data = PatchFact(
        author=row["created_by"],
        hunk_count=hunk_count,
        conflict_count=len(row["conflict_log"]),
        **{name: row[name] for name in PatchFact.model_fields if name in row},
    )
    return fact(
        f"patch.{action}",
        row["id"],
        project=actor.scope(),
        by=actor.user_id,
        version=row["version"],
        data=data,
    )


def _fitting(rows: Sequence[Row]) -> list[Row]:
    """Return the first of *rows*: no more than are resolved and answered together."""
    hunks = size = 0
    for index, row in enumerate(rows):
        hunks += row["hunk_count"]
        size += row["bytes"]
        if index and (hunks > ANCHORS_TOGETHER_MAX or size > PAGE_BYTES_MAX):
            return list(rows[:index])
    return list(rows)


def _standing_on(hunk: Row) -> UUID:
    return hunk["written_id"] or hunk["anchor_id"]


def _hunk(row: Row, anchor: Anchor) -> Hunk:
    own: dict[str, Any] = {name: row[name] for name in Hunk.model_fields if name in row}
    return Hunk(**own, anchor=anchor)


def _patch(row: Row, hunks: list[Hunk]) -> Patch:
    own: dict[str, Any] = {name: row[name] for name in Patch.model_fields if name in row}
    return Patch(**own, hunks=hunks, author=row["created_by"])
