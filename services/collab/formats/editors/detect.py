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


def detect(children: Sequence[Node]) -> BuiltIn:
    """Return the editor whose names *children*, those of a document, are called by."""
    first = next(elements(children), None)
    if first is not None and first.type == _BLOCKNOTE:
        return BuiltIn.BLOCKNOTE
    return BuiltIn.PROSEMIRROR if _is_prosemirror(children) else BuiltIn.TIPTAP


def _is_prosemirror(children: Sequence[Node]) -> bool:
    rows = list(children)
    while rows:
        node = rows.pop()
        if isinstance(node, Element):
            if node.type in _PROSEMIRROR_NODES:
                return True
            rows += node.children
        elif not _PROSEMIRROR_MARKS.isdisjoint(node.marks):
            return True
    return False
