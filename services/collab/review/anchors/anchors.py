"""Anchors for whatever stands on them: made, read, and kept in step with the log."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.collab.anchors import (
    Anchor,
    AnchorStatus,
    AnchorTarget,
    Deletion,
)
from libs.contracts.editors import SceneEditor
from libs.contracts.positions import CharacterId, RelativePosition, YjsRange
from libs.postgres import Connection
from libs.postgres.pool import UNREACHABLE
from services.collab.history.past import Found, Past, Place
from services.collab.history.records import Records
from services.collab.review.anchors import following, view
from services.collab.review.anchors.model import Row
from services.collab.review.anchors.store import AnchorStore, Draft, Known
from services.collab.review.anchors.view import Refused, Stood
from services.collab.review.structs import Id
from services.collab.scenes import Scenes, SceneUnreadable, State
from services.collab.updates import BadUpdate
from services.collab.workers import WorkerDied, Workers

FOLLOW_ROWS_MAX = 2_000
"""Rows of one step through the log."""
FOLLOW_TRIES_MAX = 5
"""How often a step is tried when others store theirs first."""

type Moved = Callable[[UUID, list[UUID]], None]


class Anchors:
    """Makes, reads and follows anchors."""

    def __init__(
        self, store: AnchorStore, records: Records, past: Past, scenes: Scenes, workers: Workers
    ) -> None:
        """Wire the parts; what reads documents runs in *workers*."""
        self._store = store
        self._records = records
        self._past = past
        self._scenes = scenes
        self._workers = workers
        self.on_moved: list[Moved] = []
        """Told of a scene's anchors that got other ids or another status, after it is stored."""

    async def draft(
        self,
        project: UUID,
        scene: UUID,
        targets: Sequence[AnchorTarget],
        editor: SceneEditor | None,
        *,
        at: int | None = None,
    ) -> list[Draft]:
        """Find places for anchors; nothing is stored.

        *at* is the version that targets mean which name none; without it that is the newest one.

        Raises:
            AnchorNotFound: The words are not there, or not any more.
            Gone: The version is from before the retention.
            AnchorAmbiguous: Several places fit.
            Unavailable: The scene cannot be read now.
        """
        state = await self._state(scene)
        drafts: list[Draft | None] = [None] * len(targets)
        meant = state.upto if at is None else at
        seqs = [meant if one.seq is None else one.seq for one in targets]
        for seq in sorted(set(seqs)):
            which = [index for index, each in enumerate(seqs) if each == seq]
            place = Place(scene, scene, project)
            body = state.body if seq == state.upto else await self._state_at(place, seq, state)
            wanted = [targets[index].to_wire() for index in which]
            found: list[Stood | Refused] = await self._run(
                view.stand, scene.bytes, seq, body, editor, wanted
            )
            for index, one in zip(which, found, strict=True):
                drafts[index] = Draft(_accepted(one, index), seq)
        return [draft for draft in drafts if draft is not None]

    async def insert(
        self,
        connection: Connection,
        project: UUID,
        scene: UUID,
        drafts: Sequence[Draft],
        *,
        by: UUID,
        run_id: UUID | None = None,
    ) -> None:
        """Store anchors, within the caller's transaction."""
        if drafts:
            await self._store.insert(connection, project, scene, drafts, by=by, run_id=run_id)

    async def replace(
        self, connection: Connection, project: UUID, scene: UUID, anchor: UUID, draft: Draft
    ) -> None:
        """Put an anchor elsewhere, within the caller's transaction; it stays the same anchor."""
        await self._store.replace(connection, project, scene, anchor, draft)

    async def remove(self, connection: Connection, project: UUID, anchors: Sequence[UUID]) -> None:
        """Remove anchors on which nothing stands any more, within the caller's transaction."""
        await self._store.remove(connection, project, anchors)

    async def retire(self, connection: Connection, project: UUID, anchors: Sequence[UUID]) -> None:
        """Follow anchors no longer: what stands on them was deleted for good."""
        await self._store.retire(connection, project, anchors)

    async def read(
        self, project: UUID, scene: UUID, ids: Sequence[UUID], editor: SceneEditor | None
    ) -> dict[UUID, Anchor]:
        """Resolve anchors as the scene is now; ids that are none of its anchors are left out.

        Raises:
            Unavailable: The scene cannot be read now.
        """
        if not ids:
            return {}
        for _ in range(FOLLOW_TRIES_MAX):
            await self.follow(scene)
            known = await self._store.read(project, scene, ids)
            if not known:
                return {}
            state = await self._state(scene)
            ends = [(one.first, one.last, one.status is not _ORPHANED) for one in known]
            places: list[tuple[int, int] | None] = await self._run(
                view.resolve, scene.bytes, state.upto, state.body, editor, ends
            )
            if None not in places:
                return {
                    one.id: _shown(one, place, state.upto)
                    for one, place in zip(known, places, strict=True)
                    if place is not None
                }
            # Somebody deleted words between the look at the log and the one at the state.
        raise errors.Unavailable

    async def ends(
        self, project: UUID, scene: UUID, ids: Sequence[UUID]
    ) -> dict[UUID, tuple[Id, Id]]:
        """Return the first and last character of those anchors that live, as last followed."""
        return {
            one.id: (one.first, one.last)
            for one in await self._store.read(project, scene, ids)
            if one.first is not None and one.last is not None and one.status is not _ORPHANED
        }

    async def follow(self, scene: UUID) -> None:
        """Bring the anchors of a scene to the end of its log.

        Raises:
            Unavailable: The scene cannot be read now.
        """
        for _ in range(FOLLOW_TRIES_MAX):
            followed = await self._store.followed(scene)
            if followed is None or await self._follow(scene, followed):
                return
        # Others store steps as fast as this one is tried, so they are followed all the same.

    async def _follow(self, scene: UUID, followed: int) -> bool:
        """Go to the end of the log; False when somebody else stored a step first."""
        standing = await self._records.standing(scene)
        while followed < standing.head:
            anchors = await self._store.to_follow(scene)
            changed, upto = [], standing.head
            if anchors:
                rows = await self._rows(scene, followed, standing.head)
                changed = await self._followed(scene, followed, rows, anchors)
                upto = rows[-1].seq
            if not await self._store.follow(scene, followed, upto, changed):
                return False
            if changed:
                for tell in self.on_moved:
                    tell(scene, [anchor.id for anchor in changed])
            followed = upto
        return True

    async def _rows(self, scene: UUID, followed: int, head: int) -> list[Row]:
        """Return the next rows; all that is there as one where some of them are gone."""
        found, _ = await self._records.originals(scene, followed, head, FOLLOW_ROWS_MAX)
        if found and found[0].seq == followed + 1:
            # A row that was taken out of the document, or is damaged, changes nothing.
            return [Row(one.seq, one.body or _NOTHING, one.at, one.by) for one in found]
        state = await self._state(scene)
        return [Row(max(state.upto, head), state.body)]

    async def _followed(
        self, scene: UUID, followed: int, rows: Sequence[Row], anchors: Sequence[Any]
    ) -> list[Any]:
        arguments = (rows, anchors)
        changed = await self._run(following.follow, scene.bytes, followed, None, *arguments)
        if changed is None:
            place = Place(scene, scene, scene)
            try:
                base = await self._past.state(place, Found(followed))
            except errors.Gone:
                # Nobody knows any more what was there: what is there now tells what is left.
                base = _NOTHING
            changed = await self._run(following.follow, scene.bytes, followed, base, *arguments)
        return changed

    async def _state(self, scene: UUID) -> State:
        try:
            return await self._scenes.state(scene.bytes)
        except (*UNREACHABLE, asyncpg.PostgresError, SceneUnreadable) as error:
            raise errors.Unavailable from error

    async def _state_at(self, place: Place, seq: int, state: State) -> bytes:
        if seq > state.upto:
            raise errors.AnchorNotFound(
                f"There is no version {seq} yet; the newest is {state.upto}.",
                newestSeq=state.upto,
            )
        return await self._past.state(place, Found(seq))

    async def _run(self, job: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return await self._workers.run(job, *arguments)
        except (WorkerDied, BadUpdate) as error:
            raise errors.Unavailable from error


_ORPHANED = AnchorStatus.ORPHANED
_NOTHING = b"\0\0"


def _accepted(found: Stood | Refused, at: int) -> Stood:
    if isinstance(found, Stood):
        return found
    places = [{"from": place.start, "to": place.end, "text": place.text} for place in found.places]
    if found.ambiguous:
        raise errors.AnchorAmbiguous(found.reason, candidates=places, target=at)
    closest = places[0] if places else None
    raise errors.AnchorNotFound(found.reason, closest=closest, target=at)


def _shown(known: Known, place: tuple[int, int], seq: int) -> Anchor:
    orphaned = known.status is _ORPHANED
    yjs = None
    if known.first is not None and known.last is not None:
        yjs = YjsRange(
            start=_position(known.first, assoc=0),
            end=_position(known.first, assoc=0) if orphaned else _position(known.last, assoc=-1),
        )
    return Anchor(
        id=known.id,
        status=known.status,
        generation=known.generation,
        seq=seq,
        **{"from": place[0]},
        to=place[1],
        quote=known.quote,
        yjs=yjs,
        deleted=Deletion(at=known.deleted_at, by=known.deleted_by) if orphaned else None,
    )


def _position(ident: Id, *, assoc: int) -> RelativePosition:
    return RelativePosition(item=CharacterId(client=ident[0], clock=ident[1]), assoc=assoc)
