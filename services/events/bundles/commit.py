"""Running a bundle: lock its aggregates, plan it, and record it or report its conflicts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import batched
from typing import Any
from uuid import UUID

import structlog

from libs import errors
from libs.contracts.events.bundles import OPERATIONS_WARNED, BundleType, Committed
from libs.contracts.ids import new_id
from services.events.bundles import store as bundle_store
from services.events.bundles.conflicts import (
    ConflictReport,
    conflict_error,
    report,
    reversal_error,
    types_of,
)
from services.events.bundles.plan import Plan, PlanInput, StepConflict
from services.events.bundles.siblings import RankOverflow
from services.events.bundles.steps import Step, references_of
from services.events.common.references import Vouched, project_people
from services.events.model.aggregate import Row
from services.events.model.aggregates import AGGREGATES, MEMBER
from services.events.model.log import wire_time
from services.events.model.order import respace_events
from services.events.store import Reader, Transaction
from services.events.store.violations import ROW_REFUSALS, error_of, is_partition_race

log = structlog.get_logger(__name__)

SLICE_OPERATIONS = 500
"""Operations that are planned before other requests get their turn."""
PART_STEPS = 100
"""Steps that are tried together after a refusal, before they are tried one by one."""


@dataclass(frozen=True, slots=True)
class BundleOutcome:
    """The outcome of steps: the number of events, the conflicts, and the steps that were done."""

    events: int
    conflicts: tuple[StepConflict, ...]
    report: ConflictReport
    done: frozenset[int]


class Checked(Exception):
    """All of it could be done; nothing of it may be kept, for that is all that was asked."""


def now_as_json() -> str:
    """Return the time as event data holds it."""
    return wire_time(datetime.now(UTC))


def bundle_metadata(
    bundle_type: BundleType, label: str | None, *, reverses: UUID | None = None
) -> dict[str, Any]:
    """Return the metadata of the events of a bundle; empty for an ordinary edit."""
    said: dict[str, Any] = {}
    if bundle_type is not BundleType.USER_EDIT:
        said["type"] = bundle_type.value
    if label is not None:
        said["label"] = label
    if reverses is not None:
        said["reverses"] = str(reverses)
    return {"bundle": said} if said else {}


async def apply_steps(
    tx: Transaction,
    steps: Sequence[Step],
    project_id: UUID,
    *,
    partly: bool = False,
    until_conflict: bool = False,
    ids: Mapping[int, UUID] | None = None,
    session_id: UUID | None = None,
    vouched: Vouched | None = None,
) -> BundleOutcome:
    """Do all steps or, when *partly*, those without conflicts.

    Args:
        tx: The transaction; its context is that of the bundle.
        steps: The steps, in order.
        project_id: The project.
        partly: Whether steps with conflicts are left out instead of refusing all steps.
        until_conflict: With *partly*: whether the search for the steps that the database refuses
            ends at the first of them.
        ids: The id of the first event of a step, by the number of the step.
        session_id: The sync session whose events do not count as changes by others.
        vouched: The teams of the people that steps refer to, as the gateway knows them.

    Raises:
        errors.PeopleUnknown: The teams of a person are not given.
        errors.NotFound: The aggregate of a step is deleted or never existed.
        errors.Conflict: A field has a value that the author had not seen.
        errors.ConcurrencyConflict: An aggregate is not at its expected version, or an id is taken.
        errors.Invalid: Values do not fit the aggregate as it is.
    """
    numbered = dict(enumerate(steps))
    ids, done = ids or {}, _Progress()
    # Before anything that may fail in part: membership must be known first.
    named = [key for key, kind in references_of(steps).items() if kind == MEMBER.kind]
    members = await project_people(tx, named, vouched or {}, field="operations")
    doing = partial(_do, tx, project_id=project_id, ids=ids, session_id=session_id, members=members)
    if not partly:
        await doing(numbered, done=done, partly=False)
    else:
        attempt = await _attempt(tx, doing, numbered)
        if isinstance(attempt, _Progress):
            done = attempt
        else:
            # Only the database knows which step broke a rule: try them in parts.
            await _do_in_parts(tx, doing, numbered, done, until_conflict=until_conflict)
    shown = await explain_conflicts(tx, done.conflicts, done.rows, project_id)
    if done.conflicts and not partly:
        raise conflict_error(done.conflicts, shown)
    return BundleOutcome(done.events, tuple(done.conflicts), shown, frozenset(done.numbers))


async def apply_reversal(
    tx: Transaction, steps: Sequence[Step], project_id: UUID, *, vouched: Vouched | None = None
) -> None:
    """Do all steps of a reversal, which no client sent as operations, or report their conflicts.

    Args:
        tx: The transaction; its context is that of the bundle.
        steps: The steps, in order.
        project_id: The project.
        vouched: The teams of the people that steps refer to, as the gateway knows them.

    Raises:
        errors.PeopleUnknown: As `apply_steps`.
        errors.Conflict: With `conflicts` of any reason: the bundle to reverse exists.
    """
    outcome = await apply_steps(
        tx, steps, project_id, partly=True, until_conflict=True, vouched=vouched
    )
    if outcome.conflicts:
        raise reversal_error(outcome.conflicts, outcome.report)


@dataclass(slots=True)
class _Progress:
    """The outcome of the steps so far."""

    events: int = 0
    conflicts: list[StepConflict] = field(default_factory=list[StepConflict])
    numbers: set[int] = field(default_factory=set[int])
    rows: dict[UUID, Row] = field(default_factory=dict[UUID, Row])

    def add(self, other: "_Progress") -> None:
        """Add the outcome of further steps."""
        self.events += other.events
        self.conflicts += other.conflicts
        self.numbers |= other.numbers
        self.rows |= other.rows


type _Doing = Callable[..., Awaitable[None]]
"""`_do` with the arguments that are the same for each attempt."""


async def _attempt(
    tx: Transaction, doing: _Doing, steps: Mapping[int, Step]
) -> _Progress | errors.AppError:
    """Do steps and return their outcome, or the reason why none of them was done."""
    done = _Progress()
    try:
        async with tx.attempt():
            await doing(steps, done=done)
    except ROW_REFUSALS as error:
        known = None if is_partition_race(error) else error_of(error)
        if known is None:
            raise
        return known
    except (errors.Invalid, errors.Conflict) as error:
        return error
    return done


async def _do_in_parts(
    tx: Transaction,
    doing: _Doing,
    steps: Mapping[int, Step],
    done: _Progress,
    *,
    until_conflict: bool,
) -> None:
    """Do the steps that are not refused, and note the others as conflicts."""
    for some in batched(steps.items(), PART_STEPS, strict=False):
        attempt = await _attempt(tx, doing, dict(some))
        if isinstance(attempt, _Progress):
            done.add(attempt)
            continue
        for number, step in some:
            attempt = await _attempt(tx, doing, {number: step})
            if isinstance(attempt, _Progress):
                done.add(attempt)
            else:
                refused = StepConflict(number, step, "refused", attempt.code, theirs=attempt.detail)
                done.conflicts.append(refused)
        if done.conflicts and until_conflict:
            return


async def _do(
    tx: Transaction,
    steps: Mapping[int, Step],
    *,
    project_id: UUID,
    ids: Mapping[int, UUID],
    session_id: UUID | None,
    members: frozenset[UUID],
    done: _Progress,
    partly: bool = True,
) -> None:
    """Do the steps without conflicts, and note the outcome of all in *done*.

    When not *partly*, one conflict keeps all steps from being done.
    """
    while True:
        held = await bundle_store.lock_for_plan(
            tx, [*steps.values()], project_id, members=members, session_id=session_id
        )
        try:
            plan = await _planned(steps, held)
        except RankOverflow as worn:
            spec = AGGREGATES[worn.kind]
            siblings = await tx.lock_siblings(spec, worn.parent_id)
            await tx.record(respace_events(spec, siblings))
            continue
        break
    done.rows |= held.rows
    done.conflicts += plan.conflicts
    if plan.conflicts and not partly:
        return
    await tx.record(plan.pending_events, _ids(plan, ids))
    done.events += len(plan.pending_events)
    done.numbers |= set(plan.numbers) - {conflict.number for conflict in plan.conflicts}


async def _planned(steps: Mapping[int, Step], held: PlanInput) -> Plan:
    plan = Plan(held, at=now_as_json())
    for place, (number, step) in enumerate(steps.items()):
        plan.add(number, step)
        if place % SLICE_OPERATIONS == SLICE_OPERATIONS - 1:
            await asyncio.sleep(0)
    return plan


def _ids(plan: Plan, given: Mapping[int, UUID]) -> list[UUID]:
    used: set[int] = set()
    found: list[UUID] = []
    for number in plan.numbers:
        found.append(given[number] if number in given and number not in used else new_id())
        used.add(number)
    return found


async def explain_conflicts(
    tx: Transaction, conflicts: Sequence[StepConflict], rows: Mapping[UUID, Any], project_id: UUID
) -> ConflictReport:
    """Return the report of conflicts: with the author and the time of the other side's change."""
    if not conflicts:
        return []
    asked = [place for place, conflict in enumerate(conflicts) if conflict.event is None]
    events = {place: conflict.event for place, conflict in enumerate(conflicts) if conflict.event}
    found = await bundle_store.last_changes(
        tx, project_id, [(conflicts[place].step.id, types_of(conflicts[place])) for place in asked]
    )
    events |= {asked[number]: event for number, event in found.items()}
    bundles = await bundle_store.bundles_by_id(
        tx, project_id, {event.bundle_id for event in events.values()}
    )
    return report(conflicts, events, bundles, rows)


async def committed_bundle(reader: Reader, project_id: UUID, bundle_id: UUID) -> Committed:
    """Return a bundle as it was committed; no bundle when it changed nothing."""
    bundles = await bundle_store.bundles_by_id(reader, project_id, [bundle_id])
    bundle = bundles.get(bundle_id)
    warnings: list[str] = []
    if bundle and bundle.operations > OPERATIONS_WARNED:
        warnings.append(
            f"This bundle has {bundle.operations} operations; above {OPERATIONS_WARNED} it is slow"
            " to review and to undo."
        )
        log.warning("large bundle", bundle_id=str(bundle_id), operations=bundle.operations)
    versions = await bundle_store.versions_of(reader, bundle) if bundle else {}
    return Committed(bundle=bundle, versions=versions, warnings=warnings)
