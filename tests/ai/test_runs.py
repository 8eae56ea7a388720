"""Runs as a writer without a key meets them: findings with quotes, streams, cancelling, lineage."""

import asyncio

from libs.contracts.actor import Role
from libs.contracts.ai.runs import RUNS_OPEN_MAX
from libs.postgres import Pool
from tests.ai.desk import Desk
from tests.gateway.support import Person, is_problem
from tests.support.waiting import until

SHIP = (
    "Captain Walton stood at the helm. Elizabeth's green eyes followed the ice. “We turn back at"
    " dawn,” said Elizabeth, and Walton laughed."
)
GRAVE = "Walton died in the night. Elizabeth wept beside him until morning."
LATER = "“Hoist the sails,” said Walton. The ship left the ice behind."


async def novel(desk: Desk) -> dict[str, str]:
    """A novel in which a dead man speaks and eyes change; returns ids of the characters."""
    people = {name: await desk.character(name) for name in ("Walton", "Elizabeth")}
    await desk.fact(people["Elizabeth"], "Elizabeth has blue eyes.")
    for title, text in (("Ship", SHIP), ("Grave", GRAVE), ("Later", LATER)):
        await desk.write(title, text)
    dead = {"revealState": "REVEALED", "revealSceneId": desk.scenes["Grave"]}
    await desk.fact(people["Walton"], "Walton died in the night.", **dead)
    return people


async def test_continuity_quotes_both_sides(desk: Desk):
    """What it states is word for word there; each finding has two quotes with their places."""
    people = await novel(desk)
    found = {one["kind"]: one for one in (await desk.done("continuity"))["findings"]}

    eyes, death = found["contradicts_canon"], found["acts_after_death"]
    assert eyes["certainty"] == "states"
    assert eyes["entityIds"] == [people["Elizabeth"]]
    assert [one["quote"] for one in eyes["quotes"]] == [
        "Elizabeth has blue eyes.",
        "Elizabeth's green eyes followed the ice.",
    ]
    assert death["entityIds"] == [people["Walton"]]
    assert desk.scenes["Later"] in {one["sceneId"] for one in death["quotes"]}
    for one in found.values():
        assert len(one["quotes"]) == 2, one
        for quote in one["quotes"]:
            assert quote["sceneId"] is None or await desk.stands(quote), quote


async def test_a_book_without_faults_has_no_findings(desk: Desk):
    await desk.character("Walton")
    await desk.write("Ship", "Walton stood at the helm. Walton's ship was fast.")
    assert (await desk.done("continuity"))["findings"] == []


async def test_enrichment_is_word_for_word(desk: Desk):
    """Names with their first mention, sentences of the scene, and who is in it."""
    people = await novel(desk)
    output = await desk.done("enrich")
    found = output["enrichment"]

    names = {one["name"]: one for one in found["names"]}
    assert names["Elizabeth"]["entityId"] == people["Elizabeth"]
    assert await desk.stands(names["Elizabeth"]["first"])
    ship = next(one for one in found["scenes"] if one["sceneId"] == desk.scenes["Ship"])
    assert {one["entityId"] for one in ship["entities"]} == set(people.values())
    assert {one["name"]: one["speaks"] for one in ship["entities"]}["Elizabeth"]
    for passage in ship["keyPassages"]:
        assert await desk.stands(passage)
    assert "no model" in output["note"]


async def test_one_scene_is_read_alone(desk: Desk):
    await novel(desk)
    found = await desk.done("enrich", sceneId=desk.scenes["Grave"])
    assert [one["sceneId"] for one in found["enrichment"]["scenes"]] == [desk.scenes["Grave"]]
    lost = await desk.begin_run("enrich", sceneId=desk.manuscript.book["id"])
    assert (await desk.ended(lost["id"]))["error"]["code"] == "NOT_FOUND"


async def test_a_stream_goes_on_without_a_gap(desk: Desk):
    """From the beginning, from any version, and after the end: each event comes once."""
    await novel(desk)
    run = (await desk.begin_run("continuity"))["id"]
    live = await desk.stream(run)
    after = await asyncio.gather(*(desk.stream(run, each["version"]) for each in live))

    assert [one["version"] for one in live] == list(range(1, len(live) + 1))
    assert [rest == live[at + 1 :] for at, rest in enumerate(after)] == [True] * len(live)
    assert [one["data"].get("status") for one in live if one["kind"] == "status"] == [
        "queued",
        "running",
        "completed",
    ]
    beyond = await desk.owner.get(f"/api/ai/runs/{run}/stream", params={"lastEventId": "9999"})
    assert is_problem(beyond, 410, "GONE")


async def test_lineage_tells_what_was_read(desk: Desk):
    """The versions of texts, and the recorded steps; the same question has the same hash."""
    await novel(desk)
    first, second = [await desk.begin_run("continuity") for _ in range(2)]
    await desk.ended(first["id"])
    lineage = (await desk.owner.get(f"/api/ai/runs/{first['id']}/lineage")).json()

    read = {one["id"]: one["detail"]["seq"] for one in lineage["inputs"]}
    assert set(read) >= set(desk.scenes.values())
    assert read[desk.scenes["Ship"]] == 1
    assert [one["name"] for one in lineage["steps"]] == ["outline", "compare"]
    assert first["configHash"] == second["configHash"]
    listed = (await desk.owner.get(f"/api/projects/{desk.project}/ai/runs")).json()["items"]
    assert [one["id"] for one in listed] == [second["id"], first["id"]]


async def test_the_same_request_is_one_run(desk: Desk):
    path, key = f"/api/projects/{desk.project}/ai/runs", {"Idempotency-Key": "once"}
    answers = [await desk.owner.post(path, {"kind": "enrich"}, headers=key) for _ in range(2)]
    assert len({one.json()["id"] for one in answers}) == 1


async def test_who_may(desk: Desk):
    """Readers see runs and begin none; to strangers they are not there."""
    people = [await Person.register(desk.owner.http, name) for name in ("Jane", "Henry")]
    jane, henry = people
    await desk.manuscript.welcome(jane, Role.READER)
    run = (await desk.begin_run("enrich"))["id"]
    path = f"/api/projects/{desk.project}/ai/runs"

    assert (await jane.get(f"/api/ai/runs/{run}")).status_code == 200
    assert is_problem(await jane.post(path, {"kind": "enrich"}), 403, "FORBIDDEN")
    assert is_problem(await jane.post(f"/api/ai/runs/{run}/cancel"), 403, "FORBIDDEN")
    for end in ("", "/stream", "/lineage"):
        assert is_problem(await henry.get(f"/api/ai/runs/{run}{end}"), 404, "NOT_FOUND")
    assert is_problem(await henry.get(path), 404, "NOT_FOUND")


async def test_a_queued_run_is_cancelled_at_once(desk: Desk, pool: Pool):
    """And one more than a project may have is refused."""
    first = await desk.begin_run("enrich")
    await desk.ended(first["id"])
    await pool.execute(
        "INSERT INTO runs (id, project_id, kind, engine, config, config_hash, due_at, created_by,"
        " updated_by) SELECT gen_random_uuid(), project_id, kind, engine, config, config_hash,"
        " now() + interval '1 hour', created_by, updated_by FROM runs,"
        " generate_series(1, $2) WHERE id = $1",
        first["id"],
        RUNS_OPEN_MAX,
    )
    path = f"/api/projects/{desk.project}/ai/runs"
    refused = await desk.owner.post(path, {"kind": "enrich"})
    waiting = (await desk.owner.get(path, params={"status": "queued"})).json()["items"]
    cancelled = (await desk.owner.post(f"/api/ai/runs/{waiting[0]['id']}/cancel")).json()
    again = (await desk.owner.post(f"/api/ai/runs/{waiting[0]['id']}/cancel")).json()

    assert is_problem(refused, 409, "LIMIT_REACHED")
    assert (cancelled["status"], again["version"]) == ("cancelled", cancelled["version"])
    await pool.execute("DELETE FROM runs WHERE project_id = $1", desk.project)


async def test_what_is_purged_is_in_no_run(desk: Desk, pool: Pool):
    """Neither quotes nor memos of a scene that is gone for good, nor facts about its project."""
    await novel(desk)
    run = (await desk.begin_run("continuity"))["id"]
    assert (await desk.ended(run))["output"]["findings"]
    scene = f"/api/scenes/{desk.scenes['Ship']}"
    gone = await desk.owner.ask("DELETE", scene, headers={"If-Match": "*"})
    assert gone.status_code == 204
    deleted = await desk.owner.get(scene, params={"includeDeleted": "true"})
    tag = {"If-Match": deleted.headers["ETag"]}
    purged = await desk.owner.post(f"{scene}/purge", headers=tag)
    assert purged.status_code == 202, purged.text

    async def erased() -> bool:
        row = await pool.fetchrow(
            "SELECT output, (SELECT count(*) FROM run_steps WHERE run_id = r.id) AS steps"
            " FROM runs r WHERE id = $1",
            run,
        )
        return row is not None and row["output"] is None and row["steps"] == 0

    await until(erased)


async def test_bad_questions(desk: Desk):
    path = f"/api/projects/{desk.project}/ai/runs"
    both = {"sceneId": desk.manuscript.scene["id"], "bookId": desk.manuscript.book["id"]}
    for body in ({"kind": "conquer"}, {}, {"kind": "enrich", **both}):
        assert is_problem(await desk.owner.post(path, body), 400, "VALIDATION_FAILED"), body
    unknown = await desk.owner.post(path, {"kind": "enrich", "spell": 1})
    assert is_problem(unknown, 422, "UNKNOWN_NAME")
    for cursor in ("x", "e30=", "W10="):
        answer = await desk.owner.get(path, params={"cursor": cursor})
        assert is_problem(answer, 400, "VALIDATION_FAILED"), cursor
