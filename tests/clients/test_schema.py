"""The schema gate, met by real editors that are old, new, or say nothing of it."""

from tests.clients.conftest import Friends
from tests.clients.scenarios import Scenario
from tests.clients.test_ws import people, play, stack

__all__ = ["people", "play", "stack"]
"""Two gateways and two collabs, as for /ws."""

SOON_MS = 1000


def _why(declared: str) -> str:
    return (
        f"read-only: this scene needs editor schema version 3 and your editor declared {declared};"
        " update your editor to write here"
    )


async def test_older_editors_read_and_do_not_write(play: Scenario, friends: Friends):
    """Nobody is gated until a version is named; then open sockets follow within a second.

    Who declared nothing counts as older than any version. Refused edits are in nobody's text but
    their author's, and everybody hears both versions.
    """
    result = await play("schema")

    assert result["ungated"] == {"text": "Before. ", "denials": []}
    assert result["before"] is True
    assert result["raised"] == 3
    assert max(result["toldMs"]) < SOON_MS, result["toldMs"]
    denials = result["denials"]
    # Told when it happened, and again for the edit.
    assert denials["open"] == [_why("none")] * 2
    assert denials["old"] == [_why("2")] * 2
    assert denials["current"] == denials["lateNew"] == []
    assert denials["lateOld"] == [_why("2")] * 2
    assert denials["lateBare"] == denials["lateOdd"] == [_why("none")]
    refusal = {
        "type": "error",
        "code": "SCHEMA_OUTDATED",
        "detail": _why("2"),
        "sceneId": friends.scene,
        "left": False,
        "sceneSchemaVersion": 3,
        "clientSchemaVersion": 2,
    }
    assert result["desk"] == refusal
    assert result["newDesk"] == []
    nothing = {"detail": _why("none"), "clientSchemaVersion": None}
    assert result["lateDesk"] == {"error": refusal | nothing, "mayWrite": False}
    assert result["sizes"] == [True, True, True]
    assert result["afterRaise"] == "Before. Kept. Kept too. "
    assert result["text"] == "Before. Kept. Kept too. Newest. "
    assert result["closes"] == []
    lowered = result["lowered"]
    assert (lowered["status"], lowered["code"]) == (409, "SCHEMA_LOWERED")
    assert (lowered["current"], lowered["wanted"]) == (3, 2)
