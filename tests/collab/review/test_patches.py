"""Patches over HTTP: applied, rebased and reverted whole, over no words that others wrote."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.support.people import Person

TEXT = "It was a dreary night of November.\nThe rain pattered against the panes.\nI slept."
PATCHED = "It was a stormy evening of November.\nThe cold rain pattered.\nI slept."
HUNKS = [
    {"anchor": {"quote": "dreary night"}, "kind": "replace", "text": "stormy evening"},
    {"anchor": {"quote": "rain"}, "kind": "insert", "text": "cold ", "side": "before"},
    {"anchor": {"quote": " against the panes"}, "kind": "delete"},
]


class Desk:
    """A scene, and its patches."""

    def __init__(self, person: Person, scene: str) -> None:
        self.person, self.scene = person, scene

    async def write(self, text: str) -> None:
        body = {"format": "text", "content": text}
        await self.person.ask("PUT", f"/api/scenes/{self.scene}/content", **body)

    async def text(self) -> str:
        answer = await self.person.http.get(
            f"/api/scenes/{self.scene}/content", params={"format": "text"}
        )
        return answer.text

    async def head(self, owner: asyncpg.Connection) -> int:
        return await owner.fetchval(
            "SELECT max(seq) FROM scene_versions WHERE scene_id = $1", UUID(self.scene)
        )

    async def propose(self, hunks: Any, status: int = 201, **more: Any) -> Any:
        body = {"baseVersion": 1, "hunks": hunks, **more}
        answer = await self.person.http.post(f"/api/scenes/{self.scene}/patches", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def decide(self, one: Any, what: str, status: int = 200) -> Any:
        answer = await self.person.http.post(f"/api/patches/{one['id']}/{what}")
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture(params=["tiptap", "slate", "plain"])
async def desk(ada: Person, request: pytest.FixtureRequest) -> Desk:
    scene = await ada.scene(await ada.project("Frankenstein", editor=request.param))
    desk = Desk(ada, scene)
    await desk.write(TEXT)
    return desk


async def test_a_patch_is_one_edit_that_comes_and_goes(
    desk: Desk, owner: asyncpg.Connection
) -> None:
    base = await desk.head(owner)
    made = await desk.propose(HUNKS, baseVersion=base, title="Weather")
    assert (made["state"], made["baseVersion"], made["conflictLog"]) == ("OPEN", base, [])
    assert [hunk["base"] for hunk in made["hunks"]] == [
        "dreary night",
        "rain",
        " against the panes",
    ]
    assert await desk.text() == TEXT

    applied = await desk.decide(made, "apply")
    assert await desk.text() == PATCHED
    assert (applied["state"], applied["appliedVersion"]) == ("APPLIED", base + 1)
    assert [hunk["anchor"]["status"] for hunk in applied["hunks"]] == ["exact", "exact", "orphaned"]
    assert applied["hunks"][0]["anchor"]["quote"] == "stormy evening"
    assert (await desk.decide(made, "apply"))["appliedVersion"] == base + 1

    for _ in range(2):
        reverted = await desk.decide(made, "revert")
        assert reverted["state"] == "REVERTED"
        assert await desk.text() == TEXT
        assert {hunk["anchor"]["status"] for hunk in reverted["hunks"]} == {"exact"}
        await desk.decide(made, "apply", 409)
        again = await desk.decide(made, "reapply")
        assert again["state"] == "APPLIED"
        assert await desk.text() == PATCHED
    assert await desk.head(owner) == base + 5


async def test_words_of_others_stay(desk: Desk) -> None:
    made = await desk.propose(HUNKS)
    await desk.write(TEXT.replace("I slept.", "I slept well.").replace("It was", "Then it was"))
    await desk.decide(made, "apply")
    now = PATCHED.replace("I slept.", "I slept well.").replace("It was", "Then it was")
    assert await desk.text() == now
    await desk.write(now.replace("of November", "of last November"))
    await desk.decide(made, "revert")
    assert await desk.text() == (
        TEXT.replace("I slept.", "I slept well.")
        .replace("It was", "Then it was")
        .replace("of November", "of last November")
    )


async def test_without_a_strategy_it_is_all_or_nothing(desk: Desk) -> None:
    made = await desk.propose(HUNKS)
    now = TEXT.replace("dreary night", "dark morning")
    await desk.write(now)
    refused = await desk.decide(made, "apply", 409)
    assert refused["code"] == "CONFLICT"
    [conflict] = refused["conflicts"]
    assert conflict["hunkId"] == made["hunks"][0]["id"]
    assert conflict["base"] == "dreary night"
    assert conflict["proposed"] == "stormy evening"
    assert await desk.text() == now


async def test_merge_leaves_conflicts_open(desk: Desk, owner: asyncpg.Connection) -> None:
    made = await desk.propose(HUNKS, rebaseStrategy="merge")
    now = TEXT.replace("dreary night", "dreary, windy night")
    await desk.write(now)
    merged = await desk.decide(made, "apply")
    assert merged["state"] == "PARTLY_APPLIED"
    assert [hunk["state"] for hunk in merged["hunks"]] == ["OPEN", "APPLIED", "APPLIED"]
    [conflict] = merged["conflictLog"]
    assert (conflict["reason"], conflict["now"]) == ("changed", "dreary, windy night")
    wanted = PATCHED.replace("stormy evening", "dreary, windy night")
    assert await desk.text() == wanted

    head = await desk.head(owner)
    again = await desk.decide(made, "apply")
    assert (again["version"], await desk.head(owner)) == (merged["version"], head)
    await desk.write(wanted.replace("dreary, windy night", "dreary night"))
    whole = await desk.decide(made, "apply")
    assert (whole["state"], whole["conflictLog"]) == ("APPLIED", [])
    assert await desk.text() == PATCHED
    await desk.decide(made, "revert")
    assert await desk.text() == TEXT


async def test_both_sides_may_change_different_words(desk: Desk) -> None:
    hunk = {"anchor": {"quote": "dreary night of November"}, "kind": "replace"}
    made = await desk.propose([{**hunk, "text": "dreary night of May"}])
    await desk.write(TEXT.replace("dreary night", "cold night"))
    await desk.decide(made, "apply")
    assert await desk.text() == TEXT.replace("dreary night of November", "cold night of May")


async def test_rebase_renews_the_hunks_for_review(desk: Desk, owner: asyncpg.Connection) -> None:
    hunk = {"anchor": {"quote": "dreary night of November"}, "kind": "replace"}
    made = await desk.propose(
        [{**hunk, "text": "dreary night of May"}, HUNKS[1]], rebaseStrategy="rebase"
    )
    now = TEXT.replace("dreary night", "cold night")
    await desk.write(now)
    head = await desk.head(owner)
    rebased = await desk.decide(made, "apply")
    assert await desk.text() == now
    assert (rebased["state"], rebased["baseVersion"]) == ("OPEN", head)
    first = rebased["hunks"][0]
    assert (first["base"], first["text"]) == ("cold night of November", "cold night of May")
    assert (await desk.decide(made, "apply"))["state"] == "APPLIED"
    assert "cold night of May.\nThe cold rain" in await desk.text()


async def test_a_letter_at_the_edge_changes_the_word(desk: Desk) -> None:
    """Otherwise an evening would become evenings, and rain and hail rain and hails."""
    made = await desk.propose(
        [
            {"anchor": {"quote": "night"}, "kind": "replace", "text": "evening"},
            {"anchor": {"quote": "rain"}, "kind": "insert", "text": " and hail"},
            HUNKS[2],
        ]
    )
    await desk.write(TEXT.replace("night", "nights").replace("rain", "rains"))
    refused = await desk.decide(made, "apply", 409)
    assert [one["now"] for one in refused["conflicts"]] == ["nights", "rains"]


async def test_override_wins_within_its_words_only(desk: Desk) -> None:
    made = await desk.propose(HUNKS[:2])
    await desk.write(
        TEXT.replace("dreary night", "dreary, windy night").replace("I slept.", "I lay awake.")
    )
    applied = await desk.decide(made, "apply?rebaseStrategy=override")
    assert applied["state"] == "APPLIED"
    assert await desk.text() == (
        TEXT.replace("dreary night", "stormy evening")
        .replace("I slept.", "I lay awake.")
        .replace("The rain", "The cold rain")
    )
    await desk.decide(made, "revert")
    assert "a dreary, windy night of" in await desk.text()


async def test_reverting_takes_back_nothing_that_others_changed(desk: Desk) -> None:
    made = await desk.propose(HUNKS)
    await desk.decide(made, "apply")
    now = PATCHED.replace("stormy evening", "stormy, dark evening")
    await desk.write(now)
    refused = await desk.decide(made, "revert", 409)
    assert refused["conflicts"][0]["reason"] == "changed"
    assert await desk.text() == now


async def test_racing_applies_write_one_row(desk: Desk, owner: asyncpg.Connection) -> None:
    made = await desk.propose(HUNKS)
    for what, text in (("apply", PATCHED), ("revert", TEXT), ("reapply", PATCHED)):
        head = await desk.head(owner)
        answers = await asyncio.gather(*(desk.decide(made, what) for _ in range(100)))
        assert len({(one["state"], one["version"]) for one in answers}) == 1
        assert await desk.head(owner) == head + 1
        assert await desk.text() == text
