"""Serves `contracts.collab.history`: content, differences and sessions of the past, restoring."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.content import Content
from libs.contracts.collab.history import (
    Compare,
    Compared,
    DiffFormat,
    EditingSession,
    ListSessions,
    ReadAt,
    Restored,
    RestoreVersion,
    Sessions,
)
from services.collab.commits import Commits
from services.collab.formats import BadContent, CannotHold
from services.collab.history import work
from services.collab.history.attribution import Step
from services.collab.history.compare import Sides
from services.collab.history.past import Found, Past, Place
from services.collab.history.records import SQL, Records
from services.collab.history.sessions import Session, SessionBook
from services.collab.store import Store, Trust
from services.collab.updates import BadUpdate

ATTRIBUTED_RUNS_MAX = 2_000
"""Runs of one author that a difference replays one by one; more are told together."""


class HistoryHandlers:
    """Reads the past and brings it back."""

    def __init__(
        self, records: Records, past: Past, store: Store, commits: Commits, book: SessionBook
    ) -> None:
        """Wire the parts."""
        self._book = book
        self._records = records
        self._past = past
        self._store = store
        self._commits = commits

    async def read_at(self, question: ReadAt, actor: Actor) -> Content:
        """Read a document as it was."""
        place = Place(question.document_id, question.scene_id, actor.scope())
        found = await self._past.find(place, question.at)
        state = await self._past.state(place, found)
        body, vector = await self._worked(work.render, state, question.format, question.editor)
        return Content.model_construct(seq=found.seq, state_vector=vector, body=body)

    async def list_sessions(self, question: ListSessions, _actor: Actor) -> Sessions:
        """Show who wrote when."""
        found, more = await self._book.page(question.document_id, question.before, question.limit)
        compacted = (await self._records.standing(question.document_id)).compacted
        return Sessions(
            items=[_session(each, compacted) for each in found],
            next_before=found[-1].seq_from if more else None,
        )

    async def compare(self, question: Compare, actor: Actor) -> Compared:
        """Tell what changed."""
        place = Place(question.document_id, question.scene_id, actor.scope())
        since = await self._past.find(place, question.since, "from")
        until = await self._past.find(place, question.until, "to")
        old = await self._past.state(place, since)
        known = (since.seq, old) if since.seq <= until.seq else None
        new = await self._past.state(place, until, known)
        steps, people = None, list[list[str]]()
        if question.format is DiffFormat.TEXT and since.seq <= until.seq:
            steps, people = await self._steps(place.document, since, until)
        sides = Sides(old, new, question.format, question.editor)
        found = await self._worked(work.changes, sides, steps, people)
        if found is None:
            raise errors.TooLarge("This is too much text to compare.")
        changes, attributed = found
        return Compared.model_construct(
            seq_from=since.seq, seq_to=until.seq, attributed=attributed, changes=changes
        )

    async def _steps(
        self, document: UUID, since: Found, until: Found
    ) -> tuple[list[Step] | None, list[list[str]]]:
        """Who made which edits from *since* to *until*; None when there are too many at once."""
        people: list[list[str]] = []
        steps: list[Step] = []
        stored = await self._store.load(document, since.seq, upto=until.seq, trust=Trust.ORIGINALS)
        if stored.pruned or (not stored.full and stored.upto < until.seq):
            # The gap is one step, by all who wrote in the sessions that it covers.
            stored = await self._store.load(
                document, since.seq, upto=until.seq, trust=Trust.COMPACTED
            )
        if stored.full or stored.pruned or stored.damaged or stored.base_damaged:
            return None, []
        if stored.base is not None:
            people.append(await self._book.kept_authors(document, since.seq + 1, stored.base_seq))
            steps.append((0, [stored.base]))
        runs = await self._records.authors(document, max(since.seq, stored.base_seq), until.seq)
        together = -(-len(runs) // ATTRIBUTED_RUNS_MAX)
        at = 0
        for start in range(0, len(runs), together or 1):
            some = runs[start : start + together]
            edits: list[bytes] = []
            while at < len(stored.seqs) and stored.seqs[at] <= some[-1].seq_to:
                edits.append(stored.rows[at])
                at += 1
            if edits:
                steps.append((len(people), edits))
                people.append(sorted({str(run.by) for run in some}))
        return steps, people

    async def restore(self, question: RestoreVersion, actor: Actor) -> Restored:
        """Make a scene read as it did, as an edit of now."""
        scene = question.scene_id
        place = Place(scene, scene, actor.scope())
        found = await self._past.find(place, question.at)
        wanted = await self._past.state(place, found)
        current = await self._past.find(place, None)
        state = await self._past.state(place, current)
        pieces, exact = await self._worked(work.restoration, state, wanted)
        if not pieces:
            return Restored(seq=current.seq, from_seq=found.seq, changed=False, exact=exact)
        # Before the edit, so that none can be there without its record.
        await self._records.pool.execute(
            SQL.add_restoration,
            question.restoration_id,
            scene,
            question.at,
            found.seq,
            actor.user_id,
        )
        seq = 0
        for piece in pieces:
            # What people type goes in between.
            seq = await self._commits.commit(scene, actor, piece)
        await self._records.pool.execute(SQL.end_restoration, question.restoration_id, seq)
        return Restored(seq=seq, from_seq=found.seq, changed=True, exact=exact)

    async def _worked[R](self, job: Callable[..., R], *args: Any) -> R:
        try:
            return await self._past.run(job, *args)
        except BadUpdate as error:
            raise errors.Unavailable from error
        except (BadContent, CannotHold) as error:
            raise errors.Conflict(
                "The scene is laid out for an editor that has no room for this version."
            ) from error


def _session(session: Session, compacted: int) -> EditingSession:
    share = session.authors
    most = sorted(share, key=lambda author: -share[author]["updates"])
    return EditingSession(
        seq_from=session.seq_from,
        seq_to=session.seq_to,
        started_at=session.started_at,
        ended_at=session.ended_at,
        authors=[UUID(author) for author in most],
        updates=session.updates,
        size_bytes=session.bytes,
        compacted=session.seq_from <= compacted,
    )
