"""The audit trail over HTTP: sentences with names, for those who may know."""

from datetime import UTC, datetime, timedelta
from typing import Any

import nats
import pytest

from libs.contracts.actor import Role
from libs.contracts.events.audit import AuditLine
from libs.contracts.ids import new_id
from services.gateway.api.audit import VALUE_CHARS_MAX, sentence
from tests.gateway.support import Json, Manuscript, Person, is_problem
from tests.gateway.teams import grant, team_of
from tools.stack import Stack


async def entries(person: Person, manuscript: Manuscript, **asked: Any) -> list[Json]:
    """The whole trail, page by page."""
    found: list[Json] = []
    cursor: str | None = ""
    while cursor is not None:
        more = {"cursor": cursor} if cursor else {}
        path = f"/api/projects/{manuscript.project['id']}/audit"
        answer = await person.get(path, params={"limit": 3, **asked, **more})
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["nextCursor"]
    return found


class TestTrail:
    async def test_it_tells_in_sentences_who_did_what(self, manuscript: Manuscript, percy: Person):
        mary, scene = manuscript.owner, manuscript.scene["id"]
        team = await team_of(mary, percy)
        await manuscript.welcome(percy, Role.WRITER)
        await manuscript.welcome(percy, Role.READER)
        await grant(manuscript, team, Role.WRITER)
        change = {"title": "Snow", "baseVersion": 1}
        await percy.ask("PATCH", f"/api/scenes/{scene}", json=change)
        await percy.ask("DELETE", f"/api/scenes/{scene}", params={"baseVersion": 2})

        found = await entries(mary, manuscript)

        assert [each["summary"] for each in found] == [
            "Percy deleted scene “Snow”",
            "Percy changed title of scene “Snow” from “Ice” to “Snow”",
            "Mary added team “Editors”",
            "Mary changed role of member “Percy” from “WRITER” to “READER”",
            "Mary added member “Percy”",
            "Mary created scene “Snow”",
            "Mary created chapter “I”",
            "Mary created book “Letters”",
            "Mary added member “Mary”",
            "Mary created project “Frankenstein”",
        ]
        renamed = found[1]
        assert (renamed["field"], renamed["oldValue"], renamed["newValue"]) == (
            "title",
            "Ice",
            "Snow",
        )
        assert (renamed["userId"], renamed["aggregateId"], renamed["source"]) == (
            percy.id,
            scene,
            "api",
        )
        assert renamed["bundleId"]
        assert len(renamed["correlationId"]) == 32

    @pytest.mark.parametrize("is_known", [True, False], ids=["an event", "no event"])
    async def test_what_led_to_a_request_comes_with_its_trace(
        self, is_known: bool, manuscript: Manuscript, stack: Stack
    ):
        """One trace through all of it; the cause is not passed on to those who react to this."""
        mary, scene = manuscript.owner, manuscript.scene["id"]
        first = (await entries(mary, manuscript))[0]
        trace_id = new_id().hex
        said = first["id"] if is_known else "the full moon"
        headers = {
            "traceparent": f"00-{trace_id}-00f067aa0ba902b7-01",
            "baggage": f"secret=1,causation-id={said}",
        }
        change = {"title": "Snow", "baseVersion": 1}
        await mary.ask("PATCH", f"/api/scenes/{scene}", json=change, headers=headers)

        changed = (await entries(mary, manuscript))[0]

        assert changed["correlationId"] == trace_id
        assert changed["causationId"] == (first["id"] if is_known else None)
        subject = f"scriptorium.v1.events.scene.title_changed.{manuscript.project['id']}"
        bus = await nats.connect(stack.nats_url("admin"))
        heard = await bus.jetstream().subscribe(subject, ordered_consumer=True)
        fact = await heard.next_msg(timeout=20)
        await bus.close()
        assert fact.headers is not None
        assert fact.headers["traceparent"].split("-")[1] == trace_id
        assert "baggage" not in fact.headers

    async def test_filters_hold_together(self, manuscript: Manuscript, percy: Person):
        mary, scene = manuscript.owner, manuscript.scene["id"]
        await manuscript.welcome(percy, Role.WRITER)
        await percy.ask("PATCH", f"/api/scenes/{scene}", json={"title": "Snow", "baseVersion": 1})
        log = await entries(mary, manuscript)
        moment = log[2]["timestamp"]

        async def types(**asked: Any) -> list[str]:
            return [each["eventType"] for each in await entries(mary, manuscript, **asked)]

        assert await types(userId=percy.id) == ["scene.title_changed"]
        assert await types(aggregateId=scene) == ["scene.title_changed", "scene.created"]
        assert await types(aggregateType="book") == ["book.created"]
        assert await types(aggregateType="book", aggregateId=scene) == []
        assert await types(eventType="member.added") == ["member.added"] * 2
        assert await types(source="sync") == []
        assert len(await types(**{"from": moment})) == 3
        assert len(await types(to=moment)) == len(log) - 3
        assert await types(userId=mary.id, aggregateId=scene) == ["scene.created"]

    @pytest.mark.parametrize(
        "asked",
        [
            {"limit": 501},
            {"userId": "nobody"},
            {"eventType": "no type"},
            {"aggregateType": "X"},
            {"source": "rumour"},
            {"from": "yesterday"},
            {"from": "2026-01-01T00:00:00"},
            {"cursor": "nonsense"},
        ],
    )
    async def test_what_cannot_be_asked_is_400(self, manuscript: Manuscript, asked: Json):
        path = f"/api/projects/{manuscript.project['id']}/audit"

        answer = await manuscript.owner.get(path, params=asked)

        assert is_problem(answer, 400, "VALIDATION_FAILED")

    async def test_another_projects_cursor_and_ids_lead_nowhere(
        self, manuscript: Manuscript, percy: Person
    ):
        other = await Manuscript.begin(percy)
        path = "/api/projects/{}/audit"
        page = await percy.get(path.format(other.project["id"]), params={"limit": 1})
        cursor = page.json()["nextCursor"]

        mary, ours = manuscript.owner, path.format(manuscript.project["id"])
        assert is_problem(await mary.get(ours, params={"cursor": cursor}), 400, "VALIDATION_FAILED")
        assert await entries(mary, manuscript, aggregateId=other.scene["id"]) == []
        assert await entries(mary, manuscript, userId=percy.id) == []
        assert is_problem(await mary.get(path.format(other.project["id"])), 404, "NOT_FOUND")

    async def test_it_is_for_maintainers_and_tokens_that_administer(
        self, manuscript: Manuscript, percy: Person
    ):
        path = f"/api/projects/{manuscript.project['id']}/audit"
        await manuscript.welcome(percy, Role.WRITER)
        assert is_problem(await percy.get(path), 403, "FORBIDDEN")
        await manuscript.welcome(percy, Role.MAINTAINER)
        assert (await percy.get(path)).status_code == 200
        writer = await manuscript.owner.with_scopes("write")
        assert is_problem(await writer.get(path), 403, "FORBIDDEN")

    async def test_the_trail_of_a_deleted_project_is_still_read(self, manuscript: Manuscript):
        mary, project = manuscript.owner, manuscript.project["id"]
        await mary.ask("DELETE", f"/api/projects/{project}", headers={"If-Match": "*"})

        found = await entries(mary, manuscript)

        assert found[0]["summary"] == "Mary deleted project “Frankenstein”"


class TestSentence:
    def line(self, **told: Any) -> AuditLine:
        base: Json = {
            "id": new_id(),
            "timestamp": datetime.now(UTC),
            "event_type": "scene.title_changed",
            "aggregate_type": "scene",
            "aggregate_id": new_id(),
            "version": 2,
        }
        return AuditLine.model_validate(base | {"deed": "changed", "field": "title"} | told)

    @pytest.mark.parametrize(
        ("told", "words"),
        [
            ({"old_value": None, "new_value": "Ice"}, "Mary changed title of scene to “Ice”"),
            ({"old_value": "Ice", "new_value": None}, "Mary changed title of scene"),
            (
                {"field": "task.dueDate", "new_value": {"a": 1}},
                "Mary changed task due date of scene",
            ),
            (
                {"field": "wordCount", "old_value": 1, "new_value": 2.5},
                "Mary changed word count of scene from 1 to 2.5",
            ),
            ({"new_value": True}, "Mary changed title of scene to true"),
            (
                {"name": "n" * 100},
                f"Mary changed title of scene “{'n' * (VALUE_CHARS_MAX - 1)}…”",
            ),
            ({"deed": "moved", "field": None}, "Mary moved scene"),
            (
                {"deed": None, "field": None},
                "A record that does not continue its log; it waits for a decision.",
            ),
        ],
    )
    def test_it_says_what_can_be_said_in_short(self, told: Json, words: str):
        assert sentence(self.line(**told), "Mary") == words

    def test_somebody_who_is_unknown_here_has_no_name(self):
        assert sentence(self.line(deed="created", field=None), None) == "Somebody created scene"


class TestActivity:
    async def test_the_current_hour_counts_what_just_happened(
        self, manuscript: Manuscript, percy: Person
    ):
        path = f"/api/projects/{manuscript.project['id']}/activity"
        await manuscript.welcome(percy, Role.READER)

        answer = await percy.get(path)

        assert answer.status_code == 200, answer.text
        counts: dict[str, int] = {}
        for hour in answer.json()["items"]:
            assert hour["total"] == sum(hour["counts"].values())
            assert datetime.fromisoformat(hour["hour"]).minute == 0
            for name, count in hour["counts"].items():
                counts[name] = counts.get(name, 0) + count
        assert counts == {
            "project.created": 1,
            "member.added": 2,
            "book.created": 1,
            "chapter.created": 1,
            "scene.created": 1,
        }
        assert answer.json()["moreFrom"] is None

    @pytest.mark.parametrize(
        "asked",
        [
            {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
            {"from": "2026-03-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
            {"from": "2026-03-01T00:00:00Z", "to": "2026-04-02T00:00:00Z"},
            {"from": "soon"},
        ],
    )
    async def test_a_period_that_is_none_is_400(self, manuscript: Manuscript, asked: Json):
        path = f"/api/projects/{manuscript.project['id']}/activity"

        answer = await manuscript.owner.get(path, params=asked)

        assert is_problem(answer, 400, "VALIDATION_FAILED")

    async def test_the_longest_period_and_the_edge_of_time(self, manuscript: Manuscript):
        path = f"/api/projects/{manuscript.project['id']}/activity"
        until = datetime.now(UTC)
        asked = {"from": (until - timedelta(days=31)).isoformat(), "to": until.isoformat()}

        assert (await manuscript.owner.get(path, params=asked)).status_code == 200
        for edge in ({"to": "1000-01-01T00:00:00Z"}, {"to": "9000-12-31T23:59:59Z"}):
            assert (await manuscript.owner.get(path, params=edge)).status_code == 200

    async def test_it_is_not_for_strangers(self, manuscript: Manuscript, percy: Person):
        path = f"/api/projects/{manuscript.project['id']}/activity"

        assert is_problem(await percy.get(path), 404, "NOT_FOUND")
