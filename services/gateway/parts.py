"""Whether the services behind the gateway answer, as the page at `/` shows it.

Each is asked a small question about something that is not there, which its database must answer.
"""

import contextlib
from uuid import UUID

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.ai.runs import WHERE_RUN, WhereRun
from libs.contracts.blobs.transfers import READ_USAGE, ReadUsage
from libs.contracts.collab.persistence import SNAPSHOT_HISTORY, AskSnapshots
from libs.contracts.events.tree import READ_TREE, ReadTree
from libs.contracts.indexer.search import READ_INDEX, ReadIndex
from libs.telemetry import Health
from libs.telemetry.ops import CHECK_WAIT_S, Check

NOTHING = UUID(int=0)
PARTS = {
    "database": "PostgreSQL of the gateway: people, sessions, teams",
    "bus": "NATS: everything that the services tell each other",
    "events": "projects, books and scenes; characters and facts; the log of all changes",
    "collab": "the text of scenes: live editing, history, branches",
    "blobs": "files",
    "indexer": "search",
    "ai": "runs over manuscripts",
}


def health_of_parts(caller: Caller, *, bus: Check, database: Check) -> Health:
    """Return checks of all that the gateway needs, by the names in PARTS."""
    actor = Actor(user_id=NOTHING, project_id=NOTHING)

    async def events() -> None:
        with contextlib.suppress(errors.NotFound):
            await caller.ask(READ_TREE, ReadTree(), actor, deadline_s=CHECK_WAIT_S)

    async def collab() -> None:
        question = AskSnapshots(scene_id=NOTHING, limit=1)
        await caller.ask(SNAPSHOT_HISTORY, question, actor, deadline_s=CHECK_WAIT_S)

    async def blobs() -> None:
        await caller.ask(READ_USAGE, ReadUsage(), actor, deadline_s=CHECK_WAIT_S)

    async def indexer() -> None:
        await caller.ask(READ_INDEX, ReadIndex(), actor, deadline_s=CHECK_WAIT_S)

    async def ai() -> None:
        await caller.ask(WHERE_RUN, WhereRun(id=NOTHING), actor, deadline_s=CHECK_WAIT_S)

    return Health(
        bus=bus,
        database=database,
        events=events,
        collab=collab,
        blobs=blobs,
        indexer=indexer,
        ai=ai,
    )
