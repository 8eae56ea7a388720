"""The content rules of an editor's nodes, made from an `EditorDefinition`.

Node types that a built-in editor does not know are let pass, since teams extend their editors:
beside text they stand in the line, elsewhere they are blocks. A team's own definition rules
strictly.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from libs.contracts.editors import EditorDefinition, NodeSpec
from services.collab.formats.editors.expressions import START, Content, parse
from services.collab.formats.tree import EMBED, CannotHold, Element, Leaf, Node

TEXT = "text"
"""The node type of a leaf."""
PARAGRAPH = "paragraph"


def base_of(mark: str) -> str:
    """Return the type of *mark*: y-prosemirror adds a hash where one type may overlap itself."""
    return mark.split("--", maxsplit=1)[0]


@dataclass(slots=True)
class NodeType:
    """A node type with its content, ready to be asked."""

    name: str
    spec: NodeSpec
    groups: frozenset[str]
    content: Content = field(default_factory=lambda: parse(""))
    allowed: tuple[frozenset[str], ...] = ()
    """Node types that may stand at each position of the content."""
    alphabet: frozenset[str] = frozenset()
    """Node types that may stand at any of them."""
    strangers: tuple[frozenset[bool], ...] = ()
    """Whether an unknown element in a line (True), or an unknown block, may stand at each."""
    uniform: bool = False
    """Whether every position may follow every other: the order does not matter."""
    inline_content: bool = False
    marks: frozenset[str] | None = frozenset()
    """Marks that its text may carry; None for all."""
    required: tuple[str, ...] = ()
    """Attributes that must be given."""

    def accepts_mark(self, name: str) -> bool:
        """Whether text in it may carry the mark *name*."""
        return self.marks is None or base_of(name) in self.marks


class Schema:
    """All node types of one editor."""

    def __init__(self, definition: EditorDefinition, *, strict: bool) -> None:
        """Prepare *definition*; a *strict* one knows all there is.

        Raises:
            BadExpression: A content expression is none.
        """
        self.strict = strict
        self.marks = definition.marks
        self.required_of_mark = {
            name: tuple(key for key, one in spec.attrs.items() if one.required)
            for name, spec in definition.marks.items()
        }
        specs = {TEXT: NodeSpec(group="inline", inline=True)} | definition.nodes
        self.types = {
            name: NodeType(name, spec, frozenset(spec.group.split()))
            for name, spec in specs.items()
        }
        for one in self.types.values():
            self._prepare(one)
        if definition.top_node not in self.types:
            raise CannotHold(f"The definition has no node type {definition.top_node!r}.", "topNode")
        self.top = self.types[definition.top_node]
        plain = {rule.type for rule in definition.blocks if not rule.when}
        self.order = sorted(
            self.types.values(),
            key=lambda one: (one.name != PARAGRAPH, one.spec.code, one.name not in plain),
        )
        """Node types, those first that are made when any will do."""

    def _prepare(self, one: NodeType) -> None:
        one.content = parse(one.spec.content)
        one.allowed = tuple(self._members(name) for name in one.content.names)
        one.alphabet = frozenset[str]().union(*one.allowed)
        one.strangers = tuple(
            frozenset[bool]()
            if name in self.types
            else frozenset(self.is_inline_type(member) for member in members)
            for name, members in zip(one.content.names, one.allowed, strict=True)
        )
        everywhere = set(range(len(one.allowed)))
        one.uniform = all(set(after) == everywhere for after in one.content.follow) and (
            set(one.content.first) == everywhere == set(one.content.last)
        )
        one.inline_content = any(self.is_inline_type(name) for name in one.alphabet)
        one.required = tuple(key for key, spec in one.spec.attrs.items() if spec.required)
        match one.spec.marks:
            case "_":
                one.marks = None
            case None:
                one.marks = None if one.inline_content else frozenset()
            case names:
                wanted = names.split()
                one.marks = frozenset(
                    name
                    for name, spec in self.marks.items()
                    if name in wanted or not set(spec.group.split()).isdisjoint(wanted)
                )

    def _members(self, name: str) -> frozenset[str]:
        if name in self.types:
            return frozenset({name})
        return frozenset(one.name for one in self.types.values() if name in one.groups)

    def is_inline_type(self, name: str) -> bool:
        """Whether nodes of the known type *name* stand in a line of text."""
        return name == TEXT or self.types[name].spec.inline

    @cached_property
    def paragraph(self) -> NodeType | None:
        """The type of node that holds text by default."""
        texts = (one for one in self.order if TEXT in one.alphabet and not one.spec.inline)
        return next(texts, None)

    def type_of(self, node: Node) -> NodeType | None:
        """Return the type of *node*; None when it is unknown."""
        return self.types.get(TEXT if isinstance(node, Leaf) else node.type or "")

    def in_line(self, node: Node, siblings: Iterable[Node]) -> bool:
        """Whether *node* stands in a line of text, as it must beside text if it is unknown."""
        known = self.type_of(node)
        if known is not None:
            return self.is_inline_type(known.name)
        return any(isinstance(one, Leaf) for one in siblings)

    def fits_at(self, parent: NodeType, position: int, node: Node, *, in_line: bool) -> bool:
        """Whether *node* may stand at *position* of *parent*."""
        known = self.type_of(node)
        if known is not None:
            return known.name in parent.allowed[position]
        return in_line in parent.strangers[position] or (
            # Alone where only text is: an element of the line.
            parent.inline_content and True in parent.strangers[position]
        )

    def accepts(self, parent: NodeType, children: Sequence[Node]) -> bool:
        """Whether *parent* may hold *children*, whatever is in them."""
        if parent.uniform and all(
            (TEXT if isinstance(child, Leaf) else child.type) in parent.alphabet
            for child in children
        ):
            return bool(children) or parent.content.empty
        taken, states = self._walk(parent, children)
        return taken == len(children) and any(parent.content.ends(state) for state in states)

    def _walk(self, parent: NodeType, children: Sequence[Node]) -> tuple[int, set[int]]:
        """Return how many of *children* can stand in their order, and the states after the last."""
        text = any(isinstance(child, Leaf) for child in children)
        states = {START}
        for at, child in enumerate(children):
            known = self.type_of(child)
            in_line = self.is_inline_type(known.name) if known else text
            states = {
                position
                for state in states
                for position in parent.content.after(state)
                if self.fits_at(parent, position, child, in_line=in_line)
            }
            if not states:
                return at, states
        return len(children), states

    def check(self, children: Sequence[Node]) -> None:
        """Return when the document may hold *children*, and these what is in them.

        An empty document is let pass: every editor shows it as an empty paragraph.

        Raises:
            CannotHold: The first that may not stand where it does.
        """
        if children:
            self._check(Element(self.top.name, {}, list(children)), "content", "")

    def _check(self, element: Element, inside: str, place: str) -> None:
        known = self.type_of(element)
        if place:
            self.check_heading(element, place)
        if known is None:
            if text_beside_blocks(self, element.children):
                raise CannotHold("Text stands beside blocks.", inside)
        elif not self.accepts(known, element.children):
            at, _ = self._walk(known, element.children)
            wrong = f"{inside}[{at}]" if at < len(element.children) else place or inside
            held = f"What a {known.name!r} holds must be {known.spec.content or 'nothing'!r}."
            raise CannotHold(held, wrong)
        for at, child in enumerate(element.children):
            if isinstance(child, Element):
                self._check(child, f"{inside}[{at}].children", f"{inside}[{at}]")
            elif known is not None:
                self._check_marks(known, child, f"{inside}[{at}]")

    def check_heading(self, element: Element, place: str) -> None:
        """Return when *element* by itself is possible: its type, and the attributes it must have.

        Raises:
            CannotHold: It is not.
        """
        if element.type is None:
            raise CannotHold("A block needs a type in this scene.", f"{place}.type")
        if element.type == EMBED:
            raise CannotHold("This editor has no room for an embedded value.", place)
        known = self.types.get(element.type)
        if known is None:
            if self.strict:
                raise CannotHold(
                    f"The editor of this scene has no node type {element.type!r}; write it as one"
                    " that its definition names.",
                    f"{place}.type",
                )
            return
        for key in known.required:
            if element.attrs.get(key) is None:
                raise CannotHold(f"A {known.name!r} must have {key!r}; give it.", f"{place}.{key}")

    def _check_marks(self, parent: NodeType, leaf: Leaf, place: str) -> None:
        for name, value in leaf.marks.items():
            if not self.keeps_mark(parent, name, value):
                raise CannotHold(f"Text in a {parent.name!r} cannot be marked {name!r}.", place)

    def keeps_mark(self, parent: NodeType, name: str, value: object) -> bool:
        """Whether text in *parent* may carry this mark."""
        base = base_of(name)
        if base not in self.marks:
            return not self.strict and parent.marks is None
        needed = self.required_of_mark[base]
        given = isinstance(value, dict) and all(value.get(key) is not None for key in needed)  # pyright: ignore[reportUnknownMemberType]
        return parent.accepts_mark(name) and (given or not needed)


def text_beside_blocks(schema: Schema, children: Sequence[Node]) -> bool:
    """Whether text, and blocks that are known to be such, stand beside each other."""
    return any(isinstance(child, Leaf) for child in children) and any(
        (known := schema.type_of(child)) is not None and not schema.is_inline_type(known.name)
        for child in children
    )
