"""The logical path of an entity's file among its owner's files."""

from uuid import UUID

from libs.contracts import names
from libs.contracts.events.files import StoredFile
from libs.contracts.events.world import EntityType, FileType

NAME_BYTES_MAX = 200
"""Of a file's name in a path; longer ones are cut before their ending."""
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
        project_id: Where.
        entity_id: Whose it is.
        entity_type: What that is.
        owner_id: Who made the entity: in their folder the file is.
        sha256: Its bytes.
        size: How many.
        sort: What it is to people.
        name: What its uploader calls it; a text without a name is called after its entity.
        preview: Its first words, when it is a text.
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
    """Return a file's name as the last part of a path; what a path may not hold becomes `_`."""
    text = names.normal(file_name or NAMELESS)
    safe = names.cleaned(text, "_").replace("/", "_").replace("\\", "_").strip()
    if not safe.strip(". "):
        return NAMELESS
    stem, dot, ending = safe.rpartition(".")
    if not stem or len(ending) > ENDING_CHARS_MAX:
        stem, dot, ending = safe, "", ""
    room = NAME_BYTES_MAX - len((dot + ending).encode())
    return stem.encode()[:room].decode(errors="ignore").strip() + dot + ending
