"""Serves `libs.contracts.collab.authorship`."""

from datetime import UTC, datetime, timedelta

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.authorship import (
    AUTHORED_BYTES_MAX,
    AuthoredSpan,
    Authorship,
    ReadAuthorship,
)
from services.collab.history import points
from services.collab.history.past import Found, Past, Place
from services.collab.history.records import Records
from services.collab.review.authorship import work
from services.collab.review.authorship.parts import Part
from services.collab.review.authorship.reading import EditReader
from services.collab.review.authorship.spans import Bounds, Span
from services.collab.review.authorship.store import AuthorStore
from services.collab.review.authorship.work import Slice, Sources
from services.collab.updates import BadUpdate
from services.collab.workers import WorkerDied

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AuthorshipHandlers:
    """Tells who wrote what of a document."""

    def __init__(
        self, records: Records, past: Past, store: AuthorStore, reader: EditReader
    ) -> None:
        """Wire the parts."""
        self._records = records
        self._past = past
        self._store = store
        self._reader = reader

    async def read(self, question: ReadAuthorship, actor: Actor) -> Authorship:
        """Tell the spans of a version, page by page.

        Raises:
            TooLarge: The document, or its history, is too large for this.
        """
        place = Place(question.document_id, question.scene_id, actor.scope())
        found, first = await self._found(place, question)
        state = await self._past.state(place, found)
        if len(state) > AUTHORED_BYTES_MAX:
            raise errors.TooLarge(
                "This document is too large to tell its authors.", limitBytes=AUTHORED_BYTES_MAX
            )
        try:
            sources, bounds = await self._sources(place, found)
            page = Slice(first, question.limit)
            told = await self._past.run(work.tell, state, sources, bounds, question.editor, page)
        except (BadUpdate, WorkerDied) as error:
            raise errors.Unavailable from error
        spans, more = told
        return Authorship.model_construct(
            seq=found.seq,
            spans=[_shown(span) for span in spans],
            next_cursor=f"{found.seq}.{first + len(spans)}" if more else None,
        )

    async def _found(self, place: Place, question: ReadAuthorship) -> tuple[Found, int]:
        """Find the version and the first span of the page: all pages are of one version."""
        if question.cursor is None:
            return await self._past.find(place, question.at), 0
        seq, _, first = question.cursor.partition(".")
        named = isinstance(points.parse(question.at), points.Named)
        at = question.at if named else f"seq:{seq}"
        return await self._past.find(place, at), int(first)

    async def _sources(self, place: Place, found: Found) -> tuple[Sources, Bounds]:
        document, scene = place.document, place.scene
        own, fallback = await self._reader.history(document, found.seq)
        others: list[list[Part | bytes]] = []
        upto, born_seq = found.seq, None
        if document != scene:
            upto, born_seq = await self._store.base_seq(document), 1
            parts, forgotten = await self._reader.history(scene, upto)
            others.append(parts)
            fallback = fallback or forgotten
        for branch, head in await self._store.merged_branches(scene, upto, document):
            others.append((await self._reader.history(branch, head))[0])
        at = found.at or await self._records.time_of(document, found.seq)
        time_ms = (at - _EPOCH) // timedelta(milliseconds=1) if at else None
        return Sources(own, others, born_seq), Bounds(found.seq, time_ms, fallback)


def _shown(span: Span) -> AuthoredSpan:
    author, run = span.by or (None, None)
    at = None if span.time_ms is None else _EPOCH + timedelta(milliseconds=span.time_ms)
    return AuthoredSpan.model_construct(
        from_=span.start, to=span.end, user_id=author, run_id=run, seq=span.seq, at=at
    )
