"""Serves patches: made, listed, read, deleted, restored. Deciding about them is `deciding`."""

from collections.abc import Sequence

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.patches import (
    BASE_CHARS_MAX,
    PATCH_CHARS_MAX,
    PATCHES_MAX,
    CreatePatch,
    DecidePatch,
    DeletePatch,
    HunkCreate,
    HunkKind,
    ListPatches,
    OnePatch,
    Patch,
    PatchGone,
    RestorePatch,
)
from libs.contracts.ids import new_id
from libs.contracts.pages import Page
from libs.contracts.versions import Expected, is_expected
from libs.postgres import Connection, LockKey
from libs.postgres.locks import wait_for_lock
from libs.postgres.pool import UNREACHABLE
from services.collab.history.records import Records
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.anchors.store import Draft
from services.collab.review.facts import tell
from services.collab.review.patches.deciding import Decider
from services.collab.review.patches.rebase import Landing, Standing, landing, overlapping
from services.collab.review.patches.store import SQL, PatchStore, Row, of_patch
from services.collab.review.structs import HIGH_HALVES, LOW_HALVES, units

type Placed = tuple[int, HunkCreate, Draft]
"""A hunk with its index in the request and its anchor."""


class Patches:
    """Serves `libs.contracts.collab.patches`."""

    def __init__(
        self, store: PatchStore, anchors: Anchors, records: Records, decider: Decider
    ) -> None:
        """Keep patches in *store*, on *anchors*; *decider* applies and reverts them."""
        self._store = store
        self._anchors = anchors
        self._records = records
        self._decider = decider

    async def create(self, question: CreatePatch, actor: Actor) -> Patch:
        """Make a patch; its hunks mean the text of its base version.

        Raises:
            Invalid: Hunks stand on the same words, change nothing, or are too long.
            NotFound: There is no such version yet.
            Gone: The version is from before the retention.
            LimitReached: The scene has as many patches as it may.
        """
        project = actor.scope()
        row = await self._store.find(question.id, project, deleted=True)
        if row is None:
            placed = await self._placed(question, actor)
            try:
                async with self._store.pool.acquire() as connection, connection.transaction():
                    row = await self._add(connection, question, placed, actor)
            except UNREACHABLE as error:
                raise errors.DeadlineExceeded from error
        return await self._store.show(row, question.editor)

    async def read(self, question: OnePatch, actor: Actor) -> Patch:
        """Show one."""
        row = await self._store.read(question.id, actor.scope(), deleted=question.include_deleted)
        return await self._store.show(row, question.editor)

    async def decide(self, question: DecidePatch, actor: Actor) -> Patch:
        """Apply a patch, apply it again, or take it back."""
        await self._decider.decide(question, actor)
        row = await self._store.read(question.id, actor.scope())
        return await self._store.show(row, question.editor)

    async def delete(self, question: DeletePatch, actor: Actor) -> PatchGone:
        """Delete a patch; what was applied of it stays in the text."""
        async with self._store.pool.acquire() as connection, connection.transaction():
            row = await _locked(connection, question.id, actor)
            if row["deleted_at"] is not None:
                raise errors.NotFound
            _require_version(row, question.expected_version)
            row = await connection.fetchrow(SQL.delete, question.id, actor.user_id)
            await self._told(connection, "deleted", row, actor)
        return PatchGone()

    async def restore(self, question: RestorePatch, actor: Actor) -> Patch:
        """Bring a deleted patch back; one that is there stays as it is."""
        async with self._store.pool.acquire() as connection, connection.transaction():
            row = await _locked(connection, question.id, actor)
            if row["deleted_at"] is not None:
                _require_version(row, question.expected_version)
                await self._require_room(connection, row["scene_id"])
                row = await connection.fetchrow(SQL.restore, question.id, actor.user_id)
                await self._told(connection, "restored", row, actor)
        row = await self._store.read(question.id, actor.scope())
        return await self._store.show(row, question.editor)

    async def _told(
        self, connection: Connection, action: str, row: Row | None, actor: Actor
    ) -> None:
        assert row is not None
        count = await connection.fetchval(SQL.count_hunks, row["id"])
        await tell(connection, of_patch(action, row, actor, count))

    async def _placed(self, question: CreatePatch, actor: Actor) -> list[Placed]:
        """Return the hunks with their anchors, in the order of the base."""
        scene, base = question.scene_id, question.base_version
        newest = (await self._records.standing(scene)).head
        if base > newest:
            raise errors.NotFound(
                f"There is no version {base} yet; the newest is {newest}.", newestSeq=newest
            )
        targets = [hunk.anchor for hunk in question.hunks]
        drafts = await self._anchors.draft(actor.scope(), scene, targets, question.editor, at=base)
        placed = [
            (index, hunk, draft)
            for index, (hunk, draft) in enumerate(zip(question.hunks, drafts, strict=True))
        ]
        _require_sound(placed)
        return sorted(placed, key=lambda one: (_point(one), one[0]))

    async def _add(
        self,
        connection: Connection,
        question: CreatePatch,
        placed: Sequence[Placed],
        actor: Actor,
    ) -> Row:
        project, scene, by = actor.scope(), question.scene_id, actor.user_id
        await wait_for_lock(connection, LockKey.THREADS, scene)
        row = await connection.fetchrow(SQL.patch, question.id, project, True)
        if row is not None:
            return row
        await self._require_room(connection, scene)
        drafts = [draft for _, _, draft in placed]
        run = question.run_id
        await self._anchors.insert(connection, project, scene, drafts, by=by, run_id=run)
        row = await connection.fetchrow(
            SQL.add,
            question.id,
            project,
            scene,
            question.base_version,
            question.rebase_strategy,
            question.title,
            question.note,
            run,
            by,
        )
        assert row is not None
        await connection.executemany(
            SQL.add_hunk,
            [
                (
                    new_id(),
                    project,
                    scene,
                    question.id,
                    number,
                    draft.id,
                    hunk.kind,
                    hunk.side,
                    draft.quote,
                    hunk.text,
                )
                for number, (_, hunk, draft) in enumerate(placed, start=1)
            ],
        )
        await tell(connection, of_patch("created", row, actor, len(placed)))
        return row

    @staticmethod
    async def _require_room(connection: Connection, scene: object) -> None:
        if await connection.fetchval(SQL.count, scene) >= PATCHES_MAX:
            raise errors.LimitReached(
                f"A scene has at most {PATCHES_MAX} patches; delete some.", limit=PATCHES_MAX
            )

    async def list(self, question: ListPatches, actor: Actor) -> Page[Patch]:
        """Show those of a scene, the newest first."""
        return await self._store.read_page(question, actor.scope())


def _require_sound(placed: Sequence[Placed]) -> None:
    """Return when hunks can be applied together to the text they were made on.

    Raises:
        Invalid: Some stand on the same words, change nothing, or are too long.
    """
    for index, hunk, draft in placed:
        size = len(draft.quote)
        if draft.stood.quote[0] in LOW_HALVES or draft.stood.quote[-1] in HIGH_HALVES:
            raise _refusal(index, "anchor", "begins or ends within a character of two code units")
        if size > BASE_CHARS_MAX:
            detail = f"stands on {size} characters; a hunk has at most {BASE_CHARS_MAX}"
            raise _refusal(index, "anchor", detail)
        if hunk.kind is HunkKind.REPLACE and hunk.text == draft.quote:
            raise _refusal(index, "text", "is what stands there already")
    total = sum(len(draft.quote) for _, _, draft in placed)
    if total > PATCH_CHARS_MAX:
        detail = f"they stand on {total} characters; a patch has at most {PATCH_CHARS_MAX}"
        raise errors.Invalid(f"hunks: {detail}", errors=[{"field": "body.hunks", "detail": detail}])
    for one, other in overlapping([_landing(each) for each in placed]):
        detail = f"stands on the words of hunk {one}, or inserts at the same point; join the two"
        raise _refusal(other, "anchor", detail, hunks=[one, other])


def _refusal(index: int, field: str, detail: str, **data: object) -> errors.Invalid:
    place = f"body.hunks.{index}.{field}"
    return errors.Invalid(f"{place}: {detail}", errors=[{"field": place, "detail": detail}], **data)


def _landing(placed: Placed) -> Landing:
    """Return what a hunk does with the text it was made on; its number is its index."""
    index, hunk, draft = placed
    begin = draft.stood.offset
    place = begin, begin + len(units(draft.quote))
    standing = Standing(index, hunk.kind, hunk.side, draft.quote, hunk.text, place)
    return landing(standing, place, standing.base, standing.proposed)


def _point(placed: Placed) -> tuple[int, int]:
    found = _landing(placed)
    return found.start, found.end


async def _locked(connection: Connection, patch: object, actor: Actor) -> Row:
    row = await connection.fetchrow(SQL.lock, patch, actor.scope())
    if row is None:
        raise errors.NotFound
    return row


def _require_version(row: Row, expected: Expected) -> None:
    if not is_expected(row["version"], expected):
        raise errors.PreconditionFailed(f"This is version {row['version']} of the patch now.")
