"""The text of a scene for those who read and write it whole: an edit like any other."""

import asyncio

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.content import Content, ContentFormat, ReadContent, WriteContent, Written
from libs.postgres.pool import UNREACHABLE
from services.collab import heavy, updates
from services.collab.journal import Journal
from services.collab.model import Batch
from services.collab.scenes import Scenes, SceneUnreadable, State
from services.collab.settings import CollabSettings
from services.collab.store import Store, Trust
from services.collab.updates import BadUpdate
from services.collab.workers import WorkerDied, Workers

API_CONNECTION = 1
"""Which connection the log names for edits that came by HTTP: gateway 0, tag 1."""

BASE_PAGES_MAX = 8
"""Pages of the log in which the state that a writer started from is looked for."""

INLINE_BYTES_MAX = 16 * 1024
"""Smaller documents are read on the event loop, in well under a millisecond."""


class ContentHandlers:
    """Serves `libs.contracts.content`."""

    def __init__(
        self,
        *,
        store: Store,
        scenes: Scenes,
        workers: Workers,
        journal: Journal,
        settings: CollabSettings,
    ) -> None:
        """Wire the parts."""
        self._store = store
        self._scenes = scenes
        self._workers = workers
        self._journal = journal
        self._settings = settings

    async def read(self, question: ReadContent, _actor: Actor) -> Content:
        """Read a scene as it is durable now."""
        state = await self._state(question.scene_id.bytes)
        match question.format:
            case ContentFormat.YJS:
                body = state.body
            case ContentFormat.TEXT:
                body = (await self._text(state)).encode()
        return Content.model_construct(seq=state.upto, state_vector=state.vector, body=body)

    async def write(self, question: WriteContent, actor: Actor) -> Written:
        """Make a scene read what is given, by the smallest edit, and wait until it is durable."""
        if len(question.body) > self._settings.scene_bytes_max:
            raise errors.TooLarge(limitBytes=self._settings.scene_bytes_max)
        scene = question.scene_id.bytes
        state = await self._state(scene)
        match question.format:
            case ContentFormat.YJS:
                update = self._beyond(question.body, state)
            case ContentFormat.TEXT:
                update = await self._rewritten(question, state)
        if update is None:
            return Written.model_construct(seq=state.upto, changed=False, state_vector=state.vector)
        if len(update) > self._settings.update_bytes_max:
            raise errors.TooLarge(
                "The change is larger than one edit may be.",
                limitBytes=self._settings.update_bytes_max,
            )
        seq = await self._commit(scene, actor, update)
        after = await self._state(scene)
        return Written.model_construct(seq=seq, changed=True, state_vector=after.vector)

    async def _commit(self, scene: bytes, actor: Actor, update: bytes) -> int:
        durable: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def done(heads: dict[bytes, int]) -> None:
            if not durable.done():
                durable.set_result(heads[scene])

        batch = Batch()
        batch.add(scene, actor.user_id.bytes, API_CONNECTION, update)
        self._journal.submit(batch, done)
        return await durable

    def _beyond(self, body: bytes, state: State) -> bytes | None:
        try:
            updates.check(body)
            update = updates.difference(body, state.vector)
        except BadUpdate as error:
            raise errors.Invalid("The content is not a Yjs update.", field="content") from error
        return None if update == updates.EMPTY else update

    async def _rewritten(self, question: WriteContent, state: State) -> bytes | None:
        try:
            wanted = question.body.decode()
        except UnicodeDecodeError as error:
            raise errors.Invalid(
                "The content is not UTF-8 text.", field="content", at=error.start
            ) from error
        base = await self._base(question, state)
        try:
            return await self._workers.run(heavy.rewrite_text, base, wanted)
        except (WorkerDied, BadUpdate) as error:
            raise errors.Unavailable from error

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

    async def _text(self, state: State) -> str:
        try:
            if len(state.body) <= INLINE_BYTES_MAX:
                return heavy.read_text(state.body)
            return await self._workers.run(heavy.read_text, state.body)
        except (WorkerDied, BadUpdate) as error:
            raise errors.Unavailable from error
