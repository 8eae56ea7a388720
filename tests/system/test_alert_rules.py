"""Alerts ring when they should, a first event included, and are silent otherwise; promtool tells.

The counters begin at nought, as services export them from their start (`test_alerts`).
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.tools import tool

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "deploy/alerts").glob("*.yaml"))
NAMES = {
    rule["alert"]
    for file in FILES
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
DAY_S = 86_400


def gauge(name: str, loud: float, quiet: float) -> dict[bool, dict[str, str]]:
    """A value that is too great, or too small, for as long as it takes."""
    return {True: {name: f"{loud}x240"}, False: {name: f"{quiet}x240"}}


def first(name: str) -> dict[bool, dict[str, str]]:
    """A counter that counts its first event after ten minutes, or never."""
    return {True: {name: "0x10 1x240"}, False: {name: "0x240"}}


def slow(
    name: str, limit: str, labels: str = "", *, at_most: str = "600000"
) -> dict[bool, dict[str, str]]:
    """A histogram whose observations are all between *limit* and *at_most*, or all below."""

    def buckets(below: int) -> dict[str, str]:
        return {
            f'{name}_bucket{{{labels}le="{le}"}}': f"0+{count}x240"
            for le, count in ((limit, below), (at_most, 10), ("+Inf", 10))
        }

    return {True: buckets(0), False: buckets(10)}


def rate(name: str, loud: int, quiet: int) -> dict[bool, dict[str, str]]:
    """A counter that grows by so much in a minute."""
    return {True: {name: f"0+{loud}x240"}, False: {name: f"0+{quiet}x240"}}


def _stopped(done: str) -> dict[str, str]:
    name = "scriptorium_blobs_collections_total"
    return {f'{name}{{outcome="stopped"}}': "0+1x240", f'{name}{{outcome="done"}}': done}


CASES: dict[str, dict[bool, dict[str, str]]] = {
    "BlobDamaged": gauge("scriptorium_blobs_quarantine_open", 1, 0),
    "BlobDamageMet": first('scriptorium_blobs_damage_total{reason="digest"}'),
    "BlobStorageNotUsable": gauge('scriptorium_blobs_storage_usable{tier="hot"}', 0, 1),
    "BlobVerificationStopped": first("scriptorium_blobs_verify_stopped_total"),
    "BlobUploadsUnfinished": gauge("scriptorium_blobs_uploads_unfinished", 1, 0),
    "BlobsNotVerified": gauge("scriptorium_blobs_verified_age_seconds", 31 * DAY_S, 29 * DAY_S),
    "BlobReferenceDangling": first("scriptorium_blobs_dangling_total"),
    "BlobCollectionStopped": {True: _stopped("0x240"), False: _stopped("0+1x240")},
    "BlobCollectionLate": gauge("scriptorium_blobs_collection_age_seconds", 2 * DAY_S, 3600),
    "BlobsOverdue": gauge("scriptorium_blobs_condemned_overdue_seconds", 2 * DAY_S, 3600),
    "BlobKeysNotDeleted": gauge("scriptorium_blobs_doomed", 1001, 999),
    "BlobUploadSlow": slow("scriptorium_blobs_upload_seconds", "5"),
    "BlobStorageRefuses": first('scriptorium_blobs_uploads_total{outcome="STORAGE_FULL"}'),
    "DivergenceRateHigh": gauge("yjs_primary_divergence_rate", 0.5, 0.05),
    "DivergenceRateCritical": gauge("yjs_primary_divergence_rate", 1.5, 0.5),
    "SnapshotLagHigh": gauge("yjs_primary_snapshot_lag_minutes", 45, 20),
    "SnapshotLagCritical": gauge("yjs_primary_snapshot_lag_minutes", 61, 45),
    "SnapshotsFailing": rate("yjs_primary_snapshot_failures_total", 1, 0),
    "SceneLoadSlow": slow("yjs_primary_scene_load_time_ms", "200", at_most="500"),
    "SceneLoadCritical": slow("yjs_primary_scene_load_time_ms", "500"),
    "UpdatePersistErrors": rate("yjs_primary_update_persist_errors_total", 20, 5),
    "UpdatePersistErrorsCritical": rate("yjs_primary_update_persist_errors_total", 60, 20),
    "DamageFound": first("yjs_primary_verification_failures_total"),
    "EventQuarantined": gauge("scriptorium_events_quarantine_open", 1, 0),
    "FactsWithheld": first("scriptorium_events_withheld_total"),
    "HeadsLost": gauge("scriptorium_events_lost_heads", 1, 0),
    "LogNotVerified": gauge("scriptorium_events_verified_age_seconds", 3 * DAY_S, DAY_S),
    "OutboxStuck": gauge('scriptorium_outbox_age_seconds{service="events"}', 31, 5),
    "PublishDelayHigh": slow("scriptorium_outbox_delay_seconds", "0.5", 'service="events",'),
    "DeadLetters": first('scriptorium_deliveries_failed_total{subscriber="search",verdict="dead"}'),
    "SubscriberDelayHigh": slow("scriptorium_subscriber_delay_seconds", "5", 'subscriber="s",'),
    "SubscriberBehind": gauge('scriptorium_subscriber_pending{subscriber="s"}', 10_001, 9_999),
    # Prometheus' tests begin at the epoch.
    "UpkeepStopped": {
        True: {"scriptorium_events_upkeep_timestamp_seconds": "0x240"},
        False: {"scriptorium_events_upkeep_timestamp_seconds": "0+60x240"},
    },
    "EventsInDefaultPartition": gauge("scriptorium_events_default_partition_rows", 1, 0),
    "PurgeFailed": gauge("scriptorium_events_purges_failed", 1, 0),
    "PurgeSlow": gauge("scriptorium_events_purge_age_seconds", 2 * DAY_S, 3600),
    "EditsSlow": slow("scriptorium_live_ack_seconds", "0.5"),
    "RequestsFail": {
        True: {
            'scriptorium_http_seconds_count{status="200"}': "0+90x240",
            'scriptorium_http_seconds_count{status="503"}': "0+10x240",
        },
        False: {
            'scriptorium_http_seconds_count{status="200"}': "0+98x240",
            'scriptorium_http_seconds_count{status="503"}': "0+2x240",
        },
    },
    "EventLoopLate": slow("scriptorium_event_loop_lag_seconds", "0.25", 'job="collab",'),
    "PoolExhausted": slow("scriptorium_postgres_pool_wait_seconds", "0.25", 'job="collab",'),
    "BusReconnects": {
        True: {"scriptorium_bus_reconnects_total": "0x10 6x230"},
        False: {"scriptorium_bus_reconnects_total": "0x10 2x230"},
    },
    # Prometheus' tests begin at the epoch, so a back-up of long ago is one before it.
    "BackupLate": gauge("scriptorium_backup_timestamp_seconds", -2 * DAY_S, 0),
    "RunsWait": gauge("scriptorium_ai_wait_seconds", 121, 119),
    "RunsAbandoned": gauge("scriptorium_ai_abandoned_runs", 1, 0),
    "TaskStalled": gauge('scriptorium_task_stalled{task="relay"}', 1, 0),
}
LOUD_AT = {"EventsInDefaultPartition": "3h", "UpkeepStopped": "3h30m"}
"""When an alert must ring that waits longer than the ten minutes after the first event."""


def test_every_alert_has_a_case() -> None:
    """An alert that nobody heard ring is none."""
    assert CASES.keys() == NAMES


def _packed(*, loud: bool) -> list[list[str]]:
    """Names of alerts, those together that are about different series: promtool takes its time."""
    packs: list[list[str]] = []
    for name in sorted(CASES):
        for pack in packs:
            if not any(CASES[name][loud].keys() & CASES[other][loud].keys() for other in pack):
                pack.append(name)
                break
        else:
            packs.append([name])
    return packs


def _group(names: list[str], *, loud: bool) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [
            {"series": series, "values": values}
            for name in names
            for series, values in CASES[name][loud].items()
        ],
        "promql_expr_test": [_expected(name, loud=loud) for name in names],
    }


def _expected(name: str, *, loud: bool) -> dict[str, Any]:
    return {
        "expr": f'count(max_over_time(ALERTS{{alertname="{name}",alertstate="firing"}}[4h]))',
        "eval_time": LOUD_AT.get(name, "80m"),
        "exp_samples": [{"labels": "{}", "value": 1}] if loud else [],
    }


@pytest.mark.parametrize("loud", [True, False], ids=["loud", "silent"])
def test_alerts_ring_when_they_should_and_only_then(tmp_path: Path, loud: bool) -> None:
    """Both ways for each; a first event rings, although `increase` of a new series is nought."""
    cases = tmp_path / "cases.yaml"
    cases.write_text(
        json.dumps(
            {
                "rule_files": [str(file) for file in FILES],
                "evaluation_interval": "1m",
                "tests": [_group(names, loud=loud) for names in _packed(loud=loud)],
            }
        )
    )

    told = subprocess.run(
        [tool("promtool"), "test", "rules", cases], capture_output=True, text=True, check=False
    )

    assert told.returncode == 0, told.stdout + told.stderr
