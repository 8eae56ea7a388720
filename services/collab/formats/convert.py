"""From a state to what a format shows, and from wanted content to the smallest update."""

from libs.contracts.collab.content import ContentFormat
from libs.contracts.editors import SceneEditor
from services.collab import updates
from services.collab.formats import (
    document,
    layout,
    likeness,
    lines,
    merge,
    names,
    parsing,
    prosemirror,
    slate,
)
from services.collab.formats.document import Document
from services.collab.formats.editors import registry
from services.collab.formats.flatten import flat
from services.collab.formats.inline import retexted, text_of_line, unified
from services.collab.formats.layout import CONTENT, FRAGMENT, Layout
from services.collab.formats.tree import (
    WOULD_READ_OTHERWISE,
    CannotHold,
    Element,
    Leaf,
    Node,
)
from services.collab.formats.write import write

BYTE_ORDER_MARK = "\ufeff"


def rendered(state: bytes, form: ContentFormat, editor: SceneEditor | None) -> bytes:
    """Write *state* down in *form*, which is not yjs.

    Raises:
        BadUpdate: The state cannot be read.
    """
    with updates.pycrdt_errors():
        return _render(document.read(state, editor), form)


def _render(read: Document, form: ContentFormat) -> bytes:
    match form:
        case ContentFormat.PROSEMIRROR:
            return prosemirror.render(_prosemirror(read))
        case ContentFormat.BLOCKS:
            return slate.render(read.view())
        case _ if form is ContentFormat.TEXT or is_text(read):
            return text_as_read(read).encode()
        case _:
            from services.collab.formats import markup  # noqa: PLC0415 (its parser is slow to load)

            reading = markup.Reading(read.view(), line_feeds=_has_line_feeds(read))
            return reading.text.encode()


def text_as_read(read: Document) -> str:
    """Return the text of a document as `format=text` shows it."""
    text = _plain_text(read) if is_text(read) else lines.render(read.view())
    return text.removeprefix(BYTE_ORDER_MARK)


def _has_line_feeds(read: Document) -> bool:
    """Whether every line feed in a text is a line break: so it is but in ProseMirror's editors."""
    return read.lens.layout is not Layout.XML


def is_text(read: Document) -> bool:
    """Whether the document is one plain text, which is its own Markdown."""
    return read.lens.name == "plain" and len(read.roots) == 1


def _plain_text(read: Document) -> str:
    return text_of_line(read.natives[0].children)


def _prosemirror(read: Document) -> Element:
    """Return the document under the names of ProseMirror's JSON: its own, or Tiptap's."""
    view = read.view()
    if read.lens.layout is not Layout.XML:
        return names.to_tiptap(view)
    others = [one for one in view.children if isinstance(one, Element) and one.type == names.ROOT]
    native = read.natives[0]
    return Element(None, {}, [*native.children, *(names.to_tiptap(one) for one in others)])


def rewritten(
    state: bytes, form: ContentFormat, wanted: bytes, editor: SceneEditor | None
) -> bytes | None:
    """Return the smallest update that makes *state* read *wanted*; None when it does already.

    Raises:
        BadContent: *wanted* cannot be parsed.
        CannotHold: The editor of the scene has no room for it.
        BadUpdate: The state cannot be read.
    """
    text = unified(parsing.text(wanted).removeprefix(BYTE_ORDER_MARK))
    parsed = _PARSE[form](wanted) if form in _PARSE else None
    with updates.pycrdt_errors():
        read = document.read(state, editor)
    if read.main.layout is Layout.EMPTY:
        _begin(read, form, editor)
    try:
        if parsed is None:
            targets = _worded(read, form, text)
        elif form is ContentFormat.PROSEMIRROR and read.lens.layout is Layout.XML:
            targets = _natively(read, parsed)
        else:
            targets = _structured(read, form, parsed)
    except RecursionError:
        raise CannotHold("The blocks of this scene nest too deep; write it as text.") from None
    return _written(read, targets)


def converted(
    state: bytes, editor: SceneEditor, present: SceneEditor | None = None
) -> bytes | None:
    """Return the update that lays *state* out for *editor*; None when it is already.

    Args:
        state: One Yjs update.
        editor: The editor that the scene will name.
        present: The one that it names now, by whose names it is read.

    Raises:
        CannotHold: That editor has no place for some of it.
        BadUpdate: The state cannot be read.
    """
    with updates.pycrdt_errors():
        read = document.read(state, present)
    lens = registry.named(editor)
    if read.main.root == lens.root and read.lens.name == lens.name:
        return None
    if registry.wrote(editor, read.main, read.natives[0]):
        # A conversion before this one was cut short before the scene named the editor.
        with updates.pycrdt_errors():
            read = document.read(state, editor)
    view = _unoriginal(read.view(), named=lens.layout is not Layout.PLAIN)
    targets: list[list[Node]] = [[] for _ in read.roots]
    place = next((at for at, root in enumerate(read.roots) if root.root == lens.root), None)
    if place is None:
        with updates.pycrdt_errors():
            read.roots.append(layout.read_root(read.doc, lens.root))
        place = len(targets)
        targets.append([])
    read.roots[place].becomes = lens.layout
    native = read.natives[place] if place < len(read.natives) else Element(None)
    targets[place] = lens.build(document.hidden(lens, view, native))
    update = _written(read, targets)
    would = document.shown(lens, Element(None, {}, targets[place]))
    if update is not None and not likeness.says_the_same(would, view):
        at = f"content[{likeness.first_difference(would, view)}]"
        raise CannotHold(WOULD_READ_OTHERWISE, at)
    return update


def _unoriginal(view: Element, *, named: bool) -> Element:
    """Return *view* as new content, with other roots' blocks at its end.

    Where blocks are not *named*, a paragraph is without what only one editor calls it by.
    """
    children: list[Node] = []
    for child in view.children:
        if isinstance(child, Leaf):
            children.append(child)
        elif child.type == names.ROOT:
            children += _unoriginal(child, named=named).children
        else:
            children.append(_unoriginal(child, named=named))
    attrs = view.attrs
    if view.type == names.PARAGRAPH and not named:
        attrs = {key: value for key, value in attrs.items() if key not in names.IDENTITIES}
    return Element(view.type, attrs, children)


def _written(read: Document, targets: list[list[Node]]) -> bytes | None:
    refusal: CannotHold | None = None
    found: bytes | None = None
    with updates.pycrdt_errors():
        try:
            found = write(read.doc, read.roots, targets)
        except CannotHold as error:
            refusal = error
    if refusal:
        raise refusal
    return found


_PARSE = {ContentFormat.BLOCKS: slate.parse, ContentFormat.PROSEMIRROR: prosemirror.parse}
_FRESH = {
    ContentFormat.TEXT: (CONTENT, Layout.PLAIN),
    ContentFormat.MARKDOWN: (CONTENT, Layout.PLAIN),
    ContentFormat.BLOCKS: (CONTENT, Layout.SLATE),
    ContentFormat.PROSEMIRROR: (FRAGMENT, Layout.XML),
}
"""How a scene that names no editor and holds nothing is laid out by its first content."""


def _begin(read: Document, form: ContentFormat, editor: SceneEditor | None) -> None:
    """Lay out a document that holds nothing."""
    if editor is None:
        root, becomes = _FRESH[form]
    else:
        root, becomes = read.lens.root, read.lens.layout
    with updates.pycrdt_errors():
        read.roots[0] = layout.read_root(read.doc, root)
    read.roots[0].becomes = becomes
    read.natives[0] = flat(read.roots[0].tree)
    if editor is None:
        read.lenses[0] = registry.by_layout(becomes)


def _worded(read: Document, form: ContentFormat, text: str) -> list[list[Node]]:
    """Return what each root must hold so that the document reads *text*."""
    if is_text(read):
        return [_retexted(read, _marked(_plain_text(read), text))]
    view = read.view()
    if form is ContentFormat.MARKDOWN:
        from services.collab.formats import markup  # noqa: PLC0415 (its parser is slow to load)

        reading = markup.Reading(view, line_feeds=_has_line_feeds(read))
        # Some of what blocks tell apart reads the same: two lists side by side are one.
        found = view if reading.text == text else reading.rewritten(text)
        targets = read.built(found.children)
        reading.require(read.viewed(targets), text)
        return targets
    found, text = view, _marked(lines.render(view), text)
    # An element that only stood beside others may have become a line of its own.
    for _ in range(2):
        if lines.render(found) != text:
            found = lines.rewrite(found, text, breaks=read.lens.layout is not Layout.PLAIN)
    targets = read.built(found.children)
    lines.require(read.viewed(targets), text)
    return targets


def _marked(present: str, text: str) -> str:
    """Return *text* with the byte order mark that *present* begins with, which is not shown."""
    return BYTE_ORDER_MARK + text if present.startswith(BYTE_ORDER_MARK) else text


def _retexted(read: Document, text: str) -> list[Node]:
    """Return the content of a plain text reading *text*, with formatting and embeds kept."""
    leaves = read.natives[0].children
    if all(isinstance(one, Leaf) and not one.marks and "\r" not in one.text for one in leaves):
        return [Leaf(text)] if text else []
    return retexted(leaves, text, breaks=False)


def _structured(read: Document, form: ContentFormat, parsed: Element) -> list[list[Node]]:
    """Return what each root must hold so that the document shows *parsed*.

    Raises:
        CannotHold: It would show something else.
    """
    view = read.view()
    wanted = merge.merge(view, _shown(view, form), parsed, _back(form))
    targets = read.built(wanted.children)
    would = read.viewed(targets)
    if form is ContentFormat.BLOCKS and likeness.says_the_same(would, parsed):
        return targets
    would = _shown(would, form)
    if not likeness.says_the_same(would, parsed):
        place = f"content[{likeness.first_difference(would, parsed)}]"
        raise CannotHold(WOULD_READ_OTHERWISE, place)
    return targets


def _shown(view: Element, form: ContentFormat) -> Element:
    """Return *view* as a client reads it back from its JSON."""
    if form is ContentFormat.PROSEMIRROR:
        return prosemirror.seen(names.to_tiptap(view))
    return slate.seen(view)


def _back(form: ContentFormat) -> merge.Back:
    return names.from_tiptap if form is ContentFormat.PROSEMIRROR else _same


def _natively(read: Document, parsed: Element) -> list[list[Node]]:
    """Take ProseMirror's JSON for what the editor holds."""
    here, *others = read.parted(parsed.children)
    native = read.natives[0]
    seen = prosemirror.seen(native)
    if seen != native:
        # Some of what Yjs can hold reads the same in JSON: a mark that is true, and one of {}.
        here = merge.merge(native, seen, Element(None, {}, here), _same).children
    read.lens.check(here)
    built = [
        lens.build(names.from_tiptap(Element(None, {}, one, origin=native)))
        for lens, one, native in zip(read.lenses[1:], others, read.natives[1:], strict=True)
    ]
    return [here, *built]


def _same(element: Element) -> Element:
    return element


def restored(current: bytes, wanted: bytes) -> tuple[bytes | None, bool]:
    """Return the smallest update that makes *current* hold what *wanted* holds, and how well.

    Every root is brought back as its editor holds it, whatever a format would show of it.

    Returns:
        The update, None when there is nothing to do, and whether the whole document is then as
        it was: every root, with its structure, attributes, marks and data.

    Raises:
        CannotHold: The document has no room for it.
        BadUpdate: A state cannot be read.
    """
    with updates.pycrdt_errors():
        here, there = document.read(current), document.read(wanted)
        roots = {root.root: root for root in here.roots}
        for root in there.roots:
            known = roots.get(root.root) or layout.read_root(here.doc, root.root)
            roots[root.root] = known
            if root.layout is not Layout.EMPTY:
                known.becomes = root.layout
        goals = {root.root: flat(root.tree).children for root in there.roots}
    here.roots = list(roots.values())
    changes = [
        change
        for change in (
            _written(here, [goals.get(name, []) for name in roots]),
            document.restore_data(here, there),
        )
        if change is not None
    ]
    if not changes:
        return None, document.holds_the_same(here.doc, there)
    update = updates.merge(changes)
    after = updates.merge([current, update])
    with updates.pycrdt_errors():
        return update, document.holds_the_same(document.read(after).doc, there)
