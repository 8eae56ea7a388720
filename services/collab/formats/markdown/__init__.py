"""Markdown: `parse` reads it, `render` writes it.

docs/formats.md tells what of the tree Markdown shows, and in which normal form.
"""

from collections.abc import Sequence

from services.collab.formats.markdown.blocks import of_document, put_together
from services.collab.formats.markdown.parse import normal, parse
from services.collab.formats.tree import Element, Node

__all__ = ["normal", "parse", "render", "render_blocks"]


def render(root: Element) -> str:
    """Return *root*, whose names are ours, as Markdown."""
    rows = put_together(of_document(root.children))
    return "\n".join(rows) + "\n" if rows else ""


def render_blocks(nodes: Sequence[Node]) -> list[str]:
    """Return the Markdown of each child of a document, as it stands in the Markdown of the whole.

    Put together with empty lines they are what `render` returns, and each reads by itself as it
    does in the whole, if `parse` is told of the footnotes. Nodes that stand in one line of text
    have their Markdown at the first of them; what Markdown does not show has none.
    """
    return ["\n".join(rows) for rows in of_document(nodes)]
