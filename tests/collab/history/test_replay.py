"""The replay stream: from a base to now, and to the same state."""

import asyncio
import json
import re
from base64 import b64decode
from typing import Any

import httpx
import pytest
from pycrdt import Doc, Text

from tests.collab.history.support import BEGAN, EDITS, Edit, Recording, Room, text_of
from tools.stack import Stack


async def lines(room: Room, **params: str) -> list[dict[str, Any]]:
    answer = await room.ada.http.get(f"{room.path}/replay", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.parametrize(("step", "frames"), [("1", EDITS), ("100", 40), ("session", 6)])
async def test_a_replay_ends_where_the_scene_is(
    room: Room, recording: Recording, step: str, frames: int
):
    """Applied in order the frames make every state on the way, and in the end that of now."""
    await room.play(recording)

    base, *steps, end = await lines(room, step=step)

    assert (base["seq"], end) == (0, {"end": True, "seq": EDITS})
    assert len(steps) == frames
    doc: Doc[Any] = Doc()
    seq = 0
    for step_ in [base, *steps]:
        doc.apply_update(b64decode(step_["update"]))
        assert step_["seqFrom"] == (seq + 1 if step_ is not base else 0)
        seq = step_["seq"]
    for place in (len(steps) // 2, len(steps) - 1):
        half: Doc[Any] = Doc()
        for step_ in [base, *steps[: place + 1]]:
            half.apply_update(b64decode(step_["update"]))
        assert text_of(half) == recording.text(steps[place]["seq"])
    stored: Doc[Any] = Doc()
    stored.apply_update((await room.content(format="yjs")).content)
    assert doc.get_state() == stored.get_state()
    assert text_of(doc) == text_of(stored)
    people = [room.ada.id, room.ben.id]
    if step == "1":
        assert [step_["by"] for step_ in steps] == [[people[e.who]] for e in recording.edits]


async def test_a_part_is_replayed_from_its_base(room: Room, recording: Recording):
    """Also one that begins at a compacted version; before it 410 says what there is."""
    await room.play(recording)
    await room.compact(recording, 2000, prune=True)

    base, *steps, end = await lines(room, **{"from": "seq:2000", "to": "seq:2500"})
    gone = await room.ada.http.get(f"{room.path}/replay", params={"from": "seq:1500"})
    whole = await lines(room, step="1000")

    doc: Doc[Any] = Doc()
    for step in [base, *steps]:
        doc.apply_update(b64decode(step["update"]))
    assert (base["seq"], len(steps), end["seq"]) == (2000, 500, 2500)
    assert text_of(doc) == recording.text(2500)
    assert (gone.status_code, gone.json()["oldestSeq"]) == (410, 2000)
    assert [line["seq"] for line in whole] == [2000, 3000, 4000, 4000]


async def pages_read(stack: Stack) -> int:
    """How many pages of replays both replicas of collab have served."""
    found = 0
    async with httpx.AsyncClient() as http:
        for part in ("collab-1", "collab-2"):
            metrics = (await http.get(f"{stack.ops_url(part)}/metrics")).text
            counts = re.findall(
                r'^scriptorium_rpc_seconds_count{.*"collab.replay_page"} (\S+)',
                metrics,
                re.MULTILINE,
            )
            found += sum(int(float(count)) for count in counts)
    return found


async def test_reading_stops_when_the_client_is_gone(stack: Stack, room: Room):
    """A client that reads one line and leaves costs the pages that fit into buffers, no more."""
    doc: Doc[Any] = Doc(client_id=1)
    text = doc.get("content", type=Text)
    edits: list[Edit] = []
    for _ in range(1200):
        before = doc.get_state()
        text.insert(0, "0123456789abcdef" * 2048)
        edits.append(Edit(doc.get_update(before), 0, BEGAN))
    await room.play(Recording(edits))
    before_pages = await pages_read(stack)

    async with room.ada.http.stream("GET", f"{room.path}/replay") as answer:
        first = await anext(answer.aiter_lines())
    await asyncio.sleep(1)
    pages = await pages_read(stack) - before_pages

    assert json.loads(first)["seq"] == 0
    # 39 MB in pages of half a megabyte would be 75.
    assert 1 <= pages < 40
