"""From what a layout holds to the neutral tree and back."""

from collections.abc import Iterable

from services.collab.formats import names
from services.collab.formats.layout import MAP, RUN
from services.collab.formats.tree import EMBED, CannotHold, Element, Leaf, Node, joined


def flat(element: Element) -> Element:
    """Return *element* with its runs of text dissolved, in normal form, without handles."""
    return Element(element.type, element.attrs, joined(_dissolved(element.children)))


def _dissolved(children: Iterable[Node]) -> Iterable[Node]:
    for child in children:
        if isinstance(child, Leaf):
            yield child
        elif child.type == RUN:
            yield from _dissolved(child.children)
        else:
            yield flat(child)


def grouped(children: Iterable[Node]) -> list[Element]:
    """Put neighbouring leaves (and embedded values) into runs, as a Y.XmlFragment needs them."""
    found: list[Element] = []
    for child in children:
        if isinstance(child, Element) and child.type != EMBED:
            found.append(child)
            continue
        if not found or found[-1].type != RUN:
            found.append(Element(RUN))
        found[-1].children.append(child)
    return found


def paragraphs(line: Element) -> Element:
    """Return a plain text as paragraphs: one a line, with the formatting of the line's end."""
    if not line.children:
        return Element(None)
    found: list[Node] = []
    row: list[Node] = []
    for child in line.children:
        if not isinstance(child, Leaf):
            row.append(child)
            continue
        first, *more = child.text.split("\n")
        row.append(Leaf(first, child.marks))
        for text in more:
            found.append(Element(names.PARAGRAPH, dict(child.marks), joined(row)))
            row = [Leaf(text, child.marks)]
    found.append(Element(names.PARAGRAPH, {}, joined(row)))
    return Element(None, {}, _without_text_marks(found))


def _without_text_marks(rows: list[Node]) -> list[Node]:
    """Marks of a line's end that its own text carries too are the text's, not the line's."""
    for row in rows:
        assert isinstance(row, Element)
        last = row.children[-1] if row.children else None
        if isinstance(last, Leaf) and last.marks == row.attrs:
            row.attrs = {}
    return rows


def plain(root: Element) -> list[Node]:
    """Return paragraphs as the content of a plain text.

    Raises:
        CannotHold: There are blocks that a plain text has no room for.
    """
    found: list[Node] = []
    for at, child in enumerate(root.children):
        place = f"content[{at}]"
        if isinstance(child, Leaf) or child.type != names.PARAGRAPH:
            shown = "text" if isinstance(child, Leaf) else child.type
            raise CannotHold(
                f"This scene is plain text and has no room for a {shown!r} block. Write it as text"
                " or markdown, or send paragraphs only.",
                f"{place}.type",
            )
        if at:
            before = root.children[at - 1]
            assert isinstance(before, Element)
            found.append(Leaf("\n", before.attrs))
        found.extend(_in_line(child.children, place))
    last = root.children[-1] if root.children else None
    if isinstance(last, Element) and last.attrs:
        raise CannotHold(
            "This scene is plain text; its last paragraph has no room for attributes.",
            f"content[{len(root.children) - 1}]",
        )
    return joined(found)


def _in_line(children: Iterable[Node], place: str) -> Iterable[Node]:
    for at, child in enumerate(children):
        if isinstance(child, Leaf) or child.type in (EMBED, MAP):
            yield child
        elif child.type in (names.HARD_BREAK, "hardBreak"):
            yield Leaf("\n")
        else:
            raise CannotHold(
                f"This scene is plain text and has no room for a {child.type!r} in a line.",
                f"{place}.children[{at}].type",
            )
