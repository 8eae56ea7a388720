"""Suggestions, over HTTP and real sockets: accepted once, never over what others wrote."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.support.people import Person
from tests.support.yclient import YClient
from tools.stack import Stack

TEXT = "It was a dreary night of November.\nThe rain pattered against the panes.\nI slept."


class Desk:
    """A scene, and what is suggested in it."""

    def __init__(self, person: Person, scene: str) -> None:
        self.person, self.scene = person, scene

    async def write(self, text: str, form: str = "text") -> None:
        body = {"format": form, "content": text}
        await self.person.ask("PUT", f"/api/scenes/{self.scene}/content", **body)

    async def text(self) -> str:
        answer = await self.person.http.get(
            f"/api/scenes/{self.scene}/content", params={"format": "text"}
        )
        return answer.text

    async def suggest(self, quote: str, kind: str = "replace", text: str = "", **more: Any) -> Any:
        anchor = {"quote": quote}
        body = {"anchor": anchor, "kind": kind, "text": text, **more}
        answer = await self.person.http.post(f"/api/scenes/{self.scene}/suggestions", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def decide(self, one: Any, what: str, status: int = 200) -> Any:
        answer = await self.person.http.post(f"/api/suggestions/{one['id']}/{what}")
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture(params=["tiptap", "slate", "plain"])
async def desk(ada: Person, request: pytest.FixtureRequest) -> Desk:
    scene = await ada.scene(await ada.project("Frankenstein", editor=request.param))
    desk = Desk(ada, scene)
    await desk.write(TEXT)
    return desk


async def test_accepting_is_one_edit_and_reverting_another(desk: Desk) -> None:
    made = await desk.suggest("dreary night", text="stormy evening", note="Less of the night")
    assert (made["status"], made["base"]) == ("OPEN", "dreary night")
    assert await desk.text() == TEXT

    accepted = await desk.decide(made, "accept")
    assert accepted["status"] == "ACCEPTED"
    assert await desk.text() == TEXT.replace("dreary night", "stormy evening")
    again = await desk.decide(made, "accept")
    assert again["appliedSeq"] == accepted["appliedSeq"]

    await desk.write((await desk.text()).replace("I slept.", "I slept well."))
    reverted = await desk.decide(made, "revert")
    assert reverted["status"] == "REVERTED"
    assert await desk.text() == TEXT.replace("I slept.", "I slept well.")


@pytest.mark.parametrize(
    ("body", "reads"),
    [
        ({"quote": " dreary", "kind": "delete"}, "It was a night of"),
        ({"quote": "rain", "kind": "insert", "text": " and hail"}, "rain and hail pattered"),
        ({"quote": "rain", "kind": "insert", "text": "cold ", "side": "before"}, "The cold rain"),
        (
            {"quote": "panes.", "kind": "insert", "text": "\nIt was cold."},
            "panes.\nIt was cold.\nI slept",
        ),
        ({"quote": "rain", "kind": "replace", "text": "rain\nand hail"}, "The rain\nand hail pa"),
        (
            {"quote": "November.\nThe", "kind": "replace", "text": "May. The"},
            "night of May. The rain",
        ),
    ],
)
async def test_every_kind_is_made_and_taken_back(
    desk: Desk, body: dict[str, str], reads: str
) -> None:
    made = await desk.suggest(**body)
    await desk.decide(made, "accept")
    assert reads in await desk.text()
    await desk.decide(made, "revert")
    assert await desk.text() == TEXT


async def test_what_was_changed_since_is_not_overwritten(desk: Desk) -> None:
    made = await desk.suggest("dreary night", text="stormy evening")
    now = TEXT.replace("dreary night", "dreary and wet night")
    await desk.write(now)
    refused = await desk.decide(made, "accept", 409)
    assert refused["code"] == "CONFLICT"
    sides = refused["base"], refused["now"], refused["proposed"]
    assert sides == ("dreary night", "dreary and wet night", "stormy evening")
    assert await desk.text() == now
    assert (await desk.decide(made, "reject"))["status"] == "REJECTED"
    assert await desk.text() == now


async def test_decided_things_stay_decided(desk: Desk) -> None:
    made = await desk.suggest("dreary night", text="stormy evening")
    await desk.decide(made, "withdraw")
    await desk.decide(made, "accept", 409)
    await desk.decide(made, "revert", 409)
    listed = await desk.person.ask("GET", f"/api/scenes/{desk.scene}/suggestions?status=WITHDRAWN")
    assert [one["id"] for one in listed["items"]] == [made["id"]]


async def test_racing_accepts_write_one_row(desk: Desk, owner: asyncpg.Connection) -> None:
    made = await desk.suggest("dreary night", text="stormy evening")
    before = await owner.fetchval(
        "SELECT max(seq) FROM scene_versions WHERE scene_id = $1", UUID(desk.scene)
    )
    answers = await asyncio.gather(*(desk.decide(made, "accept") for _ in range(100)))
    assert len({answer["appliedSeq"] for answer in answers}) == 1
    after = await owner.fetchval(
        "SELECT max(seq) FROM scene_versions WHERE scene_id = $1", UUID(desk.scene)
    )
    assert after == before + 1
    assert (await desk.text()).count("stormy evening") == 1


async def test_people_type_while_suggestions_are_accepted(ada: Person, stack: Stack) -> None:
    """Everybody's words are there, and every client reads the same."""
    scene = await ada.scene(await ada.project("Frankenstein", editor="plain"))
    desk = Desk(ada, scene)
    await desk.write("\n".join(f"Line {at} of the letter." for at in range(20)))
    made = [await desk.suggest(f"Line {at} of", text=f"Row {at} of") for at in range(20)]
    host = stack.gateways[0].replace("http", "ws", 1)
    address = f"{host}/collab/{scene}?token={ada.token}&acks=1"
    async with YClient(lambda: address) as writer:
        await writer.until(lambda: "Line 19" in str(writer.text), 20)

        async def type_on() -> None:
            for at in range(60):
                writer.type("x", at=len(str(writer.text).encode()))
                await asyncio.sleep(0.03)
                if at % 10 == 0:
                    writer.type("y", at=0)

        typing = asyncio.create_task(type_on())
        for one in made:
            await desk.decide(one, "accept")
        await typing
        await writer.until(lambda: writer.acked >= writer.clock, 20)
        text = await desk.text()
        assert all(text.count(f"Row {at} of the letter.") == 1 for at in range(20))
        assert text.count("x") == 60
        assert text.startswith("y" * 6)
        await writer.until(lambda: str(writer.text) == text, 20)
