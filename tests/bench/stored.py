"""Scenarios of what is kept: cold loads, idle rooms, join storms, starting up, and crashes."""

import asyncio
import time
from typing import Any

import psutil

from tests.bench import processes
from tests.bench.figures import percentile
from tests.bench.run import Figures, Run

STORE_DELAY_S = 3.0  # longer than Hocuspocus waits before it stores a quiet document
QUIET_CPU = 0.1  # of a core: below this nobody is still writing
QUIET_TIMEOUT_S = 60.0
COLD_JOIN_TIMEOUT_S = 30.0
SETTLE_S = 5.0
STORM_TYPING_S = 8.0
STORM_TIMEOUT_S = 60.0
SCENE_CHUNKS, SCENE_CHUNK = 1049, 1000  # updates of the 1 MB scene, characters in each
CRASH_RATE = 40.0
CRASH_AFTER_S = 5.0
AFTER_CRASH_WAIT_S = 3.0


async def cold_load(run: Run) -> Figures:
    """First joins, after a restart, of scenes that were written with 10,000 updates each.

    Timed from opening the socket until the whole text arrived; scenes are joined one by one.
    """
    updates = 10_000
    scenes = run.plan.size(full=20, quick=5)
    names = await run.open(scenes, clients=2, writers=1)
    await run.write(updates, 1, run=4)
    account = await run.load.do("account")
    await run.load.do("close")
    await quiet(run)
    await run.system.stop()
    await run.system.start()
    times: list[float] = []
    for name in names:
        joined = await run.join(name, account[name]["sent"], COLD_JOIN_TIMEOUT_S)
        times.append(joined["ms"] or COLD_JOIN_TIMEOUT_S * 1e3)
        if joined["ms"] is None:
            run.say(f"NOT COMPLETE  {run.system.name}  scene {name} after a restart")
    complete = sum(ms < COLD_JOIN_TIMEOUT_S * 1e3 for ms in times)
    return {
        "p50_ms": percentile(times, 50),
        "p95_ms": percentile(times, 95),
        "max_ms": max(times),
        "converged": float(complete == scenes),
    }


async def idle_rooms(run: Run) -> Figures:
    """Memory that 1,000 rooms add, each with one idle client and one paragraph of text."""
    rooms = run.plan.size(full=1000, quick=200)
    names = await run.system.create(rooms)
    await run.open(1, clients=2, writers=1)  # so that what the first room costs is not counted
    await run.write(1, 500, run=1)
    await run.load.do("close")
    await asyncio.sleep(SETTLE_S)
    before = processes.memory_bytes(run.system.family())
    await run.enter(names, clients=1, writers=1)  # watching only itself: nothing to wait for
    await run.write(1, 500, run=1)
    await asyncio.sleep(SETTLE_S)
    added = processes.memory_bytes(run.system.family()) - before
    return {"kb_per_room": added / rooms / 1024, **await run.proven()}


async def join_storm(run: Run) -> Figures:
    """500 clients join one 1 MB scene at once, while a writer in it types 20 edits/s."""
    clients = run.plan.size(full=500, quick=100)
    (name,) = await run.open(1, clients=2, writers=1)
    await run.write(SCENE_CHUNKS, SCENE_CHUNK, run=1)
    (place,) = await run.system.places([name])
    typing = asyncio.create_task(run.load.do("type", per_second=20, seconds=STORM_TYPING_S))
    await asyncio.sleep(1.0)
    storm = await run.crowd.do(
        "storm",
        place=place,
        clients=clients,
        enough_bytes=SCENE_CHUNKS * SCENE_CHUNK,
        timeout_s=STORM_TIMEOUT_S,
    )
    typed = await typing
    return {
        "unserved": clients - storm["served"],
        "all_served_s": storm["served_s"],
        "edit_p95_ms": typed["p95_ms"],
        "edit_max_ms": typed["max_ms"],
        **await run.proven(),
    }


async def start_and_idle(run: Run) -> Figures:
    """Start on existing data, then do nothing: seconds to ready, idle CPU, memory."""
    names = await run.open(20, clients=2, writers=1)
    await run.write(500, 1, run=4)
    account = await run.load.do("account")
    await run.load.do("close")
    await quiet(run)
    await run.system.stop()
    ready_s = await run.system.start()
    await asyncio.sleep(SETTLE_S)
    before, start = processes.cpu_s(run.system.family()), time.perf_counter()
    await asyncio.sleep(run.plan.size(full=30, quick=10))
    spent_s = processes.cpu_s(run.system.family()) - before
    idle_s = time.perf_counter() - start
    memory = processes.memory_bytes(run.system.family())
    found = await run.join(names[0], account[names[0]]["sent"], COLD_JOIN_TIMEOUT_S)
    return {
        "ready_s": ready_s,
        "idle_cpu_percent": spent_s / idle_s * 100,
        "memory_mb": memory / (1 << 20),
        "processes": float(len(run.system.family())),
        "converged": float(found["ms"] is not None),
    }


async def crash(run: Run) -> Figures:
    """SIGKILL every process while 2 writers type 40 edits/s; count what was seen, then lost."""
    names = await run.open(1, clients=3, writers=2)
    typing = asyncio.create_task(
        run.load.do("type", per_second=CRASH_RATE, seconds=CRASH_AFTER_S + 1)
    )
    await asyncio.sleep(CRASH_AFTER_S)
    run.system.kill()
    await typing
    shown = await run.load.do("account")
    await run.load.do("close")
    await run.system.start()
    seen: dict[str, int] = shown[names[0]]["seen"]
    found: dict[str, Any] = await run.join(names[0], seen, AFTER_CRASH_WAIT_S)
    clocks: dict[str, int] = found["clocks"]
    lost = sum(max(0, clock - clocks.get(author, 0)) for author, clock in seen.items())
    total = sum(seen.values())
    return {"seen": float(total), "lost": float(lost), "lost_percent": 100 * lost / max(1, total)}


async def quiet(run: Run) -> None:
    """Wait until the system has stored what it stores late; some drop the rest when stopped."""
    await asyncio.sleep(STORE_DELAY_S)
    deadline = time.perf_counter() + QUIET_TIMEOUT_S
    while time.perf_counter() < deadline:
        before = processes.cpu_s(run.system.family())
        await asyncio.sleep(1)
        if processes.cpu_s(run.system.family()) - before < QUIET_CPU:
            return
    run.say(f"  {run.system.name} was still busy after {QUIET_TIMEOUT_S:.0f} s")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / (1 << 30), 1),
        "load_before": psutil.getloadavg()[0],
    }
