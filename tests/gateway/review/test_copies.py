"""Conversations in clones, exports and imports: with their words, without anybody's account."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from services.collab.review.copies.people import label_of
from tests.gateway.exchange import (
    done as job_done,
)
from tests.gateway.exchange import (
    ended,
    exported,
    files_of,
    first_scene,
    imported,
    vouched,
    zipped,
)
from tests.gateway.review.support import Talk, done, read
from tests.gateway.support import Json, Person, is_problem

LINES = "comments.ndjson"


async def said(talk: Talk) -> tuple[Json, Json]:
    """Two threads, one of them resolved, and suggestions: open ones, accepted, reverted."""
    thread = await talk.thread(
        talk.percy, "Which one?", mentions=[talk.mary.id], meta={"mood": 1, "none": None}
    )
    reply = await talk.reply(talk.mary, thread, "The storm.")
    await done(talk.jane, "PUT", f"/api/comments/{reply['id']}/reactions/up")
    gone = await talk.reply(talk.jane, thread, "A secret.")
    await done(talk.jane, "DELETE", f"/api/comments/{gone['id']}")
    other = await talk.thread(talk.mary, "Joy?", "rejoice")
    await done(talk.mary, "POST", f"/api/threads/{other['id']}/resolve")
    path = f"/api/scenes/{talk.scene}/suggestions"
    await talk.percy.made(
        path, {"anchor": {"quote": "commencement"}, "kind": "replace", "text": "beginning"}
    )
    for quote, text, decisions in (
        ("You will", "You shall", ("accept",)),
        ("to hear", "to learn", ("accept", "revert")),
    ):
        one = await talk.percy.made(
            path, {"anchor": {"quote": quote}, "kind": "replace", "text": text, "note": "Why not"}
        )
        for decision in decisions:
            await done(talk.mary, "POST", f"/api/suggestions/{one['id']}/{decision}")
    await talk.percy.made(
        path,
        {
            "anchor": {"quote": "accompanied"},
            "kind": "attributes",
            "attributes": {"marks": {"bold": True, "italic": None}},
        },
    )
    return thread, other


async def patched(talk: Talk) -> None:
    """Three patches: one in the text, one taken back, one open."""
    for hunks, decisions in (
        ((("that", "how"), ("has ", None)), ("apply",)),
        ((("accompanied the", "accompanied its"),), ("apply", "revert")),
        ((("no disaster", "nothing bad"),), ()),
    ):
        patch = await talk.percy.made(
            f"/api/scenes/{talk.scene}/patches",
            {
                "baseVersion": await newest(talk),
                "title": hunks[0][0],
                "rebaseStrategy": "merge",
                "hunks": [
                    {"anchor": {"quote": quote}}
                    | ({"kind": "replace", "text": text} if text else {"kind": "delete"})
                    for quote, text in hunks
                ],
            },
        )
        for decision in decisions:
            await done(talk.mary, "POST", f"/api/patches/{patch['id']}/{decision}")


async def newest(talk: Talk) -> int:
    """Return the version of the scene's text."""
    items = (await read(talk.mary, f"/api/scenes/{talk.scene}/history"))["items"]
    return items[0]["seqTo"]


async def patches_of(by: Person, scene: str) -> dict[str, Json]:
    """Return the patches of *scene* by their titles."""
    items = (await read(by, f"/api/scenes/{scene}/patches"))["items"]
    return {each["title"]: each for each in items}


async def copied(by: Person, talk: Talk, **more: Any) -> tuple[str, str]:
    """Clone the project; returns the new project and its scene."""
    job = await job_done(by, await by.post(f"/api/projects/{talk.project}/clone", more))
    return job["projectId"], (await first_scene(by, job["projectId"]))["id"]


async def threads_of(by: Person, scene: str) -> list[Json]:
    return (await read(by, f"/api/scenes/{scene}/threads"))["items"]


async def suggestions_of(by: Person, scene: str) -> dict[str, Json]:
    items = (await read(by, f"/api/scenes/{scene}/suggestions"))["items"]
    return {each["status"]: each for each in items if each["attributes"] is None}


async def test_a_clone_talks_on(talk: Talk) -> None:
    """Threads stand on the same words; people who are not there are labels, never accounts."""
    thread, other = await said(talk)
    before = await threads_of(talk.mary, talk.scene)

    _, scene = await copied(talk.mary, talk)
    found = await threads_of(talk.mary, scene)

    assert [one["anchor"]["quote"] for one in found] == [one["anchor"]["quote"] for one in before]
    assert [one["anchor"]["from"] for one in found] == [one["anchor"]["from"] for one in before]
    assert {one["anchor"]["status"] for one in found} == {"exact"}
    resolved, first = found
    assert (resolved["state"], first["state"]) == ("resolved", "open")
    assert resolved["resolvedBy"] == resolved["createdBy"] == talk.mary.id
    assert not {one["id"] for one in found} & {thread["id"], other["id"]}
    asked, answer, tombstone = first["comments"]
    assert (asked["body"], asked["meta"]) == ("Which one?", {"mood": 1, "none": None})
    assert (answer["body"], answer["author"]) == ("The storm.", talk.mary.id)
    assert asked["author"] == str(label_of(UUID(talk.percy.id)))
    assert asked["mentions"] == [talk.mary.id]
    assert answer["reactions"][0]["people"] == [str(label_of(UUID(talk.jane.id)))]
    assert (tombstone["body"], tombstone["deletedBy"]) == ("", str(label_of(UUID(talk.jane.id))))
    assert [one["number"] for one in first["comments"]] == [1, 2, 3]
    assert first["commentCount"] == 3
    assert asked["createdAt"] == thread["comments"][0]["createdAt"]


async def test_a_clone_goes_its_own_way(talk: Talk) -> None:
    """It is answered there, nobody outside hears of it, and suggestions are decided there."""
    await said(talk)
    inbox = (await read(talk.percy, "/api/me/notifications"))["items"]

    _, scene = await copied(talk.mary, talk)
    thread = (await threads_of(talk.mary, scene))[1]
    await talk.reply(talk.mary, thread, "In the copy.")
    suggestions = await suggestions_of(talk.mary, scene)
    await done(talk.mary, "POST", f"/api/suggestions/{suggestions['OPEN']['id']}/accept")
    await done(talk.mary, "POST", f"/api/suggestions/{suggestions['ACCEPTED']['id']}/revert")

    text = await talk.mary.get(f"/api/scenes/{scene}/content", params={"format": "text"})
    assert text.text == ("You will rejoice to hear that no disaster has accompanied the beginning.")
    assert suggestions["REVERTED"]["note"] == "Why not"
    items = (await read(talk.mary, f"/api/scenes/{scene}/suggestions"))["items"]
    [formatting] = [each for each in items if each["attributes"]]
    assert formatting["attributes"] == {"marks": {"bold": True, "italic": None}, "block": {}}
    await done(talk.mary, "POST", f"/api/suggestions/{formatting['id']}/accept")
    assert (await read(talk.percy, "/api/me/notifications"))["items"] == inbox
    assert len((await threads_of(talk.mary, talk.scene))[1]["comments"]) == 3
    stranger = await talk.percy.get(f"/api/threads/{thread['id']}")
    assert is_problem(stranger, 404, "NOT_FOUND")


async def test_patches_are_decided_in_a_clone(talk: Talk) -> None:
    """They stand on the same words there; deleted words come back from what the hunk says."""
    await patched(talk)
    before = await talk.mary.get(f"/api/scenes/{talk.scene}/content", params={"format": "text"})

    _, scene = await copied(talk.mary, talk)
    found = await patches_of(talk.mary, scene)
    for title, decision in (
        ("that", "revert"),
        ("accompanied the", "reapply"),
        ("no disaster", "apply"),
    ):
        await done(talk.mary, "POST", f"/api/patches/{found[title]['id']}/{decision}")

    text = await talk.mary.get(f"/api/scenes/{scene}/content", params={"format": "text"})
    assert " to hear how no disaster accompanied " in before.text
    assert " to hear that nothing bad has accompanied its " in text.text
    states = {title: one["state"] for title, one in found.items()}
    assert states == {"that": "APPLIED", "accompanied the": "REVERTED", "no disaster": "OPEN"}
    assert {one["rebaseStrategy"] for one in found.values()} == {"merge"}
    assert found["that"]["author"] == str(label_of(UUID(talk.percy.id)))
    assert found["that"]["decidedBy"] == talk.mary.id
    assert [one["number"] for one in found["that"]["hunks"]] == [1, 2]
    now = await talk.mary.get(f"/api/scenes/{talk.scene}/content", params={"format": "text"})
    assert now.text == before.text


async def test_without_comments(talk: Talk) -> None:
    """A clone and an export leave them out when that is wanted, a template always."""
    await said(talk)
    await patched(talk)

    _, scene = await copied(talk.mary, talk, comments=False)
    template = await job_done(
        talk.mary, await talk.mary.post(f"/api/projects/{talk.project}/templates", {"name": "T"})
    )
    made = await talk.mary.post(f"/api/templates/{template['templateId']}/projects", {})
    of_template = await first_scene(talk.mary, (await job_done(talk.mary, made))["projectId"])
    answer = await talk.mary.get(
        f"/api/projects/{talk.project}/export", params={"comments": "false", "history": "false"}
    )

    assert await threads_of(talk.mary, scene) == []
    assert await suggestions_of(talk.mary, scene) == {}
    assert await patches_of(talk.mary, scene) == {}
    assert await threads_of(talk.mary, of_template["id"]) == []
    assert not [name for name in files_of(answer.content) if name.endswith(LINES)]


async def test_an_export_comes_back(talk: Talk) -> None:
    """For somebody else all are labels, and what they export again is the same to the byte."""
    await said(talk)
    await patched(talk)
    file = await exported(talk.mary, talk.project)

    job = await job_done(talk.clerval, await imported(talk.clerval, file))
    scene = (await first_scene(talk.clerval, job["projectId"]))["id"]
    found = await threads_of(talk.clerval, scene)
    again = files_of(await exported(talk.clerval, job["projectId"]))

    [name] = [each for each in again if each.endswith(LINES)]
    assert again[name] == files_of(file)[name]
    assert {one["anchor"]["status"] for one in found} == {"exact"}
    authors = {each["author"] for one in found for each in one["comments"]}
    assert {UUID(each).version for each in authors} == {8}
    people = (talk.mary, talk.percy, talk.jane)
    assert not any(each.id.encode() in again[name] for each in people)
    refused = await talk.clerval.ask(
        "PATCH", f"/api/comments/{found[0]['comments'][0]['id']}", json={"body": "Mine"}
    )
    assert is_problem(refused, 403, "FORBIDDEN")


async def test_an_orphan_stays_one(talk: Talk) -> None:
    """Its words are in no copy, but the thread, its quote and when they went are."""
    await talk.thread(talk.percy)
    await talk.write("Æ")

    _, scene = await copied(talk.mary, talk)
    [old], [new] = await threads_of(talk.mary, talk.scene), await threads_of(talk.mary, scene)

    assert (old["anchor"]["status"], new["anchor"]["status"]) == ("orphaned", "orphaned")
    assert new["anchor"]["quote"] == "no disaster"
    assert new["anchor"]["deleted"]["at"] == old["anchor"]["deleted"]["at"]
    assert new["anchor"]["deleted"]["by"] == talk.mary.id


async def test_long_threads_are_carried_in_pages(talk: Talk) -> None:
    """No page has room for one of them."""
    thread = await talk.thread(talk.mary, "0")
    for number in range(1, 40):
        await talk.reply(talk.mary, thread, f"{number} " + "x" * 9_990)
    await talk.thread(talk.mary, "After it", "rejoice")

    _, scene = await copied(talk.mary, talk)
    last, first = await threads_of(talk.mary, scene)

    assert (first["commentCount"], last["commentCount"]) == (40, 1)
    bodies: list[str] = []
    cursor: str | None = None
    while True:
        query = {"cursor": cursor} if cursor else {}
        page = await read(talk.mary, f"/api/threads/{first['id']}/comments", params=query)
        bodies += [each["body"].split()[0] for each in page["items"]]
        if (cursor := page["nextCursor"]) is None:
            break
    assert bodies == [str(number) for number in range(40)]


def changed(lines: list[Json], **more: Any) -> list[Json]:
    return [lines[0] | more, *lines[1:]]


def anchored(lines: list[Json], **more: Any) -> list[Json]:
    return changed(lines, anchor=lines[0]["anchor"] | more)


ACCOUNT = "019a0000-0000-7000-8000-000000000000"
TIMES = dict.fromkeys(("createdAt", "updatedAt"), "2026-01-01T00:00:00Z")
PATCH = TIMES | {"kind": "patch", "id": 1, "state": "OPEN"}
HUNK = {"kind": "hunk", "patch": 1, "number": 1, "state": "OPEN", "change": "delete", "base": "no"}


def with_patch(lines: list[Json], *hunks: Json, **more: Any) -> list[Json]:
    """Return *lines* with a patch by the author of the first, and its *hunks* on its anchor."""
    by = dict.fromkeys(("createdBy", "updatedBy"), lines[0]["createdBy"])
    anchor = {"anchor": lines[0]["anchor"]}
    return [*lines, PATCH | by | more, *(HUNK | anchor | hunk for hunk in hunks)]


HOSTILE: dict[str, Callable[[list[Json]], list[Json]]] = {
    "a patch without hunks": with_patch,
    "a hunk that leaves one out": lambda lines: with_patch(lines, {"number": 2}),
    "a hunk of another patch": lambda lines: with_patch(lines, {"patch": 2}),
    "a thread after patches": lambda lines: [*with_patch(lines, {}), lines[0] | {"id": 2}],
    "a patch that nobody decided": lambda lines: with_patch(lines, {}, state="APPLIED"),
    "a hunk that wrote nothing": lambda lines: with_patch(lines, {"state": "APPLIED"}),
    "a patch of an account": lambda lines: with_patch(lines, {}, createdBy=ACCOUNT),
    "201 hunks": lambda lines: with_patch(lines, *({"number": n} for n in range(1, 202))),
    "somebody's account": lambda lines: changed(lines, createdBy=ACCOUNT),
    "an unknown member": lambda lines: changed(lines, projectId=ACCOUNT),
    "an id": lambda lines: changed(lines, id=ACCOUNT),
    "a number twice": lambda lines: [*lines[:2], lines[0], lines[1]],
    "a comment of a thread that follows": lambda lines: [lines[0], lines[1] | {"thread": 2}],
    "a comment that leaves one out": lambda lines: [lines[0], lines[1] | {"number": 2}],
    "a thread without comments": lambda lines: [lines[0], lines[0] | {"id": 2}],
    "a cyclic thread": lambda lines: [lines[1], lines[0]],
    "characters before the first": lambda lines: anchored(lines, pieces=[[1, -1, 3]]),
    "more characters than words": lambda lines: anchored(lines, pieces=[[1, 0, 40_001]]),
    "a clock beyond JavaScript": lambda lines: anchored(lines, pieces=[[2**53, 0, 1]]),
    "no words": lambda lines: anchored(lines, quote=""),
    "a million words": lambda lines: anchored(lines, quote="x" * 1_000_000),
    "NUL": lambda lines: anchored(lines, quote="a\0b"),
    "a change before its beginning": lambda lines: changed(lines, updatedAt="2001-01-01T00:00:00Z"),
    "a status": lambda lines: anchored(lines, status="perfect"),
    "100,000 threads": lambda lines: [
        one
        for n in range(1, 10_002)
        for one in (lines[0] | {"id": n}, lines[1] | {"thread": n, "number": 1})
    ],
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_files(talk: Talk, name: str) -> None:
    """Each is refused with its line before anything of it becomes visible."""
    await talk.thread(talk.mary)
    files = files_of(await exported(talk.mary, talk.project))
    [file] = [each for each in files if each.endswith(LINES)]
    lines = HOSTILE[name]([json.loads(line) for line in files[file].splitlines()])
    files[file] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    projects = (await read(talk.mary, "/api/projects"))["items"]

    answer = await imported(talk.mary, zipped(vouched(files)))

    code = answer.json()["code"]
    assert code in ("PACKAGE_DAMAGED", "TOO_LARGE"), answer.text
    assert file in str(answer.json()["at"])
    assert (await read(talk.mary, "/api/projects"))["items"] == projects


async def test_not_a_scene(talk: Talk) -> None:
    """Conversations about a thing without a text are refused."""
    await talk.thread(talk.mary)
    files = files_of(await exported(talk.mary, talk.project))
    [file] = [each for each in files if each.endswith(LINES)]
    files[f"scenes/000001.{LINES}"] = files.pop(file)

    answer = await imported(talk.mary, zipped(vouched(files)))

    assert is_problem(answer, 400, "PACKAGE_DAMAGED")


async def test_characters_that_are_not_there(talk: Talk) -> None:
    """An anchor finds its words by what stands beside them, says so, or is an orphan."""
    await talk.thread(talk.mary)
    files = files_of(await exported(talk.mary, talk.project))
    [file] = [each for each in files if each.endswith(LINES)]
    thread, comment = (json.loads(line) for line in files[file].splitlines())
    strange = thread["anchor"] | {"pieces": [[7, 7, 11]]}
    lost = strange | {"before": "Nobody wrote this "}
    lines = [
        thread | {"anchor": strange}, comment,
        thread | {"id": 2, "anchor": lost}, comment | {"thread": 2},
    ]  # fmt: skip
    files[file] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    job = await ended(talk.mary, await imported(talk.mary, zipped(vouched(files))))
    assert job["status"] == "done", job
    scene = (await first_scene(talk.mary, job["projectId"]))["id"]
    found = await threads_of(talk.mary, scene)

    statuses = [(one["anchor"]["status"], one["anchor"]["quote"]) for one in found]
    assert sorted(statuses) == [("orphaned", "no disaster"), ("recovered", "no disaster")]
