"""Bundles and sync through the public door: permissions of what is done, limits, shapes."""

import json

import pytest

from libs.contracts.actor import Role
from libs.contracts.events.bundles import OPERATIONS_MAX
from libs.contracts.events.sync import CHECKPOINT_OPERATIONS_MAX
from libs.contracts.ids import new_id
from tests.events.bundling import create, delete, field, put, restore
from tests.events.syncing import checkpoint
from tests.gateway.support import Json, Manuscript, Person, is_problem, some_id


async def commit(person: Person, manuscript: Manuscript, *operations: Json, **more: object) -> Json:
    answer = await person.post(
        f"/api/projects/{manuscript.project['id']}/bundles",
        {"operations": list(operations), **more},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_way_of_a_bundle(manuscript: Manuscript, mary: Person) -> None:
    scene = manuscript.scene["id"]
    done = await commit(
        mary, manuscript, put("scene", scene, "title", "Fire", oldValue="Ice"), label="Warmer"
    )
    path = f"/api/bundles/{done['bundle']['id']}"

    listed = (await mary.get(f"/api/projects/{manuscript.project['id']}/bundles?limit=1")).json()
    told = (await mary.get(path)).json()
    assert listed["items"] == [done["bundle"]] and listed["nextCursor"]
    assert [(o["what"], o["oldValue"], o["newValue"]) for o in told["items"]] == [
        ("Scene 1: title", "Ice", "Fire")
    ]
    undone = (await mary.post(f"{path}/undo", {})).json()
    assert undone["bundle"]["reverses"] == done["bundle"]["id"]
    redone = (await mary.post(f"{path}/redo", {})).json()
    assert redone["bundle"]["label"] == "Redo: Undo: Warmer"
    picked = await mary.post(
        f"{path}/cherry-pick", {"fields": [field("scene", scene, "title")], "direction": "undo"}
    )
    assert picked.json()["versions"] == {scene: 5}
    assert is_problem(await mary.post(f"{path}/redo", {}), 409, "CONFLICT")


async def test_a_conflict_is_a_problem_with_both_sides(
    manuscript: Manuscript, mary: Person
) -> None:
    scene = manuscript.scene["id"]
    done = await commit(mary, manuscript, put("scene", scene, "title", "Fire"))
    await commit(mary, manuscript, put("scene", scene, "title", "Water"))

    answer = await mary.post(f"/api/bundles/{done['bundle']['id']}/undo", {})

    assert is_problem(answer, 409, "CONFLICT")
    (told,) = answer.json()["conflicts"]
    assert told["by"] == mary.id
    assert [(f["base"], f["theirs"], f["yours"]) for f in told["fields"]] == [
        ("Fire", "Water", "Ice")
    ]


async def test_each_operation_needs_its_permission(
    manuscript: Manuscript, mary: Person, percy: Person
) -> None:
    scene = manuscript.scene["id"]
    await manuscript.welcome(percy, Role.WRITER)
    path = f"/api/projects/{manuscript.project['id']}/bundles"
    project = put("project", manuscript.project["id"], "name", "Mine")

    done = await commit(
        percy, manuscript, put("scene", scene, "title", "T"), delete("scene", scene)
    )
    for operation in (restore("scene", scene), project):
        answer = await percy.post(path, {"operations": [operation]})
        assert is_problem(answer, 403, "FORBIDDEN")
    # Who may delete may take that back; what somebody else deleted is for maintainers.
    assert (await percy.post(f"/api/bundles/{done['bundle']['id']}/undo", {})).status_code == 200
    gone = await commit(mary, manuscript, delete("scene", scene))
    answer = await percy.post(f"/api/bundles/{gone['bundle']['id']}/undo", {})
    assert is_problem(answer, 403, "FORBIDDEN")

    assert (await mary.post(f"/api/bundles/{gone['bundle']['id']}/undo", {})).status_code == 200


async def test_strangers_and_readers(manuscript: Manuscript, mary: Person, percy: Person) -> None:
    done = await commit(mary, manuscript, put("scene", manuscript.scene["id"], "title", "T"))
    path = f"/api/bundles/{done['bundle']['id']}"
    for bundle in (path, f"/api/bundles/{some_id()}"):
        assert is_problem(await percy.get(bundle), 404, "NOT_FOUND")
        for verb in ("undo", "redo"):
            assert is_problem(await percy.post(f"{bundle}/{verb}", {}), 404, "NOT_FOUND")

    await manuscript.welcome(percy, Role.READER)
    assert (await percy.get(path)).status_code == 200
    assert is_problem(await percy.post(f"{path}/undo", {}), 403, "FORBIDDEN")
    reading = await mary.with_scopes("read")
    assert (await reading.get(path)).status_code == 200
    assert is_problem(await reading.post(f"{path}/undo", {}), 403, "FORBIDDEN")


async def test_an_idempotency_key_makes_it_happen_once(
    manuscript: Manuscript, mary: Person
) -> None:
    path = f"/api/projects/{manuscript.project['id']}/bundles"
    body = {"operations": [create("scene", new_id(), manuscript.chapter["id"])]}
    key = {"Idempotency-Key": f"bundle-{new_id()}"}

    first, again = [await mary.post(path, body, headers=key) for _ in range(2)]

    assert first.json() == again.json() and first.status_code == 200


async def test_ten_thousand_operations_are_one_bundle(manuscript: Manuscript, mary: Person) -> None:
    path = f"/api/projects/{manuscript.project['id']}/bundles"
    chapter = manuscript.chapter["id"]
    operations = [create("scene", new_id(), chapter) for _ in range(OPERATIONS_MAX)]

    done = (await mary.post(path, {"operations": operations}, timeout=60)).json()
    more = await mary.post(path, {"operations": [*operations, operations[0]]})

    assert done["bundle"]["operations"] == OPERATIONS_MAX
    assert len(done["warnings"]) == 1
    assert is_problem(more, 400, "VALIDATION_FAILED")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"operations": []}, 400, "VALIDATION_FAILED"),
        ({"operations": [{"op": "explode"}]}, 400, "VALIDATION_FAILED"),
        ({"operations": [put("wizard", some_id(), "a", 1)]}, 422, "UNKNOWN_NAME"),
        ({"operations": [put("scene", some_id(), "colour", 1)]}, 422, "UNKNOWN_NAME"),
        ({"operations": [put("scene", some_id(), "title", "T")]}, 404, "NOT_FOUND"),
    ],
)
async def test_bad_bundles_are_refused(
    manuscript: Manuscript, mary: Person, body: Json, status: int, code: str
) -> None:
    answer = await mary.post(f"/api/projects/{manuscript.project['id']}/bundles", body)

    assert is_problem(answer, status, code)


async def test_a_peer_pushes_and_its_conflict_is_resolved(
    manuscript: Manuscript, mary: Person
) -> None:
    scene, path = manuscript.scene["id"], f"/api/projects/{manuscript.project['id']}/sync"
    body = checkpoint(new_id(), 1, put("scene", scene, "title", "Mine", oldValue="Snow"))

    pushed = (await mary.post(f"{path}/push", body)).json()
    (kept,) = (await mary.get(f"{path}/conflicts")).json()["items"]
    done = await mary.post(f"{path}/conflicts/{kept['id']}/resolve", {"take": "mine"})

    assert pushed["results"][0]["status"] == "conflict"
    assert done.json()["bundle"]["type"] == "merge_resolution"
    assert (await mary.get(f"/api/scenes/{scene}")).json()["title"] == "Mine"
    for which, ids in (("false", []), ("true", [kept["id"]]), ("all", [kept["id"]])):
        told = (await mary.get(f"{path}/conflicts", params={"resolved": which})).json()["items"]
        assert [each["id"] for each in told] == ids
        assert all(each["bundleId"] == done.json()["bundle"]["id"] for each in told)
    odd = await mary.get(f"{path}/conflicts", params={"resolved": "maybe"})
    assert is_problem(odd, 400, "VALIDATION_FAILED")
    assert is_problem(
        await mary.post(f"{path}/push", body | {"checksum": "0" * 64, "checkpoint": 2}),
        400,
        "VALIDATION_FAILED",
    )


async def test_a_checkpoint_has_a_hundred_operations_at_most(
    manuscript: Manuscript, mary: Person
) -> None:
    """One more is refused whole: nothing of it is applied, and the session has not moved on."""
    scene, path = manuscript.scene["id"], f"/api/projects/{manuscript.project['id']}/sync"
    titles = [put("scene", scene, "title", f"{n}", baseVersion=1) for n in range(101)]
    session = new_id()

    refused = await mary.post(f"{path}/push", checkpoint(session, 1, *titles))
    assert is_problem(refused, 400, "VALIDATION_FAILED")
    assert refused.json()["errors"][0]["field"] == "body.operations"
    assert (await mary.get(f"/api/scenes/{scene}")).json()["version"] == 1
    assert (await mary.get(f"{path}/sessions/{session}")).json()["lastCheckpoint"] == 0

    taken = await mary.post(
        f"{path}/push", checkpoint(session, 1, *titles[:CHECKPOINT_OPERATIONS_MAX])
    )
    assert taken.json()["status"] == "applied"
    assert (await mary.get(f"/api/scenes/{scene}")).json()["title"] == "99"


async def test_every_bundle_of_the_list_can_be_read(manuscript: Manuscript, mary: Person) -> None:
    """Those by which a project was archived and opened again, too."""
    project = f"/api/projects/{manuscript.project['id']}"
    for verb in ("archive", "unarchive"):
        assert (await mary.post(f"{project}/{verb}")).status_code == 200
    listed = (await mary.get(f"{project}/bundles")).json()["items"]

    told = [(await mary.get(f"/api/bundles/{each['id']}")) for each in listed]

    assert {answer.status_code for answer in told} == {200}
    opened, archived = (answer.json()["items"][0] for answer in told[:2])
    assert (opened["what"], opened["op"]) == ("Project “Frankenstein”: unarchived", "unarchive")
    assert (archived["what"], archived["op"]) == ("Project “Frankenstein”: archived", "archive")
    assert [archived[name] for name in ("field", "oldValue", "newValue")] == [
        "archived",
        False,
        True,
    ]


async def test_a_bundle_is_believed_at_once(manuscript: Manuscript, mary: Person) -> None:
    """The gateway that told of it lets nobody write by what it had seen before."""
    scene = manuscript.scene["id"]
    path = f"/api/scenes/{scene}/content"
    body: Json = {"format": "blocks", "content": [], "schemaVersion": 1}
    assert (await mary.ask("PUT", path, json=body)).status_code == 200

    await commit(mary, manuscript, put("scene", scene, "schemaVersion", 2))
    assert is_problem(await mary.ask("PUT", path, json=body), 409, "SCHEMA_OUTDATED")
    await commit(mary, manuscript, delete("scene", scene))
    assert is_problem(await mary.get(path), 404, "NOT_FOUND")


async def test_a_number_that_no_client_reads_is_refused(
    manuscript: Manuscript, mary: Person
) -> None:
    """It arrived as null, which was stored."""
    path = f"/api/projects/{manuscript.project['id']}"
    entity = await mary.made(f"{path}/entities", {"type": "item", "name": "n", "traits": {"x": 1}})
    operation = put("entity", entity["id"], "traits", {"x": "HUGE"})
    raw = json.dumps({"operations": [operation]}).replace('"HUGE"', "1e400")

    answer = await mary.ask(
        "POST", f"{path}/bundles", content=raw, headers={"Content-Type": "application/json"}
    )

    assert is_problem(answer, 400, "VALIDATION_FAILED")
    assert (await mary.get(f"/api/entities/{entity['id']}")).json() == entity


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "yesterday"],
)
async def test_a_time_that_is_none_is_refused(
    manuscript: Manuscript, mary: Person, moment: str
) -> None:
    """Of another age, or without an offset, as in the audit trail."""
    for name in ("since", "until"):
        path = f"/api/projects/{manuscript.project['id']}/bundles"
        answer = await mary.get(path, params={name: moment})
        assert is_problem(answer, 400, "VALIDATION_FAILED")
