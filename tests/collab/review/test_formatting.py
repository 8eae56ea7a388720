"""Suggestions of formatting over HTTP: marks, types of blocks, and whole blocks."""

from typing import Any

import pytest

from tests.support.people import Person

TEXT = "It was a dreary night of November.\nThe rain pattered against the panes.\nI slept."
HEADING = {"type": "heading", "level": 2, "children": [{"text": "Letter II"}]}
HOSTILE = "<script>alert(1)</script>"


class Desk:
    """A scene in which formatting is suggested."""

    def __init__(self, person: Person, scene: str) -> None:
        self.person, self.path = person, f"/api/scenes/{scene}"

    async def write(self, text: str) -> None:
        await self.person.ask("PUT", f"{self.path}/content", format="text", content=text)

    async def blocks(self) -> list[Any]:
        return await self.person.ask("GET", f"{self.path}/content?format=blocks")

    async def suggest(self, quote: str, status: int = 201, **body: Any) -> Any:
        suggested = {"anchor": {"quote": quote}, **body}
        answer = await self.person.http.post(f"{self.path}/suggestions", json=suggested)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def decide(self, one: Any, what: str, status: int = 200) -> Any:
        answer = await self.person.http.post(f"/api/suggestions/{one['id']}/{what}")
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
async def desk(ada: Person) -> Desk:
    desk = Desk(ada, await ada.scene(await ada.project("Frankenstein", editor="tiptap")))
    await desk.write(TEXT)
    return desk


async def test_marks_and_types_are_accepted_and_reverted(desk: Desk) -> None:
    before = await desk.blocks()
    change = {
        "marks": {"bold": True, "link": {"href": "javascript:alert(1)"}},
        "block": {"type": "heading", "level": 3},
    }
    made = await desk.suggest("dreary night", kind="attributes", attributes=change)
    assert (made["kind"], made["text"], made["attributes"]) == ("attributes", "", change)
    assert await desk.blocks() == before

    accepted = await desk.decide(made, "accept")
    assert accepted["status"] == "ACCEPTED"
    first = (await desk.blocks())[0]
    assert (first["type"], first["level"]) == ("heading", 3)
    # A link is data, as in every other write: whoever shows it decides what it may do.
    assert first["children"][1] == {"text": "dreary night", **change["marks"]}
    await desk.decide(made, "revert")
    assert await desk.blocks() == before


async def test_blocks_are_accepted_and_reverted(desk: Desk) -> None:
    before = await desk.blocks()
    line = {"type": "paragraph", "children": [{"text": HOSTILE, "bold": True}]}
    made = await desk.suggest("I slept.", kind="replace", blocks=[HEADING, line])
    assert made["text"] == f"Letter II\n{HOSTILE}"
    await desk.decide(made, "accept")
    assert await desk.blocks() == [*before[:2], HEADING, line]
    await desk.decide(made, "revert")
    assert await desk.blocks() == before


async def test_changed_words_and_other_editors_refuse(ada: Person, desk: Desk) -> None:
    made = await desk.suggest(
        "dreary night", kind="attributes", attributes={"marks": {"bold": True}}
    )
    await desk.write(TEXT.replace("dreary night", "dreary and wet night"))
    refused = await desk.decide(made, "accept", 409)
    sides = refused["base"], refused["now"], refused["proposed"]["marks"]
    assert sides == ("dreary night", "dreary and wet night", {"bold": True})

    plain = Desk(ada, await ada.scene(await ada.project("Notes", editor="plain")))
    await plain.write(TEXT)
    made = await plain.suggest("I slept.", kind="replace", blocks=[HEADING])
    refused = await plain.decide(made, "accept", 409)
    assert refused["now"] == refused["base"] == "I slept."


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "attributes"},
        {"kind": "attributes", "attributes": {}},
        {"kind": "attributes", "attributes": {"marks": {"text": "x"}}},
        {"kind": "attributes", "attributes": {"block": {"type": None}}},
        {"kind": "attributes", "attributes": {"block": {"children": []}}},
        {"kind": "attributes", "attributes": {"marks": {str(at): 1 for at in range(30)}}},
        {"kind": "replace", "text": "x", "blocks": [HEADING]},
        {"kind": "delete", "blocks": [HEADING]},
        {"kind": "insert", "blocks": []},
        {"kind": "insert", "blocks": [HEADING] * 200},
        {"kind": "insert", "blocks": [{"type": "paragraph", "children": [{"text": ""}]}]},
        {"kind": "insert", "blocks": [{"type": "image", "src": "x"}]},
        {"kind": "insert", "blocks": [{"type": 7, "children": [{"text": "x"}]}]},
        {"kind": "insert", "blocks": [{"type": "p", "children": [{"text": "x\0"}]}]},
        {"kind": "insert", "blocks": [{"type": "p", "children": [{"text": "x" * 30_000}]}]},
        {"kind": "insert", "blocks": [{"type": "p", "children": "x"}]},
    ],
)
async def test_hostile_ones_are_refused(desk: Desk, body: dict[str, Any]) -> None:
    refused = await desk.suggest("rain", 400, **body)
    assert refused["code"] == "VALIDATION_FAILED"
