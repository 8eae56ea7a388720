"""What those who run the system do at their terminal, on real scenes, some of them damaged."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs.contracts.ids import new_id
from tests.support.command import scriptorium
from tests.support.scenery import Scenery
from tests.support.stack import TwoCollabs, real_stack
from tools.stack import Stack

DEATH_WAIT_S = 30
MIGRATED = 12
"""Scenes of which the replica that is to die gets one, but for one run in four thousand."""


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("operating")
    async with real_stack(folder, replicas={"gateway": 1, "collab": 2, "events": 1}) as running:
        yield running


@pytest.fixture
async def scenery(stack: Stack) -> AsyncIterator[Scenery]:
    made = await Scenery.begin(stack)
    yield made
    await made.close()


async def edited(scenery: Scenery, edits: int = 30) -> UUID:
    """A scene that was written in so many times."""
    scene = await scenery.scene()
    for number in range(edits):
        await scenery.person.ask(
            "PUT", f"/api/scenes/{scene}/content", format="text", content=f"Draft {number} of many."
        )
    return scene


async def sql(stack: Stack, statement: str, *values: Any) -> None:
    """Do to collab's database what no service may."""
    superuser = await asyncpg.connect(stack.postgres_url("collab", "postgres"))
    try:
        await superuser.execute(statement, *values)
    finally:
        await superuser.close()


async def collab(stack: Stack, *words: object) -> tuple[int, str]:
    return await scriptorium("collab", *words, "--data-dir", stack.data_dir)


async def stored(stack: Stack, scenes: Iterable[UUID]) -> dict[str, int]:
    """How many rows say anything of *scenes*, by table; those with none are left out."""
    tables = ("scene_versions", "scene_snapshots", "imported_scenes", "migrated_scenes")
    superuser = await asyncpg.connect(stack.postgres_url("collab", "postgres"))
    try:
        counts = {
            table: await superuser.fetchval(
                f"SELECT count(*) FROM {table} WHERE scene_id = ANY ($1)", list(scenes)
            )
            for table in tables
        }
    finally:
        await superuser.close()
    return {table: count for table, count in counts.items() if count}


def outcomes(report: Path) -> dict[UUID, str]:
    return {UUID(each["sceneId"]): each["outcome"] for each in json.loads(report.read_text())}


def block(text: str, kind: str = "paragraph") -> dict[str, Any]:
    return {"type": kind, "children": [{"text": text}]}


async def test_scene_is_inspected_compacted_and_snapshot(stack: Stack, scenery: Scenery) -> None:
    """The figures are those of the scene, and it still reads the same."""
    scene = await edited(scenery)

    compacted = await collab(stack, "compact", scene, "--force")
    taken = await collab(stack, "snapshot", scene)
    shown = await collab(stack, "inspect", scene)

    assert compacted[0] == taken[0] == shown[0] == 0, (compacted, taken, shown)
    assert "30 updates in one" in compacted[1]
    assert "at update 30" in taken[1]
    assert "sound" in taken[1]
    assert "30 rows" in shown[1]
    assert "fresh, manual, at 30, says what the log says" in shown[1]
    assert "YJS_COMPACTED" in shown[1]
    (listed,) = [line for line in shown[1].splitlines() if " ms " in line]
    assert listed.split()[1:3] == ["manual", "30"]
    assert await scenery.text(scene) == "Draft 29 of many."


async def test_damage_is_found_and_mended(stack: Stack, scenery: Scenery) -> None:
    """A flipped bit in a compacted row: `verify` tells, `repair` mends, `verify` is content."""
    scene, sound = await edited(scenery), await edited(scenery, 3)
    assert (await collab(stack, "compact", scene, "--force"))[0] == 0
    flip = "UPDATE scene_versions SET yjs_update = set_byte(yjs_update, 9, 255 - get_byte("
    found = 0, ""
    while found[0] == 0:  # when the background verification was faster, it is mended already
        await sql(stack, flip + "yjs_update, 9)) WHERE scene_id = $1 AND is_compacted", scene)
        found = await collab(stack, "verify", scene, sound)
    mended = await collab(stack, "repair", scene, sound)
    after = await collab(stack, "verify", scene, sound)

    assert found[0] == 1, found
    assert f"{scene}  compacted at 30" in found[1]
    assert "1 sound" in found[1]
    assert mended[0] == 0, mended
    assert after[0] == 0, after
    assert await scenery.text(scene) == "Draft 29 of many."


async def test_scenes_of_an_older_system_are_migrated(
    stack: Stack, scenery: Scenery, tmp_path: Path
) -> None:
    """Tried, done, done again, checked; what cannot be is told with its reason."""
    heading, shorthand = (
        block("INT. TENT - DAY", "scene-heading"),
        {"type": "action", "text": "Rain."},
    )
    unknown = {"type": "stage-machinery", "cue": 4, "children": [{"text": "Fog ☁️", "bold": True}]}
    scenes = [await scenery.scene() for _ in range(4)]
    taken = await edited(scenery, 2)
    blocks: dict[UUID, Any] = {
        scenes[0]: [heading, shorthand],
        scenes[1]: [unknown, block("")],
        scenes[2]: [{"type": "action", "children": "not a list"}],
        scenes[3]: [block(f"Line {number}") for number in range(2000)],
        taken: [block("older")],
    }
    listing = [{"sceneUUID": str(k), "content": {"blocks": v}} for k, v in blocks.items()]
    given, report = tmp_path / "export.json", tmp_path / "report.json"
    given.write_text(json.dumps({"scenes": listing}))
    migrate = ("migrate", "rest-to-yjs", "--all", "--data-dir", stack.data_dir)

    unlisted = await scriptorium(*migrate[:2], "--dry-run", *migrate[3:])
    tried = await scriptorium(*migrate, "--dry-run", "--from", given, "--report", report)
    expected, left = outcomes(report), await stored(stack, blocks)
    done = await scriptorium(*migrate, "--from", given, "--report", report)
    again = await scriptorium(*migrate)
    checked = await scriptorium(*migrate[:2], "--verify-only", *migrate[3:])

    assert unlisted == (0, "nothing to migrate\n")
    ready = dict.fromkeys((scenes[0], scenes[1], scenes[3]), "ready")
    assert expected == ready | {scenes[2]: "failed", taken: "skipped"}, tried
    assert left == {"scene_versions": 2}
    assert done[0] == 1, done
    told = {UUID(each["sceneId"]): each for each in json.loads(report.read_text())}
    migrated = dict.fromkeys((scenes[0], scenes[1], scenes[3]), "migrated")
    assert outcomes(report) == migrated | {scenes[2]: "failed", taken: "skipped"}
    assert "content[0].children" in told[scenes[2]]["reason"]
    assert "3 skipped" in again[1]
    assert "3 verified" in checked[1]
    person = scenery.person
    read = await person.ask("GET", f"/api/scenes/{scenes[0]}/content?format=blocks")
    assert read == [heading, {"type": "action", "children": [{"text": "Rain."}]}]
    read = await person.ask("GET", f"/api/scenes/{scenes[1]}/content?format=blocks")
    assert read == [unknown, block("")]
    assert await scenery.text(taken) == "Draft 1 of many."


async def test_migration_of_one_script_touches_no_other(
    stack: Stack, scenery: Scenery, tmp_path: Path
) -> None:
    """A script is a book; its scenes are found across its chapters."""
    here, elsewhere = await scenery.scene(), await scenery.scene()
    book = (await scenery.person.ask("GET", f"/api/scenes/{here}"))["bookId"]
    given = tmp_path / "export.json"
    listing = [
        {"sceneUUID": str(s), "content": {"blocks": [block("x")]}} for s in (here, elsewhere)
    ]
    given.write_text(json.dumps({"scenes": listing}))
    migrate = ("migrate", "rest-to-yjs", "--data-dir", stack.data_dir, "--script-id")

    code, said = await scriptorium(*migrate, book, "--from", given)

    assert (code, said.splitlines()[-1]) == (0, "1 migrated, 1 skipped")
    assert f"{elsewhere}  skipped  is in another script" in said
    assert await scenery.text(here) == "x"
    assert await stored(stack, [elsewhere]) == {}
    nowhere = await scriptorium(*migrate, new_id())
    assert nowhere[0] == 1
    assert "there is no script" in nowhere[1]


@pytest.mark.long
@pytest.mark.parametrize("step", ["migrating.begun", "migrating.committed", "migrating.finished"])
async def test_migration_killed_at_each_step_goes_on(tmp_path: Path, step: str) -> None:
    """Each text is there once, whenever a replica died over it: the one that is left goes on."""
    dying = "collab-1"
    async with TwoCollabs(tmp_path, {}) as stack:
        stack.hold(dying)
        stack.kill(dying)
        await stack.wait_ended(dying)
        stack.environments[dying]["SCRIPTORIUM_CRASH_AT"] = step
        stack.release(dying)
        await stack.wait_ready(dying)
        # It stays down when it dies.
        stack.hold(dying)
        scenery = await Scenery.begin(stack)
        scenes = [await scenery.scene() for _ in range(MIGRATED)]
        given = tmp_path / "export.json"
        listing = [
            {"sceneUUID": str(scene), "content": {"blocks": [block("only once")]}}
            for scene in scenes
        ]
        given.write_text(json.dumps({"scenes": listing}))
        migrate = ("migrate", "rest-to-yjs", "--all", "--data-dir", stack.data_dir)
        command = asyncio.create_task(scriptorium(*migrate, "--from", given))
        await stack.wait_ended(dying, DEATH_WAIT_S)
        command.cancel()
        await asyncio.wait([command])

        code, said = await scriptorium(*migrate)
        checked = await scriptorium(*migrate, "--verify-only")
        texts = [await scenery.text(scene) for scene in scenes]
        rows = await stored(stack, scenes)
        await scenery.close()

    assert code == 0, said
    assert "migrated" in said.splitlines()[-1]
    assert f"{MIGRATED} verified" in checked[1]
    assert texts == ["only once"] * MIGRATED
    assert rows["scene_snapshots"] == rows["migrated_scenes"] == MIGRATED
    assert "imported_scenes" not in rows


async def test_mistakes_at_the_terminal_are_one_line(stack: Stack, tmp_path: Path) -> None:
    """And say what to do."""
    nobody = await scriptorium("collab", "verify", "--all", "--data-dir", tmp_path)
    neither = await collab(stack, "verify")
    unknown = await collab(stack, "inspect", "not-an-id")

    assert nobody == (
        1,
        f"scriptorium: no scriptorium runs on {tmp_path}; start it, or give --nats-url\n",
    )
    assert neither[0] == unknown[0] == 2
    assert "name scenes, or give --all" in neither[1]
