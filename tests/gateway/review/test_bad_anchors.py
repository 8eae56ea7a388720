"""Anchors that name nothing of their scene: each a coded error, and nothing is made."""

from typing import Any

import pytest

from tests.gateway.review.support import Talk, read
from tests.gateway.support import Json, is_problem

UNKNOWN = {"client": 12345678, "clock": 7}
NOWHERE: list[tuple[Json, int, str]] = [
    ({"quote": "words that are not there"}, 404, "ANCHOR_NOT_FOUND"),
    ({"quote": "e"}, 409, "ANCHOR_AMBIGUOUS"),
    ({"quote": "disaster", "prefix": "some "}, 404, "ANCHOR_NOT_FOUND"),
    ({"quote": "x" * 30_000}, 400, "VALIDATION_FAILED"),
    ({"range": {"from": 5, "to": 5}}, 400, "VALIDATION_FAILED"),
    ({"range": {"from": 9, "to": 4}}, 400, "VALIDATION_FAILED"),
    ({"range": {"from": -1, "to": 4}}, 400, "VALIDATION_FAILED"),
    ({"range": {"from": 0, "to": 2**40}}, 400, "VALIDATION_FAILED"),
    ({"range": {"from": 0, "to": 100_000}}, 404, "ANCHOR_NOT_FOUND"),
    ({"range": {"from": 0, "to": 4}, "seq": 99_999}, 404, "ANCHOR_NOT_FOUND"),
    ({"yjs": {"start": {"item": UNKNOWN}, "end": {"item": UNKNOWN}}}, 404, "ANCHOR_NOT_FOUND"),
    ({"yjs": {"start": {"tname": "other"}, "end": {"tname": "x"}}}, 404, "ANCHOR_NOT_FOUND"),
    ({"yjs": {"start": {}, "end": {}}}, 400, "VALIDATION_FAILED"),
    ({"yjs": {"start": {"item": {"client": -1, "clock": 0}}}}, 400, "VALIDATION_FAILED"),
    ({"quote": "no disaster", "range": {"from": 0, "to": 4}}, 400, "VALIDATION_FAILED"),
]


def made_with(anchor: Json) -> list[tuple[str, Json]]:
    """All that people make on an anchor: where, and the body."""
    change: Json = {"anchor": anchor, "kind": "replace", "text": "y"}
    made: list[tuple[str, Json]] = [
        ("threads", {"anchor": anchor, "body": "x"}),
        ("suggestions", change),
    ]
    if "seq" not in anchor:  # a patch says that of all its hunks
        made.append(("patches", {"baseVersion": 1, "hunks": [change]}))
    return made


@pytest.mark.parametrize(
    ("anchor", "status", "code"), NOWHERE, ids=[str(each[0])[:40] for each in NOWHERE]
)
async def test_nothing_is_made_where_nothing_is(talk: Talk, anchor: Json, status: int, code: str):
    for things, body in made_with(anchor):
        answer = await talk.percy.post(f"/api/scenes/{talk.scene}/{things}", body)
        is_problem(answer, status, code)
        assert (await read(talk.mary, f"/api/scenes/{talk.scene}/{things}"))["items"] == []


async def test_a_scene_that_is_deleted_or_anothers_has_no_anchors(talk: Talk):
    """To a stranger, and to its own people after it was deleted, it is not there."""
    good = made_with({"quote": "no disaster"})
    for things, body in good:
        answer = await talk.clerval.post(f"/api/scenes/{talk.scene}/{things}", body)
        is_problem(answer, 404, "NOT_FOUND")
    scene = f"/api/scenes/{talk.scene}"
    gone: Any = await talk.mary.ask("DELETE", scene, headers={"If-Match": "*"})
    assert gone.status_code in (200, 204)
    for things, body in good:
        is_problem(await talk.percy.post(f"{scene}/{things}", body), 404, "NOT_FOUND")


async def test_positions_of_another_scene_name_nothing_here(talk: Talk):
    """Though both scenes say the same, their characters have ids of their own."""
    chapter = talk.manuscript.chapter["id"]
    other = await talk.mary.made(f"/api/chapters/{chapter}/scenes", {"title": "Two"})
    await talk.write("no disaster", str(other["id"]))
    there = f"/api/scenes/{other['id']}/threads"
    made = await talk.percy.made(there, {"anchor": {"quote": "no disaster"}, "body": "x"})
    for things, body in made_with({"yjs": made["anchor"]["yjs"]}):
        answer = await talk.percy.post(f"/api/scenes/{talk.scene}/{things}", body)
        is_problem(answer, 404, "ANCHOR_NOT_FOUND")
