"""`python -m tests.bench.upkeep`: compaction and pastes beside people who write, loads, memory.

On stacks of its own; nothing else should run. The trace is one person's paper, key by key. Exits
with 1 when a bar is missed: cold loads with a head, roll-ups, live edits beside pastes.
"""

import argparse
import asyncio
import json
import tempfile
import time
from base64 import b64decode
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
from pycrdt import Doc

from libs.contracts.collab.content import READ_CONTENT, ContentFormat, ReadContent
from libs.contracts.collab.upkeep import COMPACT, UPKEEP_DEADLINE_S, CompactScene
from libs.postgres import Pool, connect
from services.collab import updates
from services.collab.store import Store
from tests.bench.figures import Figure, percentile
from tests.bench.material import novel_text, trace_rows, typing
from tests.collab.upkeep.support import ACTOR, Desk
from tests.support.scenery import Scenery, text_of
from tests.support.stack import real_stack
from tools.stack import Stack

TWO = {"events": 1, "collab": 2, "gateway": 1}
SIZES = {10: 40, 1_000: 40, 10_000: 20, 100_000: 20}
"""Updates of a scene: how many of that length are loaded with a head; half as many without."""
COLD_MS_BAR = 25.0
ROLLUP_S_BAR = "0.5"
"""The bucket of the histogram beyond which a roll-up is too slow."""
PASTES = 3
PASTE_BYTES = 1_700_000
PASTE_MS_BAR = 35.0
"""Beside it: what readers of a busy room may wait for an edit at most, p95."""
JSON = {"Content-Type": "application/json"}
STORED = """
    SELECT is_compacted, sum(pg_column_size(v.*))::bigint FROM scene_versions v
    WHERE scene_id = $1 GROUP BY is_compacted
"""
"""Bytes of rows by whether they are compacted, as PostgreSQL keeps them."""
TAIL_ROWS = 50
ALONE_S = 8.0
MEMORY_SCENES = 200
NEVER = {
    "SCRIPTORIUM_ROLLUP_ROWS": "100000000",
    "SCRIPTORIUM_ROLLUP_BYTES": "100000000000",
    "SCRIPTORIUM_ROLLUP_AGE_S": "1000000",
    "SCRIPTORIUM_UPKEEP": "false",
    "SCRIPTORIUM_DIVERGENCE_SAMPLING": "false",
    "SCRIPTORIUM_SNAPSHOT_INTERVAL_S": "100000",
}
CALM = {
    "SCRIPTORIUM_DIVERGENCE_SAMPLING": "false",
    "SCRIPTORIUM_SNAPSHOT_INTERVAL_S": "100000",
    "SCRIPTORIUM_UPKEEP": "false",
}


async def main() -> int:
    """Measure what was asked for, or everything, and print; how many bars were missed."""
    parts = {"compaction": compaction, "pastes": pastes, "loads": loads, "replay": replay}
    options = argparse.ArgumentParser(prog="python -m tests.bench.upkeep")
    options.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    wanted: list[str] = options.parse_args().only
    rows = trace_rows()
    print(f"trace: {len(rows):,} updates, {sum(map(len, rows)):,} bytes")
    figures: list[Figure] = []
    for name in wanted:
        figures += await parts[name](rows) or []
    for figure in figures:
        print(figure.line())
    return sum(figure.missed for figure in figures)


async def compaction(rows: list[bytes]) -> list[Figure]:
    """Compact the trace while two people write in another scene; then roll up and prune."""
    async with bench_stack(CALM) as (stack, desk):
        scenery = await Scenery.begin(stack)
        alone = await typing(scenery, asyncio.sleep(ALONE_S))
        scene = await desk.log(rows, timedelta(days=2))
        # The walk would take a twentieth of the time for it; asked for, it takes half.
        question = CompactScene(scene_id=scene)
        ask = desk.caller.ask(COMPACT, question, ACTOR, deadline_s=UPKEEP_DEADLINE_S)
        task = asyncio.create_task(ask)
        started = time.perf_counter()
        beside = await typing(scenery, task)
        took_s, done = time.perf_counter() - started, task.result()
        print(
            f"compaction: {done.outcome}, {done.updates:,} rows to 1, "
            f"{done.bytes_before:,} to {done.bytes_after:,} bytes "
            f"({done.bytes_before / max(1, done.bytes_after):.1f} : 1), {took_s:.1f} s"
        )
        stored = {row[0]: row[1] for row in await desk.owner.fetch(STORED, scene)}
        print(
            f"the same in the table: {stored[False]:,} to {stored[True]:,} bytes "
            f"({stored[False] / stored[True]:.0f} : 1)"
        )
        print(
            "live edits p50 / p95, ms: "
            f"alone {alone[0]:.1f} / {alone[1]:.1f}, beside {beside[0]:.1f} / {beside[1]:.1f} "
            f"({beside[1] / alone[1]:.2f} x)"
        )
        figures = await heads(stack, desk, scenery)
        await scenery.close()
    return figures


async def pastes(_rows: list[bytes]) -> list[Figure]:
    """Paste a long text over HTTP, time and again, while two people write there or elsewhere."""
    novel = novel_text()
    text = (novel * (1 + PASTE_BYTES // len(novel)))[:PASTE_BYTES]
    # Merged into what was there when the text was empty, as an agent does that began with that.
    body = json.dumps({"format": "text", "content": text, "baseStateVector": "AA=="}).encode()
    async with bench_stack(CALM) as (stack, _):
        scenery = await Scenery.begin(stack)

        async def paste(scene: UUID) -> None:
            # Not from the loop of those who type: what that is busy with is no delay of ours.
            http = scenery.person.http
            with httpx.Client(base_url=http.base_url, headers=http.headers, timeout=90) as agent:
                for _ in range(PASTES):
                    put = partial(agent.put, content=body, headers=JSON)
                    answer = await asyncio.to_thread(put, f"/api/scenes/{scene}/content")
                    answer.raise_for_status()

        alone = await typing(scenery, asyncio.sleep(ALONE_S))
        figures: list[Figure] = []
        for where in ("the same scene", "another scene"):
            scene = await scenery.scene()
            started = time.perf_counter()
            own = scene if where == "the same scene" else await scenery.scene()
            beside = await typing(scenery, paste(scene), own)
            print(
                f"{PASTES} pastes of {len(text):,} characters into {where}, "
                f"{time.perf_counter() - started:.1f} s: live edits p50 / p95, ms: "
                f"alone {alone[0]:.1f} / {alone[1]:.1f}, beside {beside[0]:.1f} / {beside[1]:.1f} "
                f"({beside[1] / alone[1]:.2f} x)"
            )
            name = f"live edits beside pastes into {where}, p95"
            figures.append(Figure(name, beside[1], "ms", below=PASTE_MS_BAR))
        await scenery.close()
    return figures


async def heads(stack: Stack, desk: Desk, scenery: Scenery) -> list[Figure]:
    """How small heads are, and how long roll-ups took."""
    novel = await scenery.scene()
    text = novel_text()
    answer = await scenery.person.http.put(
        f"/api/scenes/{novel}/content", json={"format": "text", "content": text}
    )
    answer.raise_for_status()
    await asyncio.sleep(2)
    for row in await desk.owner.fetch("SELECT size, octet_length(snapshot) AS packed FROM docs"):
        if row["size"] > 50_000:
            ratio = row["size"] / row["packed"]
            print(f"head: {row['size']:,} bytes in {row['packed']:,} ({ratio:.1f} : 1)")
    figures: list[Figure] = []
    async with httpx.AsyncClient() as http:
        for part in ("collab-1", "collab-2"):
            page = (await http.get(f"{stack.ops_url(part)}/metrics")).text
            found = _samples(page, "scriptorium_collab_rollup_seconds")
            if count := found.get("count"):
                slow = count - found[ROLLUP_S_BAR]
                mean = found["sum"] / count * 1e3
                print(f"roll-ups of {part}: {count:.0f}, mean {mean:.1f} ms")
                figures.append(Figure(f"roll-ups of {part} over 500 ms", slow, "", below=1))
    assert figures, "no roll-up happened"
    return figures


async def replay(rows: list[bytes]) -> None:
    """Play a whole history through the public port, edit by edit and session by session."""
    async with bench_stack(CALM) as (stack, desk):
        scenery = await Scenery.begin(stack)
        scene = await scenery.scene()
        await desk.log(rows, timedelta(days=2), scene=scene)
        for step in ("1", "100", "session"):
            started = time.perf_counter()
            frames, size, doc = await _played(scenery.person.http, scene, step)
            took_s, length = time.perf_counter() - started, len(text_of(doc))
            print(
                f"replay by {step}: {frames:,} frames, {size / 1e6:.1f} MB in {took_s:.1f} s; "
                f"{length:,} characters at its end"
            )
        await scenery.close()


async def _played(http: httpx.AsyncClient, scene: UUID, step: str) -> tuple[int, int, Doc[Any]]:
    doc: Doc[Any] = Doc()
    frames, size, at = 0, 0, ""
    while True:
        asked = {"step": step} | ({"from": at} if at else {})
        last: dict[str, Any] = {}
        path = f"/api/scenes/{scene}/replay"
        async with http.stream("GET", path, params=asked, timeout=90) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                last = json.loads(line)
                size += len(line)
                if update := last.get("update"):
                    doc.apply_update(b64decode(update))
                    frames += 1
        if last["end"]:
            return frames, size, doc
        at = f"seq:{last['seq']}"


async def loads(rows: list[bytes]) -> list[Figure]:
    """First reads of scenes by length of their log, with and without a head; then memory."""
    async with bench_stack(NEVER) as (stack, desk):
        await desk.text(await desk.log(rows[:10], timedelta(0)))
        pool = await connect(
            stack.postgres_url("collab", "collab_owner"), application="bench", size_max=2
        )
        figures: list[Figure] = []
        for size, times in SIZES.items():
            for head in (False, True):
                found = await _cold(desk, pool, rows[:size], times if head else times // 2, head)
                print(
                    f"cold load of {size:>7,} updates {'with' if head else 'without'} a head: "
                    f"p50 {percentile(found, 50):.1f}, p95 {percentile(found, 95):.1f} ms"
                    f" of {len(found)}"
                )
                if head:
                    name = f"cold load of {size:,} updates with a head, p95"
                    figures.append(Figure(name, percentile(found, 95), "ms", below=COLD_MS_BAR))
        await _memory(stack, desk, pool, rows[:100_000])
        await pool.close()
    return figures


async def _cold(
    desk: Desk, pool: Pool, rows: Sequence[bytes], times: int, head: bool
) -> list[float]:
    scenes = [await _scene(desk, pool, rows, head) for _ in range(times)]
    found: list[float] = []
    for scene in scenes:
        started = time.perf_counter()
        await _read(desk, scene)
        found.append((time.perf_counter() - started) * 1e3)
    return found


async def _scene(desk: Desk, pool: Pool, rows: Sequence[bytes], head: bool) -> UUID:
    scene = await desk.log(rows, timedelta(0))
    if head:
        upto = len(rows) - min(TAIL_ROWS, len(rows) // 2)
        state, vector = _integrated(rows[:upto])
        async with pool.acquire() as connection:
            await Store(pool).put_head(scene, upto, state, vector, within=connection)
    return scene


_known: dict[int, tuple[bytes, bytes]] = {}


def _integrated(rows: Sequence[bytes]) -> tuple[bytes, bytes]:
    if len(rows) not in _known:
        _known[len(rows)] = updates.integrate(rows)
    return _known[len(rows)]


async def _read(desk: Desk, scene: UUID) -> int:
    question = ReadContent(scene_id=scene, format=ContentFormat.YJS)
    return len((await desk.caller.ask(READ_CONTENT, question, ACTOR)).body)


async def _memory(stack: Stack, desk: Desk, pool: Pool, rows: Sequence[bytes]) -> None:
    # The head stands at the first row, so that not all of what it holds need be in the log too.
    state, vector = _integrated(rows[:-TAIL_ROWS])
    scenes: list[UUID] = []
    for _ in range(MEMORY_SCENES):
        scenes.append(await desk.log([rows[0], *rows[-TAIL_ROWS:]], timedelta(0)))
        async with pool.acquire() as connection:
            await Store(pool).put_head(scenes[-1], 1, state, vector, within=connection)
    pids = [stack.pid(part) for part in ("collab-1", "collab-2")]
    processes = [psutil.Process(pid) for pid in pids if pid]
    before = sum(process.memory_info().rss for process in processes)
    sizes = [await _read(desk, scene) for scene in scenes]
    added = sum(process.memory_info().rss for process in processes) - before
    each = added / MEMORY_SCENES / 1024
    print(
        f"memory of a loaded scene of {len(rows):,} updates: {each:.0f} KB, "
        f"its state {sizes[0]:,} bytes"
    )


@asynccontextmanager
async def bench_stack(settings: dict[str, str]) -> AsyncGenerator[tuple[Stack, Desk]]:
    """A fresh stack with two replicas of collab."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            real_stack(Path(folder), replicas=TWO, environment=settings) as stack,
            Desk.open(stack) as desk,
        ):
            yield stack, desk


def _samples(page: str, name: str) -> dict[str, float]:
    """Sum, count, and the buckets of a histogram by their upper end."""
    found: dict[str, float] = {}
    for line in page.splitlines():
        if line.startswith(name):
            key, value = line.rsplit(" ", 1)
            kind = key.removeprefix(f"{name}_")
            if kind.startswith("bucket"):
                kind = kind.split('"')[1]
            with suppress(ValueError):
                found[kind] = float(value)
    return found


if __name__ == "__main__":
    raise SystemExit(min(asyncio.run(main()), 1))
