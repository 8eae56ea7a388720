"""Push: a checkpoint of a peer's operations is applied completely or not at all, and once."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.bundles import BundleType, Operation, SetField
from libs.contracts.events.event import Source
from libs.contracts.events.sync import OperationResult, Push, Pushed, Resume, Resumed
from libs.contracts.ids import new_id
from services.events.bundles.commit import (
    BundleOutcome,
    apply_steps,
    bundle_metadata,
    now_as_json,
)
from services.events.bundles.conflicts import cut_report
from services.events.bundles.steps import Step, parse_operations, require_permitted
from services.events.common.commands import context_of, require_visible
from services.events.model.aggregates import PROJECT
from services.events.model.refusal import field_refusal
from services.events.store import Reader, Store, Transaction
from services.events.sync.checksums import checksums_of
from services.events.sync.store import SQL

LABEL = "Offline edits"

_OPERATIONS: TypeAdapter[list[Operation]] = TypeAdapter(list[Operation])


class PushHandlers:
    """Handlers of requests that push checkpoints."""

    def __init__(self, store: Store) -> None:
        """Apply checkpoints to *store*."""
        self._store = store

    async def resume(self, question: Resume, actor: Actor) -> Resumed:
        """Return the number of the last checkpoint of a session."""
        project_id = actor.scope()

        async def query_resume(reader: Reader) -> int:
            require_visible(await reader.row(PROJECT, project_id))
            return (
                await reader.connection.fetchval(
                    SQL.last_checkpoint, project_id, question.session_id, actor.user_id
                )
                or 0
            )

        last = await self._store.run_read(query_resume, project_id=project_id)
        return Resumed(session_id=question.session_id, last_checkpoint=last)

    async def push(self, question: Push, actor: Actor) -> Pushed:
        """Apply a checkpoint; a repeated checkpoint gets the answer of its first time."""
        project_id = actor.scope()
        if question.checksum not in checksums_of(question.operations):
            raise field_refusal("checksum", "is not the checksum of these operations")
        ids, steps = _read(question.operations, project_id)
        require_permitted(steps, question.may)
        context = context_of(
            actor,
            new_id(),
            source=Source.SYNC,
            causation_id=question.session_id,
            metadata=bundle_metadata(BundleType.USER_EDIT, LABEL),
        )

        async def apply_push(tx: Transaction) -> Pushed:
            last = await _lock(tx, question.session_id, actor)
            if question.checkpoint != last + 1:
                return await _answer_before(tx, question, project_id, last)
            require_visible(await tx.row(PROJECT, project_id))
            await tx.require_open()
            fresh = await _note(tx, ids, project_id)
            new = {n: step for n, step in enumerate(steps) if ids[n] in fresh}
            outcome = await apply_steps(
                tx,
                list(new.values()),
                project_id,
                partly=True,
                ids={place: ids[n] for place, n in enumerate(new)},
                session_id=question.session_id,
                vouched=actor.vouched,
            )
            results = _results(ids, list(new), outcome)
            conflicts, left_out = cut_report(
                await _keep_conflicts(
                    tx, question, actor, results=results, new=list(new), outcome=outcome
                )
            )
            pushed = Pushed(
                status="applied",
                last_checkpoint=question.checkpoint,
                bundle_id=context.bundle_id if outcome.events else None,
                results=results,
                conflicts=conflicts,
                conflicts_left_out=left_out,
            )
            connection, session_id = tx.connection, question.session_id
            await connection.execute(
                SQL.keep_answer,
                project_id,
                session_id,
                question.checkpoint,
                question.checksum,
                # Without default values, so that replicas of the release before can read it.
                pushed.model_dump(mode="json", exclude_defaults=True),
            )
            await connection.execute(
                SQL.advance_session, project_id, session_id, question.checkpoint
            )
            return pushed

        return await self._store.run_command(context, apply_push)


def _read(sent: Sequence[Mapping[str, Any]], project_id: UUID) -> tuple[list[UUID], list[Step]]:
    """Return the ids of a peer's operations, and their steps.

    Raises:
        errors.Invalid: An operation is malformed; no part of the checkpoint can be applied.
    """
    ids: list[UUID] = []
    for number, each in enumerate(sent):
        try:
            ids.append(UUID(str(each["id"])))
        except (KeyError, ValueError):
            raise field_refusal(
                f"operations.{number}.id", "is required and must be a UUID"
            ) from None
    if len(set(ids)) != len(ids):
        raise field_refusal("operations", "two operations have the same id")
    try:
        operations = _OPERATIONS.validate_python(
            [{name: value for name, value in each.items() if name != "id"} for each in sent]
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(to_camel(str(part)) for part in first["loc"])
        raise field_refusal(f"operations.{place}", first["msg"]) from None
    for number, operation in enumerate(operations):
        known = {"old_value", "base_version"} & operation.model_fields_set
        if isinstance(operation, SetField) and not known:
            raise field_refusal(
                f"operations.{number}.oldValue",
                "oldValue or baseVersion is required, to say what the author saw",
            )
        if operation.expected_version is not None:
            raise field_refusal(
                f"operations.{number}.expectedVersion", "is not allowed in a checkpoint"
            )
    return ids, parse_operations(operations, project_id, at=now_as_json())


async def _lock(tx: Transaction, session_id: UUID, actor: Actor) -> int:
    connection, project_id = tx.connection, actor.scope()
    await connection.execute(SQL.begin_session, project_id, session_id, actor.user_id)
    session = await connection.fetchrow(SQL.lock_session, project_id, session_id)
    if session is None or session["user_id"] != actor.user_id:
        raise errors.NotFound("You have no sync session with this id.")
    return session["last_checkpoint"]


async def _answer_before(tx: Transaction, question: Push, project_id: UUID, last: int) -> Pushed:
    """Answer a checkpoint that is not the next one: it was applied before, or comes too early."""
    if question.checkpoint > last:
        return Pushed(status="expected", last_checkpoint=last)
    known = await tx.connection.fetchrow(
        SQL.answer, project_id, question.session_id, question.checkpoint
    )
    if known is None:
        return Pushed(status="repeated", last_checkpoint=last)
    # A peer that was updated in the meantime has another checksum for the same operations.
    if known["digest"] not in checksums_of(question.operations):
        raise errors.IdempotencyKeyReused(
            "This checkpoint was pushed before with other operations."
        )
    answer = Pushed.model_validate(known["answer"])
    # Earlier releases kept more conflicts than fit into a message.
    conflicts, left_out = cut_report(answer.conflicts)
    return answer.model_copy(
        update={
            "status": "repeated",
            "last_checkpoint": last,
            "conflicts": conflicts,
            "conflicts_left_out": answer.conflicts_left_out + left_out,
        }
    )


async def _note(tx: Transaction, ids: Sequence[UUID], project_id: UUID) -> set[UUID]:
    """Record operations as known, and return those that are new.

    Raises:
        errors.IdempotencyKeyReused: An id belongs to something else.
    """
    connection = tx.connection
    fresh = {
        row["operation_id"]
        for row in await connection.fetch(SQL.note_operations, project_id, list(ids))
    }
    if strange := await connection.fetch(SQL.strange_operations, project_id, list(ids)):
        number = ids.index(strange[0][0])
        raise errors.IdempotencyKeyReused(f"operations.{number}.id is the id of another thing.")
    return fresh


def _results(
    ids: Sequence[UUID], new: Sequence[int], outcome: BundleOutcome
) -> list[OperationResult]:
    conflicted = {new[conflict.number] for conflict in outcome.conflicts}
    done = {new[place] for place in outcome.done}
    results: list[OperationResult] = []
    for number, each in enumerate(ids):
        if number not in new:
            results.append(OperationResult(id=each, status="known"))
        elif number in conflicted:
            results.append(OperationResult(id=each, status="conflict", conflict_id=new_id()))
        else:
            status = "applied" if number in done else "unchanged"
            results.append(OperationResult(id=each, status=status))
    return results


async def _keep_conflicts(
    tx: Transaction,
    question: Push,
    actor: Actor,
    *,
    results: Sequence[OperationResult],
    new: Sequence[int],
    outcome: BundleOutcome,
) -> list[dict[str, Any]]:
    """Keep the conflicts of a push, and return their report by the other side's bundle."""
    if not outcome.conflicts:
        return []
    report = [
        bundle | {"fields": [f | {"operation": new[f["operation"]]} for f in bundle["fields"]]}
        for bundle in outcome.report
    ]
    kept = [n for n, result in enumerate(results) if result.conflict_id]
    await tx.connection.execute(
        SQL.keep_conflicts,
        actor.scope(),
        actor.user_id,
        question.session_id,
        question.checkpoint,
        [results[n].conflict_id for n in kept],
        [question.operations[n] for n in kept],
        [{"conflicts": _spec_of(report, n)} for n in kept],
    )
    return report


def _spec_of(report: Sequence[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """Return the part of a report that concerns one operation."""
    return [
        bundle | {"fields": fields}
        for bundle in report
        if (fields := [each for each in bundle["fields"] if each["operation"] == number])
    ]
