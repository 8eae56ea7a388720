"""A long time of people typing while all goes on: `python -m tests.faults.soak --minutes 30`.

Two gateways, two collabs; upkeep works at a pace of minutes, so that every scene is rolled up,
compacted, pruned, verified and snapshot many times over. One part is killed every so often. A line
a minute tells edits, latency and memory; the end tells what was lost.
"""

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import psutil

from tests.bench.processes import memory_bytes
from tests.faults.scenario import Play, playing
from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery
from tests.support.yclient import YClient

REPLICAS = {"gateway": 2, "collab": 2, "events": 1}
BRIDGED = ("gateway-1", "gateway-2", "collab-1", "collab-2")
VICTIMS = ("collab-1", "gateway-1", "collab-2", "gateway-2", "nats", "postgres")
PACE = {
    "SCRIPTORIUM_COMPACTION_AGE_S": "60",
    "SCRIPTORIUM_COMPACTION_PAUSE_S": "60",
    "SCRIPTORIUM_RETENTION_S": "240",
    "SCRIPTORIUM_UPKEEP_INTERVAL_S": "30",
    "SCRIPTORIUM_VERIFY_INTERVAL_S": "60",
    "SCRIPTORIUM_SNAPSHOT_INTERVAL_S": "60",
    "SCRIPTORIUM_SNAPSHOT_WALK_S": "60",
    "SCRIPTORIUM_SESSION_PAUSE_S": "30",
}
_WORK = """
SELECT (SELECT count(*) FROM compactions) AS compactions,
    (SELECT coalesce(sum(pruned_rows), 0) FROM compactions) AS pruned,
    (SELECT count(*) FROM scene_snapshot_metadata) AS snapshots,
    (SELECT count(*) FROM repairs) AS damage,
    pg_database_size('collab') AS bytes
"""


class Writing(Play):
    """People who write on, one at the front of the scene and one at its end, as people do.

    All in the middle would make each keystroke a piece of its own, and the clients of this process
    would be what is measured.
    """

    def keystroke(self, writer: YClient) -> None:
        """One edit, after the writer's last one."""
        at_front = any(writer is scene.writers[0] for scene in self.scenes)
        writer.type("ab", at=2 * len(writer.sent_at) if at_front else None)


async def soak(minutes: float, kill_every_s: float, folder: Path) -> int:
    """Run; returns how many edits were lost."""
    async with BreakableStack(
        folder, replicas=REPLICAS, bridged=BRIDGED, environment=PACE
    ) as stack:
        scenery = await Scenery.begin(stack)
        async with playing(scenery, play_of=Writing) as play:
            began = time.monotonic()
            killing = asyncio.create_task(_kill(stack, kill_every_s))
            for minute in itertools.count(1):
                before = play.edits, _delivered(play)
                await asyncio.sleep(60)
                await _tell(stack, play, minute, before)
                if time.monotonic() - began >= minutes * 60:
                    break
            killing.cancel()
            for part in stack.parts:
                await stack.wait_ready(part)
            await asyncio.sleep(3)
            await play.hush()
            await play.agree()
            await play.ledger.read()
            lost = play.ledger.missing(play.ledger.promises())
            gaps = sum(log.gaps for log in play.ledger.logs.values())
            worst = play.ledger.worst
            print(
                f"\n{play.edits:,} edits in {minutes:g} minutes; seen then lost {lost.seen},"
                f" acknowledged then lost {lost.acked}, shown before durable"
                f" {max(worst.seen, worst.acked)}, gaps in logs {gaps}, longest silence at a reader"
                f" {play.gap_s() * 1000:,.0f} ms, {play.ledger.looks:,} looks"
            )
        await scenery.close()
    return lost.seen + lost.acked + gaps + worst.seen + worst.acked


async def _kill(stack: BreakableStack, every_s: float) -> None:
    for victim in itertools.cycle(VICTIMS):
        await asyncio.sleep(every_s)
        print(f"kill -9 {victim}")
        stack.kill(victim)
        await stack.wait_ready(victim)


def _delivered(play: Play) -> int:
    return sum(len(client.delivered_at) for client in play.clients)


async def _tell(stack: BreakableStack, play: Play, minute: int, before: tuple[int, int]) -> None:
    edits, delivered = play.edits - before[0], _delivered(play) - before[1]
    lags = sorted(_lags_ms(play))
    p50, p95 = (lags[int(len(lags) * share)] if lags else 0.0 for share in (0.5, 0.95))
    sizes = {
        part: memory_bytes([psutil.Process(pid)]) >> 20
        for part in ("gateway-1", "collab-1", "collab-2", "nats")
        if (pid := stack.pid(part))
    }
    try:
        database = await asyncpg.connect(stack.postgres_url("collab", "collab_owner"), timeout=5)
        work = dict(await database.fetchrow(_WORK) or {})
        await database.close()
    except (OSError, asyncpg.PostgresError, TimeoutError):
        work = {}
    memory = " ".join(f"{part} {size} MB" for part, size in sizes.items())
    print(
        f"minute {minute:>3}: {edits / 60:6.0f} edits/s, {delivered / 60:6.0f} frames/s,"
        f" lag p50 {p50:.0f} p95 {p95:.0f} ms; {memory}; "
        + ", ".join(f"{name} {int(value):,}" for name, value in work.items()),
        flush=True,
    )


def _lags_ms(play: Play, newest: int = 500) -> list[float]:
    """From when an edit left to when somebody else had it, of each writer's newest edits."""
    found: list[float] = []
    for scene in play.scenes:
        for writer in scene.writers:
            for reader in scene.clients:
                if reader is writer:
                    continue
                seen = reader.seen_at.get(writer.id, [])[-newest:]
                found += [
                    (at - writer.sent_at[clock]) * 1000
                    for clock, at in seen
                    if clock in writer.sent_at
                ]
    return found


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--kill-every", type=float, default=120, metavar="SECONDS")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(bool(asyncio.run(soak(given.minutes, given.kill_every, Path(folder)))))


if __name__ == "__main__":
    main()
