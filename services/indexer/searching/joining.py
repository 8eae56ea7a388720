"""Joins what the engine found with what is there now, and shows it.

A match is shown while its chunk has the text that was found, and while events says that its thing
shows. So nothing that is deleted is ever shown, however far the index is behind; a stale point only
costs a hit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events.things import DESCRIBE_THINGS, DescribeThings, Thing, ThingRef
from libs.contracts.indexer.search import Hit, HitAnchor
from libs.contracts.positions import CharacterId, RelativePosition, YjsRange
from libs.contracts.things import ThingKind
from services.indexer import metrics
from services.indexer.lexical import Words
from services.indexer.model.snippets import snippet_of
from services.indexer.store import SQL, Row, Store
from services.indexer.vectors import Match


@dataclass(frozen=True, slots=True)
class Live:
    """A match with its chunk and its thing as they are now."""

    match: Match
    row: Row
    thing: Thing


class Joining:
    """Joins with the rows, and with events."""

    def __init__(self, store: Store, caller: Caller) -> None:
        """Read from *store*, ask events over *caller*."""
        self._store = store
        self._caller = caller

    async def live(self, project: UUID, found: Sequence[Match], actor: Actor) -> list[Live]:
        """Return those matches that stand on a chunk and a thing of now.

        Raises:
            errors.Unavailable: The database or events is away.
        """
        if not found:
            return []
        rows = await self._store.rows(SQL.found, project, [match.id for match in found])
        by_id = {row["id"]: row for row in rows}
        current = [
            (match, by_id[match.id])
            for match in found
            if match.id in by_id and by_id[match.id]["hash"].hex() == match.hash
        ]
        things = await self.things(
            project, {row["document_id"]: row["kind"] for _, row in current}, actor
        )
        live = [
            Live(match, row, thing)
            for match, row in current
            if (thing := things.get(row["document_id"])) is not None
        ]
        metrics.stale_hits.inc(len(found) - len(live))
        return live

    async def things(
        self, project: UUID, kinds: dict[UUID, str], actor: Actor
    ) -> dict[UUID, Thing]:
        """Return those things of a project, given with their kinds, that show now."""
        if not kinds:
            return {}
        refs = [ThingRef(kind=ThingKind(kind), id=one) for one, kind in kinds.items()]
        found = await self._caller.ask(DESCRIBE_THINGS, DescribeThings(things=refs), actor)
        return {
            thing.id: thing for thing in found.things if thing.shown and thing.project_id == project
        }


def best_of_each(live: Sequence[Live]) -> list[Live]:
    """Return the best match of each thing."""
    best: dict[UUID, Live] = {}
    for each in live:
        best.setdefault(each.thing.id, each)
    return list(best.values())


def hit_of(live: Live, words: Words, wanted: frozenset[int]) -> Hit:
    """Return a match as it is shown, with the words that are *wanted* highlighted."""
    row, thing = live.row, live.thing
    text: str = row["text"]
    snippet, highlights = snippet_of(text, words.places(text, wanted))
    return Hit(
        kind=thing.kind,
        id=thing.id,
        scene_id=thing.id if thing.kind is ThingKind.SCENE else None,
        chunk_id=row["id"],
        score=round(live.match.score, 6),
        snippet=snippet,
        highlights=highlights,
        anchor=_anchor(row),
        title=thing.title,
        path=thing.path,
    )


def _anchor(row: Row) -> HitAnchor | None:
    if row["first_client"] is None:
        return None
    place: dict[str, Any] = {"from": row["from_offset"], "to": row["to_offset"]}
    return HitAnchor(
        seq=row["seq"],
        quote=row["text"],
        yjs=YjsRange(
            start=_position(row["first_client"], row["first_clock"], assoc=0),
            end=_position(row["last_client"], row["last_clock"], assoc=-1),
        ),
        **place,
    )


def _position(client: int, clock: int, *, assoc: int) -> RelativePosition:
    return RelativePosition(item=CharacterId(client=client, clock=clock), assoc=assoc)
