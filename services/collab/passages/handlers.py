"""Answers which blocks a scene has."""

from collections.abc import Iterator, Sequence

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.passages import PASSAGES_BYTES_MAX, Passage, Passages, ReadPassages
from libs.contracts.positions import CharacterId
from libs.postgres.pool import UNREACHABLE
from services.collab.editors import SceneEditors
from services.collab.passages import reading
from services.collab.passages.reading import Block
from services.collab.review.structs import Id
from services.collab.scenes import Scenes, SceneUnreadable
from services.collab.store import Store
from services.collab.updates import BadUpdate
from services.collab.workers import WorkerDied, Workers

PASSAGE_BYTES_MORE = 200
"""Bytes of a passage in JSON besides its text."""


class PassageHandlers:
    """Serves `libs.contracts.collab.passages`."""

    def __init__(
        self, scenes: Scenes, store: Store, editors: SceneEditors, workers: Workers
    ) -> None:
        """Split in *workers* what *scenes* knows, by the names of each scene's editor."""
        self._scenes = scenes
        self._store = store
        self._editors = editors
        self._workers = workers

    async def read(self, question: ReadPassages, _actor: Actor) -> Passages:
        """Read the blocks of a scene.

        Raises:
            errors.Unavailable: The scene cannot be read now.
        """
        scene = question.scene_id
        editor = (await self._editors.of_all_if_known([scene]))[scene].editor
        try:
            state = await self._scenes.state(scene.bytes)
            written_at = await self._store.written_at(scene, state.upto)
            blocks: list[Block] = await self._workers.run(
                reading.blocks, scene.bytes, state.upto, state.body, editor
            )
        except (*UNREACHABLE, asyncpg.PostgresError, SceneUnreadable) as error:
            raise errors.Unavailable from error
        except (WorkerDied, BadUpdate) as error:
            raise errors.Unavailable from error
        wanted = [block for block in blocks if block.index >= question.start]
        page = list(_fitting(wanted))
        following = wanted[len(page)].index if len(page) < len(wanted) else None
        return Passages(
            seq=state.upto,
            written_at=written_at,
            passages=[_passage(block) for block in page],
            following=following,
        )


def _fitting(blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield the first of *blocks* that fit into one answer, at least one."""
    size = 0
    for at, block in enumerate(blocks):
        size += len(block.text.encode()) + PASSAGE_BYTES_MORE
        if at and size > PASSAGES_BYTES_MAX:
            return
        yield block


def _passage(block: Block) -> Passage:
    return Passage(
        index=block.index,
        type=block.type,
        text=block.text,
        **{"from": block.start},
        to=block.end,
        first=_id(block.first),
        last=_id(block.last),
    )


def _id(ident: Id) -> CharacterId:
    return CharacterId(client=ident[0], clock=ident[1])
