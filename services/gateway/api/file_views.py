"""The file of an entity as it is told: its place among the paths, its sort, its first words."""

import codecs
from uuid import UUID

from libs.contracts.blobs.transfers import Blob
from libs.contracts.events import file_paths
from libs.contracts.events.files import StoredFile
from libs.contracts.events.world import PREVIEW_CHARS_MAX, EntityType, FileType

PREVIEW_BYTES = (1 + PREVIEW_CHARS_MAX) * 4
"""Enough for the preview of any text: a byte order mark, and characters of up to four bytes."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; that of UTF-32 begins like one of UTF-16."""
_TEXTS = ("text/markdown", "text/plain")


def stored_file(
    blob: Blob,
    *,
    project_id: UUID,
    entity_id: UUID,
    entity_type: EntityType,
    owner_id: UUID,
    file_name: str | None,
    preview: str | None,
) -> StoredFile:
    """Return the file that an entity has in *blob*; its other arguments are those of the contract.

    *file_name* is what its uploader calls it.
    """
    return file_paths.stored_file(
        project_id=project_id,
        entity_id=entity_id,
        entity_type=entity_type,
        owner_id=owner_id,
        sha256=blob.sha256,
        size=blob.size,
        sort=file_type(blob.media_type),
        name=file_name,
        preview=preview,
    )


def file_type(media_type: str) -> FileType:
    """Return what sort of file this is to people."""
    if media_type in _TEXTS:
        return FileType.MARKDOWN
    if media_type == "application/pdf":
        return FileType.PDF
    sort = media_type.partition("/")[0]
    return FileType(sort) if sort in ("audio", "video", "image") else FileType.OTHER


def is_text(media_type: str) -> bool:
    """Return whether a preview can be made of it."""
    return media_type.startswith("text/")


def preview_of(head: bytes) -> str:
    """Return the first PREVIEW_CHARS_MAX characters of a text that begins with *head*."""
    return words(_decoded(head[:PREVIEW_BYTES]))


def _decoded(head: bytes) -> str:
    """Return the text that begins with *head*; a character may be cut at its end.

    A byte order mark tells its encoding; without one it is UTF-8, or else that of older programs.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return head.decode(encoding, errors="ignore")
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return head.decode("windows-1252", errors="replace")


def words(text: str) -> str:
    """Return the first PREVIEW_CHARS_MAX characters of *text*, as they can be stored."""
    return text.removeprefix("\ufeff").replace("\0", "")[:PREVIEW_CHARS_MAX]
