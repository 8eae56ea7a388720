"""What happens in threads is told: on /ws, by server-sent events, and on JetStream."""

import asyncio
import json
from typing import Any

import nats
import pytest

from libs.contracts.collab.facts import FACTS
from libs.contracts.streams import COLLAB
from tests.gateway.following import Follower, following, refused
from tests.gateway.review.sockets import listening
from tests.gateway.review.support import Talk, done
from tools.stack import Stack

QUIET_S = 0.5


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


class TestSockets:
    async def test_comment_new_has_the_fields_of_the_source(self, stack: Stack, talk: Talk):
        """At every gateway, to readers too; `text` and `anchorId` as #021 names them."""
        async with (
            listening(stack.gateways[0], talk.jane, talk.scene) as near,
            listening(stack.gateways[1], talk.mary, talk.scene) as far,
        ):
            thread = await talk.thread(talk.percy, "A good sign.", mentions=[talk.mary.id])
            for listener in (near, far):
                [told] = await listener.until_heard(1)
                comment = thread["comments"][0]
                assert told["type"] == "comment.new"
                assert told["id"] == comment["id"]
                assert told["sceneId"] == talk.scene
                assert told["author"] == talk.percy.id
                assert told["text"] == "A good sign."
                assert told["anchorId"] == thread["anchor"]["id"]
                assert (told["threadId"], told["number"]) == (thread["id"], 1)
                assert told["mentions"] == [talk.mary.id]
                assert "comments" in listener.ready["capabilities"]

    async def test_what_changes_is_told_once(self, stack: Stack, talk: Talk):
        """`thread.updated` says what happened and by whom; nothing is told twice."""
        async with listening(stack.gateways[1], talk.jane, talk.scene) as listener:
            expected = await all_of_it(talk)
            told = await listener.until_heard(len(expected) - 1)
            await asyncio.sleep(QUIET_S)

        assert [each.get("what", "comment.created") for each in told] == expected[1:]
        assert [each["type"] for each in told[:3]] == ["comment.new"] * 2 + ["thread.updated"]
        changed = told[2]
        assert (changed["by"], changed["commentId"]) == (talk.jane.id, told[1]["id"])
        assert {each["threadId"] if "threadId" in each else each["id"] for each in told} == {
            told[0]["threadId"]
        }

    async def test_other_scenes_hear_nothing(self, stack: Stack, talk: Talk):
        """A room is told of its own scene alone."""
        chapter = talk.manuscript.chapter["id"]
        other = await talk.mary.made(f"/api/chapters/{chapter}/scenes", {"title": "Fire"})
        async with listening(stack.gateways[0], talk.jane, other["id"]) as listener:
            await talk.thread(talk.percy)
            await asyncio.sleep(QUIET_S)

            assert listener.heard == []

    async def test_clients_do_not_make_comments_there(self, stack: Stack, talk: Talk):
        """It is the server's message; the socket goes on."""
        async with listening(stack.gateways[0], talk.jane, talk.scene) as listener:
            await listener.say("comment.new", sceneId=talk.scene, text="x", ref=7)
            [told] = await listener.until_heard(1)

            assert (told["code"], told["ref"]) == ("UNSUPPORTED", 7)
            assert "HTTP" in told["detail"]


class TestServerSentEvents:
    async def test_all_of_it_arrives_and_can_be_gone_on_with(self, stack: Stack, talk: Talk):
        """In order, whatever gateway one comes back to, together with the events of the log."""
        follower = Follower()
        async with following(stack.gateways[0], talk.jane, talk.project, follower):
            expected = await all_of_it(talk)
            await follower.until(lambda each: len(each.events) >= 4)
        async with following(stack.gateways[1], talk.jane, talk.project, follower):
            await follower.until(lambda each: len(each.events) >= len(expected))
            await talk.mary.made(f"/api/projects/{talk.project}/tags", {"name": "ice"})
            await follower.until(lambda each: len(each.events) > len(expected))
            await follower.quiet()

        assert follower.types == [*expected, "tag.created"]
        text = follower.events[1]["event"]["data"]
        assert (text["body"], text["mentions"]) == ("So?", [talk.mary.id])
        first = follower.events[0]["event"]
        assert (first["userId"], first["projectId"]) == (talk.percy.id, talk.project)

    async def test_from_the_beginning_there_is_all_of_both(self, stack: Stack, talk: Talk):
        """An id of before there were facts of collab misses none of them."""
        expected = await all_of_it(talk)
        for beginning in ("0", "0-0"):
            follower = Follower(last_id=beginning)
            async with following(stack.url, talk.jane, talk.project, follower):
                await follower.until(lambda each: "thread.deleted" in each.types)
                await follower.quiet()
            assert [each for each in follower.types if each in FACTS] == expected
            assert "project.created" in follower.types
            assert {each["event"]["projectId"] for each in follower.events} == {talk.project}

    async def test_types_choose(self, stack: Stack, talk: Talk):
        """A follower of events alone has an id of events alone."""
        async with (
            following(stack.url, talk.jane, talk.project, types="comment.*") as comments,
            following(stack.url, talk.jane, talk.project, types="tag.*") as tags,
        ):
            expected = await all_of_it(talk)
            await talk.mary.made(f"/api/projects/{talk.project}/tags", {"name": "ice"})
            await tags.until(lambda each: each.events)
            wanted = [each for each in expected if each.startswith("comment.")]
            await comments.until(lambda each: len(each.events) >= len(wanted))

        assert comments.types == wanted
        assert tags.types == ["tag.created"]
        assert str(tags.last_id).isdigit()

    @pytest.mark.parametrize("bad", ["1-2-3", "1-", "-", "1-x", "1-99999999999999999999"])
    async def test_ids_that_are_none_of_ours_are_refused(self, stack: Stack, talk: Talk, bad: str):
        """400 for what nobody could have been given, 410 for a place that there never was."""
        headers = {"Last-Event-ID": bad}
        answer = await refused(stack.url, talk.jane.access_token, talk.project, headers=headers)
        assert answer.status_code == 400
        beyond = {"Last-Event-ID": "0-999999999999"}
        answer = await refused(stack.url, talk.jane.access_token, talk.project, headers=beyond)
        assert answer.status_code == 410

    async def test_strangers_and_those_who_left_hear_nothing(self, stack: Stack, talk: Talk):
        """The same rights as for everything else in the project."""
        async with following(stack.url, talk.percy, talk.project) as follower:
            await talk.thread(talk.mary)
            await follower.until(lambda each: "comment.created" in each.types)
            gone = await talk.mary.ask(
                "DELETE", f"/api/projects/{talk.project}/members/{talk.percy.id}"
            )
            assert gone.status_code == 204
            async with asyncio.timeout(10):
                await follower.ended.wait()
            before = len(follower.events)
            await talk.thread(talk.mary)
            await follower.quiet()
            assert len(follower.events) == before


class TestStream:
    async def test_it_is_on_jetstream_in_the_same_words(self, stack: Stack, talk: Talk):
        """On the subject that names the thing, the action and the project; each once."""
        follower = Follower()
        async with following(stack.url, talk.jane, talk.project, follower):
            expected = await all_of_it(talk)
            await follower.until(lambda each: len(each.events) >= len(expected))

        client = await nats.connect(stack.nats_url("admin"))
        try:
            found = await kept(client, talk.project, len(expected))
        finally:
            await client.close()

        assert [body for _, body in found] == follower.events
        kinds = [".".join(subject.split(".")[3:5]) for subject, _ in found]
        assert kinds == expected


async def kept(client: Any, project: str, count: int) -> list[tuple[str, Any]]:
    """All that the stream keeps of a project."""
    subscription = await client.jetstream().pull_subscribe(
        f"scriptorium.v1.collab.*.*.{project}", stream=COLLAB.name
    )
    messages = await subscription.fetch(count, timeout=5)
    return [(each.subject, json.loads(each.data)) for each in messages]
