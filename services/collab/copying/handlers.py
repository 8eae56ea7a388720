"""Serves TAKE_TEXT and PLANT_TEXT of `libs.contracts.events.workspaces`."""

from collections.abc import Callable
from typing import Any

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.manuscript import Done
from libs.contracts.events.workspaces import TEXT_BYTES_MAX, PlantText, TakeText, Text
from libs.postgres.pool import UNREACHABLE
from services.collab.commits import Commits
from services.collab.copying import jobs
from services.collab.editors import SceneEditors
from services.collab.scenes import Scenes, SceneUnreadable, State
from services.collab.updates import EMPTY, BadUpdate
from services.collab.workers import WorkerDied, Workers

HOSTILE_TRIES = 2
"""So often a worker must die of a text before the text is blamed, and not chance."""


class CopyHandlers:
    """Hands texts out whole and takes them in whole, each time by way of a worker."""

    def __init__(
        self,
        *,
        scenes: Scenes,
        editors: SceneEditors,
        workers: Workers,
        commits: Commits,
        scene_bytes_max: int,
    ) -> None:
        """Read *scenes*, convert in *workers*, write through *commits*."""
        self._scenes = scenes
        self._editors = editors
        self._workers = workers
        self._commits = commits
        self._scene_bytes_max = scene_bytes_max

    async def take(self, question: TakeText, _actor: Actor) -> Text:
        """Hand a text out, without history and without what was deleted."""
        state = await self._state(question.scene_id.bytes)
        if state.body == EMPTY:
            return Text.model_construct(packed=b"", size=0, markdown=b"")
        editor = None
        if question.markdown:
            named = await self._editors.of_all_if_known([question.scene_id])
            editor = named[question.scene_id].editor
        try:
            packed, size, markdown = await self._workers.run(
                jobs.pack, state.body, question.markdown, editor
            )
        except (WorkerDied, BadUpdate) as error:
            raise errors.Unavailable from error
        if len(packed) > TEXT_BYTES_MAX:
            raise errors.TooLarge(
                f"A scene's text may have {TEXT_BYTES_MAX} bytes, compressed, to be copied.",
                sceneId=str(question.scene_id),
            )
        if len(packed) + len(markdown) > TEXT_BYTES_MAX:
            markdown = b""  # it is for people, and the text is whole without it
        return Text.model_construct(packed=packed, size=size, markdown=markdown)

    async def plant(self, question: PlantText, actor: Actor) -> Done:
        """Take a text in. Sent again it adds what is missing, which is nothing when it is whole."""
        if question.size > self._scene_bytes_max:
            raise errors.TooLarge(limitBytes=self._scene_bytes_max)
        packed, size = question.packed, question.size
        if question.check:
            await self._surely(jobs.check, packed, size)
            return Done()
        state = await self._state(question.scene_id.bytes)
        pieces: list[bytes] = await self._surely(jobs.planting, packed, size, state.body)
        if pieces:
            self._commits.require_fitting(pieces)
        for piece in pieces:
            await self._commits.commit(question.scene_id, actor, piece)
        return Done()

    async def _surely[R](self, job: Callable[..., R], *args: Any) -> R:
        """Run a job on what others sent.

        Raises:
            errors.Invalid: It is no text, or kills whoever reads it.
        """
        for _ in range(HOSTILE_TRIES):
            try:
                return await self._workers.run(job, *args)
            except BadUpdate as error:
                raise errors.Invalid(f"It is not a Yjs document: {error}") from error
            except WorkerDied:
                continue
        raise errors.Invalid("It is not a Yjs document that can be read.")

    async def _state(self, scene: bytes) -> State:
        try:
            return await self._scenes.state(scene)
        except (*UNREACHABLE, asyncpg.PostgresError, SceneUnreadable) as error:
            raise errors.Unavailable from error
