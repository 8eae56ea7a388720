"""What a role allows on an open socket, and what those hear who may not come in."""

from tests.clients.conftest import Friends, People
from tests.clients.scenarios import Scenario

SOON_MS = 1000


async def test_roles_hold_on_open_sockets(play: Scenario, friends: Friends):
    """A reader receives and is refused by name; every change of role is felt within a second."""
    await friends.ada.let_in(friends.project, friends.ben, "READER")
    result = await play("roles")

    assert result["asReader"]["owner"] == result["asReader"]["stored"] == "Once upon"
    assert result["asReader"]["denials"] == ["read-only: your role does not allow writing here"]
    assert result["upgradedMs"] < SOON_MS
    assert result["downgradedMs"] < SOON_MS
    assert result["refusedAfterDowngrade"]
    assert result["removedMs"] < SOON_MS
    assert result["closes"] == [4003]
    assert result["owner"] == result["stored"]
    assert "refused" not in result["stored"]
    assert "too late" not in result["stored"]


async def test_reader_who_only_reads_is_not_accused(play: Scenario, friends: Friends):
    """Coming into a scene from which something was deleted is no attempt to write."""
    await friends.ada.let_in(friends.project, friends.ben, "READER")
    result = await play("onlooker")

    assert result == {"text": "here", "denials": []}


async def test_refusals_say_why(play: Scenario, people: People, friends: Friends):
    """4401 without a good token, 4404 where nothing is for the caller; no provider tries again.

    A stranger hears the same as for a scene that does not exist.
    """
    stranger = await people.join("Stranger")
    known = {
        name: {"token": person.token}
        for name, person in (("ada", friends.ada), ("stranger", stranger))
    }
    result = await play("refusals", people=known)

    assert result == {
        name: [{"code": code, "synced": False, "again": False}]
        for name, code in {
            "nonsense": 4401,
            "forged": 4401,
            "nothing": 4401,
            "unknown": 4404,
            "noScene": 4404,
            "stranger": 4404,
        }.items()
    }
