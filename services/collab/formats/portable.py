"""What Markdown knows and no editor does, as blocks and marks that every editor keeps.

A footnote's number is a link to its text, which begins with a link to the number; front matter and
link definitions are blocks of code of a language of their own. An editor would delete nodes that it
does not know, with the words in them.
"""

import re
from collections.abc import Iterable, Iterator

from services.collab.formats import names
from services.collab.formats.tree import Element, Leaf, Node, joined

_REFERENCE, _TEXT = "#footnote-", "#footnote-text-"
_NEWLINE = Element("line-feed")
"""Origin of a line break that is a character in the document."""
_DEFINITION = re.compile(r'\[((?:[^\]\\]|\\.)*)\]: (\S*)(?: "((?:[^"\\]|\\.)*)")?')


class Portable:
    """The way between a view and the vocabulary of Markdown."""

    def __init__(self, *, line_feeds: bool) -> None:
        """Prepare for an editor.

        Args:
            line_feeds: Whether a line feed is a line break in it, as in slate-yjs. There a line
                end that Markdown reads as white space is written as a space.
        """
        self._line_feeds = line_feeds

    def from_view(self, view: Element) -> Element:
        """Return *view* in the vocabulary of Markdown; what is the same there is not copied."""
        children: list[Node] = [
            child if isinstance(child, Leaf) else self._block_from(child, first=at == 0)
            for at, child in enumerate(view.children)
        ]
        return Element(view.type, view.attrs, children, origin=view.origin)

    def to_view(self, tree: Element) -> Element:
        """Return *tree*, in the vocabulary of Markdown, as the editor can hold it."""
        children = [
            child if isinstance(child, Leaf) else self._block_to(child) for child in tree.children
        ]
        return Element(tree.type, tree.attrs, children, origin=tree.origin)

    def read_alike(self, tree: Element) -> Element:
        """Return *tree* with what reads the same in this editor written the same."""
        return self.to_view(tree) if self._line_feeds else tree

    def _block_from(self, block: Element, *, first: bool = False) -> Element:
        if block.type == names.CODE_BLOCK:
            return _code_from(block, first=first)
        children = list(self._line_from(block.children))
        found = _copy(block, children)
        if found.type == "quote":
            return _long_footnote(found)
        if found.type != names.PARAGRAPH or not found.children:
            return found
        head, *rest = found.children
        label = _linked(head, _TEXT)
        if label is None or not rest or not isinstance(rest[0], Leaf) or rest[0].text[0] != " ":
            return found
        text = joined([Leaf(rest[0].text[1:], rest[0].marks), *rest[1:]])
        opening = Element(names.PARAGRAPH, {}, text)
        return Element(names.FOOTNOTE, {"label": label}, [opening], origin=block.origin)

    def _line_from(self, nodes: Iterable[Node]) -> Iterator[Node]:
        for node in nodes:
            if isinstance(node, Element):
                yield self._block_from(node)
                continue
            label = _linked(node, _REFERENCE)
            if label is not None:
                yield Element(names.FOOTNOTE_REFERENCE, {"label": label})
                continue
            if "\n" not in node.text or not self._line_feeds:
                yield node
                continue
            start, *rows = node.text.split("\n")
            if start:
                yield Leaf(start, node.marks)
            for row in rows:
                yield Element(names.HARD_BREAK, origin=_NEWLINE)
                if row:
                    yield Leaf(row, node.marks)

    def _block_to(self, block: Element) -> Element:
        match block.type:
            case names.FRONT_MATTER:
                return _code(names.FRONT_MATTER, block.children, block)
            case names.LINK_DEFINITION:
                return _code(names.LINK_DEFINITION, [Leaf(_definition(block))], block)
            case names.FOOTNOTE:
                return self._footnote(block)
            case names.CODE_BLOCK:
                return block
            case _:
                return _copy(
                    block, _joined_if_changed(block.children, list(self._line_to(block.children)))
                )

    def _line_to(self, nodes: Iterable[Node]) -> Iterator[Node]:
        for node in nodes:
            if isinstance(node, Leaf):
                feed = self._line_feeds and "\n" in node.text
                yield Leaf(node.text.replace("\n", " "), node.marks) if feed else node
            elif node.type == names.FOOTNOTE_REFERENCE:
                label = str(node.attrs.get("label"))
                yield Leaf(label, {"link": {"href": _REFERENCE + label}})
            elif node.type == names.HARD_BREAK and node.origin is _NEWLINE:
                yield Leaf("\n")
            else:
                yield self._block_to(node)

    def _footnote(self, block: Element) -> Element:
        """A footnote of one paragraph is a paragraph, a longer one a quotation."""
        label = str(block.attrs.get("label"))
        children = list(self.to_view(block).children)
        opening = children[0] if children else None
        line: list[Node] = [Leaf(label, {"link": {"href": _TEXT + label}}), Leaf(" ")]
        if isinstance(opening, Element) and opening.type == names.PARAGRAPH:
            line += opening.children
            children = children[1:]
        paragraph = Element(names.PARAGRAPH, {}, joined(line))
        if not children:
            paragraph.origin = block.origin
            return paragraph
        return Element("quote", {}, [paragraph, *children], origin=block.origin)


def _copy(block: Element, children: list[Node]) -> Element:
    same = len(children) == len(block.children) and all(
        one is other for one, other in zip(children, block.children, strict=True)
    )
    return block if same else Element(block.type, block.attrs, children, origin=block.origin)


def _long_footnote(quote: Element) -> Element:
    """Return *quote* as the footnote of several blocks that it stands for, if it does."""
    opening = quote.children[0] if len(quote.children) > 1 else None
    if not isinstance(opening, Element) or opening.type != names.FOOTNOTE:
        return quote
    children = [*opening.children, *quote.children[1:]]
    return Element(names.FOOTNOTE, opening.attrs, children, origin=quote.origin)


def _code_from(block: Element, *, first: bool) -> Element:
    language = block.attrs.get("language")
    if language == names.FRONT_MATTER and first:
        return Element(names.FRONT_MATTER, {}, block.children, origin=block.origin)
    if language != names.LINK_DEFINITION:
        return block
    source = "".join(one.text for one in block.children if isinstance(one, Leaf))
    found = _DEFINITION.fullmatch(source)
    if not found:
        return block
    label, href, title = (None if one is None else _plain(one) for one in found.groups())
    titled = {} if title is None else {"title": title}
    attrs = {"label": label, "href": href} | titled
    return Element(names.LINK_DEFINITION, attrs, [], origin=block.origin)


def _linked(node: Node, begins: str) -> str | None:
    """Return the label of a footnote that *node* leads to, and nothing else."""
    link = node.marks.get("link") if isinstance(node, Leaf) else None
    href = link.get("href") if isinstance(link, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if isinstance(node, Leaf) and href == begins + node.text:
        return node.text
    return None


def _joined_if_changed(before: list[Node], after: list[Node]) -> list[Node]:
    """Return *after* in normal form; itself when nothing was changed."""
    same = len(before) == len(after) and all(map(lambda one, other: one is other, before, after))
    return after if same else joined(after)


def _code(language: str, children: list[Node], block: Element) -> Element:
    return Element(names.CODE_BLOCK, {"language": language}, children, origin=block.origin)


def _definition(block: Element) -> str:
    label, href = str(block.attrs.get("label")), str(block.attrs.get("href"))
    title = block.attrs.get("title")
    quoted = _escaped(title, '"') if isinstance(title, str) else None
    return f"[{_escaped(label, ']')}]: {href}" + (f' "{quoted}"' if quoted is not None else "")


def _escaped(text: str, sign: str) -> str:
    return text.replace("\\", "\\\\").replace(sign, f"\\{sign}")


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
