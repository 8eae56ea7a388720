"""The file of an entity as it is told: its place among the paths, its sort, its first words."""

import unicodedata
from uuid import UUID

from libs.contracts.blobs import Blob
from libs.contracts.files import StoredFile
from libs.contracts.world import PREVIEW_CHARS_MAX, EntityType, FileType

NAME_BYTES_MAX = 200
"""Of a file's name in a path; longer ones are cut before their ending."""
ENDING_CHARS_MAX = 16
PREVIEW_BYTES = PREVIEW_CHARS_MAX * 4
"""Enough for the preview of any text in UTF-8."""
NAMELESS = "file"

_TEXTS = ("text/markdown", "text/plain")
_FOLDERS = {EntityType.NOTE: "notes", EntityType.TASK: "tasks"}
_FORBIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


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
    """Return the file that an entity has in *blob*.

    Args:
        blob: Its bytes.
        project_id: Where.
        entity_id: Whose it is.
        entity_type: What that is.
        owner_id: Who made the entity: in their folder the file is.
        file_name: What its uploader calls it.
        preview: Its first words, when it is a text.
    """
    sort = file_type(blob.media_type)
    folder = _FOLDERS.get(entity_type)
    if folder and sort is FileType.MARKDOWN:
        place = f"{folder}/{entity_id}.md"
    else:
        place = f"attachments/{entity_id}/{segment(file_name)}"
    return StoredFile(
        path=f"users/{owner_id}/{place}",
        url=f"/api/projects/{project_id}/blobs/{blob.sha256}",
        size=blob.size,
        type=sort,
        checksum=blob.sha256,
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


def segment(file_name: str | None) -> str:
    """Return a file's name as the last part of a path; what a path may not hold becomes `_`."""
    text = unicodedata.normalize("NFC", file_name or NAMELESS)
    safe = "".join(
        "_" if each in "/\\" or unicodedata.category(each) in _FORBIDDEN else each for each in text
    ).strip()
    if not safe.strip(". "):
        return NAMELESS
    stem, dot, ending = safe.rpartition(".")
    if not stem or len(ending) > ENDING_CHARS_MAX:
        stem, dot, ending = safe, "", ""
    room = NAME_BYTES_MAX - len((dot + ending).encode())
    return stem.encode()[:room].decode(errors="ignore").strip() + dot + ending
