"""Handlers of packages: exported and read page by page, or sent page by page."""

from uuid import UUID

import zstandard

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.manuscript import Done
from libs.contracts.events.workspaces import (
    PACKAGES_OPEN_MAX,
    DropPackage,
    Head,
    OpenPackage,
    PackagePage,
    PackageState,
    PutConversation,
    PutPage,
    PutText,
    ReadPage,
    TakePackage,
)
from libs.postgres import Connection, LockKey, Pool, wait_for_lock
from libs.postgres.pool import UNREACHABLE
from services.events.bundles.commit import now_as_json
from services.events.model.aggregates import SCENE
from services.events.model.refusal import field_refusal
from services.events.workspaces.document import decode_line
from services.events.workspaces.exporting import export_package
from services.events.workspaces.importing import unpack_page
from services.events.workspaces.numbering import Numbering
from services.events.workspaces.store import SQL, add_files, run_in_transaction


class PackageHandlers:
    """Handlers of requests about packages."""

    def __init__(self, pool: Pool) -> None:
        """Keep them in *pool*."""
        self._pool = pool

    async def take(self, question: TakePackage, actor: Actor) -> PackageState:
        """Export the actor's project into a package, to be read."""
        package_id = question.package_id
        try:
            async with self._pool.acquire() as connection:
                await self._require_room(connection, package_id, actor)
            head = await export_package(self._pool, package_id, actor.scope(), actor.user_id)
            pages = await self._pool.fetchval(SQL.page_count, package_id)
        except UNREACHABLE as error:
            raise errors.Unavailable from error
        return PackageState(head=head, pages=pages or 0)

    async def open(self, question: OpenPackage, actor: Actor) -> Done:
        """Begin a package that will be sent."""
        Numbering.of(question.head)

        async def apply_open(connection: Connection) -> Done:
            await wait_for_lock(connection, LockKey.PERSON, actor.user_id)
            await self._require_room(connection, question.package_id, actor)
            head = question.head.model_dump(mode="json")
            made = await connection.fetchval(
                SQL.open_package, question.package_id, actor.user_id, None, head
            )
            if made is None:
                known = await self._open_package(connection, question.package_id, actor)
                if known != question.head:
                    raise errors.IdempotencyKeyReused
            return Done()

        return await run_in_transaction(self._pool, apply_open)

    async def put_page(self, question: PutPage, actor: Actor) -> Done:
        """Store a page of a package after all its lines were decoded."""
        package_id = question.package_id

        async def apply_put_page(connection: Connection) -> Done:
            head = await self._open_package(connection, package_id, actor)
            numbering, at = Numbering.of(head), now_as_json()
            lines = unpack_page(question.body).splitlines()
            if not lines or question.first + len(lines) - 1 > numbering.total:
                raise errors.PackageDamaged(
                    f"The state does not have {numbering.total} things as its first line says.",
                    at="state",
                )
            things = [
                decode_line(raw, n, numbering, at=at) for n, raw in enumerate(lines, question.first)
            ]
            files = [
                (thing.number, thing.file.sha256, thing.file.size) for thing in things if thing.file
            ]
            await connection.execute(
                SQL.put_page,
                package_id,
                question.page,
                question.first,
                len(lines),
                question.body,
            )
            # Before their bytes are sent: from now on the package refers to them, and blobs asks.
            await add_files(connection, package_id, files, place=package_id)
            return Done()

        return await run_in_transaction(self._pool, apply_put_page)

    async def put_text(self, question: PutText, actor: Actor) -> Done:
        """Store the text of a scene; the job checks later whether it is valid."""

        async def apply_put_text(connection: Connection) -> Done:
            head = await self._open_package(connection, question.package_id, actor)
            if question.number not in Numbering.of(head).ranges[SCENE.kind]:
                raise errors.PackageDamaged(
                    f"Thing {question.number} is not a scene, so it has no text.",
                    at=question.number,
                )
            packed = question.packed
            _require_frame(packed, question.size)
            await connection.execute(
                SQL.put_text, question.package_id, question.number, packed, question.size
            )
            return Done()

        return await run_in_transaction(self._pool, apply_put_text)

    async def put_conversation(self, question: PutConversation, actor: Actor) -> Done:
        """Store a page of the conversations of a scene; collab checks what it says."""

        async def apply_put_conversation(connection: Connection) -> Done:
            head = await self._open_package(connection, question.package_id, actor)
            if question.number not in Numbering.of(head).ranges[SCENE.kind]:
                raise errors.PackageDamaged(
                    f"Thing {question.number} is not a scene, so nothing was said about it.",
                    at=question.number,
                )
            _require_frame(question.packed, question.size)
            await connection.execute(
                SQL.put_conversation,
                question.package_id,
                question.number,
                question.page,
                question.packed,
                question.size,
            )
            return Done()

        return await run_in_transaction(self._pool, apply_put_conversation)

    async def page(self, question: ReadPage, actor: Actor) -> PackagePage:
        """Show a page of a package, with the scenes that have its texts."""

        async def query_page(connection: Connection) -> PackagePage:
            known = await connection.fetchrow(SQL.package, question.package_id, actor.user_id)
            page = await connection.fetchrow(SQL.page, question.package_id, question.page)
            if known is None or page is None or known["project_id"] != actor.scope():
                raise errors.NotFound
            upto = page["first"] + page["count"]
            scenes = await connection.fetch(
                SQL.scenes_of_page, question.package_id, page["first"], upto
            )
            files = await connection.fetch(
                SQL.files_of_page, question.package_id, page["first"], upto
            )
            return PackagePage.model_construct(
                body=unpack_page(page["body"]),
                scenes={row["number"]: row["scene_id"] for row in scenes},
                files={row["sha256"]: row["size"] for row in files},
            )

        return await run_in_transaction(self._pool, query_page)

    async def drop(self, question: DropPackage, actor: Actor) -> Done:
        """Delete a package that was read, or that will not be sent completely."""

        async def apply_drop(connection: Connection) -> Done:
            known = await connection.fetchrow(SQL.lock_package, question.package_id, actor.user_id)
            if known is not None and not (known["sealed"] and known["project_id"] is None):
                await connection.execute(SQL.drop_package, question.package_id)
            return Done()

        return await run_in_transaction(self._pool, apply_drop)

    async def _require_room(self, connection: Connection, package_id: UUID, actor: Actor) -> None:
        if await connection.fetchrow(SQL.package, package_id, actor.user_id):
            return
        count: int = await connection.fetchval(SQL.open_packages, actor.user_id) or 0
        if count >= PACKAGES_OPEN_MAX:
            raise errors.LimitReached(
                f"A person may have at most {PACKAGES_OPEN_MAX} exports and imports at once."
            )

    async def _open_package(self, connection: Connection, package_id: UUID, actor: Actor) -> Head:
        row = await connection.fetchrow(SQL.lock_package, package_id, actor.user_id)
        if row is None or row["project_id"] is not None:
            raise errors.NotFound("There is no such package.")
        if row["sealed"]:
            raise errors.Conflict("This package was already sent completely.")
        return Head.model_validate(row["head"])


def _require_frame(packed: bytes, size: int) -> None:
    try:
        known = zstandard.frame_content_size(packed) == size
    except zstandard.ZstdError:
        known = False
    if not known:
        raise field_refusal("packed", "is not a Zstandard frame of the given size")


async def require_whole(connection: Connection, package_id: UUID, head: Head) -> None:
    """Return when all things that the head of a package counts have arrived.

    Raises:
        errors.PackageDamaged: A thing is missing.
    """
    expected = 1
    for row in await connection.fetch(SQL.pages, package_id):
        if row["first"] != expected:
            break
        expected += row["count"]
    total = Numbering.of(head).total
    if expected != total + 1:
        raise errors.PackageDamaged(
            f"The state has {expected - 1} things; its first line announces {total}.", at="state"
        )
