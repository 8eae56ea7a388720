"""Closing a project against changes, and opening it again."""

from libs.contracts.actor import Actor
from libs.contracts.events.lifecycle import SetArchived
from libs.contracts.events.manuscript import Document
from services.events.common.commands import claim_of, context_of, read_document, require_visible
from services.events.model.aggregates import PROJECT
from services.events.model.log import PendingEvent
from services.events.store import Store, Transaction
from services.events.store.guard import lock_project


class ArchiveHandlers:
    """Handlers of requests that archive projects; the gateway checks permissions."""

    def __init__(self, store: Store) -> None:
        """Record in *store*."""
        self._store = store

    async def set(self, question: SetArchived, actor: Actor) -> Document:
        """Archive or unarchive the actor's project; nothing happens if it is so already.

        Raises:
            errors.NotFound: The project is deleted.
        """
        project_id = actor.scope()
        claim = claim_of(question, question.command_id, project_id, project_id=project_id)
        action = "archived" if question.archived else "unarchived"

        async def apply_set(tx: Transaction) -> Document:
            if await tx.claim(claim) is None:
                row = require_visible(await tx.lock(PROJECT, project_id))
                # Writers that began before this end first, and no writer begins after it.
                await lock_project(tx.connection, project_id)
                if (row["archived_at"] is not None) != question.archived:
                    await tx.record([PendingEvent(PROJECT, project_id, action, {})])
            return await read_document(tx, PROJECT, project_id, actor=actor)

        return await self._store.run_command(context_of(actor, question.command_id), apply_set)
