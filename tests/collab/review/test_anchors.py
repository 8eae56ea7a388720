"""Anchors of scenes that are written in, through the real service."""

from typing import Any
from uuid import UUID

import pytest

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.collab.anchors import (
    CREATE_ANCHORS,
    READ_ANCHORS,
    Anchor,
    AnchorTarget,
    CreateAnchors,
    ReadAnchors,
)
from tests.support.people import Person
from tests.support.waiting import until

TEXT = "It was a dreary night of November. The rain pattered. It was one in the morning."


class Desk:
    """A scene and its anchors."""

    def __init__(self, caller: Caller, person: Person, project: str, scene: str) -> None:
        self.caller, self.person = caller, person
        self.scene = UUID(scene)
        self.actor = Actor(user_id=UUID(person.id), project_id=UUID(project))

    async def write(self, text: str) -> int:
        body = {"format": "text", "content": text}
        answer = await self.person.ask("PUT", f"/api/scenes/{self.scene}/content", **body)
        return answer["seq"]

    async def anchor(self, **target: Any) -> Anchor:
        asked = AnchorTarget.model_validate(target)
        question = CreateAnchors(scene_id=self.scene, targets=[asked])
        found = await self.caller.ask(CREATE_ANCHORS, question, actor=self.actor)
        return found.anchors[0]

    async def read(self, *ids: UUID, actor: Actor | None = None) -> list[Anchor]:
        question = ReadAnchors(scene_id=self.scene, ids=list(ids))
        found = await self.caller.ask(READ_ANCHORS, question, actor=actor or self.actor)
        return found.anchors


@pytest.fixture
async def desk(caller: Caller, ada: Person) -> Desk:
    project = await ada.project("Frankenstein")
    desk = Desk(caller, ada, project, await ada.scene(project))
    await desk.write(TEXT)
    return desk


async def test_an_anchor_stays_with_its_words(desk: Desk) -> None:
    anchor = await desk.anchor(quote="dreary night")
    assert (anchor.status, anchor.from_, anchor.to) == ("exact", 9, 21)
    assert anchor.yjs
    assert anchor.yjs.end.assoc == -1

    await desk.write("Chapter V\n" + TEXT)
    [moved] = await desk.read(anchor.id)
    assert (moved.status, moved.from_, moved.to, moved.generation) == ("exact", 19, 31, 0)
    assert moved.yjs == anchor.yjs


async def test_words_that_go_and_come_back(desk: Desk) -> None:
    """Orphaned with who and when, at the nearest neighbour; recovered where the words return."""
    anchor = await desk.anchor(quote="The rain pattered.")
    without = TEXT.replace("The rain pattered. ", "")
    await desk.write(without)
    [gone] = await desk.read(anchor.id)
    assert gone.status == "orphaned"
    assert gone.quote == "The rain pattered."
    assert gone.deleted
    assert str(gone.deleted.by) == desk.person.id
    assert gone.deleted.at is not None
    assert gone.from_ == gone.to
    assert abs(gone.from_ - without.index("It was one")) <= 1

    again = "The rain pattered. " + without
    await desk.write(again)
    [back] = await desk.read(anchor.id)
    assert (back.status, back.from_, back.to) == ("recovered", 0, 18)
    assert back.deleted is None


async def test_part_of_the_words_is_recovered(desk: Desk) -> None:
    anchor = await desk.anchor(quote="dreary night of November")
    await desk.write(TEXT.replace("dreary night of ", ""))
    [left] = await desk.read(anchor.id)
    assert (left.status, left.from_, left.to) == ("recovered", 9, 17)


async def test_nothing_is_guessed(desk: Desk) -> None:
    with pytest.raises(errors.AnchorAmbiguous) as several:
        await desk.anchor(quote="It was")
    places = several.value.data["candidates"]
    assert [place["from"] for place in places] == [0, TEXT.rindex("It was")]
    found = await desk.anchor(quote="It was", suffix=" one")
    assert found.from_ == TEXT.rindex("It was")

    with pytest.raises(errors.AnchorNotFound) as nowhere:
        await desk.anchor(quote="a dreary evening of November")
    assert "dreary night" in nowhere.value.data["closest"]["text"]
    with pytest.raises(errors.AnchorNotFound):
        await desk.anchor(range={"from": 5, "to": 10_000})
    unknown = {"item": {"client": 77, "clock": 5}}
    with pytest.raises(errors.AnchorNotFound):
        await desk.anchor(yjs={"start": unknown, "end": unknown})


async def test_a_range_of_an_older_version_means_the_words_of_then(desk: Desk) -> None:
    seq = await desk.write(TEXT + " More.")
    await desk.write("Before. " + TEXT + " More.")
    anchor = await desk.anchor(range={"from": 9, "to": 21}, seq=seq)
    assert (anchor.status, anchor.quote, anchor.from_) == ("exact", "dreary night", 17)


async def test_positions_of_an_editor_make_the_same_anchor(desk: Desk) -> None:
    quoted = await desk.anchor(quote="dreary night")
    assert quoted.yjs
    wire = quoted.yjs.model_dump(by_alias=True, exclude_none=True)
    same = await desk.anchor(yjs=wire)
    assert (same.from_, same.to, same.yjs) == (quoted.from_, quoted.to, quoted.yjs)


async def test_other_projects_see_none_of_it(desk: Desk, ben: Person) -> None:
    anchor = await desk.anchor(quote="dreary night")
    project = UUID(await ben.project("Other"))
    stranger = Actor(user_id=UUID(ben.id), project_id=project)
    assert await desk.read(anchor.id, actor=stranger) == []


async def test_anchors_are_followed_though_nobody_reads_them(desk: Desk, owner: Any) -> None:
    """Within seconds of an edit that deletes words."""
    anchor = await desk.anchor(quote="dreary night")
    await desk.write(TEXT.replace("dreary night", ""))

    async def orphaned() -> bool:
        query = "SELECT status = 'orphaned' FROM anchors WHERE id = $1"
        return await owner.fetchval(query, anchor.id)

    await until(orphaned)


async def test_anchors_outlive_the_log_between(desk: Desk, owner: Any) -> None:
    """Rows that are gone leave the state, the words and what stands beside them."""
    anchor = await desk.anchor(quote="dreary night")
    lost = await desk.anchor(quote="November")
    seq = await desk.write("It rained. " + TEXT.replace("November", "May"))

    async def followed() -> bool:
        query = "SELECT followed_seq >= $2 FROM anchored_scenes WHERE scene_id = $1"
        return await owner.fetchval(query, desk.scene, seq)

    await until(followed)
    await owner.execute(
        "UPDATE anchored_scenes SET followed_seq = 0 WHERE scene_id = $1", desk.scene
    )
    [found, gone] = await desk.read(anchor.id, lost.id)
    assert (found.status, found.from_) == ("exact", 20)
    assert gone.status == "orphaned"
