"""Alerts: each watches metrics that exist, and says what to do."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

EXPORTERS = (
    "libs.bus",
    "services.blobs.metrics",
    "services.blobs.collection.metrics",
    "services.blobs.keeping.metrics",
)
ROOT = Path(__file__).parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/alerts/blobs.yaml").read_text())["groups"]
    for rule in group["rules"]
]


def exported() -> set[str]:
    """Names of everything that these modules export."""
    for name in EXPORTERS:
        import_module(name)
    names = {family.name for family in prometheus_client.REGISTRY.collect()}
    endings = ("", "_total", "_bucket", "_count", "_sum")
    return {name + ending for name in names for ending in endings}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_watches_what_exists_and_names_its_runbook(rule: dict[str, Any]) -> None:
    watched = set(re.findall(r"scriptorium_\w+", rule["expr"]))

    assert watched
    assert watched <= exported()
    assert rule["labels"]["severity"] in {"warning", "critical"}
    runbook = ROOT / rule["annotations"]["runbook_url"]
    assert f"`{rule['alert']}`" in runbook.read_text()


def test_there_are_alerts() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) >= 8


def test_what_alerts_watch_is_there_from_the_start() -> None:
    """A counter that appears with its first event has not increased: nobody would be told of it."""
    program = (
        "import prometheus_client\n"
        + "".join(f"import {name}\n" for name in EXPORTERS)
        + "print(prometheus_client.generate_latest().decode())"
    )
    text = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    there = {
        (sample.name, label, value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for label, value in [("", ""), *sample.labels.items()]
    }
    watched = [
        (name, label, value)
        for rule in RULES
        for name, label, values in re.findall(
            r'(scriptorium_\w+_total)(?:\{(\w+)=~?"([^"]+)"\})?', rule["expr"]
        )
        for value in values.split("|")
    ]

    assert len(watched) >= 6
    assert not set(watched) - there
