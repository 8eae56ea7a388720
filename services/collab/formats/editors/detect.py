"""Which built-in editor wrote a Y.XmlFragment, when nobody says."""

from collections.abc import Sequence

from libs.contracts.editors import BuiltIn
from services.collab.formats.tree import Element, Node, elements

_BLOCKNOTE = "blockGroup"
_PROSEMIRROR_NODES = frozenset(
    {
        "bullet_list", "ordered_list", "list_item", "code_block", "horizontal_rule", "hard_break",
        "table_row", "table_cell", "table_header",
    }
)  # fmt: skip
_PROSEMIRROR_MARKS = frozenset({"strong", "em"})
_TIPTAP_NODES = frozenset(
    {
        "bulletList", "orderedList", "listItem", "taskList", "taskItem", "codeBlock",
        "horizontalRule", "hardBreak", "tableRow", "tableCell", "tableHeader",
    }
)  # fmt: skip
_TIPTAP_MARKS = frozenset({"bold", "italic", "strike"})


def detect(children: Sequence[Node]) -> BuiltIn:
    """Return the editor whose names *children*, those of a document, are called by."""
    first = next(elements(children), None)
    if first is not None and first.type == _BLOCKNOTE:
        return BuiltIn.BLOCKNOTE
    named = _names_any(children, _PROSEMIRROR_NODES, _PROSEMIRROR_MARKS)
    return BuiltIn.PROSEMIRROR if named else BuiltIn.TIPTAP


def could_be(editor: str, children: Sequence[Node]) -> bool:
    """Whether *editor* may have written *children*, in which no name of another one was found."""
    match editor:
        case BuiltIn.BLOCKNOTE:
            return not children
        case BuiltIn.PROSEMIRROR:
            return not _names_any(children, _TIPTAP_NODES, _TIPTAP_MARKS)
        case _:
            return True


def _names_any(children: Sequence[Node], nodes: frozenset[str], marks: frozenset[str]) -> bool:
    rows = list(children)
    while rows:
        node = rows.pop()
        if isinstance(node, Element):
            if node.type in nodes:
                return True
            rows += node.children
        elif not marks.isdisjoint(node.marks):
            return True
    return False
