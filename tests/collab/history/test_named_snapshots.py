"""Named snapshots: kept whole, whatever happens to the log."""

from datetime import timedelta

from tests.collab.history.support import EDITS, Recording, Room, stamp


async def test_a_snapshot_outlives_what_it_was_made_of(room: Room, recording: Recording):
    """After compaction and pruning its content, differences and restoring still work."""
    await room.play(recording)
    made = await room.post(
        "/snapshots", 201, name="First draft", description="Sent to the editor", at="seq:1500"
    )
    await room.compact(recording, 3000, prune=True)
    point = f"snapshot:{made['id']}"

    assert (await room.content(at="seq:1500")).status_code == 410
    assert await room.text(at=point) == recording.text(1500)
    told = await room.get("/diff", **{"from": point})
    restored = await room.post("/restore-version", at=point)

    assert made["at"] == stamp(recording.edits[1499].at)
    assert (made["seq"], made["createdBy"]) == (1500, room.ada.id)
    assert told["seqFrom"] == 1500
    assert (restored["fromSeq"], restored["seq"], restored["changed"]) == (1500, EDITS + 1, True)
    assert await room.text() == recording.text(1500)
    row = await room.owner.fetchrow(
        "SELECT * FROM restorations WHERE scene_id = $1::text::uuid", room.scene
    )
    assert row is not None
    assert (row["from_at"], row["from_seq"], row["seq"]) == (point, 1500, EDITS + 1)
    assert str(row["restored_by"]) == room.ada.id


async def test_a_snapshot_by_time_is_of_that_time(room: Room, recording: Recording):
    await room.play(recording)
    at = stamp(recording.edits[2222].at + timedelta(milliseconds=300))

    made = await room.post("/snapshots", 201, name="Tea time", at=at)

    assert made["seq"] == 2223
    assert await room.text(at=f"snapshot:{made['id']}") == recording.text(2223)


async def test_names_are_unique_and_change(room: Room):
    await room.write("one")
    first = await room.post("/snapshots", 201, name="One")
    await room.write("two")
    second = await room.post("/snapshots", 201, name="Two")
    taken = await room.post("/snapshots", 409, name="One")
    one = f"{room.path}/snapshots/{first['id']}"
    clash = await room.ada.http.patch(one, json={"name": "Two"})
    changed = await room.ada.http.patch(one, json={"name": "Uno", "description": "d"})
    cleared = await room.ada.http.patch(one, json={"description": None})

    assert (taken["code"], clash.json()["code"]) == ("NAME_TAKEN", "NAME_TAKEN")
    assert (changed.json()["name"], changed.json()["description"]) == ("Uno", "d")
    assert (cleared.json()["name"], cleared.json()["description"]) == ("Uno", None)
    assert cleared.json()["version"] == 3
    listed = await room.get("/snapshots")
    assert [each["id"] for each in listed["items"]] == [second["id"], first["id"]]
    assert await room.text(at=f"snapshot:{first['id']}") == "one"


async def test_who_made_it_or_a_maintainer_deletes_it(room: Room):
    """Another WRITER may not."""
    await room.write("one")
    ben = room.ben.http
    mine = await room.post("/snapshots", 201, name="Ada's")
    theirs = (await ben.post(f"{room.path}/snapshots", json={"name": "Ben's"})).json()
    third = (await ben.post(f"{room.path}/snapshots", json={"name": "Ben's too"})).json()

    async def delete(person: object, snapshot: dict[str, str]) -> int:
        http = room.ada.http if person is room.ada else ben
        return (await http.delete(f"{room.path}/snapshots/{snapshot['id']}")).status_code

    assert await delete(room.ben, mine) == 403
    assert await delete(room.ben, theirs) == 204
    assert await delete(room.ada, third) == 204
    assert await delete(room.ada, third) == 404
    assert (await room.content(at=f"snapshot:{third['id']}")).status_code == 404
    assert await delete(room.ada, mine) == 204


async def test_a_retry_makes_one(room: Room):
    await room.write("one")
    answers = [
        await room.ada.http.post(
            f"{room.path}/snapshots", json={"name": "Once"}, headers={"Idempotency-Key": "k"}
        )
        for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len((await room.get("/snapshots"))["items"]) == 1
