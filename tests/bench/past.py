"""A past for the event log: projects that were written in, as rows, without the service."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic.alias_generators import to_camel

from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.model.aggregates import BOOK, CHAPTER, PROJECT, SCENE
from services.events.model.chain import LogRow, content_bytes, digest
from services.events.model.log import wire_time
from services.events.model.rank import after

SCENES_PER_PROJECT = 2000
CHANGES_PER_SCENE = 4
COPY_EVENTS = 20_000
WORDS = "the a of whale sea ship night letter ice captain storm harbour white long".split()  # noqa: SIM905


def story(rng: random.Random, at: datetime) -> Iterator[LogRow]:
    """Yield the log of one project: a book, its scenes, and what is changed about them."""
    project_id, user_id = new_id(), new_id()
    links: dict[UUID, tuple[int, str]] = {}
    moment = at

    def event(kind: str, aggregate_id: UUID, action: str, data: dict[str, Any]) -> LogRow:
        nonlocal moment
        moment += timedelta(seconds=rng.random() * 20)
        version, link = links.get(aggregate_id, (0, ""))
        made = LogRow(
            *(new_id(), aggregate_id, kind, f"{kind}.{action}", project_id, user_id, data, {}),
            *(moment, version + 1, None, rng.randbytes(16).hex(), "api", new_id(), ""),
        )
        made = made._replace(checksum=digest(link, content_bytes(made)))
        links[aggregate_id] = (made.version, made.checksum)
        return made

    def place(parent: UUID, rank: str) -> dict[str, Any]:
        return {"parentId": str(parent), "index": 0, "rank": rank}

    def words(count: int) -> str:
        return " ".join(rng.choices(WORDS, k=count))

    name = {"name": "Bench", "slug": f"p-{project_id.hex}"}
    yield event(PROJECT.kind, project_id, "created", name)
    book, chapter = new_id(), new_id()
    data = {"title": "Book", "kind": "novel"} | place(project_id, "a0")
    yield event(BOOK.kind, book, "created", data)
    yield event(CHAPTER.kind, chapter, "created", {"title": "One"} | place(book, "a0"))
    scenes = [new_id() for _ in range(SCENES_PER_PROJECT)]
    titles: dict[UUID, str | None] = {}
    at_first = wire_time(at)
    born = {to_camel(k): v for k, v in SCENE.initial({}, at=at_first).items()}
    for scene, rank in zip(scenes, after(None, len(scenes)), strict=True):
        titles[scene] = words(4)
        data = born | {"title": titles[scene]} | place(chapter, rank)
        yield event(SCENE.kind, scene, "created", data)
    for _ in range(CHANGES_PER_SCENE * SCENES_PER_PROJECT):
        scene = rng.choice(scenes)
        if rng.random() < 0.3:
            data = {"from": None, "to": words(25)}
            yield event(SCENE.kind, scene, "summary_changed", data)
        else:
            title = words(4)
            yield event(SCENE.kind, scene, "title_changed", {"from": titles[scene], "to": title})
            titles[scene] = title


async def fill(owner: Pool, count: int) -> int:
    """Write a log of about *count* events that is a month old."""
    rng, made = random.Random(1), 0
    at = datetime.now(UTC) - timedelta(days=30)
    buffer: list[LogRow] = []
    heads: dict[UUID, tuple[Any, ...]] = {}

    async def flush() -> None:
        async with owner.acquire() as connection, connection.transaction():
            await connection.copy_records_to_table(
                "events", records=buffer, columns=list(LogRow._fields)
            )
            columns = ["aggregate_id", "aggregate_type", "project_id", "version", "checksum"]
            await connection.copy_records_to_table(
                "aggregates", records=list(heads.values()), columns=columns
            )
        buffer.clear()
        heads.clear()

    while made < count:
        for each in story(rng, at):
            buffer.append(each)
            heads[each.aggregate_id] = (
                *(each.aggregate_id, each.aggregate_type, each.project_id),
                *(each.version, each.checksum),
            )
            made += 1
        if len(buffer) >= COPY_EVENTS:
            await flush()
    await flush()
    return made
