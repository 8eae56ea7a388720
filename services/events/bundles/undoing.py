"""Undo, redo and cherry-pick: each makes a new bundle, caused by the bundle that it reverses."""

from collections.abc import Sequence
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.bundles import (
    LABEL_CHARS_MAX,
    Bundle,
    BundleType,
    CherryPick,
    Committed,
    FieldRef,
    Redo,
    Undo,
)
from services.events.bundles import store as bundle_store
from services.events.bundles.commit import (
    Checked,
    apply_reversal,
    bundle_metadata,
    committed_bundle,
    explain_conflicts,
)
from services.events.bundles.conflicts import conflict_error
from services.events.bundles.handlers import require_bundle
from services.events.bundles.inverse import Direction, Inverse, effects_of
from services.events.bundles.steps import require_permitted
from services.events.common.commands import claim_of, context_of, require_visible
from services.events.model.aggregates import PROJECT
from services.events.store import Reader, Store, Transaction

_VERBS = {"undo": "Undo", "apply": "Apply"}


class UndoHandlers:
    """Handlers that undo, redo and cherry-pick bundles."""

    def __init__(self, store: Store) -> None:
        """Keep bundles in *store*."""
        self._store = store

    async def undo(self, question: Undo, actor: Actor) -> Committed:
        """Undo a bundle."""
        try:
            bundle = await self._find(question.bundle_id, actor)
        except errors.NotFound:
            return await self._answered(question, actor)
        return await self._reverse(question, actor, bundle, label="Undo")

    async def redo(self, question: Redo, actor: Actor) -> Committed:
        """Undo the bundle that undid a bundle."""
        project_id = actor.scope()

        async def query_redo(reader: Reader) -> Bundle:
            # A retry finds the bundle no longer undone; it continues with the target of its first
            # time, also when that changed nothing.
            known = await reader.recorded_command(question.command_id)
            if known:
                target_id: UUID = known["target_id"]
                found = await bundle_store.bundles_by_id(reader, project_id, [target_id])
                if target_id in found:
                    return found[target_id]
            bundle = await require_bundle(reader, project_id, question.bundle_id)
            if bundle.undone_by is None:
                raise errors.Conflict("This bundle is not undone, so there is nothing to redo.")
            return await require_bundle(reader, project_id, bundle.undone_by)

        try:
            undoing = await self._store.run_read(query_redo, project_id=project_id)
        except errors.NotFound:
            return await self._answered(question, actor)
        return await self._reverse(question, actor, undoing, label="Redo")

    async def cherry_pick(self, question: CherryPick, actor: Actor) -> Committed:
        """Undo some fields of a bundle, or apply them again."""
        try:
            bundle = await self._find(question.bundle_id, actor)
        except errors.NotFound:
            return await self._answered(question, actor)
        return await self._make(
            question,
            actor,
            bundle,
            label=_label(question, bundle, f"{_VERBS[question.direction]} part"),
            direction=question.direction,
            only=question.fields,
        )

    async def _find(self, bundle_id: UUID, actor: Actor) -> Bundle:
        project_id = actor.scope()

        async def query_find(reader: Reader) -> Bundle:
            return await require_bundle(reader, project_id, bundle_id)

        return await self._store.run_read(query_find, project_id=project_id)

    async def _answered(self, question: Undo, actor: Actor) -> Committed:
        """Answer a retry whose bundle was deleted or purged since its first time.

        Raises:
            errors.NotFound: There was no first time.
        """
        project_id, command_id = actor.scope(), question.command_id
        claim = claim_of(question, command_id, question.bundle_id, project_id=project_id)

        async def query_answered(reader: Reader) -> Committed:
            known = await reader.recorded_command(command_id)
            if not known or (known["user_id"], known["digest"]) != (actor.user_id, claim.digest):
                raise errors.NotFound
            return await committed_bundle(reader, project_id, command_id)

        return await self._store.run_read(query_answered, project_id=project_id)

    async def _reverse(
        self, question: Undo, actor: Actor, bundle: Bundle, *, label: str
    ) -> Committed:
        return await self._make(
            question,
            actor,
            bundle,
            label=_label(question, bundle, label),
            reverses=bundle.id,
        )

    async def _make(
        self,
        question: Undo,
        actor: Actor,
        bundle: Bundle,
        *,
        label: str,
        direction: Direction = "undo",
        only: Sequence[FieldRef] | None = None,
        reverses: UUID | None = None,
    ) -> Committed:
        """Make the bundle that undoes *bundle* or a part of it, or applies a part of it again."""
        project_id, command_id = actor.scope(), question.command_id
        made = BundleType.MERGE_RESOLUTION if question.resolutions else BundleType.USER_EDIT
        context = context_of(
            actor,
            command_id,
            causation_id=bundle.id,
            metadata=bundle_metadata(made, label, reverses=reverses),
        )
        claim = claim_of(question, command_id, bundle.id, project_id=project_id)

        async def apply_make(tx: Transaction) -> Committed:
            if await tx.claim(claim) is None:
                require_visible(await tx.row(PROJECT, project_id))
                touched = effects_of(await bundle_store.whole_bundle(tx, bundle))
                # Locked before the check, so that only one of two concurrent requests undoes it.
                rows, _ = await tx.lock_all({each.id: each.spec for each in touched})
                if reverses:
                    await _require_not_undone(tx, bundle)
                inverse = Inverse(
                    touched,
                    rows,
                    direction=direction,
                    only=only,
                    resolutions=question.resolutions,
                )
                if inverse.conflicts:
                    shown = await explain_conflicts(tx, inverse.conflicts, rows, project_id)
                    raise conflict_error(inverse.conflicts, shown)
                own = {key for key, row in rows.items() if row.get("deleted_by") == actor.user_id}
                require_permitted(inverse.steps, question.may, frozenset(own))
                await apply_reversal(tx, inverse.steps, project_id, vouched=actor.vouched)
                if question.check:
                    raise Checked
            return await committed_bundle(tx, project_id, command_id)

        try:
            return await self._store.run_command(context, apply_make)
        except Checked:
            return Committed(bundle=None, versions={}, warnings=[])


async def _require_not_undone(tx: Transaction, bundle: Bundle) -> None:
    """Return when a bundle is not undone.

    Raises:
        errors.Conflict: The bundle is undone; `undoneBy` names the bundle that did it.
    """
    undone = await bundle_store.undone_by(tx, bundle.project_id, [bundle.id])
    if by := undone.get(bundle.id):
        raise errors.Conflict(
            "This bundle is already undone; undoneBy names the bundle that did it.",
            undoneBy=str(by),
        )


def _label(question: Undo, bundle: Bundle, verb: str) -> str:
    if question.label is not None:
        return question.label
    return verb if bundle.label is None else f"{verb}: {bundle.label}"[:LABEL_CHARS_MAX]
