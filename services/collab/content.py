"""The text of a scene for those who read and write it whole: an edit like any other."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.content import (
    Content,
    ContentFormat,
    ConvertScene,
    ReadContent,
    WriteContent,
    Written,
)
from libs.contracts.editors import SceneEditor
from libs.postgres.pool import UNREACHABLE
from services.collab import formats, heavy, updates
from services.collab.commits import Commits
from services.collab.formats import BadContent, CannotHold, jobs
from services.collab.nesting import fault
from services.collab.pieces import PIECE_BYTES_MAX
from services.collab.scenes import Scenes, SceneUnreadable, State
from services.collab.settings import CollabSettings
from services.collab.store import Store, Trust
from services.collab.updates import BadUpdate
from services.collab.workers import WorkerDied, Workers

BASE_PAGES_MAX = 8
"""Pages of the log in which the state that a writer started from is looked for."""

INLINE_BYTES_MAX = 4 * 1024
"""Smaller documents are read on the event loop, in about a millisecond at most."""

SHARED_BYTES_MAX = 64 * 1024
"""Smaller contents are converted, in 0.1 s at most, by the workers that also serve joins."""


class ContentHandlers:
    """Serves `libs.contracts.collab.content`."""

    def __init__(
        self,
        *,
        store: Store,
        scenes: Scenes,
        workers: Workers,
        large: Workers,
        commits: Commits,
        settings: CollabSettings,
    ) -> None:
        """Wire the parts; what takes long runs in *large*, where nobody's join waits for it."""
        self._store = store
        self._scenes = scenes
        self._workers = workers
        self._large = large
        self._commits = commits
        self._settings = settings

    async def read(self, question: ReadContent, _actor: Actor) -> Content:
        """Read a scene as it is durable now."""
        state = await self._state(question.scene_id.bytes)
        body = await self._rendered(state, question.format, question.editor)
        return Content.model_construct(seq=state.upto, state_vector=state.vector, body=body)

    async def write(self, question: WriteContent, actor: Actor) -> Written:
        """Make a scene read what is given, by the smallest edit, and wait until it is durable.

        A large edit is committed piece by piece, so that what people type goes in between. When
        that is cut short some pieces are in the scene and nothing was acknowledged; the same
        content again adds what is missing.

        The edit is made from a state that the writer may have expected. What others write while it
        is being made merges with it, as with every edit, and is not overwritten.

        Raises:
            errors.PreconditionFailed: The log stands at none of the expected places.
        """
        if len(question.body) > self._settings.scene_bytes_max:
            raise errors.TooLarge(limitBytes=self._settings.scene_bytes_max)
        scene = question.scene_id.bytes
        state = await self._state(scene)
        expected = question.expected_seqs
        if expected is not None and state.upto not in expected:
            raise errors.PreconditionFailed(currentSeq=state.upto)
        if question.format is ContentFormat.YJS:
            pieces = await self._beyond(question.body, state)
        else:
            pieces = await self._rewritten(question, state)
        return await self._committed(question.scene_id, actor, state, pieces)

    async def convert(self, question: ConvertScene, actor: Actor) -> Written:
        """Lay a scene out for another editor, as an edit of its own."""
        state = await self._state(question.scene_id.bytes)
        pieces = await self._worked(
            len(state.body), jobs.convert, state.body, question.editor, question.present
        )
        return await self._committed(question.scene_id, actor, state, pieces)

    async def _committed(
        self, scene_id: UUID, actor: Actor, state: State, pieces: list[bytes]
    ) -> Written:
        if not pieces:
            return Written.model_construct(seq=state.upto, changed=False, state_vector=state.vector)
        self._commits.require_fitting(pieces)
        seq = 0
        for piece in pieces:
            seq = await self._commits.commit(scene_id, actor, piece)
        after = await self._state(scene_id.bytes)
        return Written.model_construct(seq=seq, changed=True, state_vector=after.vector)

    async def _beyond(self, body: bytes, state: State) -> list[bytes]:
        try:
            updates.check(body)
            update = formats.rewrite(state.body, ContentFormat.YJS, body)
        except BadUpdate as error:
            raise errors.Invalid(
                "The content is not a Yjs update.", field="content", at=f"byte {fault(body)}"
            ) from error
        if update is None:
            return []
        if len(update) <= PIECE_BYTES_MAX:
            return [update]
        try:
            return await self._large.run(jobs.cut, update)
        except (WorkerDied, BadUpdate) as error:
            raise errors.Unavailable from error

    async def _rewritten(self, question: WriteContent, state: State) -> list[bytes]:
        base = await self._base(question, state)
        size = len(base) + len(question.body)
        return await self._worked(
            size, jobs.rewrite, base, question.format, question.body, question.editor
        )

    async def _worked(
        self, size_bytes: int, job: Callable[..., list[bytes]], *args: Any
    ) -> list[bytes]:
        try:
            return await self._for(size_bytes).run(job, *args)
        except BadContent as error:
            raise errors.Invalid(error.reason, field="content", at=error.place) from error
        except CannotHold as error:
            raise errors.Conflict(error.reason, field="content", at=error.place) from error
        except (WorkerDied, BadUpdate) as error:
            raise errors.Unavailable from error

    def _for(self, size_bytes: int) -> Workers:
        return self._workers if size_bytes <= SHARED_BYTES_MAX else self._large

    async def _base(self, question: WriteContent, state: State) -> bytes:
        """The state that the writer started from."""
        given = question.base_state_vector
        if given is None:
            return state.body
        try:
            if updates.read_state_vector(given) == updates.read_state_vector(state.vector):
                return state.body
        except BadUpdate as error:
            raise errors.Invalid("Not a state vector.", field="baseStateVector") from error
        try:
            stored = await self._store.load(
                question.scene_id, upto=state.upto, trust=Trust.COMPACTED
            )
            base, rows, pages = stored.base, stored.rows, 1
            while stored.full and pages < BASE_PAGES_MAX:
                more = await self._store.load(
                    question.scene_id, stored.upto, upto=state.upto, trust=Trust.ORIGINALS
                )
                rows, stored, pages = rows + more.rows, more, pages + 1
            found = await self._workers.run(heavy.state_at, base, rows, given)
        except WorkerDied as error:
            raise errors.Unavailable from error
        if found is None:
            raise errors.Conflict(
                "The log never stood at this state vector; read the content again.",
                field="baseStateVector",
            )
        return found

    async def _state(self, scene: bytes) -> State:
        try:
            return await self._scenes.state(scene)
        except (*UNREACHABLE, asyncpg.PostgresError, SceneUnreadable) as error:
            raise errors.Unavailable from error

    async def _rendered(
        self, state: State, form: ContentFormat, editor: SceneEditor | None
    ) -> bytes:
        # Markdown has a parser to load and is slower than the others by far.
        small = len(state.body) <= INLINE_BYTES_MAX and form is not ContentFormat.MARKDOWN
        try:
            if small or form is ContentFormat.YJS:
                return formats.render(state.body, form, editor)
            return await self._for(len(state.body)).run(formats.render, state.body, form, editor)
        except (WorkerDied, BadUpdate) as error:
            raise errors.Unavailable from error
