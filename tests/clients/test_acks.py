"""`acks=1`: what the server calls durable outlives everything."""

import pytest

from tests.clients.conftest import Friends
from tests.clients.scenarios import Scenario
from tests.support.stack import kill_everything
from tools.stack import Stack

EDITS = 3_000
ACKS_BEFORE_KILL = 20


@pytest.mark.long
async def test_all_edits_are_acknowledged_and_outlive_a_crash(
    play: Scenario, stack: Stack, friends: Friends
):
    """As many as were sent, under rising sequences; only who asks is told.

    Then PostgreSQL, NATS and every service are killed at once: every letter is still there.
    """
    before = await play("acks", edits=EDITS)
    text = await friends.ada.text(friends.scene)
    await kill_everything(stack)
    after = await friends.ada.text(friends.scene)

    assert before["last"]["count"] == before["sent"] == EDITS
    # A batch that was sent again, because its answer was late, is in the log twice.
    assert before["last"]["seq"] >= EDITS
    assert before["rising"]
    assert before["toOthers"] == 0
    assert len(text) == before["state"]["chars"] == EDITS + 1
    assert after == text


async def test_acknowledged_while_typing_is_there_after_a_kill(
    play: Scenario, stack: Stack, friends: Friends
):
    """Everything dies in mid-word. What comes back is what was typed, up to the last ack at least.

    The client does not come back, so nothing is there because it was sent again.
    """
    async with play.begin("acks", untilKilled=True, acks=ACKS_BEFORE_KILL) as typist:
        assert await typist.news() == {"typing": True}
        await kill_everything(stack)
        typed = await typist.result()
    text = await friends.ada.text(friends.scene)

    assert typed["acknowledged"] >= ACKS_BEFORE_KILL
    assert len(text) >= typed["acknowledged"]
    assert typed["text"].startswith(text)
