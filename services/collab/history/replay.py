"""The replay stream: the edits of a document in order, a page at a time."""

from collections.abc import Sequence
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.history import Frame, Replayed, ReplayPage, ReplayStep
from services.collab import heavy
from services.collab.history.past import Found, Past, Place, gone
from services.collab.history.records import Original, Records
from services.collab.history.sessions import SessionBook

PAGE_ROWS_MAX = 2_000
PAGE_BYTES_MAX = 512 * 1024
"""Updates of one page; a single frame may be larger."""
FRAME_BYTES_MAX = 4 << 20
"""Of a merged frame and of the base; as JSON it must fit into a message of the bus."""


class ReplayHandlers:
    """Serves `replay_page`."""

    def __init__(self, records: Records, past: Past, book: SessionBook) -> None:
        """Read rows from *records*, the base from *past*, sessions from *book*."""
        self._book = book
        self._records = records
        self._past = past

    async def page(self, question: ReplayPage, actor: Actor) -> Replayed:
        """Answer the next frames; the first page is the base state alone.

        Raises:
            Gone: It begins before the retention.
            TooLarge: The base, or what one frame would hold, is larger than FRAME_BYTES_MAX.
        """
        place = Place(question.document_id, question.scene_id, actor.scope())
        if question.after is None or question.upto is None:
            return await self._begin(place, question)
        if question.after >= question.upto:
            return Replayed(frames=[], after=question.after, upto=question.upto, done=True)
        if question.step == 1:
            return await self._single(question, question.after, question.upto)
        if isinstance(question.step, ReplayStep):
            ends = await self._book.ends(question.document_id, question.after, question.upto)
        else:
            ends = range(question.after + question.step, question.upto, question.step)
            ends = [*ends[: PAGE_ROWS_MAX // question.step + 1], question.upto]
        return await self._merged(question, question.after, question.upto, ends)

    async def _begin(self, place: Place, question: ReplayPage) -> Replayed:
        until = await self._past.find(place, question.until, "to")
        if question.since is None:
            standing = await self._records.standing(place.document)
            since = Found(min(standing.horizon, until.seq))
        else:
            since = await self._past.find(place, question.since, "from")
        if since.seq > until.seq:
            raise errors.Invalid("`from` is later than `to`.")
        state = await self._past.state(place, since)
        if len(state) > FRAME_BYTES_MAX:
            raise errors.TooLarge(limitBytes=FRAME_BYTES_MAX)
        at = since.at or await self._records.time_of(place.document, since.seq)
        base = Frame.model_construct(
            seq_from=0, seq=since.seq, at=at, by=list[UUID](), update=state
        )
        done = since.seq >= until.seq
        return Replayed.model_construct(frames=[base], after=since.seq, upto=until.seq, done=done)

    async def _single(self, question: ReplayPage, after: int, upto: int) -> Replayed:
        rows, more = await self._rows(question.document_id, after, upto)
        frames: list[Frame] = []
        size, reached = 0, after
        for row in rows:
            if frames and size > PAGE_BYTES_MAX:
                break
            reached = row.seq
            if row.body is not None:
                frames.append(
                    Frame.model_construct(
                        seq_from=row.seq, seq=row.seq, at=row.at, by=[row.by], update=row.body
                    )
                )
                size += len(row.body)
        done = reached >= upto or (not more and reached == rows[-1].seq)
        return Replayed.model_construct(frames=frames, after=reached, upto=upto, done=done)

    async def _merged(
        self, question: ReplayPage, after: int, upto: int, ends: Sequence[int]
    ) -> Replayed:
        frames: list[Frame] = []
        size, reached = 0, after
        for end in ends:
            if frames and (size > PAGE_BYTES_MAX or reached - after > PAGE_ROWS_MAX):
                break
            frame = await self._frame(question.document_id, reached, end)
            reached = end
            if frame:
                frames.append(frame)
                size += len(frame.update)
        return Replayed.model_construct(
            frames=frames, after=reached, upto=upto, done=reached >= upto
        )

    async def _frame(self, document: UUID, after: int, end: int) -> Frame | None:
        """All versions after *after* up to *end* as one."""
        pieces: list[bytes] = []
        authors: dict[UUID, None] = {}
        last: Original | None = None
        reached, more = after, True
        while more and reached < end:
            rows, more = await self._rows(document, reached, end)
            pieces += [row.body for row in rows if row.body is not None]
            authors |= dict.fromkeys(row.by for row in rows)
            last = rows[-1]
            reached = last.seq
            if sum(map(len, pieces)) > FRAME_BYTES_MAX:
                raise errors.TooLarge(
                    "One step holds more than a frame may; take smaller steps.",
                    limitBytes=FRAME_BYTES_MAX,
                )
            merged: bytes | None = await self._past.run(heavy.merge, pieces) if pieces else None
            pieces = [merged] if merged else []
        if last is None or not pieces:
            return None
        return Frame.model_construct(
            seq_from=after + 1, seq=end, at=last.at, by=list(authors), update=pieces[0]
        )

    async def _rows(self, document: UUID, after: int, upto: int) -> tuple[list[Original], bool]:
        rows, more = await self._records.originals(document, after, upto, PAGE_ROWS_MAX)
        if not rows or rows[0].seq > after + 1:
            # Pruned while the stream ran.
            raise gone(await self._records.standing(document))
        return rows, more
