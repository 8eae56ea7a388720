"""Importing a package: a new project with fresh ids, in one transaction."""

import hashlib
import unicodedata
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import zstandard

from libs import errors
from libs.contracts.actor import Role
from libs.contracts.events.workspaces import PAGE_BYTES, PAGE_BYTES_MAX, Head
from libs.contracts.values import NAME_CHARS_MAX
from libs.postgres import Connection
from services.events.bundles.commit import now_as_json
from services.events.model.aggregates import MEMBER, PROJECT, TAG
from services.events.model.aggregates.project import slugs
from services.events.model.files import NO_FILE, file_uploaded, require_current
from services.events.model.log import CommandContext, PendingEvent
from services.events.model.order import place_at
from services.events.model.rank import between
from services.events.store import Transaction
from services.events.workspaces.document import PackageItem, decode_line
from services.events.workspaces.names import KnownNames
from services.events.workspaces.numbering import Numbering
from services.events.workspaces.package_file import PackageFile
from services.events.workspaces.store import SQL

SLICE_DRAFTS = 500
"""Events that are in memory and recorded at a time."""

_RANDOM_BITS = 42
_LOW_BITS = 20


def imported_id(seed: UUID, number: int) -> UUID:
    """Return the id of thing *number* of an import with *seed*: a UUIDv7 as old as the seed.

    It is the same again after a crash. Ids rise with numbers; 0 is the project, and the member has
    the number after the last.
    """
    random = int.from_bytes(hashlib.sha256(seed.bytes + number.to_bytes(8)).digest()[:8])
    value = seed.int >> 80 << 80 | 7 << 76 | (number >> _LOW_BITS) << 64 | 2 << 62
    value |= (number & (1 << _LOW_BITS) - 1) << _RANDOM_BITS
    return UUID(int=value | random & (1 << _RANDOM_BITS) - 1)


async def import_package(
    tx: Transaction,
    context: CommandContext,
    package_id: UUID,
    seed: UUID,
    *,
    name: str,
    claims: Mapping[int, UUID] | None = None,
) -> None:
    """Make a project from a package; the user of *context* becomes its OWNER.

    Args:
        tx: The transaction.
        context: Its user becomes the owner; its project is the new one.
        package_id: The package.
        seed: The seed of the new ids.
        name: The name of the project.
        claims: The claims on the bytes of files, by number of the thing; without a claim a thing
            has no file.

    Raises:
        errors.AppError: The state is not valid for a project; the error names the place.
        errors.Unavailable: A claim was refused in the meantime; claim the bytes again.
    """
    claims = claims or {}
    connection = tx.connection
    head = Head.model_validate(await connection.fetchval(SQL.head, package_id))
    numbering = Numbering.of(head)
    await create_project(
        tx, context, name, member_id=imported_id(seed, numbering.total + 1), editor=head.editor
    )
    await use_claims(connection, context.project_id, claims.values())
    ranks = _Ranks(context.project_id, lambda number: imported_id(seed, number))
    pending_events: list[PendingEvent] = []
    names = KnownNames()
    async for item in read_items(connection, package_id, numbering):
        names.note(item.spec, item.fields)
        _require_names(names, item)
        pending_event = ranks.pending_event(item)
        pending_events.append(pending_event)
        if item.file and item.number in claims:
            pending_events.append(
                _with_file(pending_event, item, item.file, claims[item.number], context)
            )
        if len(pending_events) >= SLICE_DRAFTS:
            await _record(connection, context, pending_events)
            pending_events = []
    names.require(PROJECT, {"editor": head.editor})
    await _record(connection, context, pending_events)


def _require_names(names: KnownNames, item: PackageItem) -> None:
    try:
        names.require(item.spec, item.fields)
    except errors.Invalid as error:
        detail = f"thing {item.number}: {error.detail}"
        raise errors.Invalid(detail, at=item.number, **error.data) from None


async def read_items(
    connection: Connection, package_id: UUID, numbering: Numbering
) -> AsyncGenerator[PackageItem]:
    """Yield the items of a package in order, with one page in memory at a time.

    Raises:
        errors.PackageDamaged: A page is missing or damaged.
    """
    at, number = now_as_json(), 1
    for page in [row["page"] for row in await connection.fetch(SQL.pages, package_id)]:
        row = await connection.fetchrow(SQL.page, package_id, page)
        if row is None or row["first"] != number:
            raise errors.PackageDamaged(f"Page {page} does not continue the page before it.")
        for raw in unpack_page(row["body"]).splitlines():
            yield decode_line(raw, number, numbering, at=at)
            number += 1
    if number != numbering.total + 1:
        raise errors.PackageDamaged(
            f"The state has {number - 1} things; its first line announces {numbering.total}.",
            at="state",
        )


def unpack_page(body: bytes) -> bytes:
    """Return the lines of a page.

    Raises:
        errors.PackageDamaged: The body is not a page, or longer than a page may be.
    """
    try:
        # The size in the frame is checked first, because that much memory is allocated.
        size = zstandard.frame_content_size(body)
        if not 0 < size <= PAGE_BYTES + PAGE_BYTES_MAX:
            raise errors.PackageDamaged("A page of the state is empty or too long.", at="state")
        return zstandard.decompress(body, max_output_size=size)
    except zstandard.ZstdError:
        raise errors.PackageDamaged(
            "A page of the state is not valid Zstandard data.", at="state"
        ) from None


async def use_claims(connection: Connection, project_id: UUID, claims: Collection[UUID]) -> None:
    """Record claims as used: from now on their bytes are referred to.

    Raises:
        errors.Unavailable: A claim was refused in the meantime, or is too old.
    """
    try:
        for claim_id in claims:
            require_current(claim_id, at=datetime.now(UTC))
    except errors.BlobUnavailable as error:
        raise errors.Unavailable from error
    used = await connection.fetch(SQL.use_claims, list(claims), project_id)
    if len(used) < len(claims):
        raise errors.Unavailable(
            "The bytes of a file were deleted before they could be used; try again."
        )


def _with_file(
    pending_event: PendingEvent,
    item: PackageItem,
    file: PackageFile,
    claim_id: UUID,
    context: CommandContext,
) -> PendingEvent:
    stored = file.stored(
        project_id=context.project_id,
        entity_id=pending_event.aggregate_id,
        owner_id=context.user_id,
        fields=item.fields,
    )
    return file_uploaded(pending_event.aggregate_id, NO_FILE, stored, claim_id)


class _Ranks:
    """Turns items into events that create them, each after its earlier siblings."""

    def __init__(self, project_id: UUID, ids: Callable[[int], UUID]) -> None:
        self._project_id = project_id
        self._ids = ids
        self._last: dict[tuple[str, UUID], tuple[int, str]] = {}
        self._tags: dict[str, str] = {}

    def pending_event(self, item: PackageItem) -> PendingEvent:
        spec = item.spec
        fields = dict(item.fields)
        if spec is TAG:
            fields["name"] = self._distinct(fields["name"])
        for name, number in item.references():
            fields[name] = str(self._ids(number))
        data = spec.born(fields)
        if spec.ordered:
            above = self._project_id if item.above is None else self._ids(item.above)
            index, last = self._last.get((spec.kind, above), (-1, None))
            rank = between(last, None)
            self._last[spec.kind, above] = index + 1, rank
            data |= place_at(above, index + 1, rank)
        return PendingEvent(spec, self._ids(item.number), "created", data)

    def _distinct(self, name: str) -> str:
        """Return the name of a tag, with a number when it is another spelling of an earlier name.

        Earlier releases accepted both, and every existing project can be copied.
        """
        key, number = unicodedata.normalize("NFC", name).lower(), 2
        if self._tags.setdefault(key, name.lower()) == name.lower():
            return name
        while f"{key} ({number})" in self._tags:
            number += 1
        self._tags[f"{key} ({number})"] = ""
        return f"{name[: NAME_CHARS_MAX - len(f' ({number})')]} ({number})"


async def create_project(
    tx: Transaction,
    context: CommandContext,
    name: str,
    *,
    member_id: UUID,
    editor: str | None = None,
) -> None:
    """Record a project and its OWNER, under the simplest slug that is free.

    Raises:
        errors.SlugTaken: Another project took even the last slug just now.
    """
    wishes = list(slugs(name, context.project_id))
    owner = {"userId": str(context.user_id), "role": Role.OWNER.value}
    member = PendingEvent(MEMBER, member_id, "added", owner)
    for tried in (wishes, wishes[-1:]):
        slug = await tx.free_slug(tried)
        said = {"name": name, "slug": slug, "editor": editor}
        try:
            # Another project with this name may be created right now; then use the last slug.
            async with tx.attempt():
                await tx.record(
                    [PendingEvent(PROJECT, context.project_id, "created", said), member]
                )
        except asyncpg.UniqueViolationError as error:
            if tried is not wishes:
                raise errors.SlugTaken from error
        else:
            return


async def _record(
    connection: Connection, context: CommandContext, pending_events: list[PendingEvent]
) -> None:
    # A new transaction object each time: it would keep all states, and none is needed again.
    await Transaction(connection, context).record(pending_events)
