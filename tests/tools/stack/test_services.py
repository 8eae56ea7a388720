"""Service processes: what each is given, and how replicas come and go."""

import json
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.tools.stack.releases import FAKE_SERVICE, make_release
from tools.stack import Event, PartFailed, Stack, What, services

ENDS_AT_ONCE = "import sys; print('first'); sys.exit('the database schema is from the future')"


@pytest.fixture
async def fleet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: list[Event]
) -> AsyncIterator[Stack]:
    """One events, two collab, two gateways, all of them fakes."""
    fakes = dict.fromkeys(("events", "collab", "gateway"), FAKE_SERVICE)
    monkeypatch.setattr(services, "ROOT", make_release(tmp_path / "release", **fakes))
    replicas = {"events": 1, "collab": 2, "gateway": 2}
    events.clear()
    async with Stack(tmp_path / "data", replicas=replicas, tell=events.append) as stack:
        yield stack


def environment_of(stack: Stack, part: str) -> dict[str, str]:
    """What a fake was given: it answers with its environment."""
    return _get(f"{stack.ops_url(part)}/readyz")


def _get(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


async def test_replicas_come_and_go(fleet: Stack, events: list[Event]):
    """Each has its own name and ports; a stop ends gateways first and PostgreSQL last."""
    names = {"postgres", "nats", "events-1", "collab-1", "collab-2", "gateway-1", "gateway-2"}
    started = set(fleet.parts)
    heard = [_get(url)["SCRIPTORIUM_REPLICA"] for url in fleet.gateways]
    added = await fleet.add("collab")
    fleet.kill("collab-1")
    await fleet.wait_ready("collab-1")
    await fleet.remove(added)
    kept = set(fleet.parts)
    processes = [psutil.Process(fleet.pid(part)) for part in fleet.parts]
    await fleet.stop()

    assert started == kept == names
    assert heard == ["gateway-1", "gateway-2"]
    assert added == "collab-3"
    stopped = [event.part for event in events if event.what is What.STOPPED][1:]
    assert {part.partition("-")[0] for part in stopped[:2]} == {"gateway"}
    assert stopped[-2:] == ["nats", "postgres"]
    assert not any(process.is_running() for process in processes)


async def test_service_is_given_its_own_credentials_and_no_others(fleet: Stack):
    """The administrator's passwords stay with the launcher."""
    gateway, collab = (environment_of(fleet, part) for part in ("gateway-1", "collab-2"))

    assert urlsplit(collab["SCRIPTORIUM_NATS_URL"]).username == "collab"
    assert urlsplit(collab["SCRIPTORIUM_POSTGRES_URL"]).username == "collab"
    assert urlsplit(collab["SCRIPTORIUM_POSTGRES_OWNER_URL"]).username == "collab_owner"
    assert collab["SCRIPTORIUM_REPLICA"] == "collab-2"
    assert f"http://127.0.0.1:{gateway['SCRIPTORIUM_PORT']}" == fleet.url
    assert Path(gateway["SCRIPTORIUM_KEYS_DIR"]) == fleet.data_dir / "keys"
    assert set(gateway) - set(collab) == {
        "SCRIPTORIUM_HOST",
        "SCRIPTORIUM_PORT",
        "SCRIPTORIUM_KEYS_DIR",
        "SCRIPTORIUM_OPERATORS",
    }
    foreign = {fleet.nats_url("admin"), fleet.postgres_url("postgres", "postgres")}
    assert not {urlsplit(url).password for url in foreign} & {
        urlsplit(value).password for value in collab.values() if "://" in value
    }


async def test_service_that_ends_at_start_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The person sees its last words at once, and everything is down again."""
    monkeypatch.setattr(services, "ROOT", make_release(tmp_path / "release", collab=ENDS_AT_ONCE))
    stack = Stack(tmp_path / "data", replicas={"collab": 1})
    before = set(psutil.Process().children())
    with pytest.raises(PartFailed, match="collab-1 ended with exit code 1") as failure:
        await stack.start()

    assert failure.value.last_lines == ("first", "the database schema is from the future")
    assert set(psutil.Process().children()) <= before
