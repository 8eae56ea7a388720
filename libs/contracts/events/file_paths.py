"""The logical path of an entity's file among its owner's files."""

from uuid import UUID

from libs.contracts import names
from libs.contracts.events.files import StoredFile
from libs.contracts.events.world import EntityType, FileType

NAME_BYTES_MAX = 200
"""Length of a file's name in a path; longer names are cut before their ending."""
ENDING_CHARS_MAX = 16
NAMELESS = "file"

_FOLDERS = {EntityType.NOTE: "notes", EntityType.TASK: "tasks"}


def stored_file(
    *,
    project_id: UUID,
    entity_id: UUID,
    entity_type: EntityType,
    owner_id: UUID,
    sha256: str,
    size: int,
    sort: FileType,
    name: str | None,
    preview: str | None,
) -> StoredFile:
    """Return the file that an entity has.

    Args:
        project_id: The project of the entity.
        entity_id: The entity of the file.
        entity_type: The type of the entity.
        owner_id: The creator of the entity, in whose folder the file is.
        sha256: The SHA-256 of the file.
        size: The size of the file, in bytes.
        sort: The type of the file.
        name: The name from the upload; a text without a name is named after its entity.
        preview: The first words of a text.
    """
    folder = _FOLDERS.get(entity_type)
    if name is None and sort is FileType.MARKDOWN:
        name = f"{entity_id}.md"
    if folder and sort is FileType.MARKDOWN:
        place = f"{folder}/{entity_id}.md"
    else:
        place = f"attachments/{entity_id}/{segment(name)}"
    return StoredFile(
        path=f"users/{owner_id}/{place}",
        url=f"/api/projects/{project_id}/blobs/{sha256}",
        size=size,
        type=sort,
        checksum=sha256,
        preview=preview,
    )


def name_in(path: str, entity_id: UUID) -> str | None:
    """Return what a file is called; None when only its entity tells it from others."""
    name = path.rpartition("/")[2]
    return None if name == f"{entity_id}.md" else name


def segment(file_name: str | None) -> str:
    """Return a file's name as the last part of a path; forbidden characters become `_`."""
    text = names.normal(file_name or NAMELESS)
    safe = names.cleaned(text, "_").replace("/", "_").replace("\\", "_").strip()
    if not safe.strip(". "):
        return NAMELESS
    stem, dot, ending = safe.rpartition(".")
    if not stem or len(ending) > ENDING_CHARS_MAX:
        stem, dot, ending = safe, "", ""
    room = NAME_BYTES_MAX - len((dot + ending).encode())
    return stem.encode()[:room].decode(errors="ignore").strip() + dot + ending
