"""People are told what concerns them, in an inbox of their own."""

from typing import Any

import pytest

from libs.contracts.actor import Role
from tests.gateway.review.support import Talk, done, read
from tests.gateway.support import Json, Person, is_problem, some_id

INBOX = "/api/me/notifications"


async def told(by: Person, **query: Any) -> list[tuple[str, str]]:
    """What a person is told: the kind, and the words."""
    page = await read(by, INBOX, params=query)
    return [(each["kind"], each["excerpt"]) for each in page["items"]]


class TestWhoIsTold:
    async def test_a_mention_tells_the_person_and_nobody_else(self, talk: Talk):
        """With all that leads to the place."""
        thread = await talk.thread(talk.percy, "Look, Mary.", mentions=[talk.mary.id])

        [item] = (await read(talk.mary, INBOX))["items"]

        assert item["kind"] == "mention"
        assert item["actor"] == talk.percy.id
        assert (item["projectId"], item["sceneId"]) == (talk.project, talk.scene)
        assert item["threadId"] == thread["id"]
        assert item["commentId"] == thread["comments"][0]["id"]
        assert (item["excerpt"], item["readAt"]) == ("Look, Mary.", None)
        assert await told(talk.percy) == await told(talk.jane) == []

    async def test_a_reply_tells_all_who_have_a_part(self, talk: Talk):
        """Not its author, and those who are mentioned only of that."""
        thread = await talk.thread(talk.percy, "One", mentions=[talk.mary.id])
        await talk.reply(talk.jane, thread, "Two", mentions=[talk.mary.id, talk.jane.id])
        await talk.reply(talk.percy, thread, "Three")

        assert await told(talk.percy) == [("reply", "Two")]
        assert await told(talk.jane) == [("reply", "Three")]
        assert await told(talk.mary) == [("reply", "Three"), ("mention", "Two"), ("mention", "One")]

    async def test_resolving_tells_them_once(self, talk: Talk):
        """And not the person who did it."""
        thread = await talk.thread(talk.percy)
        await talk.reply(talk.jane, thread)
        for _ in range(2):
            await done(talk.jane, "POST", f"/api/threads/{thread['id']}/resolve")

        assert await told(talk.percy) == [("resolved", ""), ("reply", "Yes.")]
        assert await told(talk.jane) == []

    async def test_an_edit_tells_those_who_are_new(self, talk: Talk):
        """Nobody hears twice of one comment; the excerpt is of now."""
        thread = await talk.thread(talk.percy, "One", mentions=[talk.mary.id])
        path = f"/api/comments/{thread['comments'][0]['id']}"
        both = [talk.mary.id, talk.jane.id]
        await done(talk.percy, "PATCH", path, {"body": "Two", "mentions": both})
        await done(talk.percy, "PATCH", path, {"mentions": both})

        assert await told(talk.mary) == await told(talk.jane) == [("mention", "Two")]

    async def test_what_is_deleted_is_not_told_any_more(self, talk: Talk):
        """Neither of a comment nor of a thread."""
        thread = await talk.thread(talk.percy, "One", mentions=[talk.mary.id])
        reply = await talk.reply(talk.jane, thread, "Two", mentions=[talk.mary.id])
        await done(talk.jane, "DELETE", f"/api/comments/{reply['id']}")
        assert await told(talk.mary) == [("mention", "One")]

        await done(talk.percy, "DELETE", f"/api/threads/{thread['id']}")

        assert await told(talk.mary) == []

    async def test_only_people_of_the_project_are_mentioned(self, talk: Talk):
        """Strangers and ids of nobody are refused, and nothing is written."""
        thread = await talk.thread(talk.percy)
        path = f"/api/threads/{thread['id']}/comments"
        comment = f"/api/comments/{thread['comments'][0]['id']}"
        strangers = [talk.clerval.id, str(some_id())]
        body: Json = {"body": "Look.", "mentions": [talk.mary.id, *strangers]}

        for answer in (
            await talk.percy.post(path, body),
            await talk.percy.ask("PATCH", comment, json=body),
            await talk.percy.post(talk.threads, {**body, "anchor": {"quote": "rejoice"}}),
        ):
            is_problem(answer, 400, "PEOPLE_UNKNOWN")
            assert answer.json()["userIds"] == sorted(strangers)
            assert answer.json()["errors"][0]["field"] == "body.mentions"

        assert await told(talk.mary) == []
        assert [each["id"] for each in await talk.listed(talk.mary)] == [thread["id"]]

    async def test_people_of_a_team_are_mentioned(self, talk: Talk):
        """The gateway vouches for their teams."""
        team = await talk.mary.made("/api/teams", {"name": "Friends"})
        member = f"/api/teams/{team['id']}/members/{talk.clerval.id}"
        await done(talk.mary, "PUT", member, {"role": "MEMBER"})
        await done(talk.clerval, "POST", f"/api/teams/{team['id']}/accept")
        grant = f"/api/projects/{talk.project}/teams/{team['id']}"
        await done(talk.mary, "PUT", grant, {"role": "READER"})

        await talk.thread(talk.percy, "Come.", mentions=[talk.clerval.id])

        assert await told(talk.clerval) == [("mention", "Come.")]


class TestReading:
    async def test_pages_and_what_is_unread(self, talk: Talk):
        """Marked one by one, up to a moment, or all together; others' marks are their own."""
        for number in range(5):
            await talk.thread(talk.percy, str(number), mentions=[talk.mary.id, talk.jane.id])
        first = await read(talk.mary, INBOX, params={"limit": 2})
        second = await read(talk.mary, INBOX, params={"limit": 3, "cursor": first["nextCursor"]})
        items = first["items"] + second["items"]
        assert [each["excerpt"] for each in items] == ["4", "3", "2", "1", "0"]
        assert (second["nextCursor"], first["unread"]) == (None, 5)

        await done(talk.mary, "POST", f"{INBOX}/read", {"ids": [items[0]["id"], str(some_id())]})
        assert [word for _, word in await told(talk.mary, unread="true")] == ["3", "2", "1", "0"]
        await done(talk.mary, "POST", f"{INBOX}/read", {"before": items[2]["createdAt"]})
        assert [word for _, word in await told(talk.mary, unread="true")] == ["3"]
        marked = (await read(talk.mary, INBOX))["items"]
        assert [bool(each["readAt"]) for each in marked] == [True, False, True, True, True]
        await done(talk.mary, "POST", f"{INBOX}/read", {})
        page = await read(talk.mary, INBOX, params={"unread": "true"})
        assert (page["items"], page["unread"]) == ([], 0)
        assert (await read(talk.jane, INBOX))["unread"] == 5

    async def test_nobody_marks_what_is_others(self, talk: Talk):
        """Their ids do nothing."""
        await talk.thread(talk.percy, mentions=[talk.mary.id])
        [item] = (await read(talk.mary, INBOX))["items"]

        await done(talk.jane, "POST", f"{INBOX}/read", {"ids": [item["id"]]})

        assert (await read(talk.mary, INBOX))["unread"] == 1

    async def test_what_one_may_not_read_any_more_is_not_shown(self, talk: Talk):
        """It is back with the membership; a deleted scene hides its own."""
        await talk.thread(talk.percy, "For Jane.", mentions=[talk.jane.id, talk.mary.id])
        member = f"/api/projects/{talk.project}/members/{talk.jane.id}"
        await done(talk.mary, "DELETE", member)

        page = await read(talk.jane, INBOX)
        assert (page["items"], page["unread"]) == ([], 0)
        await talk.manuscript.welcome(talk.jane, Role.READER)
        assert await told(talk.jane) == [("mention", "For Jane.")]

        scene = f"/api/scenes/{talk.scene}"
        await done(talk.mary, "DELETE", scene, headers={"If-Match": "*"})
        assert await told(talk.jane) == await told(talk.mary) == []
        await done(talk.mary, "POST", f"{scene}/restore")
        assert await told(talk.jane) == [("mention", "For Jane.")]

    async def test_a_token_needs_its_scope(self, talk: Talk):
        """To read, one that reads; to mark, one that writes."""
        narrow = await talk.jane.with_scopes("read")
        assert (await narrow.get(INBOX)).status_code == 200
        is_problem(await narrow.post(f"{INBOX}/read", {}), 403, "FORBIDDEN")

    @pytest.mark.parametrize("body", [{"ids": "x"}, {"ids": ["x"]}, {"before": "yesterday"}])
    async def test_bad_marks_are_refused(self, talk: Talk, body: Json):
        """400 with the field."""
        is_problem(await talk.jane.post(f"{INBOX}/read", body), 400, "VALIDATION_FAILED")
