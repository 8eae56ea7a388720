"""A collab that lies, to show that the ledger can count.

`forgetful` announces and acknowledges edits of which it stored only some; `hasty` shows edits
before it commits them. Neither is a switch of the real one: this program replaces parts of it.
"""

import asyncio
import os
from collections.abc import Sequence

from libs.postgres import Connection
from libs.process import load, run
from services.collab import app, live
from services.collab.journal import Journal
from services.collab.model import Batch, SceneRun, number, runs
from services.collab.settings import CollabSettings
from services.collab.store import Store

KIND = "BROKEN_COLLAB"
FORGETS_ONE_IN = 10
HASTE_S = 0.3


class Forgetful(Store):
    """Stores nine of ten edits."""

    async def append(
        self,
        batches: Sequence[Batch],
        seqs: list[int],
        *,
        within: Connection | None = None,
    ) -> None:
        kept = Batch()
        kept_seqs: list[int] = []
        edits = (edit for batch in batches for edit in _edits(batch))
        for seq, (scene, author, connection, update) in zip(seqs, edits, strict=True):
            if seq % FORGETS_ONE_IN:
                kept.add(scene, author, connection, update)
                kept_seqs.append(seq)
        if kept_seqs:
            await super().append([kept], kept_seqs, within=within)


class Hasty(Journal):
    """Announces first and commits later."""

    async def _append(self, batches: list[Batch]) -> dict[bytes, SceneRun]:
        scenes = [scene for batch in batches for scene in batch.scenes]
        seqs = number(scenes, await self._heads_of(scenes, refresh=False))
        await self._announce(runs(batches, seqs))
        await asyncio.sleep(HASTE_S)
        return await super()._append(batches)


def _edits(batch: Batch) -> list[tuple[bytes, bytes, int, bytes]]:
    return list(zip(batch.scenes, batch.authors, batch.connections, batch.updates, strict=True))


if __name__ == "__main__":
    if os.environ[KIND] == "forgetful":
        app.Store = Forgetful
    else:
        live.Journal = Hasty
    run("collab", load(CollabSettings), app.main)
