"""A project's manuscript as one answer: its books, their chapters, their scenes, in order."""

from uuid import UUID

from libs.contracts.events.resources import BookKind, SceneStatus
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire

TREE_SCENES_MAX = 20_000
TREE_BYTES_MAX = 5 << 20
"""A project with more is read book by book; a message on the bus may have 8 MiB."""


class TreeScene(Wire):
    """A scene in its place."""

    id: UUID
    version: int
    title: str | None
    status: SceneStatus
    word_count: int


class TreeChapter(Wire):
    """A chapter and its scenes."""

    id: UUID
    version: int
    title: str
    word_count: int = 0
    scenes: list[TreeScene]


class TreeBook(Wire):
    """A book and its chapters."""

    id: UUID
    version: int
    title: str
    kind: BookKind
    word_count: int = 0
    chapters: list[TreeChapter]


class Tree(Wire):
    """All that is not deleted, in order."""

    books: list[TreeBook]


class ReadTree(Wire):
    """Read the tree of the actor's project."""


class WrittenTree(Wire):
    """A `Tree` as JSON text, written by the database and passed on as it is."""

    text: str


READ_TREE = Method("events", "read_tree", ReadTree, WrittenTree)
