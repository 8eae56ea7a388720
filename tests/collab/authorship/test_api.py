"""Who wrote what, asked over HTTP while two people type, at any version and of branches."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import httpx

from libs.contracts.actor import Actor
from libs.postgres import connect
from services.collab.commits import Commits
from services.collab.journal import Journal
from services.collab.store import Store
from tests.collab.authorship.support import replayed_authors, spans, two_editors, typed
from tests.collab.history.support import EDITS, Recording, Room, recorded, stamp
from tests.support.people import Person
from tools.stack import Stack

SURELY_ADAS = "Walton sailed north."


async def test_two_people_who_type_at_once(stack: Stack, room: Room) -> None:
    """Spans follow each edit; an older version has those of its time."""
    async with two_editors(stack, room) as (one, two):
        await typed(one, two, "Walton sailed.")
        first = await room.ada.seq(room.scene)
        await typed(two, one, " north 😀", 13)
        assert await spans(room) == [
            ("Walton sailed", "Ada"),
            (" north 😀", "Ben"),
            (".", "Ada"),
        ]
        assert await spans(room, at=f"seq:{first}") == [("Walton sailed.", "Ada")]
        await typed(one, two, "n early", 15)

    answer = await room.get("/authorship")
    newest = await room.ada.seq(room.scene)

    assert await spans(room) == [
        ("Walton sailed", "Ada"),
        (" n", "Ben"),
        ("n early", "Ada"),
        ("orth 😀", "Ben"),
        (".", "Ada"),
    ]
    assert answer["seq"] == newest == answer["spans"][2]["seq"]
    assert [one["seq"] for one in answer["spans"]] == [first, first + 1, newest, first + 1, first]
    assert all(one["at"].endswith("Z") and one["runId"] is None for one in answer["spans"])


async def test_content_that_is_put_or_restored_claims_what_it_changed(room: Room) -> None:
    """A whole text that differs in a word is that word's author's, not a new text."""
    await room.write(SURELY_ADAS)
    before = await room.ada.seq(room.scene)
    answer = await room.ben.http.put(
        f"{room.path}/content",
        json={"format": "text", "content": "Walton never sailed north."},
    )
    assert answer.status_code == 200, answer.text
    changed = await spans(room)
    restored = await room.ben.http.post(
        f"{room.path}/restore-version", json={"at": f"seq:{before}"}
    )
    assert restored.status_code == 200, restored.text

    assert changed == [("Walton ", "Ada"), ("never ", "Ben"), ("sailed north.", "Ada")]
    assert await spans(room) == [(SURELY_ADAS, "Ada")]


async def test_what_a_branch_brings_is_of_those_who_wrote_there(room: Room) -> None:
    """Ada merges it, and wrote nothing of it; in the branch the scene's words stay Ada's."""
    await room.write(SURELY_ADAS)
    branch = (await room.post("/branches", 201, name="What if"))["id"]
    answer = await room.ben.http.put(
        f"{room.path}/content",
        params={"branch": branch},
        json={"format": "text", "content": SURELY_ADAS + "\nAnd never came back."},
    )
    assert answer.status_code == 200, answer.text
    wanted = [(SURELY_ADAS, "Ada"), ("\nAnd never came back.", "Ben")]
    assert await spans(room, branch=branch) == wanted
    assert await spans(room) == wanted[:1]

    merged = await room.post(f"/branches/{branch}/merge")

    assert await spans(room) == wanted
    told = (await room.get("/authorship"))["spans"]
    assert told[1]["seq"] == merged["seq"]
    inside = (await room.get("/authorship", branch=branch))["spans"]
    assert [one["seq"] for one in inside] == [1, 2]


async def test_a_recorded_session_at_any_version(room: Room, owner: asyncpg.Connection) -> None:
    """By seq, by time and by snapshot; page by page; and with the run of some edits."""
    recording = recorded()
    await room.play(recording)
    await owner.execute(
        "INSERT INTO row_runs VALUES ($1, $2, $3)", UUID(room.scene), 1, (run := uuid4())
    )
    snapshot = await room.post("/snapshots", 201, name="Early", at="seq:900")

    whole = await room.get("/authorship")
    early = await room.get("/authorship", at="seq:900")
    then = await room.get("/authorship", at=stamp(recording.edits[899].at))
    kept = await room.get("/authorship", at=f"snapshot:{snapshot['id']}")
    pages = await in_pages(room, 7)

    assert early["spans"] == then["spans"] == kept["spans"]
    assert {one["seq"] <= 900 for one in early["spans"]} == {True}
    assert authors_of(early["spans"]) == by_replaying(room, recording, 900)
    assert authors_of(whole["spans"]) == by_replaying(room, recording, EDITS)
    assert pages == whole["spans"]
    first = (await room.get("/authorship", at="seq:1"))["spans"]
    assert [one["runId"] for one in first] == [str(run)]


async def in_pages(room: Room, limit: int) -> list[object]:
    """All spans of now, though somebody writes meanwhile."""
    page = await room.get("/authorship", limit=str(limit))
    found = list(page["spans"])
    await room.write("Something else", branch=None)
    while page["nextCursor"]:
        page = await room.get("/authorship", limit=str(limit), cursor=page["nextCursor"])
        assert page["seq"] == EDITS
        found += page["spans"]
    return found


def authors_of(told: list[dict[str, object]]) -> list[object]:
    """The author of each character."""
    found: list[object] = []
    for span in told:
        begin, end = span["from"], span["to"]
        assert isinstance(begin, int)
        assert isinstance(end, int)
        assert begin == len(found)
        found += [span["userId"]] * (end - begin)
    return found


def by_replaying(room: Room, recording: Recording, upto: int) -> list[object]:
    """The same by the places that pycrdt tells of; the trace is ASCII."""
    edits = recording.edits[:upto]
    ids = [room.ada.id, room.ben.id]
    return replayed_authors([edit.update for edit in edits], [ids[edit.who] for edit in edits])


async def test_who_may_not_read_the_scene_learns_nothing(room: Room) -> None:
    """And what makes no sense is refused with its code."""
    path = f"{room.path}/authorship"
    await room.write(SURELY_ADAS)
    async with httpx.AsyncClient(base_url=room.ada.http.base_url) as nobody:
        assert (await nobody.get(path)).status_code == 401
    for wrong in ({"at": "yesterday"}, {"cursor": "x"}, {"limit": "0"}, {"limit": "100000"}):
        assert (await room.ada.http.get(path, params=wrong)).status_code == 400, wrong
    for missing in ({"at": "seq:99"}, {"cursor": "99.1"}, {"branch": str(uuid4())}):
        assert (await room.ada.http.get(path, params=missing)).status_code == 404, missing
    beyond = await room.get("/authorship", cursor="1.50")
    assert (beyond["spans"], beyond["nextCursor"]) == ([], None)


async def test_an_edit_and_its_run_are_one_commit(stack: Stack, ada: Person) -> None:
    """Of the edits of one flush, whether by COPY or not, those that a run made are marked."""
    pool = await connect(stack.postgres_url("collab", "collab"), application="tests")
    store, actor, scene, run = Store(pool), Actor(user_id=UUID(ada.id)), uuid4(), uuid4()

    async def announce(_: object) -> None:
        """Nobody listens."""

    journal = Journal(store, announce)
    commits = Commits(journal, store, announce, update_bytes_max=1_000)
    running = asyncio.create_task(journal.run())

    async def commit(count: int) -> None:
        """Commit so many edits at once, every third of them by the run."""
        runs = [run if number % 3 == 1 else None for number in range(count)]
        await asyncio.gather(*(commits.commit(scene, actor, b"\0\0", run_id=one) for one in runs))

    await commit(40)
    await commit(5)
    running.cancel()
    rows = await pool.fetch("SELECT seq, run_id FROM row_runs WHERE scene_id = $1", scene)
    await store.close()
    await pool.close()

    made = [*range(2, 41, 3), 42, 45]
    assert {row["seq"]: row["run_id"] for row in rows} == dict.fromkeys(made, run)
