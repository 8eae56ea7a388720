"""Deciding a conflict that a peer left: one bundle of type merge_resolution, or nothing."""

from typing import Any

from pydantic import TypeAdapter

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.bundles import BundleType, Committed, Operation
from libs.contracts.events.sync import Resolve
from services.events.bundles.commit import (
    apply_reversal,
    bundle_metadata,
    committed_bundle,
    now_as_json,
)
from services.events.bundles.steps import parse_operations, require_permitted
from services.events.common.commands import claim_of, context_of, require_visible
from services.events.model.aggregates import PROJECT
from services.events.model.refusal import field_refusal
from services.events.store import Store, Transaction
from services.events.sync.store import SQL

LABEL = "Resolved offline edit"

_OPERATION: TypeAdapter[Operation] = TypeAdapter(Operation)
_SEEN = ("id", "oldValue", "baseVersion")


class ResolutionHandlers:
    """Answers to those who decide."""

    def __init__(self, store: Store) -> None:
        """Decide in *store*."""
        self._store = store

    async def resolve(self, question: Resolve, actor: Actor) -> Committed:
        """Do what the peer wanted, or something else, or leave what is there."""
        project_id = actor.scope()
        context = context_of(
            actor,
            question.command_id,
            causation_id=question.conflict_id,
            metadata=bundle_metadata(BundleType.MERGE_RESOLUTION, LABEL),
        )
        claim = claim_of(question, question.command_id, question.conflict_id, project_id=project_id)

        async def work(tx: Transaction) -> Committed:
            if await tx.claim(claim) is not None:
                return await committed_bundle(tx, project_id, question.command_id)
            row = await tx.connection.fetchrow(SQL.lock_conflict, project_id, question.conflict_id)
            if row is None:
                raise errors.NotFound
            if row["resolved_at"] is not None:
                raise errors.Conflict("This conflict is already resolved.")
            require_visible(await tx.row(PROJECT, project_id))
            if question.take != "theirs":
                operation = _OPERATION.validate_python(_wanted(row["operation"], question))
                steps = parse_operations([operation], project_id, at=now_as_json())
                require_permitted(steps, question.may)
                await apply_reversal(tx, steps, project_id, vouched=actor.vouched)
            done = await committed_bundle(tx, project_id, question.command_id)
            await tx.connection.execute(
                SQL.resolve_conflict,
                project_id,
                question.conflict_id,
                actor.user_id,
                done.bundle.id if done.bundle else None,
            )
            return done

        return await self._store.command(context, work)


def _wanted(operation: dict[str, Any], question: Resolve) -> dict[str, Any]:
    """Return the operation to do now: the peer's, without what the peer had seen."""
    plain = {name: value for name, value in operation.items() if name not in _SEEN}
    if question.take == "mine":
        return plain
    if plain["op"] != "set":
        raise field_refusal("take", "another value is possible for the change of a field only")
    return plain | {"value": question.value}
