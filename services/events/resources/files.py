"""Commands about the files of entities, and the settlement of claims on blobs."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.blobs.transfers import SettleClaim, Settled
from libs.contracts.events.files import AttachFile, CreateWithFile, DetachFile
from libs.contracts.events.manuscript import Document
from libs.tasks import passed
from services.events.common.commands import (
    claim_of,
    context_of,
    read_document,
    require_version,
    require_visible,
)
from services.events.common.references import require_references
from services.events.model.aggregate import Row
from services.events.model.aggregates import ENTITY, PROJECT
from services.events.model.files import (
    NO_FILE,
    current_file,
    file_deleted,
    file_uploaded,
    require_current,
)
from services.events.model.log import PendingEvent, wire_time
from services.events.model.refusal import field_refusal
from services.events.store import Store, Transaction
from services.events.store.file_claims import file_claim_outcome, record_file_claim

type Act = Callable[[Transaction], Awaitable[None]]

_FILE_EVENTS = [f"entity.{deed}" for deed in ENTITY.custom_events]


class FileHandlers:
    """Handlers of commands about files of entities, and of the settlement of claims."""

    def __init__(self, store: Store) -> None:
        """Append to *store*."""
        self._store = store

    async def create(self, question: CreateWithFile, actor: Actor) -> Document:
        """Create an entity that has a file."""
        if question.kind != ENTITY.kind:
            raise field_refusal("kind", f"a {question.kind} cannot have a file")
        project_id = actor.scope()
        if question.parent_id != project_id:
            raise field_refusal("parentId", "must be the project")
        fields = ENTITY.initial(question.fields, at=wire_time(datetime.now(UTC)))

        async def act(tx: Transaction) -> None:
            require_visible(await tx.lock_shared(PROJECT, project_id))
            await require_references(tx, ENTITY, fields, actor.vouched)
            await _use(tx, question.claim_id, project_id)
            passed("attachments.claimed")
            await tx.record(
                [
                    PendingEvent(ENTITY, question.id, "created", ENTITY.born(fields)),
                    file_uploaded(question.id, NO_FILE, question.file, question.claim_id),
                ]
            )
            passed("attachments.recorded")

        return await self._do(question, actor, act)

    async def attach(self, question: AttachFile, actor: Actor) -> Document:
        """Give an entity a file, which replaces the one it had."""

        async def act(tx: Transaction) -> None:
            row = await _lock(tx, question)
            await _use(tx, question.claim_id, actor.scope())
            passed("attachments.claimed")
            await tx.record([file_uploaded(question.id, row, question.file, question.claim_id)])
            passed("attachments.recorded")

        return await self._do(question, actor, act)

    async def detach(self, question: DetachFile, actor: Actor) -> Document:
        """Detach the file of an entity; nothing happens when it has none."""

        async def act(tx: Transaction) -> None:
            row = await _lock(tx, question)
            if current_file(row) is not None:
                await tx.record([file_deleted(question.id, row)])

        return await self._do(question, actor, act)

    async def settle(self, question: SettleClaim, _: Actor) -> Settled:
        """Return whether a claim was used; a claim without an outcome is refused from now on."""

        async def apply_settle(tx: Transaction) -> Settled:
            # Waits for a command that is using the claim right now.
            claim = question.claim_id, question.project_id
            await record_file_claim(tx.connection, *claim, "refused")
            passed("attachments.settling")
            return Settled(used=await file_claim_outcome(tx.connection, *claim) == "used")

        nobody = Actor(user_id=question.claim_id, project_id=question.project_id)
        settled = await self._store.run_command(context_of(nobody, question.claim_id), apply_settle)
        passed("attachments.settled")
        return settled

    async def _do(
        self, question: CreateWithFile | AttachFile | DetachFile, actor: Actor, act: Act
    ) -> Document:
        """Claim the command, act unless it was done before, and show the entity."""
        project_id = actor.scope()
        claim = claim_of(question, question.command_id, question.id, project_id=project_id)

        async def apply_do(tx: Transaction) -> Document:
            known = await tx.claim(claim)
            if known is None:
                await act(tx)
            return await read_document(tx, ENTITY, known or question.id, actor=actor)

        done = await self._store.run_command(context_of(actor, question.command_id), apply_do)
        passed("attachments.committed")
        return done


async def _lock(tx: Transaction, question: AttachFile | DetachFile) -> Row:
    """Lock an entity whose file may change according to the versions in the request.

    Raises:
        errors.NotFound: The entity does not exist, or is deleted.
        errors.PreconditionFailed: The aggregate is not at the expected version.
        errors.Conflict: Its file is not the one of the base version.
    """
    row = require_visible(await tx.lock(ENTITY, question.id))
    require_version(row, question.expected_version)
    base = question.base_version
    if base is not None and not 0 < base <= row["version"]:
        raise field_refusal("baseVersion", "is not a version of this aggregate")
    if base is not None and base < row["version"]:
        since = await tx.history(question.id, _FILE_EVENTS, since=base)
        if since:
            last = since[-1]
            raise errors.Conflict(
                baseVersion=base,
                currentVersion=row["version"],
                conflicts=[
                    {
                        "bundleId": str(last.bundle_id),
                        "by": str(last.user_id),
                        "at": wire_time(last.timestamp),
                        "fields": [
                            {
                                "field": "file",
                                "base": since[0].data["from"],
                                "theirs": current_file(row),
                            }
                        ],
                    }
                ],
            )
    return row


async def _use(tx: Transaction, claim_id: UUID, project_id: UUID) -> None:
    """Record a claim as used: from now on its blob is referred to.

    Raises:
        errors.BlobUnavailable: The claim was refused in the meantime, or is too old.
        errors.Invalid: The id is not the id of a claim, or another command used the claim.
    """
    require_current(claim_id, at=datetime.now(UTC))
    if await record_file_claim(tx.connection, claim_id, project_id, "used"):
        return
    if await file_claim_outcome(tx.connection, claim_id, project_id) == "refused":
        raise errors.BlobUnavailable(
            "The bytes of the file were deleted before this was saved; upload or claim them again."
        )
    raise field_refusal("claimId", "was already used")
