"""From a state to a tree under the names of a format, and from wanted content to an update."""

from libs.contracts.content import ContentFormat
from services.collab import updates
from services.collab.formats import layout, lines, merge, names, parsing, prosemirror, slate
from services.collab.formats.flatten import flat, paragraphs, plain
from services.collab.formats.layout import CONTENT, FRAGMENT, Layout, Written
from services.collab.formats.tree import CannotHold, Element, Node
from services.collab.formats.write import write


def native_of(written: Written) -> Element:
    """Return what *written* holds, under the names of its own editor."""
    found = flat(written.tree)
    return paragraphs(found) if written.layout is Layout.PLAIN else found


def shown(native: Element, laid_out: Layout, form: ContentFormat) -> Element:
    """Return *native* under the names of *form*."""
    tiptap = laid_out is Layout.XML
    if form is ContentFormat.PROSEMIRROR:
        return native if tiptap else names.to_tiptap(native)
    return names.from_tiptap(native) if tiptap else native


def rewritten(state: bytes, form: ContentFormat, wanted: bytes) -> bytes | None:
    """Return the smallest update that makes *state* read *wanted*; None when it does already.

    Raises:
        BadContent: *wanted* cannot be parsed.
        CannotHold: The layout has no room for it.
        BadUpdate: The state cannot be read.
    """
    text = parsing.text(wanted)
    parsed = _PARSE[form](wanted) if form in _PARSE else None
    with updates.pycrdt_errors():
        written = layout.read(state)
        native = native_of(written)
    if written.layout is Layout.EMPTY:
        written.root, written.layout = _FRESH[form]
    children = _target(written, native, form, text, parsed)
    if written.layout is Layout.PLAIN and parsed is not None:
        children = plain(Element(None, {}, children))
    refusal: CannotHold | None = None
    found: bytes | None = None
    with updates.pycrdt_errors():
        try:
            found = write(written, children)
        except CannotHold as error:
            refusal = error
    if refusal:
        raise refusal
    return found


_PARSE = {ContentFormat.BLOCKS: slate.parse, ContentFormat.PROSEMIRROR: prosemirror.parse}
_RENDER = {ContentFormat.BLOCKS: slate.render, ContentFormat.PROSEMIRROR: prosemirror.render}
_FRESH = {
    ContentFormat.TEXT: (CONTENT, Layout.PLAIN),
    ContentFormat.MARKDOWN: (CONTENT, Layout.PLAIN),
    ContentFormat.BLOCKS: (CONTENT, Layout.SLATE),
    ContentFormat.PROSEMIRROR: (FRAGMENT, Layout.XML),
}
"""How a scene that nobody wrote in is laid out by the first content that is put there."""


def _target(
    written: Written, native: Element, form: ContentFormat, text: str, parsed: Element | None
) -> list[Node]:
    """Return what the document must hold, under the names of its own editor."""
    laid_out = written.layout
    if parsed is None:
        if laid_out is Layout.PLAIN:
            return lines.marked_like_before(flat(written.tree).children, text)
        if form is ContentFormat.TEXT:
            found = lines.rewrite(native, text)
            if lines.render(found) != text:
                # An element that only stood beside others may have become a line of its own.
                found = lines.rewrite(found, text)
            return found.children
        from services.collab.formats import markdown  # noqa: PLC0415 (its parser is slow to load)

        ours = shown(native, laid_out, ContentFormat.BLOCKS)
        if markdown.render(ours) == markdown.normal(text):
            # Some of what blocks tell apart reads the same: two lists side by side are one.
            return native.children
        back = names.to_tiptap if laid_out is Layout.XML else _same
        return markdown.rewrite(native, ours, text, back).children
    seen = _PARSE[form](_RENDER[form](shown(native, laid_out, form)))
    tiptap = form is ContentFormat.PROSEMIRROR
    if (laid_out is Layout.XML) == tiptap:
        back = _same
    else:
        back = names.from_tiptap if tiptap else names.to_tiptap
    if back is _same and seen == native:
        return parsed.children
    return merge.merge(native, seen, parsed, back).children


def _same(element: Element) -> Element:
    return element
