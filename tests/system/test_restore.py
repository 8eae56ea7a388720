"""Back-up and recovery, rehearsed: a stack made from the archive is compared scene by scene."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from pycrdt import Doc

from tests.support.command import scriptorium
from tests.support.people import Person
from tests.support.scenery import Scenery
from tests.support.stack import TEST_LIMITS
from tests.support.yclient import YClient
from tools.stack import Stack

SEGMENT_WAIT_S = 30
TWO = {"events": 1, "collab": 2, "blobs": 1, "gateway": 1}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with Stack(
        tmp_path / "data", replicas=TWO, archive=tmp_path / "archive", environment=TEST_LIMITS
    ) as running:
        yield running


@pytest.fixture
async def scenery(stack: Stack) -> AsyncIterator[Scenery]:
    made = await Scenery.begin(stack)
    yield made
    await made.close()


async def write(scenery: Scenery, scenes: list[UUID], words: str) -> None:
    """Two people type into each scene until all of it is acknowledged."""
    for scene in scenes:
        async with (
            YClient(scenery.address(scene)) as mary,
            YClient(scenery.address(scene)) as percy,
        ):
            for word in words.split():
                mary.type(f"{word} ")
                percy.type(f"{word.upper()} ")
            await mary.until(lambda mary=mary: mary.acked == mary.clock)
            await percy.until(lambda percy=percy: percy.acked == percy.clock)


async def finish_segment(stack: Stack) -> None:
    """Have what was written so far archived, as happens by itself every ARCHIVE_TIMEOUT_S."""
    database = await asyncpg.connect(stack.postgres_url("postgres", "postgres"))
    try:
        segment = await database.fetchval("SELECT pg_walfile_name(pg_switch_wal())")
        async with asyncio.timeout(SEGMENT_WAIT_S):
            last = "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver"
            while await database.fetchval(last) < segment:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        await database.close()


async def converse(person: Person, scene: UUID, quote: str, comment: str) -> None:
    """Make a thread, and propose a suggestion and a patch for a word of the scene."""
    path = f"/api/scenes/{scene}"
    anchor = {"quote": quote}
    thread = await person.ask("POST", f"{path}/threads", anchor=anchor, body=comment)
    await person.ask("POST", f"/api/threads/{thread['id']}/comments", body=f"{comment} Indeed.")
    change = {"anchor": anchor, "kind": "replace", "text": comment}
    await person.ask("POST", f"{path}/suggestions", **change)
    seq = (await person.ask("GET", f"{path}/threads"))["items"][0]["anchor"]["seq"]
    await person.ask("POST", f"{path}/patches", baseVersion=seq, hunks=[change])


async def conversations(http: httpx.AsyncClient, scene: UUID) -> dict[str, Any]:
    """Return everything that is said about a scene, and by whom it was written."""
    found: dict[str, Any] = {}
    for what in ("threads", "suggestions", "patches", "authorship"):
        found[what] = (await http.get(f"/api/scenes/{scene}/{what}")).raise_for_status().json()
    for thread in found["threads"]["items"]:
        answer = await http.get(f"/api/threads/{thread['id']}/comments")
        found[thread["id"]] = answer.raise_for_status().json()
    return found


async def spoil(person: Person, said: dict[str, Any]) -> None:
    """Take back and decide about all that was said: the accident."""
    for thread in said["threads"]["items"]:
        (await person.http.delete(f"/api/threads/{thread['id']}")).raise_for_status()
    for one in said["suggestions"]["items"]:
        await person.ask("POST", f"/api/suggestions/{one['id']}/accept")
    for one in said["patches"]["items"]:
        (await person.http.delete(f"/api/patches/{one['id']}")).raise_for_status()


async def decide(http: httpx.AsyncClient, scene: UUID, words: str) -> None:
    """Accept and take back what came back about a scene: it is not only shown."""
    for what, done, undone in (
        ("suggestions", "accept", "revert"),
        ("patches", "apply", "revert"),
    ):
        [one] = (await http.get(f"/api/scenes/{scene}/{what}")).json()["items"]
        for decision, there in ((done, True), (undone, False)):
            (await http.post(f"/api/{what}/{one['id']}/{decision}")).raise_for_status()
            assert (words in (await http.get(f"/api/scenes/{scene}/content")).text) is there


async def test_any_moment_since_the_back_up_comes_back(
    stack: Stack, scenery: Scenery, tmp_path: Path
) -> None:
    """What was written after the back-up is there, and the accident after that moment is not."""
    archive, elsewhere = tmp_path / "archive", tmp_path / "restored"
    scenes = [await scenery.scene() for _ in range(4)]
    await write(scenery, scenes[:3], "before the back-up")
    await converse(scenery.person, scenes[0], "before", "Before what?")
    code, said = await scriptorium("backup", "--archive", archive, "--data-dir", stack.data_dir)
    assert code == 0, said
    await write(scenery, scenes[1:], "and after it")
    texts = [await scenery.text(scene) for scene in scenes]
    await converse(scenery.person, scenes[2], "after", "After what?")
    talks = [await conversations(scenery.person.http, scene) for scene in scenes]
    assert [len(one["threads"]["items"]) for one in talks] == [1, 0, 1, 0]
    states = [(await scenery.state(scene)).get_update() for scene in scenes]
    moment = datetime.now(UTC)
    await asyncio.sleep(0.05)
    for one in talks:
        await spoil(scenery.person, one)
    # The accident: one scene emptied by hand, another lost by a mistaken statement.
    await scenery.person.ask(
        "PUT", f"/api/scenes/{scenes[0]}/content", format="text", content="oops"
    )
    owner = await asyncpg.connect(stack.postgres_url("collab", "collab_owner"))
    await owner.execute("ALTER TABLE scene_versions DISABLE TRIGGER removal")
    await owner.execute("DELETE FROM scene_versions WHERE scene_id = $1", scenes[1])
    await owner.close()
    await finish_segment(stack)

    code, said = await scriptorium(
        "restore", "--archive", archive, "--data-dir", elsewhere, "--at", moment.isoformat()
    )

    assert code == 0, said
    async with Stack(elsewhere, replicas=TWO, environment=TEST_LIMITS) as restored:
        person = scenery.person
        async with httpx.AsyncClient(base_url=restored.url, timeout=30) as http:
            words = {"email": person.email, "password": person.password}
            token = (await http.post("/api/auth/login", json=words)).json()["accessToken"]
            # Signed before the accident by keys that are back: still good.
            for key in (token, person.token):
                http.headers["authorization"] = f"Bearer {key}"
                for scene, text, state in zip(scenes, texts, states, strict=True):
                    content = f"/api/scenes/{scene}/content"
                    assert (await http.get(content)).text == text
                    as_yjs = await http.get(content, params={"format": "yjs"})
                    found: Doc[Any] = Doc()
                    found.apply_update(as_yjs.content)
                    assert found.get_update() == state
            for scene, one in zip(scenes, talks, strict=True):
                assert await conversations(http, scene) == one
            for scene, words in ((scenes[0], "Before what?"), (scenes[2], "After what?")):
                await decide(http, scene, words)
            put = {"format": "text", "content": "and life goes on"}
            (await http.put(f"/api/scenes/{scenes[1]}/content", json=put)).raise_for_status()
    assert await scenery.text(scenes[0]) == "oops"


async def test_what_cannot_be_done_is_one_clear_line(stack: Stack, tmp_path: Path) -> None:
    """And leaves nothing half made."""
    archive, new = tmp_path / "archive", tmp_path / "new"
    restore = ("restore", "--archive", archive, "--data-dir")

    nothing = await scriptorium(*restore, new)
    await scriptorium("backup", "--archive", archive, "--data-dir", stack.data_dir)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    too_early = await scriptorium(*restore, new, "--at", yesterday)
    in_use = await scriptorium(*restore, stack.data_dir)
    nobody = await scriptorium("backup", "--archive", archive, "--data-dir", tmp_path / "none")

    assert nothing[0] == too_early[0] == in_use[0] == nobody[0] == 1
    assert "holds no back-up" in nothing[1]
    assert "the oldest back-up is of" in too_early[1]
    assert "is not empty" in in_use[1]
    assert "no scriptorium runs" in nobody[1]
    assert all(said.count("\n") == 1 for _, said in (nothing, too_early, in_use, nobody))
    assert not new.exists()
