"""What operators are told: exact members, measured, the same at every replica, and only to them."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml

from libs.errors import Forbidden
from services.collab.snapshots import measuring, worker
from services.collab.workers import Workers
from services.gateway.access.operators import Operators
from services.gateway.accounts.identity.model import Identity
from tests.collab.snapshots.support import Desk, replica
from tests.gateway.support import gateway_beside
from tests.support.people import People
from tests.support.tasks import running_all
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "deploy" / "alerts" / "collab.yaml"

PERSISTENCE: dict[str, set[str]] = {
    "yjs_persistence": {"operational", "avg_load_time_ms", "scenes_with_updates"},
    "snapshot_service": {
        "operational",
        "snapshots_behind_threshold",
        "avg_snapshot_age_minutes",
    },
    "divergence_detection": {"enabled", "divergence_rate", "scenes_diverged"},
    "compaction": {"last_run", "scenes_compacted", "storage_saved_mb"},
}
DIVERGENCE = {
    "status", "divergence_rate", "alert_threshold", "critical_threshold", "window_hours",
    "scenes_checked", "scenes_diverged", "by_severity", "last_check", "worst", "repairs",
}  # fmt: skip


async def asked(desk: Desk, name: str) -> dict[str, Any]:
    answer = await desk.person.http.get(f"/api/health/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_persistence_health_is_measured(desk: Desk):
    """Each figure follows what happens: scenes written, snapshots behind, compaction."""
    before = await asked(desk, "persistence")
    scene = await desk.write("counted")
    late = await desk.write("late")
    await desk.snap(late)
    await desk.write("later", late)
    await desk.owner.execute(
        "UPDATE scene_versions SET created_at = now() - interval '31 minutes'"
        " WHERE scene_id = $1 AND seq = 2",
        late,
    )
    await desk.owner.execute(
        "UPDATE scene_snapshots SET snapshot_at = now() - interval '2 days' WHERE scene_id = $1",
        late,
    )

    async def counted() -> dict[str, Any] | None:
        health = await asked(desk, "persistence")
        known = health["yjs_persistence"]["scenes_with_updates"]
        total = await desk.owner.fetchval("SELECT count(DISTINCT scene_id) FROM scene_versions")
        behind = health["snapshot_service"]["snapshots_behind_threshold"]
        loads = health["yjs_persistence"]["avg_load_time_ms"]
        return health if known == total and behind and loads else None

    health = await until(counted, 40)

    assert health
    assert set(health) == {"status", *PERSISTENCE}
    assert {part: set(health[part]) for part in PERSISTENCE} == PERSISTENCE
    assert health["status"] in ("degraded", "unhealthy")
    assert health["snapshot_service"]["snapshots_behind_threshold"] == 1
    assert health["snapshot_service"]["operational"]
    assert health["snapshot_service"]["avg_snapshot_age_minutes"] > 30
    assert health["divergence_detection"]["enabled"] is False  # as this stack is set
    assert before["compaction"] == {
        "last_run": None,
        "scenes_compacted": 0,
        "storage_saved_mb": 0.0,
    }
    await desk.owner.execute(
        "INSERT INTO compactions (scene_id, seq, from_seq, updates, bytes_before, bytes_after,"
        " source, digest, took_ms, verified_at, pruned_at, pruned_rows, pruned_bytes)"
        " VALUES ($1, 1, 1, 1, 4194304, 1048576, 'log', '', 1, now(), now(), 1, 4194304)",
        scene,
    )
    compaction = (await asked(desk, "persistence"))["compaction"]
    await desk.owner.execute("DELETE FROM compactions WHERE scene_id = $1", scene)

    assert compaction["last_run"] is not None
    assert (compaction["scenes_compacted"], compaction["storage_saved_mb"]) == (1, 3.0)
    await desk.snap(late, force=True)


async def test_divergence_status_counts_scenes_by_severity(desk: Desk):
    before = await asked(desk, "divergence-status")
    sound, broken = await desk.write("sound"), await desk.write("broken")
    for scene in (sound, broken):
        await desk.snap(scene)
    await desk.flip(broken)
    await desk.check(sound)
    await desk.check(broken)
    found = await asked(desk, "divergence-status")
    await desk.check(broken, repair=True)
    after = await asked(desk, "divergence-status")

    def added(name: str) -> int:
        return found[name] - before[name]

    assert set(found) == DIVERGENCE
    assert (added("scenes_checked"), added("scenes_diverged")) == (2, 1)
    assert found["divergence_rate"] == found["scenes_diverged"] / found["scenes_checked"]
    assert found["by_severity"]["CRITICAL"] == before["by_severity"]["CRITICAL"] + 1
    assert found["status"] == "unhealthy"
    assert found["worst"][0]["scene_id"] == str(broken)
    assert found["worst"][0]["severity"] == "CRITICAL"
    assert found["worst"][0]["recommended_action"].startswith("Repair from the log now")
    assert after["repairs"][0]["scene_id"] == str(broken)
    assert after["repairs"][0]["repaired_at"] is not None
    mended = next(each for each in after["worst"] if each["scene_id"] == str(broken))
    assert mended["repaired_at"] is not None
    assert after["scenes_diverged"] == found["scenes_diverged"]  # it stays in its window
    health = await asked(desk, "persistence")
    assert health["divergence_detection"]["scenes_diverged"] == after["scenes_diverged"]


async def test_the_sums_are_those_of_all_replicas(desk: Desk):
    """Whoever answers, and whoever is asked for its metrics, says the same."""
    answers = [await asked(desk, "divergence-status") for _ in range(6)]
    assert all(answer == answers[0] for answer in answers)

    async def agree() -> bool:
        rates = {await gauge(desk, n, "yjs_primary_divergence_rate") for n in (1, 2)}
        return rates == {100 * answers[0]["divergence_rate"]}

    assert await until(agree, 30)


async def test_sampling_is_told_by_what_is_done_not_by_what_is_set(desk: Desk):
    """One replica samples: whoever answers says so. It hangs: whoever answers says that, too."""

    async def enabled() -> bool:
        return (await asked(desk, "persistence"))["divergence_detection"]["enabled"]

    async def stopped() -> bool:
        return not await enabled()

    async def degraded() -> bool:
        """Said by the one that was told to sample."""
        return (await asked(desk, "persistence"))["status"] != "healthy"

    before = await enabled()
    # Nothing is due: it hangs where it looks for something, and not in a comparison, which is given
    # a minute.
    await desk.owner.execute("UPDATE snapshot_checks SET checked_at = now()")
    async with desk.told(["collab-1"], divergence_sampling=True, divergence_interval_s=0.2):
        await until(enabled, 30)
        told = [await enabled() for _ in range(10)]
        async with desk.nobody_writes("snapshot_checks"):
            await until(stopped, 40)
            still = [await enabled() for _ in range(10)]
            await until(degraded)

    assert before is False
    assert told == [True] * 10
    assert still == [False] * 10
    assert await enabled() is False


async def test_a_worker_of_snapshots_that_hangs_is_told(
    desk: Desk, workers: Workers, monkeypatch: pytest.MonkeyPatch
):
    """In one replica of many: nobody else takes the snapshots of what it committed."""
    monkeypatch.setattr(worker, "PATIENCE_S", 1.0)
    monkeypatch.setattr(measuring, "REPORT_INTERVAL_S", 0.1)

    async def operational() -> bool:
        return (await asked(desk, "persistence"))["snapshot_service"]["operational"]

    async def degraded() -> bool:
        told = await asked(desk, "persistence")
        return not told["snapshot_service"]["operational"] and told["status"] != "healthy"

    scene = await desk.write("hanging")
    assert await operational()
    settings = {"replica": "hanging", "snapshot_interval_s": 0.1, "snapshot_walk_s": 0.5}
    async with (
        replica(desk, workers, **settings) as room,
        running_all(room.worker.task, room.worker.walking, room.measuring.task),
    ):
        places = room.snapshots._room  # pyright: ignore[reportPrivateUsage]
        async with places, places:  # two on demand that never end
            room.worker.committed([scene.bytes])
            await until(degraded)
        await until(operational)
    assert await desk.snapshot(scene)


async def test_the_database_away_is_an_answer_too(desk: Desk):
    """Not a failure of the endpoint: that is the moment it is for."""
    desk.stack.freeze("postgres")
    try:
        health = await desk.person.http.get("/api/health/persistence", timeout=60)
    finally:
        desk.stack.thaw("postgres")

    assert health.status_code == 200, health.text
    assert health.json()["status"] == "unhealthy"
    assert health.json()["yjs_persistence"] == {
        "operational": False,
        "avg_load_time_ms": None,
        "scenes_with_updates": None,
    }
    assert (await asked(desk, "persistence"))["yjs_persistence"]["operational"]


def test_operators_are_those_who_are_named():
    """Nobody when nobody is: a list that was forgotten opens nothing."""
    mary = Identity(uuid4(), "Mary", "Mary@example.org")

    def may(*listed: str) -> bool:
        try:
            Operators(listed).require(mary)
        except Forbidden as error:
            assert "SCRIPTORIUM_OPERATORS" in error.detail
            return False
        return True

    assert [may(), may("percy@example.org"), may(str(uuid4())), may("")] == [False] * 4
    assert [may("*"), may("x@y.z", "mary@example.org"), may(str(mary.user_id))] == [True] * 3
    assert not Operators(["@"]).known(Identity(uuid4(), "Nobody", ""))


async def test_only_operators_are_told(desk: Desk, tmp_path: Path):
    """A gateway with a list of its own; a token needs its widest scope."""
    person = desk.person
    paths = ["/api/health/persistence", "/api/health/divergence-status"]
    answers: dict[str, list[int]] = {}
    async with (
        People(desk.stack.url) as people,
        gateway_beside(desk.stack, tmp_path, operators=person.id) as url,
        httpx.AsyncClient(base_url=url, timeout=15) as http,
    ):
        other = await people.join("Percy")
        tokens = {"operator": person.token, "other": other.token}
        for scope in ("read", "write", "admin"):
            made = await person.ask("POST", "/api/tokens", name="t", scopes=[scope])
            tokens[scope] = made["token"]
        for who, token in tokens.items():
            headers = {"Authorization": f"Bearer {token}"}
            answers[who] = [(await http.get(path, headers=headers)).status_code for path in paths]
        answers["anybody"] = [(await http.get(path)).status_code for path in paths]

    assert answers == {
        "operator": [200, 200],
        "other": [403, 403],
        "read": [403, 403],
        "write": [403, 403],
        "admin": [200, 200],
        "anybody": [401, 401],
    }


async def metrics(desk: Desk, number: int) -> str:
    async with httpx.AsyncClient() as http:
        return (await http.get(desk.stack.ops_url(f"collab-{number}") + "/metrics")).text


async def gauge(desk: Desk, number: int, name: str) -> float:
    text = await metrics(desk, number)
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is not in /metrics"
    return float(found[1])


def rules() -> list[dict[str, Any]]:
    return [r for group in yaml.safe_load(ALERTS.read_text())["groups"] for r in group["rules"]]


async def test_every_alert_is_about_something_measured(desk: Desk):
    """A metric that is renamed would silence its alert for ever."""
    text = await metrics(desk, 1)
    measured = set(re.findall(r"^([a-z_]+)(?:\{| )", text, re.MULTILINE))
    recorded = {rule["record"] for rule in rules() if "record" in rule}

    for rule in rules():
        names = set(re.findall(r"\b(?:yjs_primary|scriptorium)_\w+", rule["expr"]))
        assert names, rule
        assert names <= measured | recorded, names - measured - recorded


def test_alerts_and_health_have_the_same_thresholds():
    """What pages somebody is what the endpoint calls unhealthy."""
    from services.collab.snapshots import measuring

    bounds = {
        rule["alert"]: float(re.findall(r"> ([\d.]+)", rule["expr"])[0])
        for rule in rules()
        if "alert" in rule
    }

    assert bounds["DivergenceRateHigh"] == 100 * measuring.DIVERGENCE_ALERT == 0.1
    assert bounds["DivergenceRateCritical"] == 100 * measuring.DIVERGENCE_CRITICAL == 1.0
    assert bounds["SnapshotLagHigh"] == measuring.LAG_ALERT_S / 60 == 30
    assert bounds["SnapshotLagCritical"] == measuring.LAG_CRITICAL_S / 60 == 60
    assert bounds["SceneLoadSlow"] == measuring.LOAD_ALERT_MS == 200
    assert bounds["SceneLoadCritical"] == measuring.LOAD_CRITICAL_MS == 500
    assert (bounds["UpdatePersistErrors"], bounds["UpdatePersistErrorsCritical"]) == (10, 50)
