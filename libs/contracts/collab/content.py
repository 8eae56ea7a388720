"""Requests to collab about the text of a scene."""

from enum import StrEnum
from uuid import UUID

from pydantic import Base64Bytes, Field

from libs.contracts.editors import ForEditor, SceneEditor
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire


class ContentFormat(StrEnum):
    """How the text of a scene is written down."""

    TEXT = "text"
    MARKDOWN = "markdown"
    BLOCKS = "blocks"
    PROSEMIRROR = "prosemirror"
    YJS = "yjs"


class ReadContent(ForEditor):
    """The text of a scene as it is durable now."""

    scene_id: UUID
    format: ContentFormat


class Content(Wire):
    """The text, and its position in the log.

    `body` is UTF-8 for text and one Yjs update (v1) for yjs; send `state_vector` back as the base
    of an edit that is made from this text.
    """

    seq: int
    state_vector: Base64Bytes
    body: Base64Bytes


class WriteContent(ForEditor):
    """Make the scene read `body`, by the smallest edit.

    With `base_state_vector` the edit is the difference from that older state and merges with later
    edits; without it, from the present state. With `expected_seqs` the log of the scene must be at
    one of them; otherwise nothing is written and PreconditionFailed is raised.
    """

    scene_id: UUID
    format: ContentFormat
    body: Base64Bytes
    base_state_vector: Base64Bytes | None = None
    expected_seqs: tuple[int, ...] | None = None


class ConvertScene(Wire):
    """Lay the text of a scene out for another editor, by one edit that keeps what it says.

    A scene that is laid out so already stays as it is. `present` is the editor that the scene names
    until then, by whose names its text is read.
    """

    scene_id: UUID
    editor: SceneEditor
    # Left out when null: a collab of the release before this one does not know it.
    present: SceneEditor | None = Field(default=None, exclude_if=lambda editor: editor is None)


class Written(Wire):
    """The log sequence at which the edit is durable; `changed` is false when there was none."""

    seq: int
    changed: bool
    state_vector: Base64Bytes


READ_CONTENT = Method("collab", "read_content", ReadContent, Content)
WRITE_CONTENT = Method("collab", "write_content", WriteContent, Written)
CONVERT_SCENE = Method("collab", "convert_scene", ConvertScene, Written)
