"""What dies comes back, with everything that was acknowledged."""

import asyncio
import shutil
import signal
import subprocess
import time
from pathlib import Path

import asyncpg
import nats
import psutil
import pytest

from libs.contracts.streams import BUCKETS, STREAMS
from tools.stack import Event, PartFailed, Stack, What, runfile
from tools.stack.runfile import Running

pytestmark = pytest.mark.alone

WARM_START_S_MAX = 5.0


async def test_warm_start_is_fast_and_keeps_addresses(tmp_path: Path):
    """Clients reconnect to the same port with the same password."""
    async with Stack(tmp_path / "data", replicas={}) as cold:
        before = (cold.postgres_url("collab", "collab"), cold.nats_url("collab"))
    began = time.monotonic()
    async with Stack(tmp_path / "data", replicas={}) as warm:
        took = time.monotonic() - began
        after = (warm.postgres_url("collab", "collab"), warm.nats_url("collab"))

    assert after == before
    assert took < WARM_START_S_MAX


async def test_killed_postgres_returns_with_every_committed_row(stack: Stack):
    """SIGKILL of the server and its backends is an ordinary day."""
    url = stack.postgres_url("collab", "collab_owner")
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept (n integer)")
    for number in range(20):
        await connection.execute("INSERT INTO kept VALUES ($1)", number)
    old = stack.pid("postgres")
    stack.kill("postgres")
    await stack.wait_ready("postgres")
    again = await asyncpg.connect(url)
    rows = await again.fetchval("SELECT count(*) FROM kept")
    await again.close()
    connection.terminate()

    assert rows == 20
    assert stack.pid("postgres") != old


@pytest.mark.parametrize("lives_s", [0.0, 0.7], ids=["nobody reaped it", "it is dying"])
async def test_postmaster_that_was_killed_a_moment_ago_holds_nothing_up(
    lives_s: float, used: Path, tmp_path: Path
):
    """Its lock file names a process that is still listed, under its own name."""
    program = shutil.copy(shutil.which("sleep") or "", tmp_path / "postgres")
    old = await asyncio.to_thread(subprocess.Popen, [program, str(lives_s)])
    if not lives_s:
        async with asyncio.timeout(5):
            while psutil.Process(old.pid).status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    (used / "postgres" / "postmaster.pid").write_text(f"{old.pid}\n{used / 'postgres'}\n")

    async with Stack(used, replicas={}) as again:
        connection = await asyncpg.connect(again.postgres_url("collab", "collab"))
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    old.wait()


async def test_killed_nats_returns_with_every_acknowledged_message(stack: Stack):
    """And with its streams in memory declared anew before it counts as ready."""
    client = await nats.connect(stack.nats_url("admin"), error_cb=_ignore, reconnect_time_wait=0.05)  # pyright: ignore[reportArgumentType, reportUnknownMemberType]
    jetstream = client.jetstream()
    before = (await jetstream.stream_info("EVENTS")).state.messages
    for number in range(20):
        await jetstream.publish("scriptorium.v1.events.test", str(number).encode())
    stack.kill("nats")
    await stack.wait_ready("nats")
    await client.flush()
    after = (await jetstream.stream_info("EVENTS")).state.messages
    names = {info.config.name for info in await jetstream.streams_info()}
    await client.close()

    assert after == before + 20
    wanted = {stream.name for stream in STREAMS} | {f"KV_{bucket.name}" for bucket in BUCKETS}
    assert names >= wanted


async def test_delay_grows_while_a_part_keeps_dying(stack: Stack, events: list[Event]):
    """A part that cannot live must not eat the machine."""
    events.clear()
    for _ in range(3):
        stack.kill("nats")
        await stack.wait_ready("nats")

    delays = [event.seconds for event in events if event.what is What.DIED]
    assert delays[1] == pytest.approx(2 * (delays[0] or 0))
    assert delays[2] == pytest.approx(2 * (delays[1] or 0))


async def test_held_part_stays_down_until_released(stack: Stack):
    """A test decides how long an outage lasts."""
    stack.hold("nats")
    stack.kill("nats")
    await stack.wait_ended("nats")
    await asyncio.sleep(0.5)
    down = stack.pid("nats") is None
    stack.release("nats")
    await stack.wait_ready("nats")

    assert down


async def test_frozen_part_is_alive_but_not_ready(stack: Stack):
    """A process that hangs is found by asking, not by its exit."""
    pid = stack.pid("nats")
    stack.freeze("nats")
    with pytest.raises(PartFailed, match=r"^nats was not ready within 0\.5 s"):
        await stack.wait_ready("nats", timeout_s=0.5)
    stack.thaw("nats")
    await stack.wait_ready("nats")

    assert stack.pid("nats") == pid


async def test_restart_replaces_the_process_in_good_order(stack: Stack):
    """As a rolling update does."""
    old = stack.pid("postgres")
    await stack.restart("postgres")

    assert stack.pid("postgres") not in (old, None)
    assert "received fast shutdown request" in stack.logs("postgres").read_text()


async def test_unsupervised_part_stays_down(used: Path):
    """Without supervision a death is final until somebody decides otherwise."""
    async with Stack(used, replicas={}, supervise=False) as stack:
        stack.kill("nats")
        await stack.wait_ended("nats")
        await asyncio.sleep(0.3)
        down = stack.pid("nats") is None
        await stack.restart("nats")
        up = stack.pid("nats") is not None

    assert down
    assert up


async def test_stop_ends_frozen_parts_too_and_leaves_nothing(used: Path):
    """Nothing of ours is left running after a stop, whatever state it was in."""
    stack = Stack(used, replicas={})
    await stack.start()
    pids = [stack.pid(part) for part in stack.parts]
    stack.freeze("nats")
    stack.freeze("postgres")
    await stack.stop()
    await stack.stop()

    assert len(pids) == 2
    assert not any(pid and psutil.pid_exists(pid) for pid in pids)


async def test_lock_file_of_a_dead_postmaster_does_not_keep_it_down(used: Path):
    """After a reboot its old pid may belong to any other process of ours."""
    async with Stack(used, replicas={}) as stack:
        stack.hold("postgres")
        stack.kill("postgres")
        await stack.wait_ended("postgres")
        lock = used / "postgres" / "postmaster.pid"
        content = lock.read_text().split("\n")
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    lock.write_text("\n".join([str(stranger.pid), *content[1:]]))
    async with Stack(used, replicas={}) as stack:
        ready = stack.pid("postgres") is not None
    stranger.kill()
    await stranger.wait()

    assert ready


async def test_leftovers_of_a_killed_launcher_are_ended(tmp_path: Path):
    """One that could not hear its parent die still holds a port and its files."""
    deaf = await asyncio.create_subprocess_exec("sleep", "60")
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    left = [
        Running("nats", deaf.pid, time.time(), "sleep", 1),
        Running("collab-1", stranger.pid, time.time(), "another program of that pid", 1),
        Running("events-1", stranger.pid, time.time() - 3600, "sleep", 1),
    ]
    deaf.send_signal(signal.SIGSTOP)
    runfile.write(tmp_path, "", left)
    found = await asyncio.to_thread(runfile.end_leftovers, tmp_path)
    code = await asyncio.wait_for(deaf.wait(), 5)
    untouched = stranger.returncode is None
    stranger.kill()
    await stranger.wait()

    assert found == ["nats"]
    assert code == -signal.SIGKILL
    assert untouched


async def _ignore(_: Exception) -> None:
    """The outage is the point of the test."""
