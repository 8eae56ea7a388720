"""Facts and notices become documents that are due; a repeated or late one changes nothing.

A fact says only that something happened to a thing. What the thing is now is asked when it is
indexed, so that the order in which facts come decides nothing.
"""

from collections.abc import Callable
from uuid import UUID

from faststream.nats import NatsBroker
from nats.aio.client import Client

from libs.bus import subscribe_durably, subscribe_facts
from libs.contracts.collab.facts import ReviewAnnouncement
from libs.contracts.collab.passages import TextChanged
from libs.contracts.events.event import Announcement
from libs.contracts.streams import COLLAB, EVENTS, TEXTS
from libs.contracts.subjects import (
    EVENT_FACTS,
    FACTS_CONSUMER,
    REVIEW_CONSUMER,
    REVIEW_FACTS,
    TEXTS_CHANGED,
    TEXTS_CONSUMER,
)
from libs.postgres import LockKey, wait_for_lock
from libs.tasks import passed
from services.indexer.store import SQL, Store

_KINDS = {"scene": "scene", "entity": "entity", "canon_fact": "fact"}
"""Aggregates that are documents, with the kind of the document."""
_ABOVE = frozenset({"chapter", "book", "project"})
_COMMENTED = frozenset({"comment.created", "comment.changed", "comment.deleted"})
_MATTERS = frozenset({"moved", "deleted", "restored"})
"""Actions on a parent of a document that change whether or where the document shows."""


class Following:
    """Notes what is to be indexed."""

    def __init__(
        self, store: Store, on_due: Callable[[], None], on_gone: Callable[[], None]
    ) -> None:
        """Note in *store*; call *on_due* for new work, and *on_gone* for points to be deleted."""
        self._store = store
        self._on_due = on_due
        self._on_gone = on_gone

    def subscribe(self, broker: NatsBroker, client: Client) -> None:
        """Consume durably, shared with all replicas."""
        subscribe_facts(
            broker,
            client,
            EVENTS,
            subject=EVENT_FACTS,
            durable=FACTS_CONSUMER,
            on_fact=self.on_fact,
        )
        subscribe_durably(
            broker,
            client,
            TEXTS,
            subject=TEXTS_CHANGED,
            durable=TEXTS_CONSUMER,
            model=TextChanged,
            said_at=lambda notice: notice.timestamp,
            on_fact=self.on_text,
        )

        subscribe_durably(
            broker,
            client,
            COLLAB,
            subject=REVIEW_FACTS,
            durable=REVIEW_CONSUMER,
            model=ReviewAnnouncement,
            said_at=lambda fact: fact.event.timestamp,
            on_fact=self.on_review,
        )

    async def on_review(self, fact: ReviewAnnouncement) -> None:
        """Something happened in the review; only comments are documents."""
        event = fact.event
        if event.event_type in _COMMENTED:
            await self._store.note_due([(event.aggregate_id, "comment")])
        elif event.event_type == "thread.deleted":
            await self._store.rows(SQL.note_below, event.aggregate_id)
        else:
            return
        self._on_due()

    async def on_text(self, notice: TextChanged) -> None:
        """The text of a scene changed."""
        await self._store.note_due([(notice.scene_id, "scene")])
        self._on_due()

    async def on_fact(self, fact: Announcement) -> None:
        """Something happened to a thing."""
        event = fact.event
        aggregate, _, action = event.event_type.partition(".")
        if aggregate == "project" and action == "purged":
            await self._purge_project(event.project_id)
        elif aggregate in _KINDS and action == "purged":
            await self.purge(event.aggregate_id)
        elif aggregate in _KINDS:
            await self._store.note_due([(event.aggregate_id, _KINDS[aggregate])])
            if aggregate == "scene" and action in _MATTERS:
                await self._store.rows(SQL.note_below, event.aggregate_id)
            self._on_due()
        elif aggregate in _ABOVE and action in _MATTERS:
            await self._store.rows(SQL.note_below, event.aggregate_id)
            self._on_due()

    async def purge(self, document: UUID) -> None:
        """Forget a document for ever, with its comments; nothing late brings it back."""
        for row in await self._store.rows(SQL.documents_of_scene, document):
            await self.purge(row["id"])
        async with self._store.transaction() as connection:
            # Behind an indexing of it that is under way, which looks for the tombstone first.
            await wait_for_lock(connection, LockKey.INDEXED_DOCUMENT, document)
            await connection.execute(SQL.purge_document, document)
            await connection.execute(SQL.drop_document_chunks, document)
            await connection.execute(SQL.drop_document, document)
            await connection.execute(SQL.drop_due, document)
        passed("following.purged")
        self._on_gone()

    async def _purge_project(self, project: UUID) -> None:
        async with self._store.transaction() as connection:
            await connection.execute(SQL.purge_project, project)
            await connection.execute(SQL.drop_project_chunks, project)
            await connection.execute(SQL.drop_project, project)
            await connection.execute(SQL.drop_project_embeddings, project)
        self._on_gone()
