"""Deciding a conflict that a peer left: one bundle of type merge_resolution, or nothing."""

from typing import Any

from pydantic import TypeAdapter

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.bundles import BundleType, Committed, Operation
from libs.contracts.events.sync import Resolve
from services.events.bundles.commit import bundle_metadata, committed, now_as_json, take_back
from services.events.bundles.steps import read, require_permitted
from services.events.handlers.action import cause_of, claim_of, require_visible
from services.events.model.aggregates import PROJECT
from services.events.model.refusal import refused
from services.events.store import Store, Transaction
from services.events.sync.push import SQL

LABEL = "Resolved offline edit"

_OPERATION: TypeAdapter[Operation] = TypeAdapter(Operation)
_SEEN = ("id", "oldValue", "baseVersion")


class Resolutions:
    """Answers to those who decide."""

    def __init__(self, store: Store) -> None:
        """Decide in *store*."""
        self._store = store

    async def resolve(self, question: Resolve, actor: Actor) -> Committed:
        """Do what the peer wanted, or something else, or leave what is there."""
        project_id = actor.scope()
        cause = cause_of(
            actor,
            question.command_id,
            causation_id=question.conflict_id,
            metadata=bundle_metadata(BundleType.MERGE_RESOLUTION, LABEL),
        )
        claim = claim_of(question, question.command_id, question.conflict_id, project_id=project_id)

        async def work(tx: Transaction) -> Committed:
            if await tx.claim(claim) is not None:
                return await committed(tx, project_id, question.command_id)
            row = await tx.connection.fetchrow(SQL.lock_conflict, project_id, question.conflict_id)
            if row is None:
                raise errors.NotFound
            if row["resolved_at"] is not None:
                raise errors.Conflict("Somebody has resolved this conflict.")
            require_visible(await tx.row(PROJECT, project_id))
            if question.take != "theirs":
                operation = _OPERATION.validate_python(_wanted(row["operation"], question))
                steps = read([operation], project_id, at=now_as_json())
                require_permitted(steps, question.may)
                await take_back(tx, steps, project_id, vouched=actor.vouched)
            done = await committed(tx, project_id, question.command_id)
            await tx.connection.execute(
                SQL.resolve_conflict,
                project_id,
                question.conflict_id,
                actor.user_id,
                done.bundle.id if done.bundle else None,
            )
            return done

        return await self._store.command(cause, work)


def _wanted(operation: dict[str, Any], question: Resolve) -> dict[str, Any]:
    """Return the operation to do now: the peer's, without what the peer had seen."""
    plain = {name: value for name, value in operation.items() if name not in _SEEN}
    if question.take == "mine":
        return plain
    if plain["op"] != "set":
        raise refused("take", "only a field can be given another value")
    return plain | {"value": question.value}
