"""An export has the history of its project: a chain that can be verified, and every edit."""

import hashlib
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import httpx
import pytest
from pycrdt import Doc, Text

from libs.contracts.actor import Role
from tests.gateway.exchange import done, exported, files_of, imported, state_of
from tests.gateway.support import ROOT, Json, Manuscript, Person
from tests.gateway.test_purge import deleted
from tests.gateway.test_purge import done as purged


async def write(person: Person, scene_id: str, text: str) -> None:
    answer = await person.ask(
        "PUT", f"/api/scenes/{scene_id}/content", json={"format": "text", "content": text}
    )
    assert answer.status_code == 200, answer.text


def lines(body: bytes) -> list[Json]:
    return [json.loads(line) for line in body.splitlines()]


def verify(body: bytes, folder: Path) -> None:
    """Do what the manual says, to the letter."""
    manual = (ROOT / "docs" / "workspaces.md").read_text()
    words = manual.partition("```python\n")[2].partition("```")[0]
    (folder / "history").mkdir(exist_ok=True)
    (folder / "history" / "events.jsonl").write_bytes(body)
    words = words.replace('open("', f'open("{folder}/')
    exec(words, {"json": json, "hashlib": hashlib})


async def past(mary: Person, manuscript: Manuscript) -> tuple[Json, Json]:
    """A scene with edits and a named version; and one that was purged. Returns the latter two."""
    scene = manuscript.scene["id"]
    await write(mary, scene, "You will be glad")
    kept = await mary.made(f"/api/scenes/{scene}/snapshots", {"name": "First draft"})
    await write(mary, scene, "You will rejoice")
    path = f"/api/chapters/{manuscript.chapter['id']}/scenes"
    gone = await mary.made(path, {"title": "Fire"})
    await write(mary, gone["id"], "Nobody is to read this")
    tag = await deleted(mary, f"/api/scenes/{gone['id']}")
    ordered = await mary.post(f"/api/scenes/{gone['id']}/purge", headers={"If-Match": tag})
    await purged(mary, ordered)
    return kept, gone


async def test_an_export_has_the_history(
    mary: Person, manuscript: Manuscript, tmp_path: Path
) -> None:
    """The log of everything, the sessions, the named versions and the edits of each scene."""
    kept, gone = await past(mary, manuscript)
    path = f"/api/scenes/{manuscript.scene['id']}"
    change = {"title": "Snow", "baseVersion": 1}
    assert (await mary.ask("PATCH", path, json=change)).status_code == 200

    files = files_of(await exported(mary, manuscript.project["id"], history=True))

    events = lines(files["history/events.jsonl"])
    titles = [each["data"].get("to") for each in events if "title_changed" in each["eventType"]]
    assert titles == ["Snow"]
    chains = [each["aggregateId"] for each in events]
    assert chains.count(manuscript.scene["id"]) == 2
    assert chains.count(gone["id"]) == 1, "its tombstone"
    assert {manuscript.project["id"], manuscript.book["id"]} <= set(chains)
    verify(files["history/events.jsonl"], tmp_path)
    with pytest.raises(AssertionError):
        verify(files["history/events.jsonl"].replace(b"Snow", b"Snew"), tmp_path)
    assert b"Nobody is to read this" not in b"".join(files.values())
    about = json.loads(files["history/scenes/000003.json"])
    assert about["sceneId"] == manuscript.scene["id"]
    assert about["sessions"][0]["authors"] == [mary.id]
    assert [each["name"] for each in about["snapshots"]] == ["First draft"]
    assert text_of([files[f"history/scenes/000003/{kept['id']}.yjs"]]) == "You will be glad"
    *edits, end = lines(files["history/scenes/000003.ndjson"])
    assert end == {"end": True, "seq": edits[-1]["seq"]}
    updates = [b64decode(each["update"]) for each in edits]
    assert text_of(updates) == "You will rejoice"
    assert {person for each in edits for person in each["by"]} == {mary.id}


def text_of(updates: list[bytes]) -> str:
    doc: Doc[Any] = Doc()
    for update in updates:
        doc.apply_update(update)
    return str(doc.get("content", type=Text))


async def test_history_is_kept_in_the_file_and_begins_anew(
    mary: Person, percy: Person, http: httpx.AsyncClient, manuscript: Manuscript
) -> None:
    """Who imports it has the texts of now; a member may leave the past out."""
    await past(mary, manuscript)
    reader = await manuscript.welcome(await Person.register(http, "Claire"), Role.READER)
    file = await exported(reader, manuscript.project["id"], history=True)
    bare = files_of(await exported(reader, manuscript.project["id"]))

    job = await done(percy, await imported(percy, file))

    assert not [name for name in bare if name.startswith("history/")]
    assert job["status"] == "done"
    again = files_of(await exported(percy, job["projectId"], history=True))
    actors = {each["userId"] for each in lines(again["history/events.jsonl"])}
    assert actors == {percy.id}
    assert again["scenes/000003.md"] == b"You will rejoice"
    assert len(lines(again["history/scenes/000003.ndjson"])) < 4
    assert await state_of(mary, manuscript.scene["id"])
