"""Boards and rules are what their code says, and every panel shows something real."""

import asyncio
import json
import math
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy.boards import BOARDS, RATE, Panel
from deploy.generate import generated
from tests.support.people import People
from tests.support.stack import real_stack
from tests.support.tools import tool
from tests.support.waiting import until
from tests.support.yclient import YClient
from tools.stack import Stack
from tools.stack.ports import choose_port

ALERTMANAGER = Path(__file__).parents[2] / "deploy/alertmanager.yaml"
ALERTS = sorted((Path(__file__).parents[2] / "deploy/alerts").glob("*.yaml"))
SPAN = "10m"
"""What stands for Grafana's interval: longer than these tests take on a busy machine."""
SHOWN_WAIT_S = 20.0
PANELS = [
    pytest.param(panel, id=f"{board.title}: {panel.title}")
    for board in BOARDS
    for panel in board.panels
]


@pytest.mark.parametrize("file", sorted(generated()), ids=lambda file: file.name)
def test_files_are_those_of_their_code(file: Path) -> None:
    """`python -m deploy.generate` writes them."""
    assert file.read_text() == generated()[file]


def test_rules_for_the_operator_are_those_of_promtool() -> None:
    """The same alerts, whoever loads them."""
    (made,) = [text for file, text in generated().items() if file.name == "rules.yaml"]
    here = [yaml.safe_load(file.read_text())["groups"] for file in ALERTS]
    assert [each["spec"]["groups"] for each in yaml.safe_load_all(made)] == here


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with real_stack(tmp_path_factory.mktemp("boards")) as running:
        yield running


@pytest.fixture(scope="module")
async def prometheus(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """A Prometheus that scrapes every service of a system in which people do things."""
    folder, port = tmp_path_factory.mktemp("prometheus"), choose_port(set())
    program = tool("prometheus")
    jobs = [
        {
            "job_name": part.rsplit("-", 1)[0],
            "static_configs": [{"targets": [stack.ops_url(part).removeprefix("http://")]}],
        }
        for part in stack.parts
        if part not in ("postgres", "nats")
    ]
    configuration = {
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(file) for file in ALERTS],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    process = await asyncio.create_subprocess_exec(
        program,
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
            await until(lambda: _all_up(http, len(jobs)), 30)
            await _live(stack)
            yield http
    finally:
        process.terminate()
        await process.wait()


async def _all_up(http: httpx.AsyncClient, count: int) -> bool:
    try:
        return len(await _ask(http, "up == 1")) == count
    except (httpx.TransportError, ValueError):
        return False  # it says in words that it is not ready yet


async def _ask(http: httpx.AsyncClient, expression: str) -> list[Any]:
    answer = (await http.get("/api/v1/query", params={"query": expression})).json()
    assert answer["status"] == "success", (expression, answer)
    return answer["data"]["result"]


async def _live(stack: Stack) -> None:
    """Write, read, and send a file."""
    async with People(stack.url) as people:
        ada = await people.join("Ada")
        project = await ada.project(editor="plain")
        scene = await ada.scene(project)
        socket = f"ws{stack.url.removeprefix('http')}/collab/{scene}?token={ada.token}&acks=1"
        async with YClient(lambda: socket) as one, YClient(lambda: socket) as other:
            for _ in range(20):
                one.type("word ")
                await ada.ask("GET", f"/api/scenes/{scene}")
                await asyncio.sleep(0.1)
            await other.until_reads("word " * 20)
        blobs = f"/api/projects/{project}/blobs"
        (await ada.http.post(blobs, content=b"a map" * 100)).raise_for_status()


@pytest.mark.parametrize("panel", PANELS)
async def test_every_panel_shows_something(prometheus: httpx.AsyncClient, panel: Panel) -> None:
    """A panel whose metric was renamed stays empty, and nobody knows that until it is needed."""
    assert panel.about.endswith(".")
    for expression, legend in panel.queries:
        found = await until(lambda asked=expression: _finite(prometheus, asked), SHOWN_WAIT_S)
        for series in found:
            for label in _labels(legend):
                assert label in series["metric"] or not series["metric"], (panel.title, label)


async def _finite(http: httpx.AsyncClient, expression: str) -> list[Any] | None:
    """Return the series of an expression of a panel that have a value; None while none has.

    The quantile of a series without observations is no number; that of some other is one.
    """
    found = await _ask(http, expression.replace(RATE, SPAN))
    return [each for each in found if math.isfinite(float(each["value"][1]))] or None


def _labels(legend: str) -> list[str]:
    return [part.split("}}")[0] for part in legend.split("{{")[1:]]


async def test_rules_are_loaded_and_healthy(prometheus: httpx.AsyncClient) -> None:
    """And on a system that is well, nothing rings."""
    groups = (await prometheus.get("/api/v1/rules")).json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) >= 30
    assert {rule["health"] for rule in rules} == {"ok"}
    assert not [rule["name"] for rule in rules if rule.get("state") == "firing"]


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "OutboxStuck", "severity": "critical"}, "awake"),
        ({"alertname": "PurgeSlow", "severity": "warning"}, "morning"),
    ],
)
def test_what_is_critical_wakes_somebody_and_nothing_else(
    labels: dict[str, str], receiver: str
) -> None:
    """The example for Alertmanager is accepted, and routes as its comment says."""
    told = subprocess.run(
        [
            *(tool("amtool"), "config", "routes", "test", "--config.file", ALERTMANAGER),
            *(f"{name}={value}" for name, value in labels.items()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == receiver


def test_rules_are_accepted_by_promtool() -> None:
    """By the version that is installed."""
    done = subprocess.run(
        [tool("promtool"), "check", "rules", *ALERTS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
