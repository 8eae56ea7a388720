"""The editors that scenes are written with: how each lays out what the formats show. No I/O.

Formats work on one vocabulary, *our* blocks (`paragraph`, `heading` with `level`, `list` with
`ordered`, `list-item`, `task-list`, `task-item` with `checked`, `quote`, `code-block` with
`language`, `divider`, `table`, `table-row`, `table-cell`, `table-header`, `image`, the blocks of a
screenplay …) and *our* marks (`bold`, `italic`, `strikethrough`, `underline`, `code`, `link` with
`href` and `title` …). Each editor is a lens between that and the tree which `layout` read from its
root:

- `view` shows a document in our vocabulary and loses nothing. Every element of the view names in
  `origin` the native element that it shows.
- `build` makes native children of a wanted view. An element whose `origin` is set was made from
  that native element and keeps of it what the view does not show. An element without one is new,
  and is made in the shape that this editor wants.

Laws, held by tests for every editor:
1. `build(view(native))` equals `native`, for everything an editor or a stranger may have written.
2. `view(build(wanted))` equals `wanted` in normal form, or `build` raises `CannotHold` with the
   place.
3. What `build` makes of new content is accepted by the real editor, which changes nothing in it.
"""

from typing import Protocol

from services.collab.formats.layout import Layout
from services.collab.formats.tree import Element, Node


class Editor(Protocol):
    """One way to lay out a document; see the module's page for the laws."""

    name: str
    layout: Layout
    root: str
    """Name of the shared type that the editor shows."""

    def view(self, native: Element) -> Element:
        """Return the document *native* (type None) in our vocabulary, with origins."""
        ...

    def build(self, wanted: Element) -> list[Node]:
        """Return the native children of the document that shows *wanted*.

        Raises:
            CannotHold: This editor has no place for a part of it; says where.
        """
        ...

    def check(self, children: list[Node]) -> None:
        """Return when the editor keeps the native *children* of a document as they are.

        Node types that its schema does not know are let pass, unless a team's own definition rules.

        Raises:
            CannotHold: It would delete or change something; says where.
        """
        ...
