"""A long text typed key by key, live, with an audience that keeps growing."""

import asyncio

import pytest

from tests.clients.scenarios import TRACES, Scenario

EDITS = 259_778
NEWCOMERS = 5


@pytest.mark.long
async def test_whole_paper_reaches_everyone_in_order(play: Scenario):
    """One types as fast as back-pressure allows; nobody ever sees what was not the text once.

    The follower at five moments, and five newcomers at the moment they sync, hold exactly the
    text after some number of edits, no older than what the follower had when they came; at the
    end all have the same state, and the text is the paper as the trace ends.
    """
    trace = str(TRACES / "automerge-paper.sequential.json.gz")
    author, follower = await asyncio.gather(
        play("paper", trace=trace, who="writer"),
        play("paper", trace=trace, who="follower"),
    )

    seconds = author["durableMs"] / 1000
    print(
        f"\npaper: {EDITS} edits, typed in {author['typedMs'] / 1000:.1f} s, durable in"
        f" {seconds:.1f} s ({EDITS / seconds:.0f}/s), followed in"
        f" {follower['followedMs'] / 1000:.1f} s; newcomers synced in"
        f" {[round(one['syncMs']) for one in follower['newcomers']]} ms"
    )
    assert author["edits"] == EDITS
    assert author["isEndContent"]
    assert author["stored"]
    assert author["state"] == follower["state"]
    assert len(follower["newcomers"]) == NEWCOMERS
    # What each had when it synced was compared, letter by letter, by the scenario.
    assert follower["glimpses"] == 2 * NEWCOMERS
    assert all(one["synced"] >= one["heardOf"] for one in follower["newcomers"])
    assert author["reconnects"] == follower["reconnects"] == 0
