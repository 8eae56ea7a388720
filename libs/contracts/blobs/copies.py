"""Requests of events to blobs for copies of projects: bytes are copied to another project.

Blobs are a project's own, so a copy of a project needs copies of its bytes. They are read and
stored within blobs and never cross the bus. Events answers for it that who asked may read the one
project and write the other, as the gateway does for everything else.
"""

from uuid import UUID

from libs.contracts.blobs.transfers import Blob
from libs.contracts.rpc import Method
from libs.contracts.values import Sha256
from libs.contracts.wire import Wire

COPY_DEADLINE_S = 900.0
"""How long the copy of a blob of BLOB_BYTES_MAX may take."""


class CopyBlob(Wire):
    """Let the actor's project have a blob of another project; the same again is done at once.

    Raised are NOT_FOUND, BLOB_UNAVAILABLE and INTERNAL (damaged) about the source, and
    QUOTA_EXCEEDED about the actor's project.
    """

    source_project_id: UUID
    sha256: Sha256


class Copied(Wire):
    """The blob in the actor's project."""

    blob: Blob


class ReleaseBlobs(Wire):
    """End all references of the actor's project: its blobs are deleted after the grace period.

    A blob that still has a reference stays: events is asked before a deletion.
    """


class Released(Wire):
    """It is noted."""


COPY_BLOB = Method("blobs", "copy_blob", CopyBlob, Copied)
RELEASE_BLOBS = Method("blobs", "release_blobs", ReleaseBlobs, Released)
