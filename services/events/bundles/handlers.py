"""Committing and reading bundles."""

from datetime import UTC, datetime
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.bundles import (
    Bundle,
    BundleDetail,
    BundleOperation,
    Bundles,
    Commit,
    Committed,
    ListBundles,
    ReadBundle,
    Whereabouts,
    WhereBundle,
)
from libs.contracts.events.event import Event
from services.events.bundles import store as bundle_store
from services.events.bundles.commit import (
    Checked,
    apply_steps,
    bundle_metadata,
    committed_bundle,
    now_as_json,
)
from services.events.bundles.names import describe_operation
from services.events.bundles.steps import parse_operations, require_permitted
from services.events.common.commands import claim_of, context_of, require_visible
from services.events.integrity.quarantine import drop_corrupt_events
from services.events.model.aggregate import Row
from services.events.model.aggregates import AGGREGATES, PROJECT
from services.events.model.page import cursor_after, cursor_key, fitting
from services.events.model.refusal import field_refusal
from services.events.store import Reader, Store, Transaction

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BundleHandlers:
    """Handlers of requests about bundles."""

    def __init__(self, store: Store) -> None:
        """Keep bundles in *store*."""
        self._store = store

    async def commit(self, question: Commit, actor: Actor) -> Committed:
        """Do all operations, or none."""
        project_id = actor.scope()
        steps = parse_operations(question.operations, project_id, at=now_as_json())
        require_permitted(steps, question.may)
        context = context_of(
            actor,
            question.command_id,
            source=question.source,
            causation_id=question.causation_id,
            metadata=bundle_metadata(question.type, question.label),
        )
        claim = claim_of(question, question.command_id, question.command_id, project_id=project_id)

        async def apply_commit(tx: Transaction) -> Committed:
            if await tx.claim(claim) is None:
                require_visible(await tx.row(PROJECT, project_id))
                await apply_steps(tx, steps, project_id, vouched=actor.vouched)
                if question.check:
                    raise Checked
            return await committed_bundle(tx, project_id, question.command_id)

        try:
            return await self._store.run_command(context, apply_commit)
        except Checked:
            return Committed(bundle=None, versions={}, warnings=[])

    async def list(self, question: ListBundles, actor: Actor) -> Bundles:
        """Show bundles, the newest first."""
        project_id, after = actor.scope(), _place(question.cursor)

        async def query_list(reader: Reader) -> Bundles:
            require_visible(await reader.row(PROJECT, project_id))
            found = await bundle_store.list_bundles(reader, project_id, question, after)
            items, more = found[: question.limit], len(found) > question.limit
            end = cursor_after(_key(items[-1].created_at, items[-1].id)) if more else None
            return Bundles(items=items, next_cursor=end)

        return await self._store.run_read(query_list, project_id=project_id)

    async def read(self, question: ReadBundle, actor: Actor) -> BundleDetail:
        """Show a bundle, with a page of its operations described."""
        project_id = actor.scope()
        after = int(key) if (key := cursor_key(question.cursor)) and key.isdecimal() else 0

        async def query_read(reader: Reader) -> BundleDetail:
            require_visible(await reader.row(PROJECT, project_id))
            bundle = await require_bundle(reader, project_id, question.bundle_id)
            events = await bundle_store.events_of_bundle(reader, bundle)
            end = after + question.limit
            # Corrupt events are quarantined and left out.
            shown = await drop_corrupt_events(reader.connection, events[after:end])
            items = await _operations(reader, shown)
            count = fitting(len(item.to_wire()) for item in items)
            if count < len(items):
                end = _place_in(events, shown[count])
            return BundleDetail(
                bundle=bundle,
                items=items[:count],
                next_cursor=cursor_after(str(end)) if end < len(events) else None,
            )

        return await self._store.run_read(query_read, project_id=project_id)

    async def where(self, question: WhereBundle, _: Actor) -> Whereabouts:
        """Return the project of a bundle."""

        async def query_where(reader: Reader) -> UUID | None:
            return await bundle_store.project_of(reader, question.bundle_id)

        return Whereabouts(project_id=await self._store.run_read(query_where))


async def require_bundle(reader: Reader, project_id: UUID, bundle_id: UUID) -> Bundle:
    """Return a bundle of the project.

    Raises:
        errors.NotFound: The project has no bundle with that id.
    """
    found = await bundle_store.bundles_by_id(reader, project_id, [bundle_id])
    if bundle_id not in found:
        raise errors.NotFound
    return found[bundle_id]


async def _operations(reader: Reader, events: list[Event]) -> list[BundleOperation]:
    kinds: dict[str, list[UUID]] = {}
    for event in events:
        kinds.setdefault(event.aggregate_type, []).append(event.aggregate_id)
    rows: dict[UUID, Row] = {}
    for kind, ids in kinds.items():
        rows |= await reader.rows(AGGREGATES[kind], set(ids))
    return [describe_operation(event, rows.get(event.aggregate_id)) for event in events]


def _place_in(events: list[Event], wanted: Event) -> int:
    """Return the index of an event, or of the event that it replaces."""
    place = wanted.aggregate_id, wanted.version
    return next(n for n, each in enumerate(events) if (each.aggregate_id, each.version) == place)


def _key(moment: datetime, bundle_id: UUID) -> str:
    microseconds = (moment - _EPOCH) // (datetime.resolution)
    return f"{microseconds}-{bundle_id.hex}"


def _place(cursor: str | None) -> tuple[datetime, UUID] | None:
    key = cursor_key(cursor)
    if key is None:
        return None
    microseconds, _, bundle_id = key.partition("-")
    try:
        return _EPOCH + int(microseconds) * datetime.resolution, UUID(bundle_id)
    except (ValueError, OverflowError) as error:
        raise field_refusal("cursor", "is not a cursor of this list") from error
