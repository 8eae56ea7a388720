"""NATS is well when its streams are, and stands in a folder of any name."""

import json
import os
from pathlib import Path

import nats as client
import pytest

from tests.support.waiting import until
from tools.stack import DirectoryUnusable, Event, Stack, What, nats, part
from tools.stack.survey import survey

NAMES = (
    'with space\'s and "quotes"',
    "Jos\u00e9 \u5c71\u7530 %41 $HOME {a}",
    os.fsdecode(b"latin-1 \xe9"),
    "back\\slash",
    "long " * 50,
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(NAMES[0], id="quotes"),
        pytest.param(NAMES[1], id="letters"),
        *(pytest.param(name, marks=pytest.mark.long) for name in NAMES[2:]),
    ],
)
async def test_a_folder_may_have_any_name(name: str, tmp_path: Path):
    """The home of somebody called Jos\u00e9 is no corner case."""
    folder = tmp_path / name
    async with Stack(folder, replicas={}, archive=folder.with_name("archive of it's own")):
        assert (folder / "nats" / "jetstream").is_dir()


async def test_a_folder_with_a_line_break_is_refused(tmp_path: Path):
    """PostgreSQL would fail at its start, and not say why."""
    with pytest.raises(DirectoryUnusable, match="has a line break in it"):
        await Stack(tmp_path / "a\nb", replicas={}).start()


async def test_a_sick_server_is_restarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """And left alone when it is well, or when a restart would not help."""
    monkeypatch.setattr(part, "SICK_LOOK_S", 0.05)
    sick = {"errors": [{"error": "write failed"}]}
    health: list[object] = [sick, sick, None, sick, sick, sick]
    told: list[Event] = []

    async def answer(_: int, __: str) -> object:
        return health.pop(0) if health else None

    async with Stack(tmp_path / "data", replicas={}, tell=told.append) as stack:
        monkeypatch.setattr(nats, "http_json", answer)
        await until(lambda: stack.restarts("nats") == 1)
        await stack.wait_ready("nats")

    assert [event.detail for event in told if event.what is What.SICK] == ["write failed"]
    assert health == []


async def test_a_full_disk_is_no_reason_to_restart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Edits ride on this server; a restart would only meet the full disk again."""
    sick = {"errors": [{"error": "no space left on device"}]}

    async def answer(_: int, __: str) -> object:
        return sick

    monkeypatch.setattr(nats, "http_json", answer)
    spec_sick = nats._sick  # pyright: ignore[reportPrivateUsage]

    assert await spec_sick(tmp_path, 1) == "no space left on device"
    monkeypatch.setattr(nats, "STORE_FREE_BYTES_MIN", 1 << 60)
    assert await spec_sick(tmp_path, 1) == ""


async def test_a_stream_that_cannot_be_read_begins_again(tmp_path: Path):
    """Its files are kept aside, and one sentence tells where."""
    told: list[Event] = []
    data = tmp_path / "data"
    async with Stack(data, replicas={}) as stack:
        pass
    for stream in ("EVENTS", "BLOBS"):
        (data / "nats" / "jetstream" / "APP" / "streams" / stream / "meta.inf").write_text("?")

    async with Stack(data, replicas={}, tell=told.append) as stack:
        bus = await client.connect(stack.nats_url("admin"))  # pyright: ignore[reportUnknownMemberType]
        for stream in ("EVENTS", "BLOBS"):
            assert (await bus.jetstream().stream_info(stream)).state.messages == 0
        await bus.close()
        found = await survey(data)
        assert found and all(each.ready for each in found.parts)

    sentences = [event.detail for event in told if event.what is What.MENDED]
    assert len(sentences) == 2
    assert {path.name.partition("-")[0] for path in (data / "nats-damaged").iterdir()} == {
        "EVENTS",
        "BLOBS",
    }
    assert json.loads((data / "stack.json").read_text())["version"] == 1
