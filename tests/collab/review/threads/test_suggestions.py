"""A suggestion is decided about while collab dies: all of it is there, or nothing."""

from uuid import UUID

import pytest

from libs import errors
from libs.contracts.collab import suggestions
from libs.contracts.collab.anchors import AnchorTarget
from libs.contracts.collab.suggestions import Decision, SuggestionKind
from libs.contracts.ids import new_id
from libs.tasks.failpoints import CRASH
from tests.collab.review.threads.support import WORDS, Table
from tests.collab.review.threads.test_threads import DEATH_WAIT_S, announced, start
from tests.collab.upkeep.support import COLLABS
from tests.support.waiting import until

CHANGED = WORDS.replace("no disaster", "nothing bad")
STATUS = {Decision.ACCEPT: "ACCEPTED", Decision.REVERT: "REVERTED"}


async def made(table: Table) -> UUID:
    asked = suggestions.CreateSuggestion(
        id=new_id(),
        scene_id=table.scene,
        anchor=AnchorTarget(quote="no disaster"),
        kind=SuggestionKind.REPLACE,
        text="nothing bad",
    )
    await table.desk.caller.ask(suggestions.CREATE_SUGGESTION, asked, table.ben, deadline_s=20)
    return asked.id


async def decide(table: Table, suggestion: UUID, decision: Decision, deadline_s: float) -> None:
    asked = suggestions.DecideSuggestion(id=suggestion, decision=decision)
    await table.desk.caller.ask(
        suggestions.DECIDE_SUGGESTION, asked, table.ada, deadline_s=deadline_s
    )


async def tried(
    table: Table, suggestion: UUID, decision: Decision, *, succeeds: bool = False
) -> bool:
    """Ask once; whether somebody was there to try, or to succeed."""
    try:
        await decide(table, suggestion, decision, 5)
    except errors.DeadlineExceeded:
        return not succeeds
    except errors.Unavailable:
        return False
    return True


@pytest.mark.parametrize(
    ("step", "decision"),
    [
        ("suggestion.stored", Decision.ACCEPT),
        ("suggestion.committed", Decision.ACCEPT),
        pytest.param("suggestion.stored", Decision.REVERT, marks=pytest.mark.long),
        pytest.param("suggestion.committed", Decision.REVERT, marks=pytest.mark.long),
    ],
)
async def test_killed_at_a_step_all_or_nothing_is_there(
    table: Table, step: str, decision: Decision
) -> None:
    """And asking again makes it whole: one edit, one fact, the text as it should be."""
    desk = table.desk
    suggestion = await made(table)
    if decision is Decision.REVERT:
        await decide(table, suggestion, Decision.ACCEPT, 20)
    seqs, facts = await desk.seqs(table.scene), await table.facts()
    status = "SELECT status FROM suggestions WHERE id = $1"
    was, becomes = await desk.owner.fetchval(status, suggestion), STATUS[decision]
    for part in COLLABS:
        desk.stack.hold(part)
        desk.stack.kill(part)
        await desk.stack.wait_ended(part)
    try:
        await start(desk, {CRASH: step})
        await until(lambda: tried(table, suggestion, decision))
        await desk.stack.wait_ended(COLLABS[0], DEATH_WAIT_S)
        there = step == "suggestion.committed"
        assert len(await desk.seqs(table.scene)) == len(seqs) + there
        assert await desk.owner.fetchval(status, suggestion) == (becomes if there else was)
        assert len(await table.facts()) == len(facts) + there
        await start(desk, {})
        await until(lambda: tried(table, suggestion, decision, succeeds=True))
    finally:
        for part in COLLABS:
            desk.stack.release(part)
    assert len(await desk.seqs(table.scene)) == len(seqs) + 1
    assert await table.facts() == [*facts, f"suggestion.{becomes.lower()}"]
    assert await desk.text(table.scene) == (CHANGED if decision is Decision.ACCEPT else WORDS)
    await until(lambda: announced(desk, table.project))
