"""Unmodified Yjs clients write together: what one side does, the other has."""

import asyncio

import pytest

from tests.clients.conftest import Friends
from tests.clients.scenarios import TRACES, Scenario


@pytest.mark.long
async def test_recorded_session_of_two_ends_as_it_did(play: Scenario):
    """Two people's 26,078 edits, typed again by two clients that see what the people saw.

    The trace promises that nobody inserts at the same place at the same time, so every correct
    merge rule must end with the recorded text. That Yjs' rule does is checked by a replay without
    a network, which is also what both clients, a newcomer and the server must equal: in text,
    state vector and deletions. An author types an edit only after all its causes came in over the
    wire, so a lost, torn or too early one shows as a wait that does not end, or another state.
    """
    trace = str(TRACES / "friendsforever.concurrent.json.gz")
    left, right = await asyncio.gather(
        play("friends", trace=trace, who="ada", agent=0),
        play("friends", trace=trace, who="ben", agent=1),
    )
    newcomer = await play("friends", trace=trace, who="ben")

    print(f"\nfriendsforever: {left['ms']:.0f} ms, waits {left['waits']} + {right['waits']}")
    assert left["typed"] + right["typed"] == 26_078
    assert left["state"] == right["state"] == newcomer["state"] == left["expected"]
    assert all(one["isEndContent"] and one["stored"] for one in (left, right, newcomer))
    assert [one["reconnects"] for one in (left, right, newcomer)] == [0, 0, 0]


async def test_edits_made_offline_merge_on_return(play: Scenario):
    """Both sides insert and delete while one is away; nothing of either is lost."""
    result = await play("offline")

    assert result["text"] == "Here: An end of the story. And away."
    assert result["newcomer"] == result["stored"] == result["text"]


async def test_undo_takes_back_only_ones_own_edits(play: Scenario):
    """Y.UndoManager keeps its promise across the wire, with others' edits in between."""
    result = await play("undo")

    assert result["steps"] == [
        "one two three",
        "one and a half two three",
        "and a half two three",
        "one and a half two three",
        "and a half ",
        "one and a half two three",
    ]
    assert result["stored"] == result["steps"][-1]


async def test_synced_means_up_to_date(play: Scenario, friends: Friends):
    """What was acknowledged before a client came is in its document when it says "synced".

    Editors that put a template into a scene that is empty when synced rely on this.
    """
    result = await play("synced", rounds=20)

    assert result["behind"] == []
    assert await friends.ada.text(friends.scene) == result["text"]


async def test_other_ways_in(play: Scenario):
    """The token by header or, as browsers must, by subprotocol; and messages in fragments."""
    result = await play("raw")

    assert result["subprotocol"] == "scriptorium"
    assert result["header"] == ""
    assert result["text"].count("in fragments ") == 50
    assert "browser " in result["text"]
    assert "header " in result["text"]


@pytest.mark.long
async def test_lone_reader_stays_connected(play: Scenario):
    """A provider reconnects after 30 s of silence; one that is alone must still hear something."""
    result = await play("idle", idle_ms=36_000)

    assert result == {"closes": [], "connected": True}
