"""Who is here: seen and gone within a second, under the name that the account has."""

from tests.clients.conftest import Friends
from tests.clients.scenarios import Scenario

SOON_MS = 1000


async def test_presence_is_prompt_and_cannot_be_forged(play: Scenario, friends: Friends):
    """The server stamps id and name over what a client claims, and keeps what it may choose.

    Nobody can speak for a client of somebody else's, and who closes, or whose socket breaks,
    is gone at once rather than when the protocol forgets them.
    """
    result = await play("awareness")

    ben = {"id": friends.ben.id, "name": "Ben", "color": "#30bced"}
    assert result["state"] == {"user": ben, "cursor": {"anchor": 3, "head": 7}}
    assert result["spokenFor"] == {"user": ben, "cursor": {"anchor": 8, "head": 8}}
    measured = {name: ms for name, ms in result.items() if name.endswith("Ms")}
    assert measured.keys() == {"seenMs", "movedMs", "lateMs", "closedMs", "brokenMs"}
    assert max(measured.values()) < SOON_MS, measured


async def test_who_comes_back_is_seen_at_once(play: Scenario):
    """After a broken socket and after a disconnect, both ways, as no provider does by itself.

    What was written offline is acknowledged like anything else. A Yjs client that a second socket
    announces is in two places: the older socket of the same person is closed, anybody else's too.
    """
    result = await play("returning")

    assert result["text"].endswith("written offline!")
    assert result["closes"] == {"first": [4409], "second": [], "intruder": [4409]}
