"""The editors that scenes are written with, and what their schemas allow.

A project, a book or a scene names its editor; the nearest name counts. A name is one of
`BuiltIn`, or that of a definition which a team gave to its project. What an editor refuses it
deletes, with the words in it, so everything that a server writes must be acceptable to the editor
of the scene.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from libs.contracts.wire import Wire

NODES_MAX = 200
"""Node types, mark types or elements of one definition."""
RULES_MAX = 200
"""Rules of one definition that say how a block is made."""
EXPRESSION_CHARS_MAX = 500
"""Characters of one content expression."""

Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Expression = Annotated[str, StringConstraints(max_length=EXPRESSION_CHARS_MAX)]


class BuiltIn(StrEnum):
    """Editors whose schema the server brings along."""

    TIPTAP = "tiptap"
    PROSEMIRROR = "prosemirror"
    SLATE = "slate"
    PLATE = "plate"
    BLOCKNOTE = "blocknote"
    LEXICAL = "lexical"
    QUILL = "quill"
    PLAIN = "plain"


class AttributeSpec(Wire):
    """An attribute of a node or mark; without a default it must be given."""

    default: Any = None
    required: bool = False


Attributes = Annotated[dict[Word, AttributeSpec], Field(max_length=NODES_MAX)]


class NodeSpec(Wire):
    """A node type, as in a ProseMirror `NodeSpec`."""

    content: Expression = ""
    group: Expression = ""
    marks: Expression | None = None
    """Marks that its text may carry; `_` all of them, an empty string none, null the default."""
    inline: bool = False
    atom: bool = False
    code: bool = False
    attrs: Attributes = Field(default_factory=dict)


class MarkSpec(Wire):
    """A mark type, as in a ProseMirror `MarkSpec`."""

    attrs: Attributes = Field(default_factory=dict)
    excludes: Expression | None = None
    group: Expression = ""


class ElementRule(Wire):
    """What a Slate element may hold: text, blocks, or only the elements named."""

    holds: Literal["text", "blocks", "nothing"] = "text"
    only: tuple[Word, ...] = ()
    inline: bool = False


class BlockRule(Wire):
    """How one of our blocks (`paragraph`, `list`, `list-item`, `quote` …) is made here.

    It applies to a block that has the attributes `when`, which it replaces by `attrs`.
    """

    block: Word
    when: dict[str, Any] = Field(default_factory=dict)
    type: Word
    attrs: dict[str, Any] = Field(default_factory=dict)


class MarkRule(Wire):
    """How one of our marks (`bold`, `italic`, `strikethrough`, `code`, `link` …) is called here."""

    mark: Word
    type: Word


class EditorDefinition(Wire):
    """An editor as data.

    `root` names the shared type that the editor shows: a Y.XmlFragment for `prosemirror`, a
    Y.XmlText for `slate`, a Y.Text for `text`. `version` is what clients declare to the schema
    gate; a scene of this editor is written only by those that declare it or a newer one. Null keeps
    nobody out.
    """

    kind: Literal["prosemirror", "slate", "text"]
    root: Word
    version: Annotated[int, Field(ge=1)] | None = None
    top_node: Word = "doc"
    nodes: Annotated[dict[Word, NodeSpec], Field(max_length=NODES_MAX)] = Field(
        default_factory=dict
    )
    marks: Annotated[dict[Word, MarkSpec], Field(max_length=NODES_MAX)] = Field(
        default_factory=dict
    )
    elements: Annotated[dict[Word, ElementRule], Field(max_length=NODES_MAX)] = Field(
        default_factory=dict
    )
    blocks: Annotated[tuple[BlockRule, ...], Field(max_length=RULES_MAX)] = ()
    mark_names: Annotated[tuple[MarkRule, ...], Field(max_length=RULES_MAX)] = ()


class SceneEditor(Wire):
    """The editor of a scene, as a request about its text carries it.

    `definition` is given for a team's own editor, null for a built-in one.
    """

    name: Word
    definition: EditorDefinition | None = None
