"""The selection of a copy: chosen aggregates, their references, tags and relations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from libs import errors
from libs.contracts.events.bundles import OPERATIONS_MAX
from libs.contracts.events.workspaces import LIBRARY_KINDS, Thing
from services.events.common.commands import require_visible
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import AGGREGATES, ENTITY, PROJECT, RELATION, TAGGING
from services.events.store import Reader
from services.events.workspaces.store import statement

type SelectedRows = dict[str, dict[UUID, Row]]
"""Rows by kind and id."""


async def select_things(reader: Reader, project_id: UUID, things: list[Thing]) -> SelectedRows:
    """Return the chosen aggregates, those they refer to, and those that connect them.

    Raises:
        errors.NotFound: A chosen aggregate does not exist.
    """
    require_visible(await reader.row(PROJECT, project_id))
    wanted: dict[str, set[UUID]] = {}
    for thing in things:
        wanted.setdefault(thing.kind, set()).add(thing.id)
    gathering = _Selection(reader, project_id)
    await gathering.add(wanted, chosen=True)
    entities = list(gathering.rows.get(ENTITY.kind, {}))
    if entities:
        await gathering.connect(TAGGING, "entity_id", "entity_id", entities)
        await gathering.connect(RELATION, "source_entity_id", "target_entity_id", entities)
    return gathering.rows


@dataclass(slots=True)
class _Selection:
    reader: Reader
    project_id: UUID
    rows: SelectedRows = field(default_factory=dict[str, dict[UUID, Row]])

    async def add(self, wanted: Mapping[str, set[UUID]], *, chosen: bool = False) -> None:
        """Read aggregates and then their references; ends, as references are to earlier kinds."""
        for kind, ids in wanted.items():
            new = ids - self.rows.get(kind, {}).keys()
            if not new:
                continue
            query = statement("chosen_state", AGGREGATES[kind])
            found = await self.reader.connection.fetch(query, self.project_id, list(new))
            if chosen and len(found) < len(new):
                missing = min(new - {row["id"] for row in found})
                raise errors.NotFound(f"There is no such {kind}.", kind=kind, id=str(missing))
            await self._take(AGGREGATES[kind], [dict(row) for row in found])

    async def connect(self, spec: AggregateSpec, one: str, other: str, ids: list[UUID]) -> None:
        """Read the aggregates that connect two selected ones."""
        query = statement("between_state", spec, one=one, other=other)
        found = await self.reader.connection.fetch(query, self.project_id, ids, OPERATIONS_MAX)
        await self._take(spec, [dict(row) for row in found])

    async def _take(self, spec: AggregateSpec, found: list[Row]) -> None:
        self.rows.setdefault(spec.kind, {}).update({row["id"]: row for row in found})
        further: dict[str, set[UUID]] = {}
        for name, kind in spec.references.items():
            if kind in LIBRARY_KINDS:
                named = {row[name] for row in found if row[name] is not None}
                further.setdefault(kind, set()).update(named)
        await self.add(further)
