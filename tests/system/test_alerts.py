"""Alerts: each is about something that is measured from the start, and leads to what to do."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.stack import NO_SEARCH, real_stack
from tools.stack import Stack

ROOT = Path(__file__).parents[2]
PAGES = "https://scriptorium.dev/"
"""Where the pages of this repository are published, under their paths."""
RULES: list[dict[str, Any]] = [
    rule
    for file in sorted((ROOT / "deploy/alerts").glob("*.yaml"))
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
ALL = {**NO_SEARCH, "ai": 1, "indexer": 1}
"""Every service that alerts are about."""
NAME = re.compile(r"\b(?:scriptorium|yjs_primary)_\w+")
LATER = {"scriptorium_backup_timestamp_seconds", "scriptorium_http_seconds_count"}
"""A script writes when the back-up was; routes have figures from their first request on, and alerts
about them are of a share of many requests."""
COUNTED = re.compile(r"\b((?:scriptorium|yjs_primary)_\w+)(?:\{([^}]*)\})?\[")
"""What a rule takes the increase or the rate of, with what its labels must be."""
MATCHER = re.compile(r'(\w+)=~?"([^"]*)"')


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with real_stack(tmp_path_factory.mktemp("alerts"), replicas=ALL) as running:
        yield running


@pytest.fixture(scope="module")
async def measured(stack: Stack) -> dict[str, list[dict[str, str]]]:
    """Labels of every sample that services export before anything has happened, by name."""
    samples: dict[str, list[dict[str, str]]] = {}
    async with httpx.AsyncClient() as http:
        for part in stack.parts:
            if part in ("postgres", "nats"):
                continue
            text = (await http.get(f"{stack.ops_url(part)}/metrics")).text
            for name, labels in re.findall(r"^([a-z]\w*)(?:\{(.*)\})? ", text, re.MULTILINE):
                found = dict(re.findall(r'(\w+)="([^"]*)"', labels))
                samples.setdefault(name, []).append(found)
    return samples


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rule_is_about_what_is_measured_from_the_start(
    rule: dict[str, Any], measured: dict[str, list[dict[str, str]]]
) -> None:
    """Prometheus sees no increase of a counter that is born at one: a first event rings nobody."""
    named = set(NAME.findall(rule["expr"])) - RECORDED - LATER
    assert named <= measured.keys()
    for name, matchers in COUNTED.findall(rule["expr"]):
        if name in LATER:
            continue
        for label, values in MATCHER.findall(matchers):
            there = {labels.get(label) for labels in measured[name]}
            assert set(values.split("|")) <= there, f"{name} has no {label} of {values} at first"


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_alert_has_a_runbook(rule: dict[str, Any]) -> None:
    """An absolute address: whoever is rung has no checkout at hand."""
    address = rule["annotations"]["runbook_url"]
    assert address.startswith(PAGES)
    assert f"`{rule['alert']}`" in (ROOT / address.removeprefix(PAGES)).read_text()
    assert f"`{rule['alert']}`" in (ROOT / "docs/runbooks/README.md").read_text()
    assert rule["labels"]["severity"] in {"warning", "critical"}


def test_each_process_tells_its_build_and_what_it_waits_for(
    stack: Stack, measured: dict[str, list[dict[str, str]]]
) -> None:
    """Of every replica: which release it is, and whether it waits for itself or for others."""
    services = {part.rsplit("-", 1)[0] for part in stack.parts} - {"postgres", "nats"}
    assert {labels["service"] for labels in measured["scriptorium_build_info"]} == services
    for name in (
        "scriptorium_event_loop_lag_seconds_count",
        "scriptorium_postgres_pool_wait_seconds_count",
        "scriptorium_bus_reconnects_total",
    ):
        assert len(measured[name]) == len(stack.parts) - 2, name


def test_there_are_alerts() -> None:
    """Each has a name of its own."""
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS) >= 30
