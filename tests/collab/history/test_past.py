"""What a scene was: by version, by time, after compaction and beyond retention."""

import random
from datetime import timedelta

from tests.collab.history.support import (
    EDITS,
    PAUSE,
    SITTING,
    Recording,
    Room,
    stamp,
)


async def test_every_version_reads_as_it_was(room: Room, recording: Recording):
    """At fifty random versions the text equals a replay of the log one edit at a time."""
    await room.play(recording)
    rnd = random.Random(1)
    seqs = [0, 1, EDITS, *(rnd.randrange(1, EDITS) for _ in range(50))]

    for seq in seqs:
        answer = await room.content(at=f"seq:{seq}")

        assert answer.text == recording.text(seq), seq
        assert int(answer.headers["scriptorium-seq"]) == seq


async def test_a_time_means_the_version_that_was_newest_then(room: Room, recording: Recording):
    await room.play(recording)
    for seq in (1, 2, 1234, SITTING, EDITS):
        at = recording.edits[seq - 1].at

        assert await room.text(at=stamp(at)) == recording.text(seq)
        assert await room.text(at=stamp(at + timedelta(milliseconds=500))) == recording.text(seq)
        assert await room.text(at=stamp(at - timedelta(milliseconds=1))) == recording.text(seq - 1)
    plus = recording.edits[99].at.isoformat()
    assert await room.text(at=plus) == recording.text(100)


async def test_formats_and_a_compacted_log_say_the_same(room: Room, recording: Recording):
    """A compacted row is only a shorter way, also when originals remain beside it."""
    await room.play(recording)
    await room.compact(recording, 1000, prune=False)
    await room.compact(recording, 2000, prune=False)

    for seq in (999, 1000, 1001, 1999, 2000, 2001, 2500):
        assert await room.text(at=f"seq:{seq}") == recording.text(seq)
    blocks = (await room.content(at="seq:2500", format="blocks")).json()
    assert "\n".join(
        "".join(leaf["text"] for leaf in block["children"]) for block in blocks
    ) == recording.text(2500)


async def test_before_the_retention_the_oldest_time_is_told(room: Room, recording: Recording):
    """What was pruned is 410, with what is left; the compacted versions themselves still read."""
    await room.play(recording)
    await room.compact(recording, 1000, prune=True)
    await room.compact(recording, 2000, prune=True)
    oldest = recording.edits[1999].at
    moments = [stamp(oldest - timedelta(seconds=1)), "seq:1999", "seq:1", "seq:1500"]

    for at in moments:
        answer = await room.content(at=at)

        assert answer.status_code == 410, at
        problem = answer.json()
        assert problem["code"] == "GONE"
        assert problem["oldestAvailable"] == stamp(oldest)
        assert problem["oldestSeq"] == 2000
    assert await room.text(at=stamp(oldest)) == recording.text(2000)
    assert await room.text(at="seq:2000") == recording.text(2000)
    assert await room.text(at="seq:1000") == recording.text(1000)
    assert await room.text(at="seq:2001") == recording.text(2001)
    assert await room.text() == recording.text(EDITS)


async def test_points_that_are_none(room: Room):
    await room.write("something")
    for at in ("yesterday", "seq:-1", "snapshot:x", "2026-13-01T00:00:00Z", "seq:" + "9" * 30):
        assert (await room.content(at=at)).status_code == 400, at
    missing = await room.content(at="seq:2")
    assert (missing.status_code, missing.json()["newestSeq"]) == (404, 1)
    assert await room.text(at="2999-01-01T00:00:00Z") == "something"
    assert await room.text(at="1999-01-01T00:00:00Z") == ""


async def test_sessions_tell_who_wrote_when(room: Room, recording: Recording):
    """Newest first, page by page, the same before and after compaction and pruning."""
    await room.play(recording)

    async def pages() -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        params: dict[str, str] = {"limit": "2"}
        while True:
            page = await room.get("/history", **params)
            found += page["items"]
            if page["nextCursor"] is None:
                return found
            params["cursor"] = page["nextCursor"]

    before = await pages()
    await room.compact(recording, 1000, prune=True)
    await room.compact(recording, 2000, prune=True)
    after = await pages()

    assert [one["seqFrom"] for one in before] == [3501, 2801, 2101, 1401, 701, 1]
    assert before[1]["seqTo"] == 3500
    assert before[1]["startedAt"] == stamp(recording.edits[2800].at)
    assert before[1]["endedAt"] == stamp(recording.edits[3499].at)
    assert before[1]["updates"] == SITTING
    assert before[1]["sizeBytes"] == sum(len(e.update) for e in recording.edits[2800:3500])
    assert recording.edits[2800].at - recording.edits[2799].at == PAUSE
    names = {author["displayName"] for one in before for author in one["authors"]}  # type: ignore[union-attr]
    assert names == {"Ada", "Ben"}
    assert [one["compacted"] for one in after] == [False, False, False, True, True, True]
    assert [one | {"compacted": False} for one in after] == before
