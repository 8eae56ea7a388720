"""What changed between two versions, and who did it."""

import itertools
from typing import Any

from pycrdt import Text

from tests.collab.history.support import EDITS, Recording, Room, paragraphs, stamp


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def both(changes: list[dict[str, Any]]) -> tuple[str, str]:
    """The old and the new text of a difference; its offsets must be right, too."""
    old = new = ""
    for change in changes:
        assert change["from"] == utf16(old)
        assert change["to"] == utf16(new)
        if change["op"] != "insert":
            old += change["text"]
        if change["op"] != "delete":
            new += change["text"]
    return old, new


def writers(recording: Recording, seq_from: int, seq_to: int) -> list[tuple[str, int]]:
    """Each character of the text at *seq_to*, and who wrote it after *seq_from* (-1: before).

    Found another way than the service does: character by character, by comparing before and after
    each single edit.
    """
    doc = recording.doc(seq_from)
    text = doc.get("content", type=Text)
    found = [(character, -1) for character in str(text)]
    events: list[Any] = []

    def watch(event: Any) -> None:
        events.append(list(event.delta))

    text.observe(watch)
    for edit in recording.edits[seq_from:seq_to]:
        before = str(text)
        events.clear()
        doc.apply_update(edit.update)
        at = 0
        for op in itertools.chain(*events):
            if "retain" in op:
                at += op["retain"]
            elif "delete" in op:
                del found[at : at + op["delete"]]
            else:
                found[at:at] = [(character, edit.who) for character in op["insert"]]
                at += len(op["insert"])
        assert "".join(character for character, _ in found) == str(text), before
    return found


async def test_a_difference_tells_old_and_new_and_who(room: Room, recording: Recording):
    """Inserted text names who typed it, by an oracle that watches each edit by itself."""
    await room.play(recording)
    people = {room.ada.id: 0, room.ben.id: 1}

    for seq_from, seq_to in [(0, 500), (900, 1900), (3000, EDITS), (700, 700)]:
        told = await room.get("/diff", **{"from": f"seq:{seq_from}", "to": f"seq:{seq_to}"})

        assert both(told["changes"]) == (recording.text(seq_from), recording.text(seq_to))
        assert told["attributed"]
        known = iter(writers(recording, seq_from, seq_to))
        for change in told["changes"]:
            if change["op"] == "delete":
                assert len(change["by"]) == 1
                continue
            for character in change["text"]:
                wrote, who = next(known)
                assert wrote == character
                if change["op"] == "insert":
                    assert [people[by] for by in change["by"]] == [who]


async def test_authors_survive_compaction_by_session(room: Room, recording: Recording):
    """Of what was pruned only the session's authors are known: all of them, and nobody else."""
    await room.play(recording)
    await room.compact(recording, 1000, prune=True)
    await room.compact(recording, 2000, prune=True)

    told = await room.get("/diff", **{"from": "seq:1000", "to": "seq:2100"})

    assert both(told["changes"]) == (recording.text(1000), recording.text(2100))
    assert told["attributed"]
    known = {tuple(change["by"]) for change in told["changes"] if "by" in change}
    everybody = tuple(sorted([room.ada.id, room.ben.id]))
    assert everybody in known
    assert known <= {everybody, (room.ada.id,), (room.ben.id,)}


async def test_offsets_count_utf16_and_who_deleted_is_told(room: Room):
    """Astral characters are two units; what one wrote and another deleted is each one's."""
    await room.write("😀 one two")
    put = await room.ben.http.put(
        f"{room.path}/content", json={"format": "text", "content": "😀 one 🐧 two"}
    )
    assert put.status_code == 200
    await room.write("😀 🐧 two")

    told = await room.get("/diff", **{"from": "seq:1", "to": "seq:3"})

    assert told["changes"] == [
        {"op": "equal", "text": "😀 ", "from": 0, "to": 0},
        {"op": "delete", "text": "one", "from": 3, "to": 3, "by": [room.ada.id]},
        {"op": "insert", "text": "🐧", "from": 6, "to": 3, "by": [room.ben.id]},
        {"op": "equal", "text": " two", "from": 6, "to": 5},
    ]


async def test_backwards_and_by_time(room: Room, recording: Recording):
    """An older version may come second; nobody is named, for nobody did that."""
    await room.play(recording)
    since = stamp(recording.edits[1999].at)

    told = await room.get("/diff", **{"from": since, "to": "seq:100", "format": "markdown"})

    assert (told["seqFrom"], told["seqTo"], told["attributed"]) == (2000, 100, False)
    assert both(told["changes"]) == (recording.text(2000), recording.text(100))


async def test_blocks_are_compared_as_blocks(room: Room):
    """Changed, moved, added and removed blocks are told apart."""
    await room.write(paragraphs("The first one.", "The second one.", "Third.", "Fourth."), "blocks")
    seq = await room.write(
        paragraphs("Fourth.", "The first one.", "The second, changed.", "Something new 🐧"),
        "blocks",
    )

    told = await room.get("/diff", **{"from": f"seq:{seq - 1}", "format": "blocks"})

    found = {(change["op"], change.get("from"), change.get("to")) for change in told["changes"]}
    assert found == {
        ("moved", 3, 0),
        ("changed", 1, 2),
        ("removed", 2, None),
        ("added", None, 3),
    }
    changed = next(change for change in told["changes"] if change["op"] == "changed")
    assert both(changed["text"]) == ("The second one.", "The second, changed.")


async def test_a_document_with_other_roots_is_compared_without_names(room: Room):
    """Who wrote is told of plain text only; others still get their difference."""
    await room.write(paragraphs("one", "two"), "blocks")
    seq = await room.write(paragraphs("one", "two and a half"), "blocks")

    told = await room.get("/diff", **{"from": f"seq:{seq - 1}"})

    old, new = both(told["changes"])
    assert "two and a half" in new
    assert "half" not in old
