"""Real texts and histories to measure with, and two people who type."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any
from uuid import UUID

from pycrdt import Doc, Text

from tests.bench.figures import percentile
from tests.support.scenery import Scenery
from tests.support.yclient import YClient

DATA = Path(__file__).parents[2] / "data"
TRACE = DATA / "traces" / "automerge-paper.sequential.json.gz"
NOVEL = DATA / "manuscripts" / "frankenstein.json"
EDITS_PER_S = 20


def trace_rows(count: int | None = None) -> list[bytes]:
    """The trace, or its first edits, as the updates that an editor would have sent for each."""
    trace = json.loads(gzip.decompress(TRACE.read_bytes()))
    doc: Doc[Any] = Doc(client_id=11)
    text = doc.get("content", type=Text)
    rows: list[bytes] = []
    watching = doc.observe(lambda event: rows.append(event.update))
    for txn in trace["txns"][:count]:
        with doc.transaction():
            for place, deleted, inserted in txn["patches"]:
                if deleted:
                    del text[place : place + deleted]
                if inserted:
                    text.insert(place, inserted)
    doc.unobserve(watching)
    return rows


def novel_text() -> str:
    """A whole novel."""
    return "\n".join(_strings(json.loads(NOVEL.read_text())))


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner: list[Any] = list(value.values()) if hasattr(value, "values") else value
    return [each for item in inner for each in _strings(item)]


async def typing(
    scenery: Scenery, meanwhile: Any, scene: UUID | None = None
) -> tuple[float, float]:
    """Two people write while *meanwhile* runs; p50 and p95 from edit to the other's screen, ms."""
    scene = scene or await scenery.scene()
    async with YClient(scenery.address(scene)) as one, YClient(scenery.address(scene)) as other:
        work = asyncio.ensure_future(meanwhile)
        while not work.done():
            one.type("a")
            await asyncio.sleep(1 / EDITS_PER_S / 2)
            other.type("b")
            await asyncio.sleep(1 / EDITS_PER_S / 2)
        await work
        await asyncio.sleep(0.5)
        found = [*_delays(one, other), *_delays(other, one)]
    return percentile(found, 50), percentile(found, 95)


def _delays(writer: YClient, reader: YClient) -> list[float]:
    seen = reader.seen_at.get(writer.id, [])
    found: list[float] = []
    at = 0
    for clock, sent in sorted(writer.sent_at.items()):
        while at < len(seen) and seen[at][0] < clock:
            at += 1
        if at < len(seen):
            found.append((seen[at][1] - sent) * 1e3)
    return found
