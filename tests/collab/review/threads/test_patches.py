"""A patch is decided about while collab dies: the edit and its states are there, or neither."""

from uuid import UUID

import pytest

from libs import errors
from libs.contracts.collab import patches
from libs.contracts.collab.anchors import AnchorTarget
from libs.contracts.collab.patches import HunkCreate, HunkKind, PatchDecision
from libs.contracts.ids import new_id
from libs.tasks.failpoints import CRASH
from tests.collab.review.threads.support import WORDS, Table
from tests.collab.review.threads.test_threads import DEATH_WAIT_S, announced, start
from tests.collab.upkeep.support import COLLABS
from tests.support.waiting import until

PATCHED = WORDS.replace("no disaster", "nothing bad").replace("rejoice ", "")
STEPS = [
    *((step, PatchDecision.APPLY) for step in ("patch.stored", "patch.committed")),
    *(
        pytest.param(step, decision, marks=pytest.mark.long)
        for step in ("patch.stored", "patch.committed")
        for decision in (PatchDecision.REVERT, PatchDecision.REAPPLY)
    ),
]
BEFORE = {
    PatchDecision.APPLY: (),
    PatchDecision.REVERT: (PatchDecision.APPLY,),
    PatchDecision.REAPPLY: (PatchDecision.APPLY, PatchDecision.REVERT),
}


async def made(table: Table) -> UUID:
    hunks = [
        HunkCreate(
            anchor=AnchorTarget(quote="no disaster"), kind=HunkKind.REPLACE, text="nothing bad"
        ),
        HunkCreate(anchor=AnchorTarget(quote="rejoice "), kind=HunkKind.DELETE),
    ]
    asked = patches.CreatePatch(id=new_id(), scene_id=table.scene, base_version=1, hunks=hunks)
    await table.desk.caller.ask(patches.CREATE_PATCH, asked, table.ada, deadline_s=20)
    return asked.id


async def decide(table: Table, patch: UUID, decision: PatchDecision, deadline_s: float) -> None:
    asked = patches.DecidePatch(id=patch, decision=decision)
    await table.desk.caller.ask(patches.DECIDE_PATCH, asked, table.ada, deadline_s=deadline_s)


async def tried(
    table: Table, patch: UUID, decision: PatchDecision, *, succeeds: bool = False
) -> bool:
    """Ask once; whether somebody was there to try, or to succeed."""
    try:
        await decide(table, patch, decision, 5)
    except errors.DeadlineExceeded:
        return not succeeds
    except errors.Unavailable:
        return False
    return True


@pytest.mark.parametrize(("step", "decision"), STEPS)
async def test_killed_at_a_step_all_or_nothing_is_there(
    table: Table, step: str, decision: PatchDecision
) -> None:
    """And asking again makes it whole: one edit, one fact, the text as it should be."""
    desk = table.desk
    patch = await made(table)
    for earlier in BEFORE[decision]:
        await decide(table, patch, earlier, 20)
    seqs, facts = await desk.seqs(table.scene), await table.facts()
    state = "SELECT state FROM patches WHERE id = $1"
    hunks = "SELECT DISTINCT state FROM patch_hunks WHERE patch_id = $1"
    was = await desk.owner.fetchval(state, patch)
    becomes = "REVERTED" if decision is PatchDecision.REVERT else "APPLIED"
    for part in COLLABS:
        desk.stack.hold(part)
        desk.stack.kill(part)
        await desk.stack.wait_ended(part)
    try:
        await start(desk, {CRASH: step})
        await until(lambda: tried(table, patch, decision))
        await desk.stack.wait_ended(COLLABS[0], DEATH_WAIT_S)
        there = step == "patch.committed"
        assert len(await desk.seqs(table.scene)) == len(seqs) + there
        assert await desk.owner.fetchval(state, patch) == (becomes if there else was)
        assert [row["state"] for row in await desk.owner.fetch(hunks, patch)] == [
            becomes if there else was
        ]
        assert len(await table.facts()) == len(facts) + there
        await start(desk, {})
        await until(lambda: tried(table, patch, decision, succeeds=True))
    finally:
        for part in COLLABS:
            desk.stack.release(part)
    assert len(await desk.seqs(table.scene)) == len(seqs) + 1
    assert await table.facts() == [*facts, f"patch.{becomes.lower()}"]
    assert await desk.text(table.scene) == (WORDS if becomes == "REVERTED" else PATCHED)
    await until(lambda: announced(desk, table.project))
