"""What becomes of a document whose Markdown somebody changed.

What Markdown cannot show at all, such as a mention or a formula, stands in it as a token: a link
whose address names the element. What it shows only in part keeps the rest: attributes, colours,
comments.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from services.collab.formats import inline, markdown, merge, names
from services.collab.formats.markdown_forms import Tokens, form_of, is_shown, shown_units
from services.collab.formats.markup_heads import with_empty_heads
from services.collab.formats.portable import Portable
from services.collab.formats.tree import (
    WOULD_READ_OTHERWISE,
    CannotHold,
    Element,
    Leaf,
    Node,
    equal_pairs,
    joined,
    key_of,
)
from services.collab.formats.units import Fate, Unit, holds_text, left_by, rebuilt, units_of

_TABLE_PARTS = frozenset({"table", "table-row"})
_SOMETHING = Element(names.PARAGRAPH, {}, [Leaf("x")])

type _Known = tuple[Element, list[str]]
"""The origin of a child of a document, which keeps its id from being used again, and its rows."""


class Reading:
    """A view, and what it reads as in Markdown."""

    def __init__(
        self,
        view: Element,
        *,
        line_feeds: bool = False,
        known: "Mapping[int, _Known] | None" = None,
    ) -> None:
        """Read *view*.

        Args:
            view: A document in our vocabulary.
            line_feeds: Whether a line feed in it is a line break.
            known: What was read before; its rows need not be made again.
        """
        self._line_feeds = line_feeds
        self._portable = Portable(line_feeds=line_feeds)
        self._view = self._portable.from_view(view)
        self._tokens = Tokens()
        self._units: list[Unit] = []
        self._rows: list[str] = []
        self._forms: list[Node] = []
        self._known: dict[int, _Known] = {}
        self._read(known or {})
        rows = [one for one in self._rows if one]
        self.text = "\n\n".join(rows) + "\n" if rows else ""

    def _read(self, known: Mapping[int, _Known]) -> None:
        # Rows of what stands beside one another may depend on it: lists, and text without a block.
        units = shown_units(self._view)
        self._units = units
        if not known:
            self._forms = [form_of(unit, self._tokens) for unit in units]
            self._rows = markdown.render_blocks(self._forms)
            for unit, rows in zip(units, self._rows, strict=True):
                self._remember(unit, rows)
            return
        fresh: list[Unit] = []
        times = Counter(id(_top(unit).origin) for unit in units)
        for unit in units:
            top = _top(unit)
            rows = known[id(top.origin)][1] if id(top.origin) in known else []
            # What a token stands for may be there more often than before.
            if len(rows) != times[id(top.origin)] or top.type in names.LISTS:
                fresh.append(unit)
        forms: list[Node] = [form_of(unit, self._tokens) for unit in fresh]
        # Something after them, as there mostly is: empty paragraphs at an end are not shown.
        made = iter(markdown.render_blocks([*forms, _SOMETHING]))
        new = {id(unit) for unit in fresh}
        nth: Counter[int] = Counter()
        for unit in units:
            if id(unit) in new:
                self._rows.append(next(made))
                continue
            origin = id(_top(unit).origin)
            self._rows.append(known[origin][1][nth[origin]])
            nth[origin] += 1

    def _remember(self, unit: Unit, rows: str) -> None:
        origin = _top(unit).origin
        if origin is not None and not unit.loose:
            self._known.setdefault(id(origin), (origin, []))[1].append(rows)

    def rewritten(self, wanted: str) -> Element:
        """Return the view changed so that its Markdown is *wanted*."""
        labels = _footnotes(self._forms)
        seen = [markdown.parse(rows, labels, part=True).children for rows in self._rows]
        goal = markdown.parse(wanted).children
        children = _carried(self._view, self._units, seen, goal, self._tokens)
        return self._portable.to_view(Element(None, {}, children))

    def require(self, view: Element, wanted: str) -> None:
        """Return when *view*, which this one becomes, says what *wanted* says.

        Raises:
            CannotHold: It does not; names the first line that differs.
        """
        if Reading(view, line_feeds=self._line_feeds, known=self._known).text == wanted:
            return
        reads, goal = Reading(view, line_feeds=self._line_feeds).text, markdown.parse(wanted)
        alike = self._portable.read_alike
        if key_of(alike(markdown.parse(reads))) == key_of(alike(goal)):
            return
        rows, others = markdown.render(goal).split("\n"), reads.split("\n")
        pairs = enumerate(zip(rows, others, strict=False))
        at = next((at for at, (one, other) in pairs if one != other), min(len(rows), len(others)))
        raise CannotHold(WOULD_READ_OTHERWISE, f"line {at + 1}")


def _top(unit: Unit) -> Element:
    """Return the child of the document that a unit is, or is in."""
    return unit.around[0] if unit.around else unit.block


def _footnotes(blocks: Sequence[Node]) -> list[str]:
    """Return the labels of the footnotes among *blocks*: references to others are text."""
    return [
        str(block.attrs.get("label"))
        for block in blocks
        if isinstance(block, Element) and block.type == names.FOOTNOTE
    ]


def _carried(
    element: Element,
    units: Sequence[Unit],
    seen: Sequence[Sequence[Node]],
    wanted: Sequence[Node],
    tokens: Tokens,
) -> list[Node]:
    """Return the new children of *element*, whose *units* show as *seen* and shall as *wanted*."""
    owners = [at for at, blocks in enumerate(seen) for _ in blocks]
    flat = [one for blocks in seen for one in blocks]
    pairs = equal_pairs(flat, wanted)
    if element.type == "table-row" and len(flat) == len(wanted):
        # Columns stay what they are, whatever is written in them.
        pairs = [(at, at) for at, one in enumerate(wanted) if key_of(one) == key_of(flat[at])]
        alike = [(at, at) for at in range(len(wanted))]
    else:
        alike = merge.alike(pairs, flat, wanted)
    equal = {k for _, k in pairs}
    becomes = {k: i for i, k in [*pairs, *alike]}
    # What Markdown does not show, such as an empty paragraph, stays where it is.
    fates = [Fate(None if blocks else unit.block) for unit, blocks in zip(units, seen, strict=True)]
    beyond: dict[int, list[Node]] = {}
    first: list[Node] = []
    lost = _Lost(units, seen, {owners[i] for i in becomes.values()})
    owner = -1
    for k, one in enumerate(wanted):
        if k in becomes and owners[becomes[k]] != owner:
            i = becomes[k]
            owner = owners[i]
            block = units[owner].block
            fates[owner].block = block if k in equal else _merged(block, flat[i], one, tokens)
            continue
        moved = lost.take(one)
        made = [moved] if moved else _new(one, units[owner].block if owner >= 0 else None, tokens)
        if owner < 0:
            first += made
            continue
        container = left_by(units, owner)
        if container is None:
            fates[owner].after += made
        else:
            beyond.setdefault(id(container), []).extend(made)
    return [*first, *rebuilt(element, fates, beyond, shown=_shown_in(element))]


class _Lost:
    """Blocks that are not where they were; one that comes again elsewhere was moved."""

    def __init__(
        self, units: Sequence[Unit], seen: Sequence[Sequence[Node]], kept: set[int]
    ) -> None:
        self._found: dict[str, list[Element]] = {}
        for at, (unit, blocks) in enumerate(zip(units, seen, strict=True)):
            if at not in kept and len(blocks) == 1 and not unit.loose:
                self._found.setdefault(key_of(blocks[0]), []).append(unit.block)

    def take(self, wanted: Node) -> Element | None:
        """Return the block that shows as *wanted* and is nowhere else."""
        found = self._found.get(key_of(wanted)) if self._found else None
        return found.pop(0) if found else None


def _merged(block: Element, seen: Node, wanted: Node, tokens: Tokens) -> Node:
    """Return *block*, which shows as *seen*, so that it shows as *wanted*."""
    if isinstance(seen, Leaf) or isinstance(wanted, Leaf):
        return block
    kind, attrs = _heading(block, seen, wanted)
    same = kind == block.type
    if seen.type != wanted.type and not (holds_text(seen) and holds_text(wanted)):
        return _only(_new(wanted, None, tokens), wanted)
    children = _children(block, seen, wanted, tokens)
    if not same and block.type == "image":
        # A picture that was a block by itself and is not alone any more.
        return Element(wanted.type, wanted.attrs, children)
    return Element(kind, attrs, children, origin=block.origin if same else None)


def _only(nodes: list[Node], wanted: Element) -> Node:
    return nodes[0] if len(nodes) == 1 else Element(wanted.type, wanted.attrs, nodes)


def _heading(
    block: Element, seen: Element, wanted: Element
) -> tuple[str | None, dict[str, object]]:
    if (wanted.type, wanted.attrs) == (seen.type, seen.attrs):
        return block.type, block.attrs
    if wanted.type != seen.type or block.type != seen.type:
        return wanted.type, wanted.attrs
    return block.type, merge.changed(block.attrs, seen.attrs, wanted.attrs)


def _children(block: Element, seen: Element, wanted: Element, tokens: Tokens) -> list[Node]:
    if holds_text(block) or block.type == "image":
        line, show, want = block.children, seen, wanted
        if block.type == "image":
            line = [block]
        if not holds_text(seen) or not holds_text(wanted):
            # An item, quotation or cell whose text stands in it without a paragraph.
            inner, new = merge.only_paragraph(seen), merge.only_paragraph(wanted)
            if inner is None or new is None:
                return _resolved(wanted.children, tokens)
            show, want = inner, new
        found = inline.revised(line, show.children, want.children)
        return _resolved(want.children if found is None else found, tokens)
    if block.type == "table":
        seen, wanted = with_empty_heads(block, seen, wanted)
    units = list(units_of(block, shown=_shown_in(block)))
    parts = _parts(units, seen.children)
    if parts is None:
        return _resolved(wanted.children, tokens)
    return _carried(block, units, parts, wanted.children, tokens)


def _shown_in(block: Element) -> Callable[[Element], bool]:
    """Return what Markdown shows of what is in *block*: of a table that it shows, every part."""
    return _is_part if block.type in _TABLE_PARTS else is_shown


def _is_part(_: Element) -> bool:
    return True


def _parts(units: Sequence[Unit], seen: Sequence[Node]) -> list[list[Node]] | None:
    """Return what of *seen* each unit shows; None when that cannot be told."""
    found: list[list[Node]] = []
    at = 0
    for unit in units:
        silent = holds_text(unit.block) and not unit.block.children
        keeps_place = unit.block.type in names.ITEMS or unit.block.type in names.CELLS
        if silent and not keeps_place and not (at < len(seen) and _is_empty(seen[at])):
            found.append([])
            continue
        found.append(list(seen[at : at + 1]))
        at += 1
    return found if at == len(seen) else None


def _is_empty(node: Node) -> bool:
    return isinstance(node, Element) and not node.children and holds_text(node)


def _new(wanted: Node, before: Element | None, tokens: Tokens) -> list[Node]:
    """Return a block that is new, in the shape of the one before it."""
    found = _resolved([wanted], tokens)
    made = found[0] if len(found) == 1 else None
    if before is None or not isinstance(made, Element):
        return found
    if made.type == names.PARAGRAPH and before.type in names.REPEATING:
        if before.type not in names.ITEMS:
            made.type = before.type
    elif made.type in names.ITEMS and made.type == before.type and holds_text(before):
        inner = merge.only_paragraph(made)
        if inner is not None and before.children:
            made.children = inner.children
    return found


def _resolved(nodes: Sequence[Node], tokens: Tokens) -> list[Node]:
    """Return *nodes* with elements in place of the tokens that name them."""
    found: list[Node] = []
    for node in nodes:
        if isinstance(node, Leaf):
            found.append(node)
        elif node.type == names.TOKEN:
            found.append(tokens.element(node))
        else:
            only = node.children[0] if len(node.children) == 1 else None
            if (
                isinstance(only, Element)
                and (node.type, only.type) == (names.PARAGRAPH, names.TOKEN)
                and tokens.is_block(only)
            ):
                found.append(tokens.element(only))
                continue
            children = _resolved(node.children, tokens)
            found.append(Element(node.type, node.attrs, children, origin=node.origin))
    return joined(found)
