"""The queries of bundles, beyond those of every transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.events.bundles import Bundle, ListBundles
from libs.contracts.events.event import Event, Source
from libs.postgres import load_queries
from services.events.bundles.plan import Child, PlanInput
from services.events.bundles.steps import (
    CreateStep,
    DeleteStep,
    MoveStep,
    RestoreStep,
    SetStep,
    Step,
    names_in_steps,
    references_of,
)
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import AGGREGATES, MEMBER
from services.events.model.chain import LogRow, event_of, log_row_of
from services.events.model.refusal import field_refusal
from services.events.store import Reader, RetryTransaction, Transaction, events_from_rows
from services.events.store.log import check_events, events_after

SQL = load_queries("services.events.bundles")

_DAY = timedelta(days=1)
_STORED = tuple(name for name in Bundle.model_fields if name not in ("id", "undone_by"))


@cache
def _filled(name: str, kind: str) -> str:
    spec = AGGREGATES[kind]
    text: str = getattr(SQL, name)
    living = "deleted_at IS NULL" if spec.keeps_deleted else "true"
    return text.format(table=spec.table, parent=spec.parent_column, living=living)


async def lock_for_plan(
    tx: Transaction,
    steps: Sequence[Step],
    project_id: UUID,
    *,
    members: frozenset[UUID] = frozenset(),
    session_id: UUID | None = None,
) -> PlanInput:
    """Lock all aggregates of steps, and return the input of their plan.

    Args:
        tx: The transaction.
        steps: The steps.
        project_id: The project.
        members: The people of the project that steps refer to.
        session_id: The sync session whose events do not count as changes by others.

    Raises:
        RetryTransaction: An aggregate was moved in the meantime.
        errors.Invalid: A base version never existed, or one id is given for two kinds.
    """
    wanted = _targets(steps)
    parents = await _parents(tx, steps, project_id)
    for step in steps:
        if isinstance(step, CreateStep | MoveStep) and step.parent_id:
            wanted.setdefault(step.parent_id, AGGREGATES[str(step.spec.parent)])
    for child_id, parent_id in parents.items():
        wanted.setdefault(parent_id, AGGREGATES[str(wanted[child_id].parent)])
    rows, known = await tx.lock_all(wanted)
    called = await _called(tx, steps)
    definitions = {key: kind for (kind, _), key in called.items()}
    named = references_of(steps) | _hiding(wanted, rows) | definitions
    others = {
        key: AGGREGATES[kind]
        for key, kind in named.items()
        if kind != MEMBER.kind and key not in wanted
    }
    for child_id, parent_id in parents.items():
        if child_id in rows and rows[child_id]["parent_id"] != parent_id:
            raise RetryTransaction
    return PlanInput(
        rows=rows | (await tx.lock_all_shared(others) if others else {}),
        known=known,
        children=await _children(tx, steps, parents, project_id),
        since=await _since(tx, steps, rows, project_id, session_id),
        members=members,
        named=called,
    )


async def _called(tx: Transaction, steps: Iterable[Step]) -> dict[tuple[str, str], UUID]:
    """Return the ids that steps refer to by name, by kind and name, of those not deleted."""
    return {
        (kind, name): key
        for kind, names in names_in_steps(steps).items()
        for name, key in (await tx.ids_by_name(AGGREGATES[kind], sorted(names))).items()
    }


def _targets(steps: Iterable[Step]) -> dict[UUID, AggregateSpec]:
    wanted: dict[UUID, AggregateSpec] = {}
    for number, step in enumerate(steps):
        if wanted.setdefault(step.id, step.spec) is not step.spec:
            raise field_refusal(
                f"operations.{number}.aggregate.kind",
                "the id belongs to an aggregate of another kind",
            )
    return wanted


def _hiding(wanted: Mapping[UUID, AggregateSpec], rows: Mapping[UUID, Row]) -> dict[UUID, str]:
    """Return the possible owners of hidden rows: a plan that restores one must know the others."""
    return {
        row[name]: wanted[key].references[name]
        for key, row in rows.items()
        if row["hidden"]
        for name in wanted[key].hidden_with
    }


async def _parents(tx: Transaction, steps: Iterable[Step], project_id: UUID) -> dict[UUID, UUID]:
    """Return the parents of aggregates whose order may matter."""
    kinds: dict[str, set[UUID]] = {}
    for step in steps:
        if (
            isinstance(step, MoveStep | RestoreStep | DeleteStep)
            and step.spec.ordered
            and step.spec.parent
        ):
            kinds.setdefault(step.spec.kind, set()).add(step.id)
    found: dict[UUID, UUID] = {}
    for kind, ids in kinds.items():
        rows = await tx.connection.fetch(_filled("parents", kind), project_id, list(ids))
        found |= {row["id"]: row["parent_id"] for row in rows}
    return found


async def _children(
    tx: Transaction, steps: Iterable[Step], parents: Mapping[UUID, UUID], project_id: UUID
) -> dict[tuple[str, UUID], list[Child]]:
    """Return the children of every parent whose order may change."""
    kinds: dict[str, set[UUID]] = {}
    for step in steps:
        if not step.spec.ordered or not step.spec.parent:
            continue
        above = kinds.setdefault(step.spec.kind, set())
        if isinstance(step, CreateStep | MoveStep) and step.parent_id:
            above.add(step.parent_id)
        if isinstance(step, MoveStep) and step.id in parents:
            above.add(parents[step.id])
    found: dict[tuple[str, UUID], list[Child]] = {}
    for kind, above in kinds.items():
        for row in await tx.connection.fetch(_filled("children", kind), project_id, list(above)):
            children = found.setdefault((kind, row["parent_id"]), [])
            children.append((row["id"], row["rank"], row["living"]))
    return found


async def _since(
    tx: Transaction,
    steps: Iterable[Step],
    rows: Mapping[UUID, Row],
    project_id: UUID,
    session_id: UUID | None,
) -> dict[UUID, list[Event]]:
    """Return the events after the versions that steps were made from."""
    bases: dict[UUID, int] = {}
    for number, step in enumerate(steps):
        row = rows.get(step.id)
        if not isinstance(step, SetStep | DeleteStep) or step.base is None or row is None:
            continue
        if step.base > row["version"]:
            raise field_refusal(
                f"operations.{number}.baseVersion", "is not a version of this aggregate"
            )
        if step.base < row["version"]:
            bases[step.id] = min(step.base, bases.get(step.id, step.base))
    if not bases:
        return {}
    found = await events_after(tx.connection, project_id, bases)
    return {
        key: [event_of(each) for each in events if not _is_of(each, session_id)]
        for key, events in found.items()
    }


def _is_of(event: LogRow, session_id: UUID | None) -> bool:
    """Return whether a sync session made an event; the causation id alone is no proof."""
    return event.source == Source.SYNC.value and event.causation_id == session_id


async def _sound(reader: Reader, events: Sequence[Event]) -> list[Event]:
    """Return those of *events* that continue their chains; their aggregates must be held."""
    found = await check_events(reader.connection, [log_row_of(event) for event in events])
    return [event_of(each) for each in found.events]


async def last_changes(
    reader: Reader, project_id: UUID, wanted: Sequence[tuple[UUID, Sequence[str]]]
) -> dict[int, Event]:
    """Return, by place in *wanted*, the last event of an aggregate that is of these types."""
    rows = await reader.connection.fetch(
        SQL.last_changes,
        project_id,
        list(range(len(wanted))),
        [aggregate_id for aggregate_id, _ in wanted],
        [",".join(types) for _, types in wanted],
    )
    events = {
        row["number"]: Event.model_validate({k: v for k, v in row.items() if k != "number"})
        for row in rows
    }
    trusted = {event.id: event for event in await _sound(reader, [*events.values()])}
    return {number: trusted[e.id] for number, e in events.items() if e.id in trusted}


async def bundles_by_id(
    reader: Reader, project_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, Bundle]:
    """Return bundles of the project."""
    rows = await reader.connection.fetch(SQL.bundle, project_id, list(set(ids)))
    return {bundle.id: bundle for bundle in await _shown(reader, project_id, rows)}


async def project_of(reader: Reader, bundle_id: UUID) -> UUID | None:
    """Return the project of a bundle."""
    return await reader.connection.fetchval(SQL.project_of, bundle_id)


async def list_bundles(
    reader: Reader,
    project_id: UUID,
    question: ListBundles,
    after: tuple[datetime, UUID] | None,
) -> list[Bundle]:
    """Return bundles, the newest first, one more than was asked for."""
    moment, bundle_id = after or (None, None)
    rows = await reader.connection.fetch(
        SQL.list,
        project_id,
        moment,
        bundle_id,
        question.user_id,
        question.type.value if question.type else None,
        question.since,
        question.until,
        question.aggregate_id,
        question.limit + 1,
    )
    return await _shown(reader, project_id, rows)


async def _shown(reader: Reader, project_id: UUID, rows: Sequence[asyncpg.Record]) -> list[Bundle]:
    undone = await undone_by(reader, project_id, [row["bundle_id"] for row in rows])
    return [
        Bundle(
            id=row["bundle_id"],
            undone_by=undone.get(row["bundle_id"]),
            **{name: row[name] for name in _STORED},
        )
        for row in rows
    ]


async def undone_by(reader: Reader, project_id: UUID, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return which of these bundles are undone, and by which bundle."""
    rows = await reader.connection.fetch(SQL.undone, project_id, list(ids))
    reverses: dict[UUID, list[UUID]] = {}
    for row in rows:
        reverses.setdefault(row["reverses"], []).append(row["bundle_id"])

    def reversal_of(bundle_id: UUID) -> UUID | None:
        # The newest that is not itself undone.
        return next(
            (
                each
                for each in sorted(reverses.get(bundle_id, ()), reverse=True)
                if reversal_of(each) is None
            ),
            None,
        )

    return {each: found for each in ids if (found := reversal_of(each))}


async def events_of_bundle(reader: Reader, bundle: Bundle) -> list[Event]:
    """Return the events of a bundle as the log holds them, in order; recovered ones too."""
    found = await reader.connection.fetch(SQL.events_of_bundle, bundle.project_id, bundle.id)
    if len(found) < bundle.operations:
        found += await reader.connection.fetch(
            SQL.archived_events_of_bundle,
            bundle.project_id,
            bundle.id,
            bundle.created_at - _DAY,
            bundle.created_at + _DAY,
        )
    events = events_from_rows(found)
    if len(events) < bundle.operations:
        # A lost event is in no row, also after a person recovered it.
        known = {(event.aggregate_id, event.version) for event in events}
        rows = await reader.connection.fetch(SQL.recovered, bundle.project_id, str(bundle.id))
        recovered = [Event.model_validate(row["recovered"]) for row in rows]
        events += [each for each in recovered if (each.aggregate_id, each.version) not in known]
    return sorted(events, key=lambda event: event.id)


async def whole_bundle(reader: Reader, bundle: Bundle) -> list[Event]:
    """Return the events of a bundle, in order, to act upon.

    Raises:
        errors.Conflict: An event is damaged or lost, and no operator has decided about it.
    """
    events = await events_of_bundle(reader, bundle)
    # A damaged row may have named this bundle; its recovered event then names another.
    trusted = [each for each in await _sound(reader, events) if each.bundle_id == bundle.id]
    if len(trusted) < bundle.operations:
        raise errors.Conflict(
            "An event of this bundle is damaged or lost; an operator must decide about it first."
        )
    return trusted


async def versions_of(reader: Reader, bundle: Bundle) -> dict[str, int]:
    """Return the version at which a bundle left each aggregate."""
    rows = await reader.connection.fetch(SQL.versions, bundle.project_id, bundle.id)
    if sum(row["events"] for row in rows) == bundle.operations:
        return {str(row["aggregate_id"]): row["version"] for row in rows}
    # Some are in the archive by now.
    events = await events_of_bundle(reader, bundle)
    ends = sorted(events, key=lambda event: event.version)
    return {str(event.aggregate_id): event.version for event in ends}
