"""Requests to collab about the past of a scene.

A point in time is written as `at`: an RFC 3339 time, `seq:<number>` (a version of the log),
`snapshot:<id>` (a named snapshot), or nothing for now. A document is a scene or, by its own id, a
branch of one.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Base64Bytes, Field, StringConstraints

from libs.contracts.collab.content import Content, ContentFormat
from libs.contracts.editors import ForEditor
from libs.contracts.pages import Page
from libs.contracts.rpc import Method
from libs.contracts.values import NormalName, Summary
from libs.contracts.wire import Enveloped, Sparse, Wire

AT_CHARS_MAX = 64
SESSIONS_PAGE_MAX = 200
SNAPSHOTS_MAX = 500
"""Named snapshots of one scene: each keeps the whole state for ever."""
REPLAY_STEP_MAX = 100_000

At = Annotated[str, StringConstraints(min_length=1, max_length=AT_CHARS_MAX)]


class ReadAt(ForEditor):
    """The text of a document as it was at a point."""

    document_id: UUID
    scene_id: UUID
    format: ContentFormat
    at: At


class ListSessions(Wire):
    """Editing sessions of a document, newest first, that end before `before` (a seq)."""

    document_id: UUID
    before: int | None = None
    limit: Annotated[int, Field(ge=1, le=SESSIONS_PAGE_MAX)]


class EditingSession(Wire):
    """A stretch of editing without a long pause: which versions, when, and by whom.

    `compacted` tells that versions inside it can be gone: its authors and times stay.
    """

    seq_from: int
    seq_to: int
    started_at: datetime
    ended_at: datetime
    authors: list[UUID]
    updates: int
    size_bytes: int
    compacted: bool


class Sessions(Wire):
    """A page; `next_before` is null on the last one."""

    items: list[EditingSession]
    next_before: int | None = None


class DiffFormat(StrEnum):
    """The format of a difference."""

    TEXT = "text"
    MARKDOWN = "markdown"
    BLOCKS = "blocks"


class Compare(ForEditor):
    """Compare a document at two points in time."""

    document_id: UUID
    scene_id: UUID
    since: At
    until: At | None = None
    format: DiffFormat


class Compared(Wire):
    """The changes, as JSON values in the form of `services.collab.history.compare`.

    `attributed` tells whether authors are known; one run may have several where only the
    session is known, as after compaction.
    """

    seq_from: int
    seq_to: int
    attributed: bool
    changes: list[dict[str, Any]]


class RestoreTo(Wire):
    """The point to go back to."""

    at: At


class RestoreVersion(RestoreTo, ForEditor):
    """Make a scene read as it did at a point, as a new edit."""

    scene_id: UUID
    restoration_id: UUID


class Restored(Wire):
    """The seq at which it is durable; `from_seq` is the version restored.

    `exact` tells that scene and version were equal in every format when the edit was made.
    """

    seq: int
    from_seq: int
    changed: bool
    exact: bool


class ReplayStep(StrEnum):
    """The content of one frame of a replay, when it is not a number of versions."""

    SESSION = "session"


class ReplayPage(Wire):
    """Frames after the seq `after` up to `until`; `first` asks for the base state before them."""

    document_id: UUID
    scene_id: UUID
    since: At | None = None
    until: At | None = None
    after: int | None = None
    upto: int | None = None
    step: Annotated[int, Field(ge=1, le=REPLAY_STEP_MAX)] | ReplayStep = 1


class Frame(Wire):
    """One step of a replay: the versions `seq_from` to `seq` as one Yjs update."""

    seq_from: int
    seq: int
    at: datetime | None
    by: list[UUID]
    update: Base64Bytes


class Replayed(Wire):
    """Some frames; ask again with `after` and `upto` until `done`."""

    frames: list[Frame]
    after: int
    upto: int
    done: bool


class NamedSnapshot(Wire):
    """A version with a name, kept whole for ever. `at` is the time of the version."""

    id: UUID
    scene_id: UUID
    name: str
    description: str | None
    seq: int
    at: datetime | None
    size_bytes: int
    version: int
    created_by: UUID
    created_at: datetime
    updated_by: UUID
    updated_at: datetime


class SnapshotCreate(Wire):
    """A name for a version; without `at` for the one of now."""

    name: NormalName
    description: Summary | None = None
    at: At | None = None


class SnapshotPatch(Wire):
    """Fields to change; absent fields stay, a null description clears it."""

    name: NormalName = ""
    description: Summary | None = None


class CreateSnapshot(Enveloped, SnapshotCreate):
    """Keep a version under a name."""

    envelope = ("fields", SnapshotCreate)

    id: UUID
    scene_id: UUID


class OfScene(Wire):
    """A question about all that a scene has."""

    scene_id: UUID


class OneOfScene(Wire):
    """A question about one thing that a scene has."""

    scene_id: UUID
    id: UUID


class ChangeSnapshot(Enveloped, SnapshotPatch, Sparse):
    """Rename or describe."""

    envelope = ("fields", SnapshotPatch)

    scene_id: UUID
    id: UUID


class DeleteSnapshot(Wire):
    """Delete for good; `any_author` when the asker may delete what others made."""

    scene_id: UUID
    id: UUID
    any_author: bool


class Deleted(Wire):
    """It is gone."""


READ_AT = Method("collab", "read_at", ReadAt, Content)
LIST_SESSIONS = Method("collab", "list_sessions", ListSessions, Sessions)
COMPARE = Method("collab", "compare", Compare, Compared)
RESTORE_VERSION = Method("collab", "restore_version", RestoreVersion, Restored)
REPLAY_PAGE = Method("collab", "replay_page", ReplayPage, Replayed)
CREATE_SNAPSHOT = Method("collab", "create_snapshot", CreateSnapshot, NamedSnapshot)
LIST_SNAPSHOTS = Method("collab", "list_snapshots", OfScene, Page[NamedSnapshot])
READ_SNAPSHOT = Method("collab", "read_snapshot", OneOfScene, NamedSnapshot)
CHANGE_SNAPSHOT = Method("collab", "change_snapshot", ChangeSnapshot, NamedSnapshot)
DELETE_SNAPSHOT = Method("collab", "delete_snapshot", DeleteSnapshot, Deleted)
