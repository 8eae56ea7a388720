"""Serves suggesting mode: the branch in which a person types suggestions."""

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.branches import BRANCHES_MAX, BeginSuggesting, Branch
from libs.postgres.pool import UNREACHABLE
from services.collab.commits import API_CONNECTION
from services.collab.history.branches import branch_of
from services.collab.history.past import Past, Place
from services.collab.history.records import SQL as HISTORY
from services.collab.history.records import Packed
from services.collab.review.suggesting.follower import SuggestingFollower
from services.collab.review.suggesting.store import SQL, SuggestingStore


class SuggestingHandlers:
    """Serves BEGIN_SUGGESTING."""

    def __init__(self, store: SuggestingStore, past: Past, follower: SuggestingFollower) -> None:
        """Begin branches with what *past* reads; *follower* tells their changes."""
        self._pool = store.pool
        self._past = past
        self._follower = follower

    async def begin(self, question: BeginSuggesting, actor: Actor) -> Branch:
        """Return the caller's branch of suggestions on a scene; it is made when there is none."""
        try:
            own = await self._own(question, actor)
            if own is None:
                await self._make(question, actor)
                own = await self._own(question, actor)
            if own is None:
                raise errors.LimitReached(
                    f"At most {BRANCHES_MAX} people suggest in one scene.", limit=BRANCHES_MAX
                )
            if await self._pool.execute(SQL.reopen, own["id"]) != "UPDATE 0":
                self._follower.decided(own["id"])
            scene, project = question.scene_id, actor.scope()
            row = await self._pool.fetchrow(HISTORY.branch, own["id"], scene, project)
        except UNREACHABLE as error:
            raise errors.Unavailable from error
        assert row is not None
        return branch_of(row)

    async def _own(self, question: BeginSuggesting, actor: Actor) -> asyncpg.Record | None:
        return await self._pool.fetchrow(SQL.own, question.scene_id, actor.scope(), actor.user_id)

    async def _make(self, question: BeginSuggesting, actor: Actor) -> None:
        place = Place(question.scene_id, question.scene_id, actor.scope())
        found = await self._past.find(place, None)
        state = await self._past.state(place, found)
        packed = await self._past.run(Packed.of, state)
        async with self._pool.acquire() as connection, connection.transaction():
            made = await connection.fetchval(
                SQL.begin,
                question.id,
                place.scene,
                place.project,
                found.seq,
                packed.body,
                packed.size,
                packed.checksum,
                actor.user_id,
                BRANCHES_MAX,
            )
            if made:
                await connection.execute(
                    HISTORY.begin_branch,
                    question.id,
                    state,
                    API_CONNECTION,
                    actor.user_id,
                    packed.checksum,
                )
