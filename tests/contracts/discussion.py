"""A thread in which all happens that can happen, on a real stack, and what was announced of it."""

import asyncio
import json
from typing import Any

import httpx
import nats

from libs.contracts.streams import COLLAB
from tests.gateway.review.support import WORDS, Talk, done, read
from tests.gateway.support import Json
from tests.support.waiting import until
from tools.stack import Stack


async def discussed(stack: Stack) -> list[Json]:
    """Talk about a scene, then delete its words; returns what the stream has of it, in order."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as http:
        talk = await Talk.begin(http)
        expected = await all_of_it(talk) + await all_suggested(talk)
        expected += await all_patched(talk) + await all_refactored(talk)
        await talk.thread(talk.jane)
        await talk.write("####")
    client = await nats.connect(stack.nats_url("admin"))
    try:
        return [said for _, said in await kept(client, talk.project, len(expected) + 3)]
    finally:
        await client.close()


async def all_of_it(talk: Talk) -> list[str]:
    """Let everything happen in a thread; returns the types of what is announced, in order."""
    thread = await talk.thread(talk.percy, "So?", mentions=[talk.mary.id])
    path = f"/api/threads/{thread['id']}"
    reply = await talk.reply(talk.jane, thread, "Yes.")
    said = f"/api/comments/{reply['id']}"
    await done(talk.jane, "PATCH", said, {"body": "No."})
    await done(talk.mary, "PUT", f"{said}/reactions/👍")
    await done(talk.mary, "DELETE", f"{said}/reactions/👍")
    await done(talk.jane, "DELETE", said)
    await done(talk.mary, "POST", f"{path}/resolve")
    await done(talk.mary, "POST", f"{path}/resolve")
    await done(talk.mary, "POST", f"{path}/reopen")
    await done(talk.mary, "PUT", f"{path}/anchor", {"anchor": {"quote": "commencement"}})
    await done(talk.percy, "DELETE", path)
    return [
        "thread.created",
        "comment.created",
        "comment.created",
        "comment.changed",
        "comment.reaction_added",
        "comment.reaction_removed",
        "comment.deleted",
        "thread.resolved",
        "thread.reopened",
        "thread.anchor_changed",
        "thread.deleted",
    ]


async def all_suggested(talk: Talk) -> list[str]:
    """Suggest changes and decide about them; returns the types of what is announced of them."""
    for kind, text, decisions in (
        ("replace", "No catastrophe", ("accept", "revert")),
        ("insert", " at all", ("reject",)),
        ("delete", "", ("withdraw",)),
    ):
        suggested = {"anchor": {"quote": "no disaster"}, "kind": kind, "text": text}
        made = await talk.mary.made(talk.threads.replace("threads", "suggestions"), suggested)
        for decision in decisions:
            await done(talk.mary, "POST", f"/api/suggestions/{made['id']}/{decision}")
    await typed_on(talk)
    return [
        "suggestion.created",
        "suggestion.accepted",
        "suggestion.reverted",
        "suggestion.created",
        "suggestion.rejected",
        "suggestion.created",
        "suggestion.withdrawn",
        "suggestion.created",
        "suggestion.changed",
        "suggestion.withdrawn",
    ]


async def all_refactored(talk: Talk) -> list[str]:
    """Replace a word and take that back; returns the types of what is announced of it."""
    asked = {"kind": "replace", "from": "disaster", "to": "calamity"}
    made = await talk.mary.made(f"/api/projects/{talk.project}/refactors", asked)
    path = f"/api/refactors/{made['id']}"

    async def ready() -> bool:
        return (await read(talk.mary, path))["state"] == "READY"

    await until(ready)
    await done(talk.mary, "PATCH", path, {"choices": [{"everything": True, "to": "sure"}]})
    await done(talk.mary, "POST", f"{path}/apply")
    await done(talk.mary, "POST", f"{path}/revert")
    await talk.write(WORDS.replace("disaster", "dis-aster"))
    refused = await talk.mary.ask("POST", f"{path}/apply")
    assert refused.status_code == 409, refused.text
    await done(talk.mary, "DELETE", path)
    await done(talk.mary, "POST", f"{path}/restore")
    await talk.write(WORDS)
    return [
        *("refactor.created", "refactor.progressed", "refactor.found", "refactor.changed"),
        *("refactor.started", "refactor.applied", "refactor.started", "refactor.reverted"),
        *("refactor.started", "refactor.refused", "refactor.deleted", "refactor.restored"),
    ]


async def typed_on(talk: Talk) -> None:
    """Suggest in a branch, change one's mind, and give it up."""
    scene = talk.threads.removesuffix("/threads")
    branch = await talk.mary.ask("POST", f"{scene}/suggesting")
    content = f"{scene}/content?branch={branch.json()['id']}"
    before = (await talk.mary.ask("GET", content)).text
    for disaster in ("accident", "catastrophe", None):
        text = before.replace("disaster", disaster) if disaster else before
        await done(talk.mary, "PUT", content, {"format": "text", "content": text})
        for _ in range(300):
            if await _open_texts(talk, scene) == ([disaster] if disaster else []):
                break
            await asyncio.sleep(0.1)


async def _open_texts(talk: Talk, scene: str) -> list[str]:
    answer = await talk.mary.ask("GET", f"{scene}/suggestions?status=OPEN")
    return [one["text"] for one in answer.json()["items"]]


async def all_patched(talk: Talk) -> list[str]:
    """Make a patch and decide about it; returns the types of what is announced of it."""
    path = talk.threads.replace("threads", "patches")
    hunks = [
        {"anchor": {"quote": "rejoice"}, "kind": "replace", "text": "be glad"},
        {"anchor": {"quote": "accompanied"}, "kind": "insert", "text": " so far"},
    ]
    made = await talk.mary.made(path, {"baseVersion": 1, "hunks": hunks, "title": "Plainer"})
    one = f"/api/patches/{made['id']}"
    await talk.write(WORDS.replace("rejoice", "be happy"))
    for decision in ("apply?rebaseStrategy=rebase", "apply?rebaseStrategy=merge", "revert"):
        await done(talk.mary, "POST", f"{one}/{decision}")
    await talk.write(WORDS)
    await done(talk.mary, "DELETE", one)
    await done(talk.mary, "POST", f"{one}/restore")
    return [
        "patch.created",
        "patch.rebased",
        "patch.applied",
        "patch.reverted",
        "patch.deleted",
        "patch.restored",
    ]


async def kept(client: Any, project: str, count: int) -> list[tuple[str, Any]]:
    """The first messages that the stream keeps of a project, and their subjects."""
    subscription = await client.jetstream().subscribe(
        f"scriptorium.v1.collab.*.*.{project}", stream=COLLAB.name, ordered_consumer=True
    )
    messages = [await subscription.next_msg(timeout=20) for _ in range(count)]
    return [(each.subject, json.loads(each.data)) for each in messages]
