"""Patches over HTTP: who may do what with them, what is refused, and that they come back."""

import asyncio
from typing import Any

import httpx
import pytest

from libs.contracts.actor import Role
from libs.contracts.collab.patches import HUNKS_MAX, PATCH_CHARS_MAX
from tests.gateway.following import following
from tests.gateway.review.sockets import listening
from tests.gateway.review.support import WORDS, Talk, done, read
from tests.gateway.support import Json, Person, is_problem, some_id
from tools.stack import Stack

HUNK = {"anchor": {"quote": "no disaster"}, "kind": "replace", "text": "nothing bad"}


def paths(talk: Talk) -> str:
    return talk.threads.replace("threads", "patches")


async def patch(talk: Talk, by: Person | None = None, **more: Any) -> Json:
    """Make a patch of one hunk."""
    return await (by or talk.percy).made(paths(talk), {"baseVersion": 1, "hunks": [HUNK], **more})


def routes(one: str) -> list[tuple[str, str, str]]:
    """All that can be asked of a patch, in an order that works, with the action of each."""
    path = f"/api/patches/{one}"
    return [
        ("GET", path, "scene.read"),
        ("POST", f"{path}/apply", "scene.decide"),
        ("POST", f"{path}/revert", "scene.decide"),
        ("POST", f"{path}/reapply", "scene.decide"),
        ("DELETE", path, "scene.decide"),
        ("GET", f"{path}?includeDeleted=true", "scene.restore_patch"),
        ("POST", f"{path}/restore", "scene.restore_patch"),
    ]


class TestRights:
    async def test_each_role_may_what_the_matrix_says(self, talk: Talk):
        """A writer decides, a reader reads, and the owner brings deleted ones back."""
        made = await patch(talk)
        may = (
            (talk.jane, {"scene.read"}),
            (talk.percy, {"scene.read", "scene.decide"}),
            (talk.mary, {"scene.read", "scene.decide", "scene.restore_patch"}),
        )
        for person, allowed in may:
            for method, path, action in routes(made["id"]):
                answer = await person.ask(method, path)
                assert (answer.status_code != 403) is (action in allowed), f"{method} {path}"
        assert is_problem(await talk.jane.post(paths(talk), {}), 403, "FORBIDDEN")

    async def test_strangers_see_404(self, talk: Talk):
        made = await patch(talk)
        for method, path, _ in routes(made["id"]):
            assert is_problem(await talk.clerval.ask(method, path), 404, "NOT_FOUND")
            other = path.replace(made["id"], str(some_id()))
            assert is_problem(await talk.mary.ask(method, other), 404, "NOT_FOUND")
        assert (await read(talk.mary, f"/api/patches/{made['id']}"))["state"] == "OPEN"

    async def test_without_credentials_there_is_401(self, talk: Talk, http: httpx.AsyncClient):
        for method, path, _ in routes((await patch(talk))["id"]):
            assert is_problem(await http.request(method, path), 401, "UNAUTHENTICATED")

    async def test_a_maintainer_restores(self, talk: Talk):
        await talk.manuscript.welcome(talk.jane, Role.MAINTAINER)
        made = await patch(talk)
        await done(talk.percy, "DELETE", f"/api/patches/{made['id']}")
        back = await done(talk.jane, "POST", f"/api/patches/{made['id']}/restore")
        assert (back["id"], back["deletedAt"]) == (made["id"], None)


class TestLife:
    async def test_a_deleted_one_comes_back_as_it_was(self, talk: Talk):
        """What was applied of it stays in the text, and can be reverted afterwards."""
        made = await patch(talk)
        path = f"/api/patches/{made['id']}"
        await done(talk.percy, "POST", f"{path}/apply")
        await done(talk.percy, "DELETE", path)
        assert is_problem(await talk.mary.get(path), 404, "NOT_FOUND")
        assert is_problem(await talk.mary.post(f"{path}/revert"), 404, "NOT_FOUND")
        assert is_problem(await talk.mary.ask("DELETE", path), 404, "NOT_FOUND")
        assert (await read(talk.mary, paths(talk)))["items"] == []
        [shown] = (await read(talk.mary, f"{paths(talk)}?includeDeleted=true"))["items"]
        assert (shown["state"], shown["deletedBy"]) == ("APPLIED", talk.percy.id)
        assert "nothing bad" in await text(talk)
        await done(talk.mary, "POST", f"{path}/restore")
        await done(talk.mary, "POST", f"{path}/revert")
        assert await text(talk) == WORDS

    async def test_lists_are_pages_of_what_was_asked_for(self, talk: Talk):
        made = [(await patch(talk))["id"] for _ in range(3)]
        await done(talk.percy, "POST", f"/api/patches/{made[1]}/apply")
        found: list[str] = []
        query = {"state": "OPEN", "limit": "1"}
        while True:
            page = await read(talk.jane, paths(talk), params=query)
            found += [one["id"] for one in page["items"]]
            if page["nextCursor"] is None:
                break
            query["cursor"] = page["nextCursor"]
        assert found == [made[2], made[0]]
        others = await read(talk.jane, paths(talk), params={"author": talk.mary.id})
        assert others["items"] == []

    async def test_versions_are_looked_at(self, talk: Talk):
        made = await patch(talk)
        path = f"/api/patches/{made['id']}"
        stale = {"If-Match": f'W/"patch-{made["id"]}-v{made["version"] + 1}"'}
        answer = await talk.percy.ask("POST", f"{path}/apply", headers=stale)
        assert is_problem(answer, 412, "PRECONDITION_FAILED")
        answer = await talk.percy.ask("DELETE", path, headers=stale)
        assert is_problem(answer, 412, "PRECONDITION_FAILED")
        assert await text(talk) == WORDS

    async def test_the_author_hears_of_decisions(self, talk: Talk):
        made = await patch(talk)
        await done(talk.mary, "POST", f"/api/patches/{made['id']}/apply")
        inbox = await read(talk.percy, "/api/me/notifications")
        assert [one["kind"] for one in inbox["items"]] == ["decision"]

    async def test_a_retry_makes_no_second_one(self, talk: Talk):
        body = {"baseVersion": 1, "hunks": [HUNK]}
        key = {"Idempotency-Key": str(some_id())}
        made = [await talk.percy.post(paths(talk), body, headers=key) for _ in range(2)]
        assert made[0].json()["id"] == made[1].json()["id"]
        assert len((await read(talk.percy, paths(talk)))["items"]) == 1


class TestTold:
    async def test_applications_and_event_streams_hear(self, stack: Stack, talk: Talk):
        """Each deed once, at another gateway, with where the patch stands."""
        async with (
            listening(stack.gateways[1], talk.jane, talk.scene) as listener,
            following(stack.gateways[1], talk.jane, talk.project) as follower,
        ):
            path = f"/api/patches/{(await patch(talk))['id']}"
            for deed in ("apply", "apply", "revert"):
                await done(talk.percy, "POST", f"{path}/{deed}")
            await done(talk.percy, "DELETE", path)
            told = await listener.until_heard(4)
            await asyncio.sleep(0.5)
            expected = ["patch.created", "patch.applied", "patch.reverted", "patch.deleted"]
            assert {one["type"] for one in told} == {"patch.updated"}
            assert [one["what"] for one in listener.heard] == expected
            states = ["OPEN", "APPLIED", "REVERTED", "REVERTED"]
            assert [one["state"] for one in told] == states
            assert told[1]["by"] == talk.percy.id
            await follower.until(lambda each: len(each.events) >= 4)
            assert follower.types == expected


def ranged(start: int, end: int, kind: str = "replace", text: str = "x", **more: Any) -> Json:
    anchor = {"range": {"from": start, "to": end}}
    return {"anchor": anchor, "kind": kind, "text": text, **more}


REFUSED: list[tuple[list[Json], str]] = [
    ([], "body.hunks"),
    ([ranged(0, 8), ranged(4, 12)], "body.hunks.1.anchor"),
    ([ranged(0, 8), ranged(0, 8)], "body.hunks.1.anchor"),
    ([ranged(0, 8), ranged(2, 4, "insert")], "body.hunks.1.anchor"),
    ([ranged(0, 8), ranged(8, 12, "insert", side="before")], "body.hunks.1.anchor"),
    ([ranged(0, 8, "insert"), ranged(8, 12, "insert", side="before")], "body.hunks.1.anchor"),
    ([ranged(0, 3, text="You")], "body.hunks.0.text"),
    ([ranged(0, 3, text="")], "body.hunks.0"),
    ([ranged(0, 3, "delete", "x")], "body.hunks.0"),
    ([ranged(0, 3, "attributes")], "body.hunks.0.kind"),
    ([ranged(3, 3)], "body.hunks.0.anchor.range"),
    ([ranged(0, 3, text="x" * 20_001)], "body.hunks.0.text"),
    ([ranged(at, at + 1) for at in range(HUNKS_MAX + 1)], "body.hunks"),
    (
        [ranged(at, at + 1, text="x" * 20_000) for at in range(PATCH_CHARS_MAX // 20_000 + 1)],
        "body",
    ),
    ([{**HUNK, "anchor": {"range": {"from": 0, "to": 3}, "seq": 0}}], "body"),
]


class TestRefusals:
    @pytest.mark.parametrize(("hunks", "field"), REFUSED)
    async def test_bad_hunks_are_named(self, talk: Talk, hunks: list[Json], field: str):
        answer = await talk.percy.post(paths(talk), {"baseVersion": 1, "hunks": hunks})
        assert is_problem(answer, 400, "VALIDATION_FAILED")
        assert field in [one["field"] for one in answer.json()["errors"]], answer.text
        assert (await read(talk.percy, paths(talk)))["items"] == []

    async def test_words_and_versions_that_are_not_there(self, talk: Talk):
        gone = {**HUNK, "anchor": {"quote": "no Walton"}}
        far = ranged(0, 10_000)
        for hunks, base, status, code in (
            ([HUNK, gone], 1, 404, "ANCHOR_NOT_FOUND"),
            ([far], 1, 404, "ANCHOR_NOT_FOUND"),
            ([{**HUNK, "anchor": {"quote": "e"}}], 1, 409, "ANCHOR_AMBIGUOUS"),
            ([HUNK], 7, 404, "NOT_FOUND"),
            ([HUNK], 0, 404, "ANCHOR_NOT_FOUND"),
            ([HUNK], -1, 400, "VALIDATION_FAILED"),
            ([HUNK], 2**53, 400, "VALIDATION_FAILED"),
        ):
            answer = await talk.percy.post(paths(talk), {"baseVersion": base, "hunks": hunks})
            assert is_problem(answer, status, code), answer.text
        assert (await read(talk.percy, paths(talk)))["items"] == []

    async def test_halves_of_a_character_are_no_words(self, talk: Talk):
        await talk.write("A 🎭 play.")
        for hunk in (ranged(0, 3), ranged(3, 5)):
            answer = await talk.percy.post(paths(talk), {"baseVersion": 2, "hunks": [hunk]})
            assert is_problem(answer, 400, "VALIDATION_FAILED")
            assert answer.json()["errors"][0]["field"] == "body.hunks.0.anchor"
        assert (await patch(talk, baseVersion=2, hunks=[ranged(2, 4)]))["hunks"][0]["base"] == "🎭"

    async def test_hunks_mean_the_text_of_their_base(self, talk: Talk):
        """Quotes and ranges, too, though the text begins otherwise now."""
        await talk.write(f"Dear Margaret. {WORDS}")
        hunks = [ranged(0, 3, text="Thou"), HUNK]
        made = await patch(talk, hunks=hunks)
        assert [one["base"] for one in made["hunks"]] == ["You", "no disaster"]
        await done(talk.percy, "POST", f"/api/patches/{made['id']}/apply")
        now = WORDS.replace("You", "Thou").replace("no disaster", "nothing bad")
        assert await text(talk) == f"Dear Margaret. {now}"


async def text(talk: Talk) -> str:
    answer = await talk.mary.get(f"/api/scenes/{talk.scene}/content?format=text")
    return answer.text
