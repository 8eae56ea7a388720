"""A person's library: a project of their own, in no list; things go there and back as copies.

What is copied brings what it refers to, an entity its tags, and two entities what connects them.
All of it is one bundle of the project it comes to, so it can be undone at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.bundles import OPERATIONS_MAX, BundleType, Committed
from libs.contracts.ids import new_id
from libs.contracts.resources import INDEX_MAX
from libs.contracts.workspaces import (
    LIBRARY_KINDS,
    ImportFromLibrary,
    Library,
    OpenLibrary,
    SaveToLibrary,
    Thing,
)
from services.events.bundles.commit import bundle_metadata, carry_out, committed
from services.events.bundles.steps import Create, Step, require_permitted
from services.events.handlers.action import cause_of, claim_of, require_visible
from services.events.model.aggregate import Aggregate, Row
from services.events.model.aggregates import AGGREGATES, ENTITY, PROJECT, RELATION, TAG, TAGGING
from services.events.store import Reader, Store, Transaction
from services.events.workspaces.document import LEFT_BEHIND
from services.events.workspaces.planting import begin_project, planted_id
from services.events.workspaces.store import SQL, statement

LIBRARY_NAME = "Library"

type Rows = dict[str, dict[UUID, Row]]
"""Rows by kind and id."""


class Libraries:
    """Answers about libraries."""

    def __init__(self, store: Store) -> None:
        """Keep them in *store*."""
        self._store = store

    async def open(self, _: OpenLibrary, actor: Actor) -> Library:
        """Return the actor's library, made if need be."""
        return Library(project_id=await self._library(actor))

    async def save(self, question: SaveToLibrary, actor: Actor) -> Committed:
        """Copy things of the actor's project into their library."""
        source, target = actor.scope(), await self._library(actor)
        return await self._copy(question, actor, source, target, may=None, label="Saved")

    async def take_over(self, question: ImportFromLibrary, actor: Actor) -> Committed:
        """Copy things of the actor's library into their project."""
        source, target = await self._library(actor), actor.scope()
        label = "Imported from the library"
        return await self._copy(question, actor, source, target, may=question.may, label=label)

    async def _library(self, actor: Actor) -> UUID:
        library_id, person = new_id(), actor.user_id
        cause = cause_of(actor, new_id(), project_id=library_id)

        async def work(tx: Transaction) -> UUID:
            known = await tx.connection.fetchval(SQL.library, person)
            if known is not None:
                return known
            await tx.connection.execute(SQL.lock_person, person)
            known = await tx.connection.fetchval(SQL.library, person)
            if known is not None:
                return known
            await begin_project(tx, cause, LIBRARY_NAME, member_id=new_id())
            await tx.connection.execute(SQL.name_library, person, library_id)
            return library_id

        return await self._store.command(cause, work)

    async def _copy(
        self,
        question: SaveToLibrary | ImportFromLibrary,
        actor: Actor,
        source: UUID,
        target: UUID,
        *,
        may: frozenset[str] | None,
        label: str,
    ) -> Committed:
        if source == target:
            raise errors.Conflict("A library is not copied into itself.")
        command_id = question.command_id
        metadata = bundle_metadata(BundleType.IMPORT, label)
        cause = cause_of(actor, command_id, project_id=target, metadata=metadata)
        claim = claim_of(question, command_id, target, project_id=target)

        async def work(tx: Transaction) -> Committed:
            if await tx.claim(claim) is None:
                require_visible(await tx.row(PROJECT, target))
                found = await _gather(tx.within(source), source, question.things)
                steps = await _steps(tx, found, target, seed=command_id)
                if may is not None:
                    require_permitted(steps, may)
                if len(steps) > OPERATIONS_MAX:
                    raise errors.TooLarge(f"At most {OPERATIONS_MAX} things are copied at once.")
                await carry_out(tx, steps, target)
            return await committed(tx, target, command_id)

        return await self._store.command(cause, work)


async def _gather(reader: Reader, project_id: UUID, things: list[Thing]) -> Rows:
    """Return what was chosen, what that refers to, and what connects it.

    Raises:
        errors.NotFound: Something that was chosen is not there.
    """
    require_visible(await reader.row(PROJECT, project_id))
    wanted: dict[str, set[UUID]] = {}
    for thing in things:
        wanted.setdefault(thing.kind, set()).add(thing.id)
    gathering = _Gathering(reader, project_id)
    await gathering.add(wanted, chosen=True)
    entities = list(gathering.rows.get(ENTITY.kind, {}))
    if entities:
        await gathering.connect(TAGGING, "entity_id", "entity_id", entities)
        await gathering.connect(RELATION, "source_entity_id", "target_entity_id", entities)
    return gathering.rows


@dataclass(slots=True)
class _Gathering:
    reader: Reader
    project_id: UUID
    rows: Rows = field(default_factory=dict[str, dict[UUID, Row]])

    async def add(self, wanted: Mapping[str, set[UUID]], *, chosen: bool = False) -> None:
        """Read things, and then what they refer to; ends, because references name earlier kinds."""
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

    async def connect(self, about: Aggregate, one: str, other: str, ids: list[UUID]) -> None:
        """Read what connects things."""
        query = statement("between_state", about, one=one, other=other)
        found = await self.reader.connection.fetch(query, self.project_id, ids, OPERATIONS_MAX)
        await self._take(about, [dict(row) for row in found])

    async def _take(self, about: Aggregate, found: list[Row]) -> None:
        self.rows.setdefault(about.kind, {}).update({row["id"]: row for row in found})
        further: dict[str, set[UUID]] = {}
        for name, kind in about.references.items():
            if kind in LIBRARY_KINDS:
                named = {row[name] for row in found if row[name] is not None}
                further.setdefault(kind, set()).update(named)
        await self.add(further)


async def _steps(tx: Transaction, found: Rows, target: UUID, *, seed: UUID) -> list[Step]:
    """Return the making of copies; a tag that the target has by name is not made again."""
    copies = await _tags_there(tx, found, target)
    slugs = await _slugs_there(tx, found, target)
    steps: list[Step] = []
    number = 0
    for about in AGGREGATES.values():
        for key, row in sorted(found.get(about.kind, {}).items()):
            if key in copies:
                continue
            number += 1
            copies[key] = planted_id(seed, number)
            fields = _fields(about, row, copies)
            if about is ENTITY and fields["slug"] in slugs:
                fields["slug"] = None
            steps.append(
                Create(
                    about=about, id=copies[key], fields=fields, parent_id=target, index=INDEX_MAX
                )
            )
    return steps


def _fields(about: Aggregate, row: Row, copies: Mapping[UUID, UUID]) -> dict[str, Any]:
    fields = {name: about.plain(name, row[name]) for name in about.fields}
    for name in about.references:
        copy = copies.get(row[name]) if row[name] is not None else None
        fields[name] = str(copy) if copy else None
    for part in about.parts:
        if part.name in LEFT_BEHIND:
            fields |= part.absent
    return fields


async def _tags_there(tx: Transaction, found: Rows, target: UUID) -> dict[UUID, UUID]:
    names = {key: row["name"].lower() for key, row in found.get(TAG.kind, {}).items()}
    rows = await tx.connection.fetch(SQL.tags_called, target, list(names.values()))
    there = {row["name"]: row["id"] for row in rows}
    return {key: there[name] for key, name in names.items() if name in there}


async def _slugs_there(tx: Transaction, found: Rows, target: UUID) -> set[str]:
    wanted = [row["slug"] for row in found.get(ENTITY.kind, {}).values() if row["slug"]]
    return {row["slug"] for row in await tx.connection.fetch(SQL.slugs_taken, target, wanted)}
