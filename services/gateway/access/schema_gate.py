"""The schema gate: an editor older than a scene's schema may read it and not write.

Old editors delete what they do not know. A client that declares nothing may be from before there
was anything to declare, so it counts as older than every version; a scene that names no version
keeps nobody out.
"""

from libs import errors
from libs.contracts.events.resources import SCHEMA_VERSION_MAX


def require_schema(needed: int | None, declared: int | None) -> None:
    """Return when a client that declared *declared* may write where *needed* is needed.

    Raises:
        SchemaOutdated: It may not; both versions are in the sentence and in the data.
    """
    if needed is None or (declared is not None and declared >= needed):
        return
    said = "declared none" if declared is None else f"declared {declared}"
    raise errors.SchemaOutdated(
        f"read-only: this scene needs editor schema version {needed} and your editor {said};"
        " update your editor to write here",
        sceneSchemaVersion=needed,
        clientSchemaVersion=declared,
    )


def declared_schema(text: str) -> int | None:
    """Return the version that a query parameter declares; what is no version declares nothing."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(SCHEMA_VERSION_MAX))):
        return None
    return int(text) or None
