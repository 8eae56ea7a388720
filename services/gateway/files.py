"""The file of an entity as it is told: its place among the paths, its sort, its first words."""

from uuid import UUID

from libs.contracts import file_paths
from libs.contracts.blobs import Blob
from libs.contracts.files import StoredFile
from libs.contracts.world import PREVIEW_CHARS_MAX, EntityType, FileType

PREVIEW_BYTES = PREVIEW_CHARS_MAX * 4
"""Enough for the preview of any text in UTF-8."""

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
    return words(head[:PREVIEW_BYTES].decode(errors="ignore"))


def words(text: str) -> str:
    """Return the first PREVIEW_CHARS_MAX characters of *text*, as they can be stored."""
    return text.removeprefix("\ufeff").replace("\0", "")[:PREVIEW_CHARS_MAX]
