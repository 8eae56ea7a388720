"""`python -m tests.bench.review`: anchors made and resolved, racing accepts, typing among anchors.

The first part asks two replicas of collab over the bus. The second compares people who type in a
scene with 500 anchors with people who type in the same scene without any, in turns; a machine
with other work on it tells little there. `--still` leaves the second part out, `--quick` shortens
it. Exits with 1 when a bar was missed.
"""

import asyncio
import random
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

import uvloop

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Actor
from libs.contracts.collab.anchors import (
    CREATE_ANCHORS,
    READ_ANCHORS,
    AnchorTarget,
    CreateAnchors,
    ReadAnchors,
    TextRange,
)
from libs.contracts.collab.content import WRITE_CONTENT, ContentFormat, WriteContent
from libs.contracts.collab.suggestions import (
    CREATE_SUGGESTION,
    DECIDE_SUGGESTION,
    CreateSuggestion,
    DecideSuggestion,
    Decision,
    SuggestionKind,
    SuggestionStatus,
)
from libs.contracts.collab.threads import CREATE_THREAD, CreateThread
from libs.contracts.editors import BuiltIn, SceneEditor
from libs.contracts.ids import new_id
from libs.postgres import Pool, connect
from libs.process import settled
from tests.bench import live
from tests.bench.figures import Figure, median, percentile, stated
from tests.bench.run import Figures, Plan, session
from tests.bench.scriptorium import Scriptorium
from tests.bench.snapshots import prose
from tests.support.stack import real_stack

SCENE_CHARS = 70_000
ANCHORS = 200
ANCHORS_LIVE = 500
EDITORS = (BuiltIn.PLAIN, BuiltIn.TIPTAP)
READS = 30
CREATES = 100
ACCEPTS = 1_000
RESOLVE_MS_BAR = 60.0
CREATE_MS_BAR = 50.0
LIVE_SHARE_BAR = 105.0
DEADLINE_S = 60.0


@dataclass(frozen=True)
class Desk:
    """A scene of SCENE_CHARS characters, asked over the bus."""

    caller: Caller
    editor: SceneEditor
    actor: Actor
    scene: UUID

    @classmethod
    async def laid(cls, caller: Caller, editor: BuiltIn) -> "Desk":
        actor = Actor(user_id=new_id(), project_id=new_id())
        desk = cls(caller, SceneEditor(name=editor), actor, new_id())
        await desk.write(prose(SCENE_CHARS))
        return desk

    async def write(self, text: str) -> None:
        question = WriteContent(
            scene_id=self.scene,
            format=ContentFormat.TEXT,
            body=b64encode(text.encode()),
            editor=self.editor,
        )
        await self.caller.ask(WRITE_CONTENT, question, self.actor, deadline_s=DEADLINE_S)

    async def anchor(self, targets: Sequence[AnchorTarget]) -> list[UUID]:
        question = CreateAnchors(scene_id=self.scene, targets=list(targets), editor=self.editor)
        made = await self.caller.ask(CREATE_ANCHORS, question, self.actor, deadline_s=DEADLINE_S)
        return [anchor.id for anchor in made.anchors]

    async def resolve(self, anchors: list[UUID]) -> None:
        question = ReadAnchors(scene_id=self.scene, ids=anchors, editor=self.editor)
        found = await self.caller.ask(READ_ANCHORS, question, self.actor, deadline_s=DEADLINE_S)
        if len(found.anchors) != len(anchors):
            raise RuntimeError(f"{len(found.anchors)} of {len(anchors)} anchors were resolved")

    async def talk(self, target: AnchorTarget) -> None:
        question = CreateThread(
            id=new_id(),
            scene_id=self.scene,
            command_id=new_id(),
            anchor=target,
            body="Why?",
            editor=self.editor,
        )
        await self.caller.ask(CREATE_THREAD, question, self.actor, deadline_s=DEADLINE_S)


def places(number: int, seed: int) -> list[AnchorTarget]:
    """Return ranges of a few words, scattered over the scene."""
    choose = random.Random(seed)
    starts = [choose.randrange(SCENE_CHARS - 100) for _ in range(number)]
    return [
        AnchorTarget(range=TextRange(**{"from": at}, to=at + choose.randrange(4, 60)))
        for at in starts
    ]


async def still() -> list[Figure]:
    """Measure what is asked about anchors and suggestions."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        replicas = {"gateway": 1, "collab": 2, "events": 1}
        async with real_stack(Path(folder), replicas=replicas) as stack:
            url = stack.postgres_url("collab", "collab")
            pool = await connect(url, application="bench", size_max=1)
            try:
                async with _asking(stack.nats_url("gateway")) as caller:
                    _say(await stated(pool))
                    for editor in EDITORS:
                        desk = await Desk.laid(caller, editor)
                        figures += await _resolved(desk)
                        figures += await _created(desk)
                    figures.append(await _raced(caller, pool))
            finally:
                await pool.close()
    return figures


async def _resolved(desk: Desk) -> list[Figure]:
    anchors = await desk.anchor(places(ANCHORS, 1))
    text = prose(SCENE_CHARS)
    same: list[float] = []
    after_edit: list[float] = []
    for turn in range(READS):
        text = f"{turn} {text}"
        await desk.write(text)
        after_edit.append(await _ms(desk.resolve(anchors)))
        # Each replica reads the scene once.
        for _ in range(4):
            await desk.resolve(anchors)
        same.append(await _ms(desk.resolve(anchors)))
    what = f"resolve {ANCHORS} anchors of {SCENE_CHARS:,} chars, {desk.editor.name}"
    return [
        Figure(f"{what}, p50", percentile(same, 50), "ms", below=RESOLVE_MS_BAR),
        Figure(f"{what}, p95", percentile(same, 95), "ms"),
        Figure(f"the same right after an edit, {desk.editor.name}, p50", median(after_edit), "ms"),
    ]


async def _created(desk: Desk) -> list[Figure]:
    wanted = places(2 * CREATES, 2)
    bare = [await _ms(desk.anchor([one])) for one in wanted[:CREATES]]
    threads = [await _ms(desk.talk(one)) for one in wanted[CREATES:]]
    name = desk.editor.name
    return [
        Figure(f"create an anchor, {name}, p50", percentile(bare, 50), "ms"),
        Figure(f"create an anchor, {name}, p95", percentile(bare, 95), "ms", below=CREATE_MS_BAR),
        Figure(f"begin a thread, {name}, p50", percentile(threads, 50), "ms"),
        Figure(f"begin a thread, {name}, p95", percentile(threads, 95), "ms", below=CREATE_MS_BAR),
    ]


async def _raced(caller: Caller, pool: Pool) -> Figure:
    """Accept one suggestion ACCEPTS times at once, at both replicas."""
    desk = await Desk.laid(caller, BuiltIn.TIPTAP)
    [target] = places(1, 3)
    suggestion = CreateSuggestion(
        id=new_id(),
        scene_id=desk.scene,
        anchor=target,
        kind=SuggestionKind.REPLACE,
        text="the ice",
        editor=desk.editor,
    )
    await caller.ask(CREATE_SUGGESTION, suggestion, desk.actor, deadline_s=DEADLINE_S)
    rows = "SELECT count(*) FROM scene_versions WHERE scene_id = $1"
    before = await pool.fetchval(rows, desk.scene)
    question = DecideSuggestion(id=suggestion.id, decision=Decision.ACCEPT, editor=desk.editor)
    answers = await asyncio.gather(
        *(
            caller.ask(DECIDE_SUGGESTION, question, desk.actor, deadline_s=DEADLINE_S)
            for _ in range(ACCEPTS)
        )
    )
    if {answer.status for answer in answers} != {SuggestionStatus.ACCEPTED}:
        raise RuntimeError("some of the racing accepts were not answered with the accepted one")
    written = await pool.fetchval(rows, desk.scene) - before
    return Figure(f"{ACCEPTS:,} racing accepts", written, "log rows", at_least=1, below=1.5)


class Anchored(Scriptorium):
    """Scriptorium whose scenes have a text, with or without anchors on it."""

    def __init__(self, data_dir: Path, *, anchors: int) -> None:
        super().__init__(data_dir)
        self._anchors = anchors

    async def create(self, count: int) -> list[str]:
        """Make scenes of SCENE_CHARS characters."""
        names = await super().create(count)
        async with _asking(self.nats_url) as caller:
            for name in names:
                plain = SceneEditor(name=BuiltIn.PLAIN)
                actor = Actor(user_id=new_id(), project_id=new_id())
                desk = Desk(caller, plain, actor, UUID(name))
                await desk.write(prose(SCENE_CHARS))
                if self._anchors:
                    await desk.anchor(places(self._anchors, 4))
        return names


@asynccontextmanager
async def _asking(url: str) -> AsyncGenerator[Caller]:
    broker, client = await connect_broker(url, service="gateway", replica="bench")
    try:
        yield Caller(client)
    finally:
        await broker.stop()


async def typing(*, quick: bool) -> list[Figure]:
    """Compare typing in a scene with anchors and without, in turns."""
    plan = Plan(seconds=6.0 if quick else 20.0, step_s=2.0 if quick else 3.0, quick=quick)
    measured: dict[str, dict[int, list[Figures]]] = {}
    rounds = 2 if quick else 3
    for scenario in (live.duet, live.one_room_limit):
        own: dict[int, list[Figures]] = {0: [], ANCHORS_LIVE: []}
        for turn in range(rounds):
            for anchors in sorted(own, reverse=bool(turn % 2)):
                async with session(partial(Anchored, anchors=anchors), plan, _say) as run:
                    own[anchors].append(await scenario(run))
                told = {name: round(value, 4) for name, value in own[anchors][-1].items()}
                _say(f"  {scenario.__name__} with {anchors} anchors: {told}")
        measured[scenario.__name__] = own
    duet, limit = measured["duet"], measured["one_room_limit"]
    return [
        *_compared(duet, "p95_ms", "the duet's p95", "ms", below=LIVE_SHARE_BAR),
        *_compared(duet, "cpu_s_per_1000_deliveries", "the duet's CPU per 1,000,000", "s", 1000),
        *_compared(limit, "edits_per_s", "edits/s at saturation", "edits/s", at_least=95.0),
    ]


def _compared(
    found: dict[int, list[Figures]],
    name: str,
    title: str,
    unit: str,
    times: float = 1,
    *,
    below: float | None = None,
    at_least: float | None = None,
) -> list[Figure]:
    alone, among = (
        times * median([one[name] for one in found[anchors]]) for anchors in (0, ANCHORS_LIVE)
    )
    share = 100 * among / alone
    return [
        Figure(f"{title} without anchors", alone, unit),
        Figure(f"{title} with {ANCHORS_LIVE}", among, unit),
        Figure(f"{title}, with to without", share, "%", below=below, at_least=at_least),
    ]


async def _ms(deed: Awaitable[object]) -> float:
    started = time.perf_counter()
    await deed
    return (time.perf_counter() - started) * 1e3


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


async def main() -> int:
    """Measure and print; 1 when a bar was missed."""
    settled()
    figures: list[Figure] = []
    if "--typing" not in sys.argv:
        figures += await still()
    for figure in figures:
        _say(figure.line())
    if "--still" not in sys.argv:
        compared = await typing(quick="--quick" in sys.argv)
        for figure in compared:
            _say(figure.line())
        figures += compared
    return int(any(figure.missed for figure in figures))


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
