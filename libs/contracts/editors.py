"""The editors with which scenes are written, and their schemas.

A project, a book or a scene names its editor; the nearest name counts. A name is one of `BuiltIn`,
or the name of a definition that a team gave to its project. An editor deletes nodes that it
refuses, with the words in them, so everything that a server writes must be acceptable to the
editor of the scene.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from libs.contracts.content_expressions import require_expression, words
from libs.contracts.wire import Sparse, Wire

EDITOR_NAME_CHARS_MAX = 100

NODES_MAX = 200
"""Node types, mark types or elements of one definition."""
RULES_MAX = 200
"""Rules of one definition that say how a block is made."""
EXPRESSION_CHARS_MAX = 500
"""Characters of one content expression."""

VERSION_MAX = 2**31 - 1

_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"

Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Words = Annotated[str, StringConstraints(max_length=EXPRESSION_CHARS_MAX)]
"""Names that are separated by spaces."""
Expression = Annotated[Words, AfterValidator(require_expression)]
"""A content expression as in ProseMirror: `paragraph+`, `(text | image)*`, `block{2,4}`."""
EditorName = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=EDITOR_NAME_CHARS_MAX,
        pattern=_PRINTABLE,
    ),
]
"""One of `BuiltIn`, or the name of a definition of the project."""


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
    group: Words = ""
    marks: Words | None = None
    """Marks that its text may carry; `_` all of them, an empty string none, null the default."""
    inline: bool = False
    atom: bool = False
    code: bool = False
    attrs: Attributes = Field(default_factory=dict)


class MarkSpec(Wire):
    """A mark type, as in a ProseMirror `MarkSpec`."""

    attrs: Attributes = Field(default_factory=dict)
    excludes: Words | None = None
    group: Words = ""


class ElementRule(Wire):
    """The allowed content of a Slate element: text, blocks, or only the named elements."""

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
    Y.XmlText for `slate`, a Y.Text for `text`. `version` is for the schema gate: only clients that
    declare this version or a newer one may write a scene of this editor. Null admits every client.
    A definition may use only names that it defines.
    """

    kind: Literal["prosemirror", "slate", "text"]
    root: Word
    version: Annotated[int, Field(strict=True, ge=1, le=VERSION_MAX)] | None = None
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

    @model_validator(mode="after")
    def _require_known_names(self) -> Self:
        match self.kind:
            case "prosemirror":
                _require_names(self._uses_of_prosemirror())
            case "slate":
                _require_names(self._uses_of_slate())
            case "text":
                pass
        return self

    def _uses_of_prosemirror(self) -> "Iterator[_Use]":
        nodes = {*self.nodes, "text", *_groups(self.nodes)}
        marks = {*self.marks, "_", *_groups(self.marks)}
        yield _Use("topNode", (self.top_node,), self.nodes)
        for name, node in self.nodes.items():
            yield _Use(f"nodes.{name}.content", words(node.content), nodes)
            yield _Use(f"nodes.{name}.marks", (node.marks or "").split(), marks)
        for name, mark in self.marks.items():
            yield _Use(f"marks.{name}.excludes", (mark.excludes or "").split(), marks)
        for at, block in enumerate(self.blocks):
            yield _Use(f"blocks.{at}.type", (block.type,), self.nodes)
        for at, rule in enumerate(self.mark_names):
            yield _Use(f"markNames.{at}.type", (rule.type,), self.marks)

    def _uses_of_slate(self) -> "Iterator[_Use]":
        if not self.elements:
            return
        for name, element in self.elements.items():
            yield _Use(f"elements.{name}.only", element.only, self.elements)
        for at, block in enumerate(self.blocks):
            yield _Use(f"blocks.{at}.type", (block.type,), self.elements)


class _Use(NamedTuple):
    """A place of a definition that uses names, and the names that it may use."""

    place: str
    used: Iterable[str]
    known: Container[str]


def _require_names(uses: Iterable[_Use]) -> None:
    for place, used, known in uses:
        for name in used:
            if name not in known:
                raise ValueError(f"{place}: {name!r} is not defined")


def _groups(specs: Mapping[str, NodeSpec] | Mapping[str, MarkSpec]) -> Iterator[str]:
    for spec in specs.values():
        yield from spec.group.split()


class SceneEditor(Wire):
    """The editor of a scene, as a request about its text carries it.

    `definition` is given for a team's own editor, null for a built-in one.
    """

    name: Word
    definition: EditorDefinition | None = None

    @classmethod
    def built_in(cls, name: str) -> "SceneEditor | None":
        """Return the built-in editor of a name; None when there is none."""
        return cls(name=name) if name in list(BuiltIn) else None


class ForEditor(Sparse):
    """A request in which the server reads or writes the text of a scene in a format.

    `editor` is the editor of that scene; null when none is named. A release that does not know
    `editor` takes the request as long as it is null.
    """

    editor: SceneEditor | None = None

    def to_wire(self) -> bytes:
        """Encode as compact JSON, without what was not given, and without an editor when null."""
        left_out = {"editor"} if self.editor is None else None
        dumped = self.model_dump_json(by_alias=True, exclude_unset=True, exclude=left_out)
        return dumped.encode()


class EditorInUse(Wire):
    """The editor of a scene by its name; of a team's own also which definition that is, and when.

    `definition_version` is the version of the definition as an aggregate. A name that is neither
    built in nor the name of a definition counts as no editor.
    """

    name: str
    definition_id: UUID | None = None
    definition_version: int | None = None
