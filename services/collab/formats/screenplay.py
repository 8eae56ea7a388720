"""The blocks of a screenplay in editors that do not know them: paragraphs that say what they are.

A stock editor made with ProseMirror deletes a node of an unknown type, with the words in it. It
keeps a paragraph, and the attribute `block` for as long as nobody changes that paragraph in it. A
document that has nodes of such a type was written by an editor that knows them.
"""

from services.collab.formats import names
from services.collab.formats.tree import Element, Leaf

ATTRIBUTE = "block"
_TYPES = frozenset(names.SCREENPLAY)


def types_in(native: Element) -> frozenset[str]:
    """Return the types of a screenplay that nodes of *native* have."""
    found = {native.type} & _TYPES if native.type else set[str]()
    for child in native.children:
        if isinstance(child, Element):
            found |= types_in(child)
    return frozenset(one for one in found if one)


def shown(view: Element) -> Element:
    """Return *view* with such paragraphs as what they are, changed in place."""
    for child in view.children:
        if isinstance(child, Leaf):
            continue
        kind = child.attrs.get(ATTRIBUTE)
        if child.type == names.PARAGRAPH and kind in _TYPES:
            child.type = kind
            child.attrs = {key: value for key, value in child.attrs.items() if key != ATTRIBUTE}
        shown(child)
    return view


def hidden(wanted: Element, known: frozenset[str]) -> Element:
    """Return *wanted* with blocks of a screenplay as paragraphs, but not of the types *known*."""
    children = [one if isinstance(one, Leaf) else hidden(one, known) for one in wanted.children]
    kind, attrs = wanted.type, wanted.attrs
    if kind in _TYPES and kind not in known:
        kind, attrs = names.PARAGRAPH, attrs | {ATTRIBUTE: kind}
    elif all(one is other for one, other in zip(children, wanted.children, strict=True)):
        return wanted
    return Element(kind, attrs, children, origin=wanted.origin)
