"""The text of a scene block by block, and the notice that it changed.

Both are for the indexer. A notice says only that a scene reached a version: the stream TEXTS keeps
the newest one of each scene, and the reader asks for the text itself.
"""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from libs.contracts.positions import CharacterId
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire

PASSAGES_BYTES_MAX = 4 << 20
"""Of the texts of one answer; more go on in the next."""


class TextChanged(Wire):
    """The text of a scene reached the version `seq`."""

    scene_id: UUID
    seq: int
    timestamp: datetime


class Passage(Wire):
    """A block of a scene that says something: its type, its text and where it stands.

    `from` and `to` are UTF-16 offsets into `format=text` of that version; `first` and `last` are
    the Yjs ids of its first and last character, by which it is known again after edits.
    """

    index: int
    type: str
    text: str
    from_: int = Field(alias="from")
    to: int
    first: CharacterId
    last: CharacterId


class ReadPassages(Wire):
    """Read the blocks of a scene as they are durable now, from the block `start` on."""

    scene_id: UUID
    start: int = Field(default=0, ge=0)


class Passages(Wire):
    """Blocks in order; `following` is the index from which more follow, at the same version.

    `written_at` is the time of that version; null for a scene that nobody wrote in.
    """

    seq: int
    written_at: datetime | None = None
    passages: list[Passage]
    following: int | None = None


READ_PASSAGES = Method("collab", "read_passages", ReadPassages, Passages)
