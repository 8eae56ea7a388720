"""The library of a person: a project of their own, in no list; things are copied to and from it.

A copy includes references, the tags of entities, and the relations between copied entities.
All of it is one bundle of the target project, so it can be undone at once.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.bundles import OPERATIONS_MAX, BundleType, Committed
from libs.contracts.events.resources import INDEX_MAX
from libs.contracts.events.workspaces import (
    LIBRARY_FILES_BYTES_MAX,
    ImportFromLibrary,
    Library,
    OpenLibrary,
    SaveToLibrary,
    Thing,
)
from libs.contracts.ids import new_id
from libs.postgres import LockKey, wait_for_lock
from services.events.bundles.commit import apply_steps, bundle_metadata, committed_bundle
from services.events.bundles.steps import CreateStep, Step, require_permitted
from services.events.common.commands import claim_of, context_of, require_visible
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import AGGREGATES, EDITOR_DEFINITION, ENTITY, PROJECT, TAG
from services.events.model.files import NO_FILE, file_uploaded
from services.events.model.log import CommandContext, PendingEvent
from services.events.store import Reader, Store, Transaction
from services.events.workspaces.document import LEFT_BEHIND
from services.events.workspaces.files import PackageBytes
from services.events.workspaces.importing import create_project, imported_id, use_claims
from services.events.workspaces.package_file import PackageFile
from services.events.workspaces.selection import SelectedRows, select_things
from services.events.workspaces.store import SQL, statement

LIBRARY_NAME = "Library"

type Claims = Mapping[tuple[UUID, str], UUID | None]
"""Claims on bytes by aggregate and SHA-256 of its file; None when the bytes are missing."""


class LibraryHandlers:
    """Handlers of requests about libraries."""

    def __init__(self, store: Store, files: PackageBytes) -> None:
        """Keep libraries in *store*; *files* copies the bytes of files."""
        self._store = store
        self._files = files

    async def open(self, _: OpenLibrary, actor: Actor) -> Library:
        """Return the actor's library; create it if it does not exist."""
        return Library(project_id=await self._library(actor))

    async def save(self, question: SaveToLibrary, actor: Actor) -> Committed:
        """Copy aggregates of the actor's project into the actor's library."""
        source, target = actor.scope(), await self._library(actor)
        return await self._copy(question, actor, source, target, may=None, label="Saved")

    async def take_over(self, question: ImportFromLibrary, actor: Actor) -> Committed:
        """Copy aggregates of the actor's library into the actor's project."""
        source, target = await self._library(actor), actor.scope()
        label = "Imported from the library"
        return await self._copy(question, actor, source, target, may=question.may, label=label)

    async def _library(self, actor: Actor) -> UUID:
        library_id, person = new_id(), actor.user_id
        context = context_of(actor, new_id(), project_id=library_id)

        async def apply_library(tx: Transaction) -> UUID:
            known = await tx.connection.fetchval(SQL.library, person)
            if known is not None:
                return known
            await wait_for_lock(tx.connection, LockKey.PERSON, person)
            known = await tx.connection.fetchval(SQL.library, person)
            if known is not None:
                return known
            await create_project(tx, context, LIBRARY_NAME, member_id=new_id())
            await tx.connection.execute(SQL.name_library, person, library_id)
            return library_id

        return await self._store.run_command(context, apply_library)

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
            raise errors.Conflict("A library cannot be copied into itself.")
        command_id = question.command_id
        metadata = bundle_metadata(BundleType.IMPORT, label)
        context = context_of(actor, command_id, project_id=target, metadata=metadata)
        claim = claim_of(question, command_id, target, project_id=target)
        claims = await self._bring(question.things, actor, source, target)

        async def apply_copy(tx: Transaction) -> Committed:
            if await tx.claim(claim) is None:
                require_visible(await tx.row(PROJECT, target))
                found = await select_things(tx.within(source), source, question.things)
                steps, copies = await _steps(tx, found, target, seed=command_id)
                if may is not None:
                    require_permitted(steps, may)
                if len(steps) > OPERATIONS_MAX:
                    raise errors.TooLarge(
                        f"At most {OPERATIONS_MAX} aggregates can be copied at once."
                    )
                await apply_steps(tx, steps, target)
                await _give_files(tx, context, found, copies, claims)
            return await committed_bundle(tx, target, command_id)

        return await self._store.run_command(context, apply_copy)

    async def _bring(self, things: list[Thing], actor: Actor, source: UUID, target: UUID) -> Claims:
        """Copy the bytes of files that will be copied to the target, as far as they exist.

        Returns the claims on the bytes.

        Raises:
            errors.TooLarge: The files are larger than LIBRARY_FILES_BYTES_MAX together.
        """

        async def query_bring(reader: Reader) -> list[Row]:
            return _with_files(await select_things(reader, source, things))

        rows = await self._store.run_read(query_bring, project_id=source)
        sizes = {row["file_checksum"]: row["file_size"] for row in rows}
        if sum(sizes.values()) > LIBRARY_FILES_BYTES_MAX:
            raise errors.TooLarge(
                f"At most {LIBRARY_FILES_BYTES_MAX >> 20} MiB of files can be copied at once.",
                limitBytes=LIBRARY_FILES_BYTES_MAX,
            )
        there = Actor(user_id=actor.user_id, project_id=target)
        brought = await self._files.bring(source, sizes, there)
        return {
            (row["id"], row["file_checksum"]): (
                await self._files.claim(row["file_checksum"], row["id"], there)
                if row["file_checksum"] in brought
                else None
            )
            for row in rows
        }


def _with_files(found: SelectedRows) -> list[Row]:
    """Return the entities that have a file."""
    rows = found.get(ENTITY.kind, {}).values()
    return [row for row in rows if row["file_checksum"] is not None]


async def _give_files(
    tx: Transaction,
    context: CommandContext,
    found: SelectedRows,
    copies: Mapping[UUID, UUID],
    claims: Claims,
) -> None:
    """Give copies the files of their originals.

    Raises:
        errors.ConcurrencyConflict: An entity got another file since its bytes were copied.
        errors.Unavailable: The bytes were deleted in the meantime.
    """
    pending_events: list[PendingEvent] = []
    used: list[UUID] = []
    for row in _with_files(found):
        key = row["id"], row["file_checksum"]
        if key not in claims:
            raise errors.ConcurrencyConflict("A file changed while it was copied; try again.")
        file, claim_id = PackageFile.of(ENTITY, row), claims[key]
        if file is None or claim_id is None:
            continue
        stored = file.stored(
            project_id=context.project_id,
            entity_id=copies[row["id"]],
            owner_id=context.user_id,
            fields=row,
        )
        pending_events.append(file_uploaded(copies[row["id"]], NO_FILE, stored, claim_id))
        used.append(claim_id)
    await use_claims(tx.connection, context.project_id, used)
    await tx.record(pending_events)


async def _steps(
    tx: Transaction, found: SelectedRows, target: UUID, *, seed: UUID
) -> tuple[list[Step], dict[UUID, UUID]]:
    """Return the steps that create copies, and the ids of copies by original.

    A tag or an editor whose name exists in the target is not copied.
    """
    copies = await _names_there(tx, found, target)
    slugs = await _slugs_there(tx, found, target)
    steps: list[Step] = []
    number = 0
    for spec in AGGREGATES.values():
        for key, row in sorted(found.get(spec.kind, {}).items()):
            if key in copies:
                continue
            number += 1
            copies[key] = imported_id(seed, number)
            fields = _fields(spec, row, copies)
            if spec is ENTITY and fields["slug"] in slugs:
                fields["slug"] = None
            steps.append(
                CreateStep(
                    spec=spec, id=copies[key], fields=fields, parent_id=target, index=INDEX_MAX
                )
            )
    return steps, copies


def _fields(spec: AggregateSpec, row: Row, copies: Mapping[UUID, UUID]) -> dict[str, Any]:
    fields = {name: spec.plain(name, row[name]) for name in spec.fields}
    for name in spec.references:
        copy = copies.get(row[name]) if row[name] is not None else None
        fields[name] = str(copy) if copy else None
    for part in spec.parts:
        if part.name in LEFT_BEHIND:
            fields |= part.absent
    return fields


async def _names_there(tx: Transaction, found: SelectedRows, target: UUID) -> dict[UUID, UUID]:
    """Return the ids in the target of tags and editors whose names exist there, by original."""
    same: dict[UUID, UUID] = {}
    for spec in (TAG, EDITOR_DEFINITION):
        names = {key: row["name"] for key, row in found.get(spec.kind, {}).items()}
        query = statement("called", spec)
        rows = await tx.connection.fetch(query, target, list(names.values()))
        there = {row["name"]: row["id"] for row in rows}
        same |= {key: there[name] for key, name in names.items() if name in there}
    return same


async def _slugs_there(tx: Transaction, found: SelectedRows, target: UUID) -> set[str]:
    wanted = [row["slug"] for row in found.get(ENTITY.kind, {}).values() if row["slug"]]
    return {row["slug"] for row in await tx.connection.fetch(SQL.slugs_taken, target, wanted)}
