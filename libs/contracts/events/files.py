"""Requests to events about the files of entities.

The bytes are a blob. A file is set by these commands only, never by a change of fields, a bundle,
an undo or a peer: each carries a claim on its blob (`libs.contracts.blobs`), which events records
as used in the same transaction, or refuses because it was settled otherwise meanwhile.
"""

from typing import Annotated
from uuid import UUID

from pydantic import StringConstraints

from libs.contracts import names
from libs.contracts.events.manuscript import Create, Document
from libs.contracts.events.world import PREVIEW_CHARS_MAX, FileType
from libs.contracts.rpc import Method
from libs.contracts.values import Sha256, Size
from libs.contracts.versions import Expected
from libs.contracts.wire import Wire

PATH_CHARS_MAX = 1024
URL_CHARS_MAX = 4096

_TEXT = r"^[^\x00]*$"

FilePath = Annotated[
    str, StringConstraints(min_length=1, max_length=PATH_CHARS_MAX, pattern=names.PATTERN)
]
FileUrl = Annotated[
    str, StringConstraints(min_length=1, max_length=URL_CHARS_MAX, pattern=names.PATTERN)
]
Preview = Annotated[str, StringConstraints(max_length=PREVIEW_CHARS_MAX, pattern=_TEXT)]
"""The first characters of a text; of other files there is none."""


class StoredFile(Wire):
    """A file as its event tells it; `checksum` is the SHA-256 of its bytes."""

    path: FilePath
    url: FileUrl | None = None
    size: Size
    type: FileType
    checksum: Sha256
    preview: Preview | None = None


class FileDeleted(Wire):
    """The data of the event about the file that an entity no longer has, beside `from`."""

    path: str
    url: str | None
    size: int
    type: FileType
    checksum: str
    preview: str | None


class FileUploaded(FileDeleted):
    """The data of the event about the new file of an entity, beside `from`.

    `claim_id` is the claim on the blob, which is used with it.
    """

    claim_id: UUID


class AttachFile(Wire):
    """Let an entity have this file, and no longer the one it had.

    `expected_version` and `base_version` mean what they mean for `Change`.
    """

    id: UUID
    command_id: UUID
    claim_id: UUID
    file: StoredFile
    expected_version: Expected = None
    base_version: int | None = None


class DetachFile(Wire):
    """Take an entity's file away; its bytes stay for the time of retention."""

    id: UUID
    command_id: UUID
    expected_version: Expected = None
    base_version: int | None = None


class CreateWithFile(Create):
    """Create an entity that has a file from the first: both or nothing."""

    claim_id: UUID
    file: StoredFile


ATTACH_FILE = Method("events", "attach_file", AttachFile, Document)
DETACH_FILE = Method("events", "detach_file", DetachFile, Document)
CREATE_WITH_FILE = Method("events", "create_with_file", CreateWithFile, Document)
