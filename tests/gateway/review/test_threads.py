"""Threads over HTTP, on the real stack: begun, answered, resolved, moved, deleted, listed."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from libs.contracts.actor import Role
from libs.contracts.collab.threads import BODY_CHARS_MAX, COMMENTS_SHOWN_MAX, MENTIONS_MAX
from tests.gateway.review.support import Talk, done, read
from tests.gateway.support import Json, Person, is_problem, some_id


def routes(thread_id: str, comment_id: str) -> list[tuple[str, str, Json | None]]:
    """All that can be asked of a thread and of a comment, in a form that is not refused."""
    thread, comment = f"/api/threads/{thread_id}", f"/api/comments/{comment_id}"
    return [
        ("GET", thread, None),
        ("DELETE", thread, None),
        ("POST", f"{thread}/resolve", None),
        ("POST", f"{thread}/reopen", None),
        ("PUT", f"{thread}/anchor", {"anchor": {"quote": "rejoice"}}),
        ("GET", f"{thread}/comments", None),
        ("POST", f"{thread}/comments", {"body": "x"}),
        ("GET", comment, None),
        ("PATCH", comment, {"body": "x"}),
        ("DELETE", comment, None),
        ("PUT", f"{comment}/reactions/x", None),
        ("DELETE", f"{comment}/reactions/x", None),
    ]


class TestThreads:
    async def test_one_stands_on_its_words(self, talk: Talk):
        """It answers with all that an editor needs, at the place that it names."""
        path = talk.threads
        answer = await talk.percy.post(
            path,
            {
                "anchor": {"quote": "no disaster"},
                "body": "A good sign.",
                "mentions": [talk.mary.id],
                "meta": {"colour": "#ffcc00"},
            },
        )

        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert answer.headers["location"] == f"/api/threads/{made['id']}"
        assert answer.headers["etag"] == f'W/"thread-{made["id"]}-v{made["version"]}"'
        assert made["state"] == "open"
        assert made["sceneId"] == talk.scene
        assert made["projectId"] == talk.project
        assert made["createdBy"] == talk.percy.id
        assert made["anchor"]["status"] == "exact"
        assert made["anchor"]["quote"] == "no disaster"
        [comment] = made["comments"]
        assert (comment["author"], comment["body"]) == (talk.percy.id, "A good sign.")
        assert comment["mentions"] == [talk.mary.id]
        assert comment["meta"] == {"colour": "#ffcc00"}
        assert await read(talk.jane, f"/api/threads/{made['id']}") == made
        assert await talk.listed(talk.jane) == [made]

    async def test_its_tag_is_not_answered_with_304(self, talk: Talk):
        """Its words move without a new version, so what a client has may be stale."""
        made = await talk.thread(talk.percy)
        tag = f'W/"thread-{made["id"]}-v{made["version"]}"'

        answer = await talk.jane.get(f"/api/threads/{made['id']}", headers={"If-None-Match": tag})

        assert (answer.status_code, answer.headers["etag"]) == (200, tag)

    async def test_a_retry_begins_it_once(self, talk: Talk):
        """The same key: one thread with one comment; another key is another thread."""
        body = {"anchor": {"quote": "rejoice"}, "body": "Once."}
        headers = {"Idempotency-Key": "one"}
        first = await talk.jane.made(talk.threads, body, headers=headers)
        again = await talk.jane.made(talk.threads, body, headers=headers)
        other = await talk.jane.made(talk.threads, body, headers={"Idempotency-Key": "two"})

        assert first == again
        assert {each["id"] for each in await talk.listed(talk.jane)} == {first["id"], other["id"]}
        assert first["commentCount"] == 1

    async def test_it_is_resolved_and_opened_again(self, talk: Talk):
        """By readers, too; the same again changes nothing, a stale version is refused."""
        path = f"/api/threads/{(await talk.thread(talk.percy))['id']}"
        resolved = await done(talk.jane, "POST", f"{path}/resolve")
        assert (resolved["state"], resolved["resolvedBy"]) == ("resolved", talk.jane.id)
        assert resolved["resolvedAt"]
        assert await done(talk.mary, "POST", f"{path}/resolve") == resolved

        stale = {"If-Match": f'W/"thread-{resolved["id"]}-v1"'}
        is_problem(
            await talk.mary.post(f"{path}/reopen", headers=stale), 412, "PRECONDITION_FAILED"
        )
        opened = await done(
            talk.mary, "POST", f"{path}/reopen", params={"baseVersion": resolved["version"]}
        )

        assert opened["state"] == "open"
        assert opened["resolvedAt"] is opened["resolvedBy"] is None
        assert opened["version"] == resolved["version"] + 1

    async def test_its_anchor_is_put_elsewhere_by_hand(self, talk: Talk):
        """The anchor stays the same one; a reader moves only what they began."""
        made = await talk.thread(talk.percy)
        path = f"/api/threads/{made['id']}/anchor"
        target = {"anchor": {"quote": "commencement"}}
        is_problem(await talk.jane.ask("PUT", path, json=target), 403, "FORBIDDEN")

        moved = await done(talk.mary, "PUT", path, target)

        assert moved["anchor"]["id"] == made["anchor"]["id"]
        assert moved["anchor"]["quote"] == "commencement"
        assert moved["version"] > made["version"]
        own = await talk.thread(talk.jane)
        assert (await done(talk.jane, "PUT", f"/api/threads/{own['id']}/anchor", target))["id"]

    async def test_it_is_deleted_by_its_author_or_a_maintainer(self, talk: Talk):
        """Nothing of it is left to see, its comments included."""
        made = await talk.thread(talk.jane)
        path = f"/api/threads/{made['id']}"
        reply = await talk.reply(talk.percy, made)
        is_problem(await talk.percy.ask("DELETE", path), 403, "FORBIDDEN")

        assert (await talk.jane.ask("DELETE", path)).status_code == 204

        is_problem(await talk.jane.get(path), 404, "NOT_FOUND")
        is_problem(await talk.jane.ask("DELETE", path), 404, "NOT_FOUND")
        is_problem(await talk.percy.get(f"/api/comments/{reply['id']}"), 404, "NOT_FOUND")
        assert await talk.listed(talk.mary) == []
        other = await talk.thread(talk.percy)
        answer = await talk.mary.ask("DELETE", f"/api/threads/{other['id']}")
        assert answer.status_code == 204

    async def test_lists_are_filtered(self, talk: Talk):
        """By state, by the person who began them, and by having a part in them."""
        percys = await talk.thread(talk.percy, mentions=[talk.mary.id])
        janes = await talk.thread(talk.jane)
        await talk.reply(talk.mary, janes)
        alone = await talk.thread(talk.jane)
        await done(talk.mary, "POST", f"/api/threads/{alone['id']}/resolve")

        async def ids(by: Person, **query: Any) -> list[str]:
            return [each["id"] for each in await talk.listed(by, **query)]

        newest_first = [alone["id"], janes["id"], percys["id"]]
        assert await ids(talk.percy) == newest_first
        assert await ids(talk.percy, limit=1) == newest_first
        assert await ids(talk.percy, state="resolved") == [alone["id"]]
        assert await ids(talk.percy, state="open") == [janes["id"], percys["id"]]
        assert await ids(talk.percy, author=talk.jane.id, limit=1) == [alone["id"], janes["id"]]
        assert await ids(talk.mary, mine="true") == [janes["id"], percys["id"]]
        assert await ids(talk.percy, mine="true") == [percys["id"]]
        assert await ids(talk.percy, anchor="orphaned") == []
        assert await ids(talk.percy, anchor="exact", limit=2) == newest_first
        is_problem(
            await talk.percy.get(talk.threads, params={"state": "shut"}), 400, "VALIDATION_FAILED"
        )
        for cursor in ("x", "%00", "MjAyNnw=", "a" * 2000):
            answer = await talk.percy.get(talk.threads, params={"cursor": cursor})
            is_problem(answer, 400, "VALIDATION_FAILED")

    async def test_long_threads_come_in_pieces(self, talk: Talk):
        """A thread shows its first comments; the cursor leads to the others, in order."""
        made = await talk.thread(talk.percy, body="1")
        count = COMMENTS_SHOWN_MAX + 20
        for number in range(2, count + 1):
            await talk.reply(talk.jane, made, str(number))

        shown = await read(talk.mary, f"/api/threads/{made['id']}")
        path = f"/api/threads/{made['id']}/comments"
        rest = await read(talk.mary, path, params={"cursor": shown["nextComments"]})
        whole = await read(talk.mary, path, params={"limit": 500})

        bodies = [each["body"] for each in shown["comments"] + rest["items"]]
        assert bodies == [str(number) for number in range(1, count + 1)]
        assert whole["items"] == shown["comments"] + rest["items"]
        assert (whole["nextCursor"], shown["commentCount"]) == (None, count)

    async def test_large_comments_end_a_page_early(self, talk: Talk):
        """What fits into no message between services never has to."""
        body = "\x01" * BODY_CHARS_MAX  # six times as long as JSON
        threads = [await talk.thread(talk.percy, body=body) for _ in range(25)]

        page = await read(talk.mary, talk.threads, params={"limit": 500})

        assert len(page["items"]) < 25
        found = [each["id"] for each in await talk.listed(talk.mary, limit=500)]
        assert found == [each["id"] for each in reversed(threads)]


class TestComments:
    async def test_an_answer_is_changed_by_its_author_alone(self, talk: Talk):
        """Others may not, whatever their role; absent fields stay; a stale tag is refused."""
        made = await talk.thread(talk.percy)
        reply = await talk.reply(talk.jane, made, "Yes", meta={"a": 1}, mentions=[talk.percy.id])
        path = f"/api/comments/{reply['id']}"
        is_problem(await talk.mary.ask("PATCH", path, json={"body": "No"}), 403, "FORBIDDEN")

        tag = f'W/"comment-{reply["id"]}-v{reply["version"]}"'
        edited = await done(talk.jane, "PATCH", path, {"body": "No"}, headers={"If-Match": tag})

        assert (edited["body"], edited["meta"]) == ("No", {"a": 1})
        assert edited["mentions"] == [talk.percy.id]
        assert edited["editedAt"] and edited["version"] == reply["version"] + 1
        answer = await talk.jane.ask(
            "PATCH", path, json={"body": "Maybe"}, headers={"If-Match": tag}
        )
        is_problem(answer, 412, "PRECONDITION_FAILED")
        cleared = await done(talk.jane, "PATCH", path, {"mentions": [], "meta": {}})
        assert (cleared["body"], cleared["mentions"], cleared["meta"]) == ("No", [], {})
        known = f'W/"comment-{reply["id"]}-v{cleared["version"]}"'
        answer = await talk.mary.get(path, headers={"If-None-Match": known})
        assert answer.status_code == 304

    async def test_a_deleted_one_leaves_a_tombstone(self, talk: Talk):
        """Also the first one: the thread and the answers stay where they are."""
        made = await talk.thread(talk.percy, mentions=[talk.mary.id], meta={"a": 1})
        [first] = made["comments"]
        reply = await talk.reply(talk.jane, made)
        await done(talk.jane, "PUT", f"/api/comments/{first['id']}/reactions/👍")
        path = f"/api/comments/{first['id']}"
        is_problem(await talk.jane.ask("DELETE", path), 403, "FORBIDDEN")

        assert (await talk.percy.ask("DELETE", path)).status_code == 204
        assert (await talk.percy.ask("DELETE", path)).status_code == 204

        shown = await read(talk.jane, f"/api/threads/{made['id']}")
        stone, other = shown["comments"]
        assert (stone["body"], stone["mentions"], stone["meta"]) == ("", [], {})
        assert stone["reactions"] == []
        assert stone["deletedAt"] and stone["deletedBy"] == talk.percy.id
        assert other["id"] == reply["id"] and shown["commentCount"] == 2
        assert shown["state"] == "open"
        is_problem(await talk.percy.ask("PATCH", path, json={"body": "x"}), 410, "GONE")
        is_problem(await talk.jane.ask("PUT", f"{path}/reactions/👍"), 410, "GONE")
        others = f"/api/comments/{reply['id']}"
        assert (await talk.mary.ask("DELETE", others)).status_code == 204

    async def test_reactions_are_one_for_each_person(self, talk: Talk):
        """The same again changes nothing; each reader sees which are theirs."""
        [comment] = (await talk.thread(talk.percy))["comments"]
        path = f"/api/comments/{comment['id']}"
        for person in (talk.jane, talk.jane, talk.mary):
            await done(person, "PUT", f"{path}/reactions/👍")
        await done(talk.mary, "PUT", f"{path}/reactions/plus-one")

        by_mary = (await read(talk.mary, path))["reactions"]
        by_jane = (await read(talk.jane, path))["reactions"]

        assert [(each["emoji"], each["count"], each["mine"]) for each in by_mary] == [
            ("👍", 2, True),
            ("plus-one", 1, True),
        ]
        assert [each["mine"] for each in by_jane] == [True, False]
        assert by_mary[0]["people"] == [talk.jane.id, talk.mary.id]
        version = (await read(talk.mary, path))["version"]
        await done(talk.mary, "DELETE", f"{path}/reactions/plus-one")
        await done(talk.mary, "DELETE", f"{path}/reactions/plus-one")
        left = await read(talk.mary, path)
        assert [each["emoji"] for each in left["reactions"]] == ["👍"]
        assert left["version"] == version + 1
        for bad in ("a b", "<b>", "x" * 33, "%00"):
            answer = await talk.mary.ask("PUT", f"{path}/reactions/{bad}")
            is_problem(answer, 404, "NOT_FOUND")

    async def test_there_are_limits_with_names(self, talk: Talk):
        """Different reactions to one comment are limited, and so are the people it mentions."""
        made = await talk.thread(talk.percy)
        path = f"/api/comments/{made['comments'][0]['id']}/reactions"
        for number in range(20):
            await done(talk.jane, "PUT", f"{path}/r{number}")
        await done(talk.mary, "PUT", f"{path}/r7")
        answer = await talk.mary.ask("PUT", f"{path}/more")
        assert is_problem(answer, 409, "LIMIT_REACHED")
        assert answer.json()["limit"] == 20

        comments = f"/api/threads/{made['id']}/comments"
        refused: list[Json] = [
            {"body": ""},
            {"body": " \n\t"},
            {"body": "a\x00b"},
            {"body": "x" * (BODY_CHARS_MAX + 1)},
            {"body": {"type": "doc"}},
            {"body": "x", "mentions": [str(some_id()) for _ in range(MENTIONS_MAX + 1)]},
            {"body": "x", "meta": {"a": "x" * 30_000}},
            {"body": "x", "meta": []},
            {"mentions": []},
        ]
        for bad in refused:
            answer = await talk.jane.post(comments, bad)
            is_problem(answer, 400, "VALIDATION_FAILED")
        forged = {"body": "x", "author": talk.mary.id}
        is_problem(await talk.jane.post(comments, forged), 422, "UNKNOWN_NAME")
        longest = await talk.reply(talk.jane, made, "x" * BODY_CHARS_MAX)
        assert len(longest["body"]) == BODY_CHARS_MAX

    async def test_bodies_are_text_and_nothing_else(self, talk: Talk):
        """Markup comes back as the characters that were sent."""
        hostile = (
            '<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror="1"> \u202e'
        )

        made = await talk.thread(talk.jane, body=hostile)

        assert made["comments"][0]["body"] == hostile
        answer = await talk.jane.get(f"/api/threads/{made['id']}")
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["x-content-type-options"] == "nosniff"

    async def test_the_last_place_goes_to_one_of_many(self, talk: Talk, http2: httpx.AsyncClient):
        """Answers at once through two gateways get numbers without a gap."""
        made = await talk.thread(talk.percy)
        second = replace(talk.jane, http=http2)

        said = await asyncio.gather(
            *(
                talk.reply((talk.jane, second)[number % 2], made, str(number))
                for number in range(30)
            )
        )

        assert sorted(each["number"] for each in said) == list(range(2, 32))
        shown = await read(talk.mary, f"/api/threads/{made['id']}")
        assert shown["commentCount"] == len(shown["comments"]) == 31


class TestRights:
    async def test_a_reader_comments_and_does_not_write(self, talk: Talk):
        """The text is not theirs to change, and a token of theirs that only reads says nothing."""
        made = await talk.thread(talk.jane)
        await talk.reply(talk.jane, made)
        answer = await talk.jane.ask(
            "PUT",
            f"/api/scenes/{talk.scene}/content",
            json={"format": "text", "content": "Mine."},
        )
        is_problem(answer, 403, "FORBIDDEN")
        narrow = await talk.jane.with_scopes("read")
        body = {"anchor": {"quote": "rejoice"}, "body": "x"}
        is_problem(await narrow.post(talk.threads, body), 403, "FORBIDDEN")
        reply = f"/api/threads/{made['id']}/comments"
        is_problem(await narrow.post(reply, {"body": "x"}), 403, "FORBIDDEN")
        assert (await narrow.get(talk.threads)).status_code == 200

    async def test_strangers_find_nothing(self, talk: Talk):
        """404 at each address, with ids of real things as with ids of nothing."""
        made = await talk.thread(talk.percy)
        comment = made["comments"][0]["id"]
        nothing = str(some_id())

        for thread_id, comment_id in ((made["id"], comment), (nothing, nothing)):
            for method, path, body in routes(thread_id, comment_id):
                answer = await talk.clerval.ask(method, path, json=body)
                is_problem(answer, 404, "NOT_FOUND")

    async def test_no_address_was_forgotten_above(self, http: httpx.AsyncClient):
        """A new one gets its line in `routes`."""
        document = (await http.get("/api/openapi.json")).json()

        wanted = {
            (method.upper(), path.replace("{emoji}", "x"))
            for path, methods in document["paths"].items()
            for method in methods
            if path.startswith(("/api/threads", "/api/comments"))
        }

        assert {(method, path) for method, path, _ in routes("{id}", "{id}")} == wanted

    async def test_an_id_of_another_project_leads_nowhere(
        self, talk: Talk, http: httpx.AsyncClient
    ):
        """A person of two projects reaches a thread only through its own scene."""
        other = await Talk.begin(http)
        await other.manuscript.welcome(talk.percy, Role.WRITER)
        theirs = await other.thread(other.mary)

        assert await talk.listed(talk.percy) == []
        is_problem(await talk.mary.get(f"/api/threads/{theirs['id']}"), 404, "NOT_FOUND")
        assert (await talk.percy.get(f"/api/threads/{theirs['id']}")).status_code == 200

    async def test_an_archived_project_is_only_read(self, talk: Talk):
        """409 for whatever would change something, until it is unarchived."""
        made = await talk.thread(talk.percy)
        archive = f"/api/projects/{talk.project}/archive"
        assert (await talk.mary.post(archive)).status_code == 200

        path = f"/api/threads/{made['id']}"
        said = f"/api/comments/{made['comments'][0]['id']}"
        assert (await talk.jane.get(path)).status_code == 200
        for method, where, content in (
            ("POST", talk.threads, {"anchor": {"quote": "rejoice"}, "body": "x"}),
            ("POST", f"{path}/comments", {"body": "x"}),
            ("POST", f"{path}/resolve", None),
            ("PATCH", said, {"body": "x"}),
            ("DELETE", said, None),
            ("DELETE", path, None),
        ):
            answer = await talk.percy.ask(method, where, json=content)
            is_problem(answer, 409, "PROJECT_ARCHIVED")

    async def test_with_its_scene_it_goes_and_comes_back(self, talk: Talk):
        """Deleted scenes hide their threads."""
        made = await talk.thread(talk.percy)
        scene = f"/api/scenes/{talk.scene}"
        await done(talk.mary, "DELETE", scene, headers={"If-Match": "*"})

        for path in (f"/api/threads/{made['id']}", talk.threads):
            is_problem(await talk.mary.get(path), 404, "NOT_FOUND")
        is_problem(
            await talk.jane.post(f"/api/threads/{made['id']}/comments", {"body": "x"}),
            404,
            "NOT_FOUND",
        )
        assert (await talk.mary.post(f"{scene}/restore")).status_code == 200
        assert (await read(talk.jane, f"/api/threads/{made['id']}"))["id"] == made["id"]

    @pytest.mark.parametrize("anchor", [{}, {"quote": ""}, {"quote": "x", "seq": 1}, {"range": {}}])
    async def test_a_bad_anchor_is_refused(self, talk: Talk, anchor: dict[str, Any]):
        """With a 400 that names the field, before any service is asked."""
        answer = await talk.jane.post(talk.threads, {"anchor": anchor, "body": "x"})
        is_problem(answer, 400, "VALIDATION_FAILED")
