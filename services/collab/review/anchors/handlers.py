"""Answers other services about anchors."""

from libs.contracts.actor import Actor
from libs.contracts.collab import anchors as contract
from libs.contracts.collab.anchors import CreateAnchors, ReadAnchors
from libs.postgres import Pool
from services.collab.review.anchors.anchors import Anchors


class AnchorHandlers:
    """Serves `libs.contracts.collab.anchors`."""

    def __init__(self, pool: Pool, anchors: Anchors) -> None:
        """Store through *pool*."""
        self._pool = pool
        self._anchors = anchors

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
