"""Resolving a conflict of a push: one bundle of type merge_resolution, or no change."""

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
    """Handlers of requests that resolve conflicts."""

    def __init__(self, store: Store) -> None:
        """Resolve conflicts in *store*."""
        self._store = store

    async def resolve(self, question: Resolve, actor: Actor) -> Committed:
        """Apply the peer's operation, or another value, or keep the current value."""
        project_id = actor.scope()
        context = context_of(
            actor,
            question.command_id,
            causation_id=question.conflict_id,
            metadata=bundle_metadata(BundleType.MERGE_RESOLUTION, LABEL),
        )
        claim = claim_of(question, question.command_id, question.conflict_id, project_id=project_id)

        async def apply_resolve(tx: Transaction) -> Committed:
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

        return await self._store.run_command(context, apply_resolve)


def _wanted(operation: dict[str, Any], question: Resolve) -> dict[str, Any]:
    """Return the operation to apply: the peer's, without the values that the peer had seen."""
    plain = {name: value for name, value in operation.items() if name not in _SEEN}
    if question.take == "mine":
        return plain
    if plain["op"] != "set":
        raise field_refusal("take", "another value is possible for the change of a field only")
    return plain | {"value": question.value}
