"""Make a document hold another tree by touching only what differs.

Equal subtrees are left alone, so their Yjs items keep their identity: cursors, undo and others'
edits in them go on as if nothing happened. Alike ones are changed inside: characters, marks and
attributes, each by itself. What is neither is deleted or inserted.

Facts measured on pycrdt 0.14.13 that this page rests on (see docs/decisions):
- A root has no view as Y.XmlText; the same branch seen as XmlFragment inserts Y.XmlText children,
  seen as Text it reads and deletes them.
- That insertion counts wrongly in a root with raw text in it, and may panic; so it is never done.
- A Python int becomes a BigInt in the browser; floats become numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from services.collab import align
from services.collab.formats import shared, spans
from services.collab.formats.flatten import flat, grouped
from services.collab.formats.layout import NAMELESS, RUN, Layout, Written
from services.collab.formats.tree import CannotHold, Element, Leaf, Node, key_of, text_of


def write(doc: Doc[Any], roots: Sequence[Written], targets: Sequence[list[Node]]) -> bytes | None:
    """Make each of *roots* hold its target, in the layout that it becomes.

    Returns:
        What changed, as one update; None if nothing did.

    Raises:
        CannotHold: A layout has no room for its target.
    """
    changes: list[bytes] = []
    watch = doc.observe(lambda event: changes.append(event.update))
    with doc.transaction():
        for root, children in zip(roots, targets, strict=True):
            _root(root, children)
    watch.drop()
    return changes[0] if changes else None


def _root(root: Written, children: list[Node]) -> None:
    layout = root.becomes or root.layout
    text: Text = root.doc.get(root.root, type=Text)
    if root.layout not in (layout, Layout.EMPTY):
        # Nothing of one layout can stay in another.
        if len(text):
            del text[0 : len(text)]
        root.tree.children = []
    match layout:
        case Layout.PLAIN | Layout.EMPTY:
            spans.rewrite(text, root.tree.children, children, update, fill)
        case Layout.SLATE:
            _slate_root(root, children)
        case Layout.XML:
            fragment: XmlFragment = root.doc.get(root.root, type=XmlFragment)
            _list(fragment, _elements(root.tree.children), _blocks(children, RUN))


def update(old: Element, new: Element) -> None:
    """Make *old*, which is in a document, equal to *new*."""
    if _key(old) == key_of(new):
        return
    handle = old.handle
    wanted = _all_attributes(new) if isinstance(handle, XmlText) else new.attrs
    if old.type == RUN:
        spans.rewrite(handle, old.children, new.children, update, fill)
        return
    had = _all_attributes(old) if isinstance(handle, XmlText) else old.attrs
    _set_attributes(handle, had, wanted)
    if isinstance(handle, XmlText):
        spans.rewrite(handle, old.children, new.children, update, fill)
    elif isinstance(handle, XmlElement):
        _list(handle, _elements(old.children), grouped(new.children))


def _slate_root(written: Written, children: list[Node]) -> None:
    old = written.tree.children
    if any(isinstance(child, Leaf) for child in old):
        raise CannotHold(
            "Raw text stands beside blocks in this scene; remove it with the editor that wrote it."
        )
    fragment: XmlFragment = written.doc.get(written.root, type=XmlFragment)
    _list(fragment, _elements(old), _blocks(children, None), slate=True)


def _blocks(children: list[Node], run: str | None) -> list[Element]:
    for at, child in enumerate(children):
        if isinstance(child, Leaf):
            raise CannotHold("Text must be in a block.", f"content[{at}]")
    return grouped(children) if run else [child for child in children if isinstance(child, Element)]


def _elements(nodes: list[Node]) -> list[Element]:
    return [node for node in nodes if isinstance(node, Element)]


def _list(
    parent: XmlFragment | XmlElement,
    old: Sequence[Element],
    new: Sequence[Element],
    *,
    slate: bool = False,
) -> None:
    """Make the children of *parent*, which are *old*, equal to *new*; from the end."""
    paired = _paired(old, new, across=slate)
    view = parent.children
    last_old, last_new = len(old), len(new)
    for at_old, at_new in [*reversed(paired), (-1, -1)]:
        if last_old > at_old + 1:
            del view[at_old + 1 : last_old]
        for step, element in enumerate(new[at_new + 1 : last_new], at_old + 1):
            insert(parent, step, element, slate=slate)
        if at_old >= 0:
            update(old[at_old], new[at_new])
        last_old, last_new = at_old, at_new


def _paired(
    old: Sequence[Element], new: Sequence[Element], *, across: bool
) -> list[tuple[int, int]]:
    """Return which old element becomes which new one; *across*: also one of another type."""
    pairs = align.equal_pairs([_key(one) for one in old], [key_of(one) for one in new])
    score = _scorer(old, new, across=across)
    found = list(pairs)
    for gap in align.gaps(pairs, len(old), len(new)):
        found += align.alike_pairs(gap, score)
    return sorted(found)


def _scorer(
    old: Sequence[Element], new: Sequence[Element], *, across: bool
) -> Callable[[int, int], float]:
    texts: dict[tuple[bool, int], str] = {}

    def text(side: Sequence[Element], at: int) -> str:
        key = side is old, at
        if key not in texts:
            texts[key] = text_of(side[at])
        return texts[key]

    def score(i: int, k: int) -> float:
        same = _kind(old[i]) == _kind(new[k])
        if not same and not (across and old[i].type != NAMELESS != new[k].type):
            return 0.0
        return 0.2 * same + 0.1 + 0.7 * align.likeness(text(old, i), text(new, k))

    return score


def _kind(element: Element) -> Any:
    """Lexical keeps the type of a block in an attribute of another name."""
    return element.type or element.attrs.get("__type")


def insert(
    parent: XmlFragment | XmlElement, index: int, element: Element, *, slate: bool = False
) -> None:
    """Insert *element* and all in it as a child of *parent*."""
    if slate or element.type == RUN:
        made = spans.shared_type(element)
        if isinstance(made, Map):
            raise CannotHold("Text must be in a block.")
        fill(parent.children.insert(index, made), element)
        return
    if not element.type:
        raise CannotHold("A block needs a type in this scene.")
    fill(parent.children.insert(index, XmlElement(element.type)), element)


def fill(made: Any, element: Element) -> None:
    """Write *element* into the shared type *made* for it, which is empty."""
    if isinstance(made, XmlText):
        if element.type != RUN:
            _set_attributes(made, {}, _all_attributes(element))
        spans.append(made, element.children, fill)
        return
    _set_attributes(made, {}, element.attrs)
    if isinstance(made, XmlElement):
        for at, child in enumerate(grouped(element.children)):
            insert(made, at, child)


def _key(element: Element) -> str:
    return key_of(flat(element))


def _all_attributes(element: Element) -> dict[str, Any]:
    """In Slate the type is an attribute like any other."""
    return element.attrs if element.type is None else element.attrs | {"type": element.type}


def _set_attributes(handle: Any, had: dict[str, Any], wanted: dict[str, Any]) -> None:
    view: Any = handle
    if not isinstance(handle, Map):
        view = handle.attributes
    for key in sorted(had.keys() - wanted.keys()):
        del view[key]
    for key in sorted(wanted):
        value = wanted[key]
        if key in had and (
            spans.same(had[key], value) or _changed_inside(handle, key, had[key], value)
        ):
            continue
        view[key] = spans.outgoing(value)


def _changed_inside(handle: Any, key: str, had: Any, wanted: Any) -> bool:
    """Change the shared type in attribute *key*, so that it stays one; false if none is there."""
    held: Any = shared.inside(handle, key)
    if isinstance(held, Map) and isinstance(wanted, dict):
        _set_attributes(held, had, wanted)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(held, Array) and isinstance(wanted, list):
        del held[:]
        held.extend(spans.outgoing(wanted))
    elif isinstance(held, Text) and isinstance(had, str) and isinstance(wanted, str):
        spans.rewrite(held, [Leaf(had)], [Leaf(wanted)], update, fill)
    else:
        return False
    return True
