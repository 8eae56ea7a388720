"""Answers other services about anchors, and people who point at words from elsewhere."""

from dataclasses import replace
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab import anchors as contract
from libs.contracts.collab.anchors import (
    SCENE_ANCHORS_MAX,
    Anchor,
    CreateAnchor,
    CreateAnchors,
    OneAnchor,
    ReadAnchors,
)
from libs.contracts.editors import SceneEditor
from libs.postgres import Pool
from libs.postgres.pool import UNREACHABLE
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.anchors.store import AnchorStore


class AnchorHandlers:
    """Serves `libs.contracts.collab.anchors`."""

    def __init__(self, pool: Pool, anchors: Anchors, store: AnchorStore) -> None:
        """Store through *pool*; *anchors* are those of *store*."""
        self._pool = pool
        self._anchors = anchors
        self._store = store

    async def create(self, question: CreateAnchors, actor: Actor) -> contract.Anchors:
        """Make anchors, all or none."""
        project, scene = actor.scope(), question.scene_id
        drafts = await self._anchors.draft(project, scene, question.targets, question.editor)
        async with self._pool.acquire() as connection, connection.transaction():
            await self._anchors.insert(
                connection, project, scene, drafts, by=actor.user_id, run_id=question.run_id
            )
        ids = [draft.id for draft in drafts]
        found = await self._anchors.read(project, scene, ids, question.editor)
        return contract.Anchors(
            seq=max((one.seq for one in found.values()), default=0),
            anchors=[found[one] for one in ids if one in found],
        )

    async def read(self, question: ReadAnchors, actor: Actor) -> contract.Anchors:
        """Resolve anchors."""
        found = await self._anchors.read(
            actor.scope(), question.scene_id, question.ids, question.editor
        )
        return contract.Anchors(
            seq=max((one.seq for one in found.values()), default=0),
            anchors=[found[one] for one in question.ids if one in found],
        )

    async def create_one(self, question: CreateAnchor, actor: Actor) -> Anchor:
        """Make an anchor for something outside the review; the same request makes one.

        Raises:
            errors.LimitReached: The scene has too many.
        """
        project, scene = actor.scope(), question.scene_id
        try:
            if await self._store.scene_of(project, question.id) is None:
                if await self._store.count(scene) >= SCENE_ANCHORS_MAX:
                    raise errors.LimitReached(
                        f"A scene has at most {SCENE_ANCHORS_MAX} anchors.", limit=SCENE_ANCHORS_MAX
                    )
                [draft] = await self._anchors.draft(
                    project, scene, [question.anchor], question.editor
                )
                drafts = [replace(draft, id=question.id)]
                async with self._pool.acquire() as connection, connection.transaction():
                    await self._anchors.insert(connection, project, scene, drafts, by=actor.user_id)
        except asyncpg.UniqueViolationError:
            pass  # The same request, sent twice at once.
        except UNREACHABLE as error:
            raise errors.Unavailable from error
        return await self._one(question.id, actor, question.editor)

    async def read_one(self, question: OneAnchor, actor: Actor) -> Anchor:
        """Resolve an anchor.

        Raises:
            errors.NotFound: The project has no such anchor.
        """
        return await self._one(question.id, actor, question.editor)

    async def _one(self, anchor: UUID, actor: Actor, editor: SceneEditor | None) -> Anchor:
        project = actor.scope()
        try:
            scene = await self._store.scene_of(project, anchor)
        except UNREACHABLE as error:
            raise errors.Unavailable from error
        found = await self._anchors.read(project, scene, [anchor], editor) if scene else {}
        if anchor not in found:
            raise errors.NotFound
        return found[anchor]
