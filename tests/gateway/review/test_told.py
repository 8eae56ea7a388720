"""What happens in threads is told: on /ws, by server-sent events, and on JetStream."""

import asyncio
import json

import nats
import pytest

from libs.contracts.collab.facts import FACTS
from libs.contracts.streams import COLLAB
from tests.contracts.discussion import all_of_it, kept
from tests.gateway.following import Follower, following, refused
from tests.gateway.review.sockets import listening
from tests.gateway.review.support import WORDS, Talk, read
from tests.gateway.support import Json
from tools.stack import Stack

QUIET_S = 0.5


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

    async def test_a_system_inside_pulls_it_as_it_pulls_events(self, stack: Stack, talk: Talk):
        """By a consumer of its own name that is made for it; it can make none."""
        user = "subscriber"
        client = await nats.connect(stack.nats_url(user), inbox_prefix=f"_INBOX_{user}".encode())
        try:
            pulling = await client.jetstream().pull_subscribe_bind(user, COLLAB.name)
            thread = await talk.thread(talk.percy)
            seen: set[str] = set()
            while thread["comments"][0]["id"] not in seen:
                for message in await pulling.fetch(50, timeout=20):
                    seen.add(json.loads(message.data)["event"]["aggregateId"])
                    await message.ack()
        finally:
            await client.close()


class TestMovedAnchors:
    async def test_editors_are_told_where_words_went(self, stack: Stack, talk: Talk):
        """When their words are gone, and when they come back; on the socket and in the stream."""
        thread = await talk.thread(talk.percy, quote="no disaster")
        other = await talk.thread(talk.jane, quote="commencement")
        change: Json = {"anchor": {"quote": "rejoice"}, "kind": "replace", "text": "weep"}
        scene = f"/api/scenes/{talk.scene}"
        suggestion = await talk.percy.made(f"{scene}/suggestions", change)
        hunks = [{"anchor": {"quote": "You will"}, "kind": "replace", "text": "They will"}]
        patch = await talk.percy.made(f"{scene}/patches", {"baseVersion": 1, "hunks": hunks})
        follower = Follower()
        async with (
            following(stack.url, talk.jane, talk.project, follower, types="anchor.*"),
            listening(stack.gateways[0], talk.jane, talk.scene) as listener,
        ):
            await talk.write("####")
            await follower.until(lambda each: len(moved(each.events)) >= 4)
            await listener.until_heard(1)

            standing = (thread, other, suggestion, patch["hunks"][0])
            standing_on = {each["anchor"]["id"] for each in standing}
            assert set(moved(follower.events)) == standing_on
            assert {each["status"] for each in moved(follower.events).values()} == {"orphaned"}
            told = listener.heard[0]
            assert (told["type"], told["sceneId"]) == ("anchor.moved", talk.scene)
            assert told["anchors"][0]["id"] in standing_on
            assert "quote" not in told["anchors"][0]
            lost = await talk.listed(talk.mary, anchor="orphaned")
            assert {each["id"] for each in lost} == {thread["id"], other["id"]}
            assert lost[0]["anchor"]["deleted"]["by"] == talk.mary.id
            assert await talk.listed(talk.mary, anchor="exact") == []

            await talk.write(WORDS)
            await follower.until(
                lambda each: moved(each.events)[thread["anchor"]["id"]]["status"] != "orphaned"
            )

        shown = await read(talk.mary, f"/api/threads/{thread['id']}")
        assert shown["anchor"]["status"] == "recovered"
        where = shown["anchor"]
        assert WORDS[where["from"] : where["to"]] == "no disaster"


def moved(events: list[Json]) -> dict[str, Json]:
    """The anchors that `anchor.moved` told of, as they were told last."""
    found: dict[str, Json] = {}
    for each in events:
        found |= {anchor["id"]: anchor for anchor in each["event"]["data"]["anchors"]}
    return found
