"""Patches over HTTP: applied, rebased and reverted whole, over no words that others wrote."""

import asyncio
from typing import Any
from uuid import UUID, uuid4
from zlib import crc32

import asyncpg
import pytest

from tests.support.people import Person
from tests.support.yclient import YClient
from tools.stack import Stack

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

    async def forget(self, owner: asyncpg.Connection, upto: int) -> None:
        """Compact the versions up to *upto*, and delete them, as upkeep does in time."""
        answer = await self.person.http.get(
            f"/api/scenes/{self.scene}/content", params={"format": "yjs", "at": f"seq:{upto}"}
        )
        state, scene = answer.content, UUID(self.scene)
        async with owner.transaction():
            await owner.execute(
                """
                INSERT INTO scene_versions (scene_id, seq, yjs_update, client_id, created_by,
                    is_compacted, compacted_count, checksum)
                VALUES ($1, $2::bigint, $3, 0, $4, true, $2::bigint, $5)
                """,
                *(scene, upto, state, uuid4(), crc32(state)),
            )
            own = "scene_id = $1 AND seq <= $2 AND NOT is_compacted"
            await owner.execute(
                f"UPDATE scene_versions SET compacted_by = $3 WHERE {own}", scene, upto, uuid4()
            )
            await owner.execute(f"DELETE FROM scene_versions WHERE {own}", scene, upto)

    async def propose(self, hunks: Any, status: int = 201, **more: Any) -> Any:
        body = {"baseVersion": 1, "hunks": hunks, **more}
        answer = await self.person.http.post(f"/api/scenes/{self.scene}/patches", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def decide(self, one: Any, what: str, status: int = 200) -> Any:
        answer = await self.person.http.post(f"/api/patches/{one['id']}/{what}")
        assert answer.status_code == status, answer.text
        return answer.json()


async def begun(ada: Person, editor: str) -> Desk:
    desk = Desk(ada, await ada.scene(await ada.project("Frankenstein", editor=editor)))
    await desk.write(TEXT)
    return desk


@pytest.fixture
async def desk(ada: Person) -> Desk:
    return await begun(ada, "tiptap")


@pytest.mark.parametrize("editor", ["tiptap", "slate", "plain"])
async def test_a_patch_is_one_edit_that_comes_and_goes(
    ada: Person, editor: str, owner: asyncpg.Connection
) -> None:
    desk = await begun(ada, editor)
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


@pytest.mark.parametrize("many", [100, pytest.param(1_000, marks=pytest.mark.long)])
async def test_racing_applies_write_one_row(
    desk: Desk, owner: asyncpg.Connection, many: int
) -> None:
    """At two replicas, and so do racing reverts and applies after that."""
    made = await desk.propose(HUNKS)
    for what, text in (("apply", PATCHED), ("revert", TEXT), ("reapply", PATCHED)):
        head = await desk.head(owner)
        answers = await asyncio.gather(*(desk.decide(made, what) for _ in range(many)))
        assert len({(one["state"], one["version"]) for one in answers}) == 1
        assert await desk.head(owner) == head + 1
        assert await desk.text() == text


async def test_people_type_while_a_patch_comes_and_goes(ada: Person, stack: Stack) -> None:
    """Everybody's words are there, and every client reads the same."""
    desk = Desk(ada, await ada.scene(await ada.project("Frankenstein", editor="plain")))
    await desk.write("\n".join(f"Line {at} of the letter." for at in range(20)))
    hunks = [
        {"anchor": {"quote": f"Line {at} of"}, "kind": "replace", "text": f"Row {at} of"}
        for at in range(20)
    ]
    made = await desk.propose(hunks)
    host = stack.gateways[0].replace("http", "ws", 1)
    address = f"{host}/collab/{desk.scene}?token={ada.token}&acks=1"
    async with YClient(lambda: address) as writer:
        await writer.until(lambda: "Line 19" in str(writer.text), 20)

        async def type_on() -> None:
            for at in range(60):
                writer.type("x", at=len(str(writer.text).encode()))
                await asyncio.sleep(0.03)
                if at % 10 == 0:
                    writer.type("y ", at=0)

        typing = asyncio.create_task(type_on())
        for what in ("apply", "revert", "reapply"):
            await desk.decide(made, what)
        await typing
        await writer.until(lambda: writer.acked >= writer.clock, 20)
        text = await desk.text()
        assert all(text.count(f"Row {at} of the letter.") == 1 for at in range(20))
        assert "Line" not in text
        assert text.count("x") == 60
        await writer.until(lambda: str(writer.text) == text, 20)


async def test_a_base_that_is_forgotten_is_refused(desk: Desk, owner: asyncpg.Connection) -> None:
    """Its rows were compacted and deleted: nobody knows what the hunks are about."""
    base = await desk.head(owner)
    await desk.write(TEXT.replace("night", "evening"))
    await desk.write(TEXT)
    await desk.forget(owner, base + 1)
    refused = await desk.propose(HUNKS, 410, baseVersion=base)
    assert refused["code"] == "GONE"
    assert (await desk.propose(HUNKS, baseVersion=base + 2))["state"] == "OPEN"
    ahead = await desk.propose(HUNKS, 404, baseVersion=base + 3)
    assert ahead["newestSeq"] == base + 2
